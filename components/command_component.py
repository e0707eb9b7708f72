"""Command component: one step of a pipeline as an immutable version.

Not here: running it. A pipeline names it, a job runs it.
"""

from dataclasses import dataclass

import pulumi
from pulumi_azure_native import machinelearningservices as ml

import naming
from components import component_spec
from components.component_spec import Source
from components.place import WorkspacePlace


@dataclass(frozen=True, kw_only=True)
class CommandComponentArgs:
    """Inputs of the component.

    Attributes:
        source: its YAML file; the file's own version is replaced by that of the content.
        code_id: code the command runs in.
        code_version: part of the component's version, because other code is another step.
        environment_id: packages the command runs with.
        environment_version: part of the component's version for the same reason.
    """

    place: WorkspacePlace
    source: Source
    code_id: pulumi.Output[str]
    code_version: str
    environment_id: pulumi.Output[str]
    environment_version: str


class CommandComponent(pulumi.ComponentResource):
    """Creates one ``components/versions`` of type command.

    Outputs: ``component_id`` (ARM id), ``reference`` (``name:version``).
    """

    def __init__(self, name: str, args: CommandComponentArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("mlops:azure:CommandComponent", name, None, opts)
        source = args.source
        version = naming.content_version(source.text, args.code_version, args.environment_version)
        component = ml.ComponentVersion(
            f"{name}-version",
            name=source.name,
            version=version,
            workspace_name=args.place.workspace_name,
            resource_group_name=args.place.resource_group_name,
            properties=ml.ComponentVersionPropertiesArgs(
                component_spec=component_spec.command(source, version, args.code_id, args.environment_id),
                description=source.fields.get("description"),
                tags=args.place.tags,
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.component_id: pulumi.Output[str] = component.id
        self.reference: str = f"{source.name}:{version}"
        self.register_outputs({"component_id": self.component_id, "reference": self.reference})
