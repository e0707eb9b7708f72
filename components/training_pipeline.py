"""Training pipeline: a pipeline component and the steps it is made of, each an immutable version.

Not here: runs. Operations submit one by naming the pipeline component.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pulumi

import naming
from components import component_spec
from components.asset_version import AssetVersion
from components.code_asset import CodeAsset
from components.command_component import CommandComponent, CommandComponentArgs
from components.environment import Environment
from components.place import WorkspaceRef


@dataclass(frozen=True, kw_only=True)
class TrainingPipelineArgs:
    """Inputs of the pipeline.

    Attributes:
        pipeline_file: pipeline component whose nodes name the files of their steps.
        code: code all steps run in.
        environments: environments a step may ask for, by name.

    Raises:
        ValueError: a file is not a component of the right kind, or asks for an undeclared environment; names the
            file, the value and what is accepted.
    """

    workspace: WorkspaceRef
    pipeline_file: str
    code: CodeAsset
    environments: Mapping[str, Environment]


class TrainingPipeline(pulumi.ComponentResource):
    """Creates one ``components/versions`` of type pipeline, and one of type command for each step.

    Outputs: ``pipeline_id`` (ARM id), ``reference`` (``name:version``).
    """

    def __init__(self, name: str, args: TrainingPipelineArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("mlops:azure:TrainingPipeline", name, None, opts)
        source = component_spec.read(Path(args.pipeline_file), "pipeline")
        steps = {node: self._step(name, node, path, args) for node, path in source.steps().items()}
        version = naming.content_version(source.text, *(step.reference for step in steps.values()))
        pipeline = AssetVersion(
            f"{name}-version",
            workspace_id=args.workspace.workspace_id,
            kind="components",
            name=source.name,
            version=version,
            properties={
                "componentSpec": component_spec.pipeline(
                    source, version, {node: step.component_id for node, step in steps.items()}
                ),
                "description": source.fields.get("description"),
                "tags": args.workspace.tags,
            },
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.pipeline_id: pulumi.Output[str] = pipeline.id
        self.reference: str = f"{source.name}:{version}"
        self.register_outputs({"pipeline_id": self.pipeline_id, "reference": self.reference})

    def _step(self, name: str, node: str, path: Path, args: TrainingPipelineArgs) -> CommandComponent:
        source = component_spec.read(path, "command")
        if source.environment not in args.environments:
            raise ValueError(
                f"{path.as_posix()}: environment={source.environment!r}: "
                f"want one of {', '.join(sorted(args.environments))}"
            )
        environment = args.environments[source.environment]
        return CommandComponent(
            f"{name}-{node}",
            CommandComponentArgs(
                workspace=args.workspace,
                source=source,
                code_id=args.code.code_id,
                code_reference=args.code.reference,
                environment_id=environment.environment_id,
                environment_reference=environment.reference,
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )
