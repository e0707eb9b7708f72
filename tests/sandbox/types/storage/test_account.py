"""Storage account: its rules, its addresses, its keys."""

from typing import Any

import pytest

from tests.sandbox.conftest import SUBSCRIPTION, Answer, Sandbox

BODY: dict[str, Any] = {"location": "westeurope", "kind": "StorageV2", "sku": {"name": "Standard_LRS"}}


@pytest.fixture(scope="module")
def accounts(sandbox: Sandbox) -> str:
    """Where accounts are made."""
    return f"{sandbox.group('storage')}/providers/Microsoft.Storage/storageAccounts"


def make(sandbox: Sandbox, path: str, **changes: Any) -> Answer:
    return sandbox.call("PUT", path, {**BODY, **changes})


def test_an_account_comes_with_addresses_services_and_safe_defaults(sandbox: Sandbox, accounts: str) -> None:
    answer = make(sandbox, f"{accounts}/plain")
    assert answer.status == 200
    shown = answer.body["properties"]
    assert shown["primaryEndpoints"]["blob"] == "https://plain.blob.core.windows.net/"
    assert shown["primaryEndpoints"]["dfs"] == "https://plain.dfs.core.windows.net/"
    assert (shown["primaryLocation"], shown["statusOfPrimary"]) == ("westeurope", "available")
    assert (shown["allowBlobPublicAccess"], shown["allowSharedKeyAccess"]) == (False, True)
    assert answer.body["sku"] == {"name": "Standard_LRS", "tier": "Standard"}
    for service in ("blobServices", "fileServices"):
        assert sandbox.call("GET", f"{accounts}/plain/{service}/default").status == 200
        assert sandbox.call("DELETE", f"{accounts}/plain/{service}/default").code == "MethodNotAllowed"


@pytest.mark.parametrize("name", ["ab", "Upper", "with-hyphen", "a" * 25])
def test_a_name_that_azure_refuses_is_refused(sandbox: Sandbox, accounts: str, name: str) -> None:
    answer = make(sandbox, f"{accounts}/{name}")
    assert (answer.status, answer.code) == (400, "AccountNameInvalid")
    assert "3-24 lower-case letters and digits" in answer.body["error"]["message"]


def test_a_name_is_taken_azure_wide_until_the_account_goes(sandbox: Sandbox, accounts: str) -> None:
    other = f"{sandbox.group('storage-too')}/providers/Microsoft.Storage/storageAccounts"
    asked = {"name": "onlyone", "type": "Microsoft.Storage/storageAccounts"}
    check = f"{SUBSCRIPTION}/providers/Microsoft.Storage/checkNameAvailability"
    assert sandbox.call("POST", check, asked).body == {"nameAvailable": True}
    assert make(sandbox, f"{accounts}/onlyone").status == 200
    assert sandbox.call("POST", check, asked).body["reason"] == "AlreadyExists"
    assert make(sandbox, f"{other}/onlyone").code == "StorageAccountAlreadyTaken"
    assert sandbox.call("DELETE", f"{accounts}/onlyone").status == 200
    assert make(sandbox, f"{other}/onlyone").status == 200


def test_a_name_is_judged_before_it_is_asked_for(sandbox: Sandbox) -> None:
    check = f"{SUBSCRIPTION}/providers/Microsoft.Storage/checkNameAvailability"
    bad = sandbox.call("POST", check, {"name": "No", "type": "Microsoft.Storage/storageAccounts"}).body
    assert (bad["nameAvailable"], bad["reason"]) == (False, "AccountNameInvalid")
    for arm_type in ("Microsoft.KeyVault/vaults", "Microsoft.Storage/storageAccounts/blobServices/containers", "x"):
        answer = sandbox.call("POST", check, {"name": "good", "type": arm_type})
        assert (answer.status, answer.code) == (400, "InvalidResourceType")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"sku": {"name": "Standard_XYZ"}}, "InvalidRequestPropertyValue"),
        ({"kind": "StorageV3"}, "InvalidRequestPropertyValue"),
        ({"kind": "BlockBlobStorage"}, "InvalidStorageAccountTypeForKind"),
        ({"kind": "BlobStorage", "sku": {"name": "Premium_LRS"}}, "InvalidStorageAccountTypeForKind"),
        ({"location": ""}, "LocationRequired"),
    ],
)
def test_what_does_not_go_together_is_refused(
    sandbox: Sandbox, accounts: str, changes: dict[str, Any], code: str
) -> None:
    answer = make(sandbox, f"{accounts}/refused", **changes)
    assert (answer.status, answer.code) == (400, code)
    assert sandbox.call("GET", f"{accounts}/refused").status == 404


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"kind": "BlobStorage"}, "StorageAccountKindChangeNotAllowed"),
        ({"sku": {"name": "Premium_LRS"}}, "StorageAccountTypeConversionNotAllowed"),
        ({"properties": {"isHnsEnabled": True}}, "PropertyChangeNotAllowed"),
        ({"location": "northeurope"}, "InvalidResourceLocation"),
    ],
)
def test_what_is_fixed_at_birth_stays(sandbox: Sandbox, accounts: str, changes: dict[str, Any], code: str) -> None:
    make(sandbox, f"{accounts}/fixed", properties={"isHnsEnabled": False})
    answer = make(sandbox, f"{accounts}/fixed", **changes)
    assert (answer.status, answer.code) == (409, code)
    assert make(sandbox, f"{accounts}/fixed", sku={"name": "Standard_ZRS"}).body["sku"]["name"] == "Standard_ZRS"


def test_keys_are_handed_out_renewed_and_shown_nowhere_else(sandbox: Sandbox, accounts: str) -> None:
    path = f"{accounts}/withkeys"
    make(sandbox, path, properties={"allowSharedKeyAccess": False})
    first = sandbox.call("POST", f"{path}/listKeys", {}).body["keys"]
    assert [key["keyName"] for key in first] == ["key1", "key2"]
    renewed = sandbox.call("POST", f"{path}/regenerateKey", {"keyName": "key1"}).body["keys"]
    assert renewed[0]["value"] != first[0]["value"]
    assert renewed[1] == first[1]
    make(sandbox, path, tags={"updated": "yes"})
    assert sandbox.call("POST", f"{path}/listKeys", {}).body["keys"] == renewed
    refusal = sandbox.call("POST", f"{path}/regenerateKey", {"keyName": "key3"})
    assert (refusal.status, refusal.code) == (400, "InvalidRequestPropertyValue")
    shown = str(sandbox.call("GET", path).body)
    state = b"".join(each.read_bytes() for each in sandbox.home.root.glob("state.db*"))
    for key in (*first, *renewed):
        assert key["value"] not in shown
        assert key["value"].encode() not in state
    assert "keyVersions" not in shown
