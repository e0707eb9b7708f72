"""A deployment: an exact model version with the code and the packages it is scored by."""

from typing import Any

import pulumi
import pytest

from components.online_deployment import OnlineDeployment, OnlineDeploymentArgs
from components.place import WorkspacePlace
from tests.conftest import Declare

KEY = "mlops:azure:OnlineDeployment$azure-native:machinelearningservices:OnlineDeployment::blue-deployment"
GOOD: dict[str, Any] = {
    "endpoint_name": "late-dev",
    "deployment_name": "blue",
    "workspace_id": "/ws",
    "model": "late",
    "model_version": "3",
    "code_id": "/code",
    "scoring_script": "ml_jobs/score.py",
    "environment_id": "/environment",
    "instance_type": "Standard_D2ds_v5",
    "instance_count": 2,
}


def test_an_exact_version_is_deployed(declare: Declare, place: WorkspacePlace) -> None:
    got = declare(lambda: OnlineDeployment("blue", OnlineDeploymentArgs(place=place, **GOOD)))[KEY]
    properties = got["properties"]
    assert properties["endpointComputeType"] == "Managed"
    assert properties["model"] == "/ws/models/late/versions/3"
    assert properties["codeConfiguration"] == {"codeId": "/code", "scoringScript": "ml_jobs/score.py"}
    assert properties["environmentId"] == "/environment"
    assert properties["instanceType"] == "Standard_D2ds_v5"
    assert got["sku"] == {"name": "Default", "capacity": 2}
    assert (got["deploymentName"], got["endpointName"], got["workspaceName"]) == ("blue", "late-dev", "ws")
    assert (got["location"], got["tags"]) == ("westeurope", place.tags)


def test_it_waits_until_the_endpoint_may_fetch(declare: Declare, place: WorkspacePlace) -> None:
    def program() -> None:
        grant = pulumi.CustomResource("azure-native:authorization:RoleAssignment", "grant", {})
        OnlineDeployment("blue", OnlineDeploymentArgs(place=place, fetch_grants=[grant], **GOOD))

    options = declare(program).options[KEY]
    assert any(urn.endswith("::grant") for urn in options.dependencies)
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
def test_bad_input_is_refused_and_named(place: WorkspacePlace, change: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        OnlineDeploymentArgs(place=place, **(GOOD | change))
