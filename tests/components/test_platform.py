"""The platform: its parts are built on each other and share one fate."""

from typing import Any

import pulumi
import pytest

from components.access import Access
from components.platform import Platform, PlatformArgs
from settings import ClusterSettings, PlatformSettings
from tests.conftest import SUBSCRIPTION, TENANT, Declare, Declared

PARTS = ("ResourceGroup", "Storage", "KeyVault", "ContainerRegistry", "Monitoring", "Workspace")
CLUSTER = "mlops:azure:Platform$mlops:azure:ComputeCluster::train"


def platform(declare: Declare, access: Access, **changes: Any) -> Declared:
    protect = changes.pop("protect", None)
    settings = PlatformSettings(
        subscription_id=SUBSCRIPTION,
        tenant_id=TENANT,
        location="westeurope",
        owner="me@example.com",
        name_salt="example",
        clusters=(ClusterSettings(name="train", vm_size="Standard_D4ds_v5"),),
        **changes,
    )

    def program() -> None:
        args = PlatformArgs(settings=settings, names=access.names, access=access, tags={"owner": "me"})
        made = Platform("ml", args, opts=pulumi.ResourceOptions(protect=protect)).workspace
        plain = {field: value for field, value in vars(made).items() if field not in ("code", "data")}
        pulumi.export("workspace", plain)
        targets = (made.code, made.data)
        pulumi.export("targets", [[target.blob_endpoint, target.container] for target in targets])
        pulumi.export("waits", [[type(each).__name__ for each in target.ready] for target in targets])

    return declare(program)


def test_the_parts_belong_to_the_platform(declare: Declare, access: Access) -> None:
    declared = platform(declare, access)
    assert {f"mlops:azure:Platform$mlops:azure:{part}::ml" for part in PARTS} | {CLUSTER} <= set(declared.inputs)


def test_the_workspace_stands_on_the_other_parts(declare: Declare, access: Access) -> None:
    got = platform(declare, access).only("machinelearningservices:Workspace")
    assert got["storageAccount"] == "ml-account-id"
    assert got["keyVault"] == "ml-vault-id"
    assert got["containerRegistry"] == "ml-registry-id"
    assert got["applicationInsights"] == "ml-insights-id"


def test_everything_lives_in_its_group(declare: Declare, access: Access) -> None:
    found = {
        inputs["resourceGroupName"]
        for urn, inputs in platform(declare, access).inputs.items()
        if "resourceGroupName" in inputs
    }
    assert found == {access.names.resource_group()}


def test_others_learn_where_to_live_and_where_to_upload(declare: Declare, access: Access) -> None:
    exports = platform(declare, access).exports
    assert exports["workspace"]["resource_group_name"] == access.names.resource_group()
    assert exports["workspace"]["release_store"].endswith(".blob.core.windows.net/releases")
    blobs = f"https://{access.names.storage_account()}.blob.core.windows.net/"
    assert exports["targets"] == [[blobs, "code"], [blobs, "data"]]
    assert exports["waits"] == [["RolePropagation"]] * 2, "a role that was granted a second ago is refused"


def test_a_stack_finds_the_workspace_of_another_by_its_names(declare: Declare, access: Access) -> None:
    """What the other one made and what this one computes are the same place."""
    exports = platform(declare, access).exports
    made = exports["workspace"]
    found = vars(Platform.existing(access.names, SUBSCRIPTION, {"owner": "me"}))
    for field in ("resource_group_name", "workspace_name", "location", "data_store_uri", "release_store", "tags"):
        assert found[field] == made[field]
    base = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{access.names.resource_group()}/providers"
    assert found["workspace_id"] == f"{base}/Microsoft.MachineLearningServices/workspaces/{access.names.workspace()}"
    assert found["registry_id"] == f"{base}/Microsoft.ContainerRegistry/registries/{access.names.container_registry()}"
    assert found["storage_account_id"] == f"{base}/Microsoft.Storage/storageAccounts/{access.names.storage_account()}"
    assert [[found[to].blob_endpoint, found[to].container] for to in ("code", "data")] == exports["targets"]


def test_protection_reaches_every_part_that_holds_something(declare: Declare, access: Access) -> None:
    declared = platform(declare, access, protect=True)
    unprotected = {urn for urn in declared.inputs if not declared.options[urn].protect}
    assert CLUSTER in unprotected, "a protected stack can change the size of a cluster"
    holding_nothing = {urn for urn in unprotected if "RoleAssignment" in urn or "ComputeCluster" in urn}
    notes = {urn.rpartition("::")[2] for urn in unprotected - holding_nothing}
    assert notes == {"ml-roles", "ml-fixed"}, "both only remember"


@pytest.mark.parametrize(("public", "said"), [(True, "Enabled"), (False, "Disabled")])
def test_all_parts_are_reached_from_the_same_places(declare: Declare, access: Access, public: bool, said: str) -> None:
    declared = platform(declare, access, public_network=public)
    assert declared.only("machinelearningservices:Workspace")["publicNetworkAccess"] == said
    assert declared.only("storage:StorageAccount")["publicNetworkAccess"] == said
    assert declared.only("keyvault:Vault")["properties"]["publicNetworkAccess"] == said


def test_settings_reach_the_parts(declare: Declare, access: Access) -> None:
    changes: dict[str, Any] = {
        "purge_protection": False,
        "soft_delete_days": 8,
        "log_retention_days": 31,
        "storage_sku": "Standard_GRS",
        "registry_sku": "Basic",
    }
    declared = platform(declare, access, **changes)
    vault = declared.only("keyvault:Vault")["properties"]
    assert not vault.get("enablePurgeProtection")
    assert vault["softDeleteRetentionInDays"] == 8
    assert declared.only("operationalinsights:Workspace")["retentionInDays"] == 31
    assert declared.only("storage:StorageAccount")["sku"] == {"name": "Standard_GRS"}
    assert declared.only("containerregistry:Registry")["sku"] == {"name": "Basic"}
    vault = platform(declare, access, purge_protection=True).only("keyvault:Vault")["properties"]
    assert vault["enablePurgeProtection"] is True
