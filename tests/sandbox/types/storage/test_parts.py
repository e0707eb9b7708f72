"""What an account consists of: containers, lifecycle rules, file shares."""

from typing import Any

import pytest

from tests.sandbox.conftest import Sandbox


@pytest.fixture(scope="module")
def account(sandbox: Sandbox) -> str:
    """A storage account's id."""
    path = f"{sandbox.group('parts')}/providers/Microsoft.Storage/storageAccounts/storageparts"
    body = {"location": "westeurope", "kind": "StorageV2", "sku": {"name": "Standard_LRS"}}
    assert sandbox.call("PUT", path, body).status == 200
    return path


def test_a_container_shows_its_state(sandbox: Sandbox, account: str) -> None:
    path = f"{account}/blobServices/default/containers/shown"
    answer = sandbox.call("PUT", path, {"properties": {"metadata": {"team": "ml"}}})
    assert answer.status == 201
    shown = answer.body["properties"]
    assert (shown["publicAccess"], shown["leaseState"], shown["metadata"]) == ("None", "Available", {"team": "ml"})
    assert shown["hasImmutabilityPolicy"] is shown["hasLegalHold"] is False
    listed = sandbox.call("GET", path.rpartition("/")[0]).body["value"]
    assert [each["name"] for each in listed] == ["shown"]


@pytest.mark.parametrize("name", ["ab", "Upper", "a--b", "-ab", "ab-", "a" * 64, "under_score"])
def test_a_container_name_that_azure_refuses_is_refused(sandbox: Sandbox, account: str, name: str) -> None:
    answer = sandbox.call("PUT", f"{account}/blobServices/default/containers/{name}", {"properties": {}})
    assert (answer.status, answer.code) == (400, "InvalidResourceName")


@pytest.mark.parametrize(
    ("public", "status", "code"),
    [("Blob", 409, "PublicAccessNotPermitted"), ("Everybody", 400, "InvalidRequestPropertyValue")],
)
def test_public_access_is_refused(sandbox: Sandbox, account: str, public: str, status: int, code: str) -> None:
    path = f"{account}/blobServices/default/containers/public"
    answer = sandbox.call("PUT", path, {"properties": {"publicAccess": public}})
    assert answer.status == status
    assert answer.code in (code, "InvalidRequestContent")


def test_a_container_needs_its_account(sandbox: Sandbox, account: str) -> None:
    path = f"{account}missing/blobServices/default/containers/orphan"
    assert sandbox.call("PUT", path, {"properties": {}}).code == "ParentResourceNotFound"


def rule(name: str) -> dict[str, Any]:
    """A lifecycle rule."""
    delete = {"delete": {"daysAfterModificationGreaterThan": 30}}
    return {
        "name": name, "type": "Lifecycle", "enabled": True,
        "definition": {"filters": {"blobTypes": ["blockBlob"]}, "actions": {"baseBlob": delete}},
    }  # fmt: skip


def test_lifecycle_rules_are_kept(sandbox: Sandbox, account: str) -> None:
    path = f"{account}/managementPolicies/default"
    answer = sandbox.call("PUT", path, {"properties": {"policy": {"rules": [rule("old")]}}})
    assert answer.status == 200
    assert sandbox.call("GET", path).body["properties"]["policy"]["rules"] == [rule("old")]
    assert sandbox.call("DELETE", path).status == 200


@pytest.mark.parametrize("rules", [[], [rule("same"), rule("same")], [rule(f"rule{number}") for number in range(101)]])
def test_lifecycle_rules_are_counted_and_named_once(
    sandbox: Sandbox, account: str, rules: list[dict[str, Any]]
) -> None:
    answer = sandbox.call("PUT", f"{account}/managementPolicies/default", {"properties": {"policy": {"rules": rules}}})
    assert (answer.status, answer.code) == (400, "InvalidManagementPolicy")


def test_a_share_has_a_size(sandbox: Sandbox, account: str) -> None:
    path = f"{account}/fileServices/default/shares/share"
    answer = sandbox.call("PUT", path, {"properties": {"shareQuota": 5}})
    assert (answer.status, answer.body["properties"]["shareQuota"]) == (201, 5)
    assert answer.body["properties"]["accessTier"] == "TransactionOptimized"
    for quota in (0, 102401):
        refusal = sandbox.call("PUT", f"{path}-{quota}", {"properties": {"shareQuota": quota}})
        assert (refusal.status, refusal.code) == (400, "InvalidHeaderValue")
    changed = sandbox.call("PUT", path, {"properties": {"enabledProtocols": "NFS"}})
    assert (changed.status, changed.code) == (409, "PropertyChangeNotAllowed")
