"""A deployment: exact versions, never changed, gone with its endpoint."""

import dataclasses
from typing import Any

import pytest

from components.access import Access
from components.online_deployment import OnlineDeployment, OnlineDeploymentArgs
from components.online_endpoint import OnlineEndpoint, OnlineEndpointArgs
from components.place import WorkspaceRef
from components.serving import Serving
from live_file import live_deployment
from tests.conftest import Declare, Declared

KEY = "mlops:azure:OnlineDeployment$azure-native:machinelearningservices:OnlineDeployment::late.v3-deployment"
LIVE = live_deployment(
    model="late:3",
    code="late-serving:c1",
    environment="serve:e1",
    script="ml_jobs/late/score.py",
    instance_type="Standard_D2as_v4",
    instance_count=2,
)


def deployment(declare: Declare, workspace: WorkspaceRef, access: Access, serving: Serving) -> Declared:
    def program() -> None:
        endpoint = OnlineEndpoint(
            "late",
            OnlineEndpointArgs(
                workspace=workspace, endpoint_name="late-dev", identity_name="id", auth_mode="Key", access=access
            ),
        )
        args = OnlineDeploymentArgs(
            workspace=workspace,
            endpoint=endpoint,
            deployment_name=LIVE.name,
            serving=serving,
            instance_type=LIVE.instance_type,
            instance_count=LIVE.instance_count,
        )
        OnlineDeployment("late.v3", args)

    return declare(program)


def test_exact_versions_are_deployed(declare: Declare, workspace: WorkspaceRef, access: Access) -> None:
    got = deployment(declare, workspace, access, Serving.of(LIVE, workspace))[KEY]
    properties = got["properties"]
    assert properties["endpointComputeType"] == "Managed"
    assert properties["model"] == "/ws/models/late/versions/3"
    assert properties["codeConfiguration"] == {
        "codeId": "/ws/codes/late-serving/versions/c1",
        "scoringScript": "ml_jobs/late/score.py",
    }
    assert properties["environmentId"] == "/ws/environments/serve/versions/e1"
    assert properties["instanceType"] == "Standard_D2as_v4"
    assert got["sku"] == {"name": "Default", "capacity": 2}
    assert properties["appInsightsEnabled"] is True
    waits = properties["requestSettings"]
    assert waits["maxConcurrentRequestsPerInstance"] > 1, "two callers at once are both answered"
    assert waits["requestTimeout"] == "PT10S"
    assert (got["deploymentName"], got["endpointName"], got["workspaceName"]) == (LIVE.name, "late-dev", "ws")
    assert (got["location"], got["tags"]) == ("westeurope", workspace.tags)


def test_a_model_of_the_registry_keeps_its_address(declare: Declare, workspace: WorkspaceRef, access: Access) -> None:
    address = "azureml://registries/mlr/models/late/versions/3"
    serving = Serving.of(dataclasses.replace(LIVE, model=address), workspace)
    assert deployment(declare, workspace, access, serving)[KEY]["properties"]["model"] == address


def test_a_model_that_brings_its_own_code_needs_none_of_ours(
    declare: Declare, workspace: WorkspaceRef, access: Access
) -> None:
    """An MLflow model has its scoring and its packages in its folder."""
    bare = dataclasses.replace(LIVE, code=None, environment=None, script=None)
    properties = deployment(declare, workspace, access, Serving.of(bare, workspace))[KEY]["properties"]
    assert not {"codeConfiguration", "environmentId"} & set(properties)


def test_nothing_but_the_number_of_instances_is_ever_sent_again(
    declare: Declare, workspace: WorkspaceRef, access: Access
) -> None:
    declared = deployment(declare, workspace, access, Serving.of(LIVE, workspace))
    ignored = set(declared.options[KEY].ignoreChanges)
    # What stands in the address replaces the deployment; all the rest would change it while it serves.
    address = {"deploymentName", "endpointName", "workspaceName", "resourceGroupName", "location"}
    assert set(declared[KEY]) - address - ignored == {"sku"}
    assert "sku.name" in ignored
    assert "sku.capacity" not in ignored


def test_it_goes_with_its_endpoint_and_waits_until_that_may_fetch(
    declare: Declare, workspace: WorkspaceRef, access: Access
) -> None:
    options = deployment(declare, workspace, access, Serving.of(LIVE, workspace)).options[KEY]
    assert options.deletedWith.endswith("::late-endpoint")
    assert {urn.rpartition("::")[2] for urn in options.dependencies} >= {"late-may-images", "late-may-blobs"}
    assert options.deleteBeforeReplace


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"deployment_name": "1blue"}, "deployment_name='1blue'"),
        ({"deployment_name": "bl"}, "deployment_name='bl'"),
        ({"deployment_name": "blue_"}, "deployment_name='blue_'"),
        ({"deployment_name": "b" * 33}, "deployment_name="),
        ({"instance_count": 0}, "instance_count=0: want 1 or more"),
    ],
)
def test_bad_input_is_refused_and_named(workspace: WorkspaceRef, change: dict[str, Any], named: str) -> None:
    good: dict[str, Any] = {
        "workspace": workspace,
        "endpoint": None,
        "deployment_name": "blue",
        "serving": Serving(model="/m"),
        "instance_type": "Standard_D2as_v4",
        "instance_count": 1,
    }
    with pytest.raises(ValueError, match=named):
        OnlineDeploymentArgs(**(good | change))
