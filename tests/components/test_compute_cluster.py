"""The training cluster: sleeps when idle, belongs to nobody's key, may read blobs and pull images."""

from typing import Any

import pytest

import roles
from components.access import Access
from components.compute_cluster import ComputeCluster, ComputeClusterArgs
from components.place import WorkspaceRef
from tests.conftest import Declare, Declared

KEY = "mlops:azure:ComputeCluster$azure-native:machinelearningservices:Compute::train-compute"
GOOD: dict[str, Any] = {
    "compute_name": "cpu",
    "vm_size": "Standard_D4ds_v5",
    "max_nodes": 4,
    "identity_name": "id-cluster-cpu",
}


def cluster(declare: Declare, workspace: WorkspaceRef, access: Access, **changes: Any) -> Declared:
    args = ComputeClusterArgs(workspace=workspace, access=access, **(GOOD | changes))
    return declare(lambda: ComputeCluster("train", args))


def test_the_cluster_scales_to_zero_by_default(declare: Declare, workspace: WorkspaceRef, access: Access) -> None:
    properties = cluster(declare, workspace, access)[KEY]["properties"]["properties"]
    assert properties["vmSize"] == "Standard_D4ds_v5"
    assert properties["vmPriority"] == "Dedicated"
    assert properties["scaleSettings"] == {
        "minNodeCount": 0,
        "maxNodeCount": 4,
        "nodeIdleTimeBeforeScaleDown": "PT5M",
    }


def test_the_cluster_scales_as_asked(declare: Declare, workspace: WorkspaceRef, access: Access) -> None:
    got = cluster(declare, workspace, access, min_nodes=1, idle_minutes=15)[KEY]["properties"]["properties"]
    assert got["scaleSettings"] == {
        "minNodeCount": 1,
        "maxNodeCount": 4,
        "nodeIdleTimeBeforeScaleDown": "PT15M",
    }


def test_nobody_logs_in(declare: Declare, workspace: WorkspaceRef, access: Access) -> None:
    declared = cluster(declare, workspace, access)
    assert declared[KEY]["properties"]["disableLocalAuth"] is True
    assert declared[KEY]["identity"] == {"type": "UserAssigned", "userAssignedIdentities": ["train-identity-id"]}
    assert (declared[KEY]["computeName"], declared[KEY]["workspaceName"]) == ("cpu", "ws")
    assert declared[KEY]["tags"] == workspace.tags
    assert declared.options[KEY].deleteBeforeReplace


def test_another_size_is_another_cluster(declare: Declare, workspace: WorkspaceRef, access: Access) -> None:
    assert list(cluster(declare, workspace, access).options[KEY].replaceOnChanges) == ["properties.properties.vmSize"]


def test_its_identity_may_use_blobs_and_pull_images(declare: Declare, workspace: WorkspaceRef, access: Access) -> None:
    granted = {
        (inputs["principalId"], inputs["roleDefinitionId"].rpartition("/")[2], inputs["scope"])
        for urn, inputs in cluster(declare, workspace, access).inputs.items()
        if "RoleAssignment" in urn
    }
    assert granted == {
        ("train-identity-principal", roles.STORAGE_BLOB_DATA_CONTRIBUTOR.guid, "/storage"),
        ("train-identity-principal", roles.ACR_PULL.guid, "/registry"),
    }


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"max_nodes": 0}, "max_nodes=0"),
        ({"min_nodes": 9}, "min_nodes=9"),
        ({"min_nodes": -1}, "min_nodes=-1"),
        ({"compute_name": "9cpu"}, "'9cpu'"),
        ({"compute_name": "cp"}, "'cp'"),
        ({"compute_name": "cpu-"}, "'cpu-'"),
        ({"compute_name": "c" * 33}, "compute_name"),
        ({"idle_minutes": 0}, "idle_minutes=0"),
    ],
)
def test_bad_input_is_refused_and_named(
    workspace: WorkspaceRef, access: Access, change: dict[str, Any], named: str
) -> None:
    with pytest.raises(ValueError, match=f"{named}.*want"):
        ComputeClusterArgs(workspace=workspace, access=access, **(GOOD | change))
