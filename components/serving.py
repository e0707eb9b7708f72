"""What is served, as one value: where it runs is another (a managed endpoint today)."""

from dataclasses import dataclass

import pulumi

from components.place import WorkspaceRef
from live_file import LiveDeployment


@dataclass(frozen=True, kw_only=True)
class Serving:
    """A model and how it answers, in exact versions.

    Attributes:
        model: ARM id, or an address in an ML registry.
        code: ARM id of the scoring code; None for a model that brings its own.
        environment: ARM id of the environment; None likewise.
        script: entry script inside the code.
    """

    model: pulumi.Input[str]
    code: pulumi.Input[str] | None = None
    environment: pulumi.Input[str] | None = None
    script: str | None = None

    @classmethod
    def of(cls, live: LiveDeployment, workspace: WorkspaceRef) -> "Serving":
        """What a release wrote down, in the workspace it was written for."""

        def asset(kind: str, reference: str | None) -> pulumi.Output[str] | None:
            if reference is None:
                return None
            name, _, version = reference.partition(":")
            return pulumi.Output.concat(workspace.workspace_id, f"/{kind}/{name}/versions/{version}")

        in_registry = live.model.startswith("azureml://")
        return cls(
            model=live.model if in_registry else asset("models", live.model) or live.model,
            code=asset("codes", live.code),
            environment=asset("environments", live.environment),
            script=live.script,
        )
