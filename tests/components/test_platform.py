"""The platform: its parts are built on each other and share one fate."""

from typing import Any

import pulumi

from components.access import Access
from components.platform import Platform, PlatformArgs
from tests.conftest import Declare, Declared

PARTS = ("ResourceGroup", "Storage", "KeyVault", "ContainerRegistry", "Monitoring", "Workspace")


def platform(declare: Declare, access: Access, **changes: Any) -> Declared:
    settings: dict[str, Any] = {
        "location": "westeurope",
        "names": access.names,
        "access": access,
        "storage_sku": "Standard_LRS",
        "registry_sku": "Basic",
        "deployer_data_access": True,
        "soft_delete_days": 7,
        "purge_protection": False,
        "log_retention_days": 30,
        "tags": {"owner": "me"},
    }
    protect = changes.pop("protect", None)

    def program() -> None:
        made = Platform("ml", PlatformArgs(**(settings | changes)), opts=pulumi.ResourceOptions(protect=protect))
        pulumi.export("place", [made.place.resource_group_name, made.place.workspace_name, made.data_store_uri])
        pulumi.export("targets", [made.code.container, made.data.container])

    return declare(program)


def test_the_parts_belong_to_the_platform(declare: Declare, access: Access) -> None:
    declared = platform(declare, access)
    assert {f"mlops:azure:Platform$mlops:azure:{part}::ml" for part in PARTS} <= set(declared.inputs)


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
    assert exports["place"][:2] == [access.names.resource_group(), access.names.workspace()]
    assert exports["targets"] == ["code", "data"]


def test_protection_reaches_every_part_that_holds_something(declare: Declare, access: Access) -> None:
    declared = platform(declare, access, protect=True)
    unprotected = [urn for urn in declared.inputs if not declared.options[urn].protect and "RoleAssignment" not in urn]
    assert unprotected == []


def test_settings_reach_the_parts(declare: Declare, access: Access) -> None:
    declared = platform(declare, access, purge_protection=True, storage_sku="Standard_ZRS", registry_sku="Premium")
    assert declared.only("keyvault:Vault")["properties"]["enablePurgeProtection"] is True
    assert declared.only("storage:StorageAccount")["sku"] == {"name": "Standard_ZRS"}
    assert declared.only("containerregistry:Registry")["sku"] == {"name": "Premium"}
