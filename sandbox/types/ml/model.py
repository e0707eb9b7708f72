"""Model: a name and a version for a trained model's files."""

from sandbox.arm.kind import Refusal
from sandbox.arm.resource import Change, Resource, View
from sandbox.types.ml.asset import ML, Container, Version
from sandbox.types.ml.content import settled

_TYPES = ("custom_model", "mlflow_model", "triton_model", "openai_model")


class ModelContainer(Container):
    """``workspaces/models``."""

    arm_type = f"{ML}/workspaces/models"


class ModelVersion(Version):
    """``workspaces/models/versions``."""

    arm_type = f"{ML}/workspaces/models/versions"
    path = "modelUri"
    bags = ("tags", "properties", "flavors")
    extra = (
        *Version.extra,
        "properties.intellectualProperty",
        "properties.systemMetadata",
        "properties.defaultDeploymentTemplate",
    )

    def fill(self, new: Resource, old: Resource | None, change: Change) -> None:
        """The files of a job's output are referred to where they are: clients read nothing else."""
        workspace = change.get(new.id.text.partition("/models/")[0])
        if workspace and isinstance(uri := new.get("properties.modelUri"), str):
            new.properties["modelUri"] = settled(uri, workspace, change)
        super().fill(new, old, change)

    def check(self, new: Resource, old: Resource | None, view: View) -> None:
        """Where the files are, and of which type they are."""
        who = f"models {new.id.parent.rsplit('/', 1)[-1]}:{new.name}"
        if not new.get("properties.modelUri"):
            raise Refusal(400, "UserError", f"modelUri of {who} is missing: want azureml://… or an https uri.")
        kind = new.get("properties.modelType")
        if kind and kind not in _TYPES:
            raise Refusal(400, "UserError", f"modelType of {who} is '{kind}': want one of {', '.join(_TYPES)}.")
        super().check(new, old, view)


class RegistryModelContainer(ModelContainer):
    """``registries/models``."""

    arm_type = f"{ML}/registries/models"


class RegistryModelVersion(ModelVersion):
    """``registries/models/versions``."""

    arm_type = f"{ML}/registries/models/versions"
