"""The management library of Azure ML (its own, older API version) against the sandbox: read, list, create, delete."""

from collections.abc import Iterator
from typing import Any

import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.identity import DefaultAzureCredential
from azure.mgmt.machinelearningservices import MachineLearningServicesMgmtClient as Management
from azure.mgmt.machinelearningservices import models as rest

from sandbox.constants import SUBSCRIPTION_ID
from tests.sandbox.world import World

HERE = ("world", "world")


@pytest.fixture(scope="module")
def management(world: World, credential: DefaultAzureCredential) -> Iterator[Any]:
    with Management(credential, SUBSCRIPTION_ID) as client:
        yield client


def test_workspaces(management: Any) -> None:
    first = management.workspaces.get(*HERE)
    assert len(first.workspace_id) == 36
    wanted = rest.Workspace(
        location="westeurope", storage_account=first.storage_account, key_vault=first.key_vault,
        identity=rest.Identity(type="SystemAssigned"), tags={"a": "b"},
    )  # fmt: skip
    made = management.workspaces.begin_create_or_update("world", "managed", wanted).result()
    assert (made.provisioning_state, len(made.identity.principal_id)) == ("Succeeded", 36)
    updated = management.workspaces.update("world", "managed", rest.WorkspaceUpdateParameters(friendly_name="Shown"))
    assert (updated.friendly_name, updated.tags) == ("Shown", {"a": "b"})
    names = {each.name for each in management.workspaces.list_by_resource_group("world")}
    assert names == {"world", "managed"} <= {each.name for each in management.workspaces.list_by_subscription()}
    assert management.workspaces.list_keys("world", "managed").user_storage_key
    management.workspaces.begin_delete("world", "managed").result()
    with pytest.raises(ResourceNotFoundError):
        management.workspaces.get("world", "managed")


def test_compute(management: Any) -> None:
    computes = management.machine_learning_compute
    properties = rest.AmlComputeProperties(
        vm_size="Standard_D4ds_v5", vm_priority="Dedicated", scale_settings=rest.ScaleSettings(max_node_count=2)
    )
    cluster = rest.ComputeResource(location="westeurope", properties=rest.AmlCompute(properties=properties))
    made = computes.begin_create_or_update(*HERE, "managed", cluster).result()
    assert (made.properties.provisioning_state, made.properties.properties.allocation_state) == ("Succeeded", "Steady")
    assert "managed" in [each.name for each in computes.list_by_workspace(*HERE)]
    assert list(computes.list_nodes(*HERE, "managed")) == []
    computes.begin_delete(*HERE, "managed", "Delete").result()
    with pytest.raises(ResourceNotFoundError):
        computes.get(*HERE, "managed")
