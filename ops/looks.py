"""What an Azure ML workspace holds: models, endpoints, deployments and runs, as releases see them."""

from typing import Any

from ops.arm import Arm
from ops.views import CUSTOM, Deployed, EndpointView, ModelVersion, Run


class Looks:
    """A workspace that is looked at.

    Args:
        arm: the workspace.
    """

    def __init__(self, arm: Arm) -> None:
        self._arm = arm

    def models(self, name: str) -> list[ModelVersion]:
        """All versions of a model that are not archived; none when the model is unknown."""
        return [_model_version(name, found) for found in self._arm.listed(f"models/{name}/versions")]

    def model_names(self) -> list[str]:
        """Every model of the workspace."""
        return sorted(str(each["name"]) for each in self._arm.listed("models"))

    def numbers(self, name: str) -> list[str]:
        """Every version that a model ever had, archived ones included: none of them can be made again."""
        return [str(each["name"]) for each in self._arm.listed(f"models/{name}/versions", "All")]

    def data(self) -> list[str]:
        """Every version of every data asset, as ``NAME:VERSION``, archived ones included."""
        return [
            f"{each['name']}:{version['name']}"
            for each in self._arm.listed("data", "All")
            for version in self._arm.listed(f"data/{each['name']}/versions", "All")
        ]

    def deployments(self, endpoint: str) -> list[Deployed]:
        """The deployments of an endpoint, by name."""
        found = self._arm.listed(f"onlineEndpoints/{endpoint}/deployments")
        return sorted((_deployed(each) for each in found), key=lambda each: each.name)

    def endpoint_names(self) -> list[str]:
        """Every online endpoint of the workspace."""
        return sorted(str(each["name"]) for each in self._arm.listed("onlineEndpoints"))

    def endpoint(self, name: str) -> EndpointView:
        """The endpoint, its traffic and its deployments."""
        found = self._arm.get(f"onlineEndpoints/{name}")["properties"]
        deployments = self.deployments(name)
        return EndpointView(
            uri=str(found.get("scoringUri") or ""),
            traffic=_shares(found.get("traffic")),
            deployments={each.name: short(each.model) for each in deployments},
            mirror=_shares(found.get("mirrorTraffic")),
            states={each.name: each.state for each in deployments},
            assets={each.name: each.model for each in deployments},
            made=str((found.get("properties") or {}).get("createdAt", "")),
        )

    def running(self) -> list[Run]:
        """The runs that are not over, without the steps of pipelines."""
        found = (_run(job) for job in self._arm.listed("jobs"))
        return [run for run in found if not run.finished]


def short(asset_id: str) -> str:
    """``NAME:VERSION`` of an asset's id, or of the short form itself."""
    parts = asset_id.split("/")
    if len(parts) >= 4 and parts[-2] == "versions":
        return f"{parts[-3]}:{parts[-1]}"
    return asset_id.removeprefix("azureml:")


def _shares(given: dict[str, Any] | None) -> dict[str, int]:
    return {name: int(share) for name, share in (given or {}).items() if share}


def _model_version(name: str, found: dict[str, Any]) -> ModelVersion:
    recorded = found["properties"]
    return ModelVersion(
        name=name,
        version=str(found["name"]),
        tags=dict(recorded.get("tags") or {}),
        properties=dict(recorded.get("properties") or {}),
        kind=str(recorded.get("modelType") or CUSTOM),
    )


def _deployed(found: dict[str, Any]) -> Deployed:
    made_of = found["properties"]
    code = made_of.get("codeConfiguration") or {}
    model = str(made_of.get("model") or "")
    return Deployed(
        name=str(found["name"]),
        state=str(made_of.get("provisioningState") or ""),
        model=model if model.startswith("azureml://") else short(model),
        code=short(code["codeId"]) if code.get("codeId") else None,
        environment=short(made_of["environmentId"]) if made_of.get("environmentId") else None,
        script=code.get("scoringScript") or None,
        instance_type=str(made_of.get("instanceType") or ""),
        instance_count=int((found.get("sku") or {}).get("capacity") or 1),
    )


def _run(job: dict[str, Any]) -> Run:
    known = job["properties"]
    studio = ((known.get("services") or {}).get("Studio") or {}).get("endpoint")
    return Run(
        name=str(job["name"]),
        status=str(known.get("status") or ""),
        label=str(known.get("displayName") or job["name"]),
        studio_url=str(studio or ""),
        tags=dict(known.get("tags") or {}),
    )
