"""What is made of a workspace as Azure Resource Manager tells it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from ops.looks import Looks
from ops.views import Deployed, ModelVersion, Run

WS = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.MachineLearningServices/workspaces/ws"


def deployment(name: str = "v1-abc", **changes: Any) -> dict[str, Any]:
    properties = {
        "provisioningState": "Succeeded",
        "model": f"{WS}/models/m/versions/1",
        "codeConfiguration": {"codeId": f"{WS}/codes/c/versions/2", "scoringScript": "score.py"},
        "environmentId": f"{WS}/environments/e/versions/3",
        "instanceType": "Standard_D2as_v4",
    }
    return {"name": name, "sku": {"capacity": 2}, "properties": {**properties, **changes}}


@dataclass
class FakeArm:
    """Lists and resources by path."""

    lists: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    resources: dict[str, dict[str, Any]] = field(default_factory=dict)

    def get(self, path: str) -> dict[str, Any]:
        return self.resources[path]

    def listed(self, path: str, view: str = "ActiveOnly") -> Iterator[dict[str, Any]]:
        for each in self.lists.get(path, []):
            if view == "All" or not each["properties"].get("isArchived"):
                yield each


@pytest.fixture
def arm() -> Any:
    return FakeArm()


def test_a_deployment_is_told_in_the_words_of_the_live_file(arm: Any) -> None:
    far = "azureml://registries/shared/models/m/versions/7"
    arm.lists["onlineEndpoints/e/deployments"] = [deployment("b", model=far), deployment("a")]
    first, second = Looks(arm).deployments("e")
    assert first == Deployed(
        name="a", state="Succeeded", model="m:1", code="c:2", environment="e:3", script="score.py",
        instance_type="Standard_D2as_v4", instance_count=2,
    )  # fmt: skip
    assert first.ready
    assert second.model == far


def test_an_mlflow_deployment_has_no_code(arm: Any) -> None:
    arm.lists["onlineEndpoints/e/deployments"] = [deployment(codeConfiguration=None, environmentId=None)]
    (found,) = Looks(arm).deployments("e")
    assert (found.code, found.environment, found.script) == (None, None, None)


def test_an_endpoint_is_told_with_its_traffic_and_what_answers(arm: Any) -> None:
    arm.resources["onlineEndpoints/e"] = {
        "properties": {
            "scoringUri": "https://e/score",
            "traffic": {"v1-abc": 100, "v0-abc": 0},
            "mirrorTraffic": None,
            "properties": {"createdAt": "then"},
        }
    }
    arm.lists["onlineEndpoints/e/deployments"] = [deployment(), deployment("v2-abc", provisioningState="Failed")]
    view = Looks(arm).endpoint("e")
    assert (view.uri, view.traffic, view.mirror, view.made) == ("https://e/score", {"v1-abc": 100}, {}, "then")
    assert view.states == {"v1-abc": "Succeeded", "v2-abc": "Failed"}
    assert (view.live, view.champion) == ("v1-abc", "m:1")


def test_archived_models_are_hidden_and_keep_their_numbers(arm: Any) -> None:
    arm.lists["models/m/versions"] = [
        {"name": "1", "properties": {"isArchived": True}},
        {"name": "2", "properties": {"modelType": "mlflow_model", "tags": {"a": "b"}, "properties": {"run": "r"}}},
    ]
    here = Looks(arm)
    assert here.models("m") == [
        ModelVersion(name="m", version="2", tags={"a": "b"}, properties={"run": "r"}, kind="mlflow_model")
    ]
    assert here.numbers("m") == ["1", "2"]
    assert here.models("other") == []


def test_runs_that_are_over_are_not_running(arm: Any) -> None:
    studio = {"Studio": {"endpoint": "https://ml.azure.com/r1"}}
    arm.lists["jobs"] = [
        {"name": "r1", "properties": {"status": "Queued", "displayName": "train", "services": studio}},
        {"name": "r2", "properties": {"status": "Completed"}},
    ]
    assert Looks(arm).running() == [
        Run(name="r1", status="Queued", label="train", studio_url="https://ml.azure.com/r1")
    ]
