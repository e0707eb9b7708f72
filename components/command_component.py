"""Command component: one step of a pipeline as an immutable version.

Not here: running it. A pipeline names it, a job runs it.
"""

from dataclasses import dataclass

import pulumi

import naming
from components import component_spec
from components.asset_version import AssetVersion
from components.component_spec import Source
from components.place import WorkspaceRef


@dataclass(frozen=True, kw_only=True)
class CommandComponentArgs:
    """Inputs of the component.

    Attributes:
        source: its YAML file; the file's own version is replaced by that of the content.
        code_id: code the command runs in.
        code_reference: part of the component's version, because other code is another step.
        environment_id: packages the command runs with.
        environment_reference: part of the component's version for the same reason.
    """

    workspace: WorkspaceRef
    source: Source
    code_id: pulumi.Output[str]
    code_reference: str
    environment_id: pulumi.Output[str]
    environment_reference: str


class CommandComponent(pulumi.ComponentResource):
    """Creates one ``components/versions`` of type command.

    Outputs: ``component_id`` (ARM id), ``reference`` (``name:version``).
    """

    def __init__(self, name: str, args: CommandComponentArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("mlops:azure:CommandComponent", name, None, opts)
        source = args.source
        version = naming.content_version(source.text, args.code_reference, args.environment_reference)
        component = AssetVersion(
            f"{name}-version",
            workspace_id=args.workspace.workspace_id,
            kind="components",
            name=source.name,
            version=version,
            properties={
                "componentSpec": component_spec.command(source, version, args.code_id, args.environment_id),
                "description": source.fields.get("description"),
                "tags": args.workspace.tags,
            },
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.component_id: pulumi.Output[str] = component.id
        self.reference: str = f"{source.name}:{version}"
        self.register_outputs({"component_id": self.component_id, "reference": self.reference})
