"""What a preview of an update knows: what the published provider knows there, and no more."""

from typing import Any

import pytest

from sandbox.provider.azure_native import AzureNative
from sandbox.provider.base import Naming, OfflineError
from sandbox.values import UNKNOWN, Props


def urn(token: str) -> str:
    return f"urn:pulumi:dev::proj::azure-native:{token}::x"


def shown(offline: AzureNative, token: str, old: Props, outputs: Props, new: Props) -> Any:
    return offline.update(urn(token), "/id", old, outputs, new, preview=True, timeout=0).outputs


def test_an_update_vouches_for_name_and_location_and_for_what_it_is_given(offline: AzureNative) -> None:
    old = {"resourceName": "i", "resourceGroupName": "g", "location": "West Europe", "tags": {"a": "1"}}
    outputs = {"name": "i", "location": "westeurope", "principalId": "p", "clientId": "c", "tags": {"a": "1"}}
    after = shown(offline, "managedidentity:UserAssignedIdentity", old, outputs, {**old, "tags": {"a": "2"}})
    assert (after["name"], after["location"], after["tags"]) == ("i", "westeurope", {"a": "2"})
    assert (after["principalId"], after["clientId"]) == (UNKNOWN, UNKNOWN)


def test_an_input_that_is_not_known_is_not_what_it_was(offline: AzureNative) -> None:
    old = {"scope": "/s", "principalId": "p1", "roleDefinitionId": "r", "roleAssignmentName": "n"}
    after = shown(offline, "authorization:RoleAssignment", old, dict(old), {**old, "principalId": UNKNOWN})
    assert after["principalId"] == UNKNOWN


def test_reading_takes_somebody_to_ask(offline: AzureNative) -> None:
    with pytest.raises(OfflineError):
        offline.read(urn("resources:ResourceGroup"), "/id", None, {})


def test_a_provider_of_another_subscription_names_both(offline: AzureNative) -> None:
    wrong = offline.check_config({"subscriptionId": "11111111-1111-4111-8111-111111111111", "tenantId": UNKNOWN})
    assert [name for name, _ in wrong] == ["subscriptionId"]
    for word in ("11111111-1111-4111-8111-111111111111", "5a9dbe11-0000-4000-8000-00000000b001", "ARM_SUBSCRIPTION_ID"):
        assert word in wrong[0][1]
    assert offline.check_config({"subscriptionId": "5A9DBE11-0000-4000-8000-00000000B001", "location": "x"}) == ()


def test_what_stands_in_a_new_group_knows_the_groups_name_and_region(offline: AzureNative) -> None:
    group = {"resourceGroupName": "rg", "location": "northeurope"}
    made = offline.create(urn("resources:ResourceGroup"), group, preview=True, timeout=0)
    assert made.outputs["name"] == "rg"
    account = {"accountName": "a", "resourceGroupName": "rg", "kind": "StorageV2", "sku": {"name": "Standard_LRS"}}
    assert offline.check(urn("storage:StorageAccount"), None, account, Naming()).inputs["location"] == "northeurope"
