"""What a write is held against, whatever its kind: where it may stand, what may change, what is on its way out."""

from collections.abc import Iterator
from typing import Any

import pytest

from sandbox.constants import OBJECT_ID, TENANT_ID
from tests.sandbox.conftest import SUBSCRIPTION, Sandbox

IDENTITY = "providers/Microsoft.ManagedIdentity/userAssignedIdentities"
STORAGE = "providers/Microsoft.Storage/storageAccounts"
ACCOUNT: dict[str, Any] = {"location": "westeurope", "kind": "StorageV2", "sku": {"name": "Standard_LRS"}}
READER = "acdd72a7-3385-48ef-bd42-f606fba81ae7"


@pytest.fixture
def leaving(sandbox: Sandbox, request: pytest.FixtureRequest) -> Iterator[str]:
    """A group with an identity, whose deletion goes on until somebody has asked three times."""
    group = sandbox.group(f"leaving-{len(request.node.name)}")
    sandbox.call("PUT", f"{group}/{IDENTITY}/robot", {"location": "westeurope"})
    sandbox.admin("PUT", "/pace", {"pace": "polls:3"})
    try:
        yield group
    finally:
        sandbox.admin("PUT", "/pace", {"pace": "now"})


def test_a_subscription_cannot_be_made_by_a_client(sandbox: Sandbox) -> None:
    path = "/subscriptions/00000000-0000-0000-0000-000000000009"
    answer = sandbox.call("PUT", path, {})
    assert (answer.status, answer.code) == (405, "MethodNotAllowed")
    assert sandbox.call("GET", path).status == 404


@pytest.mark.parametrize("scope", [SUBSCRIPTION, "", f"{SUBSCRIPTION}/resourceGroups/places/{IDENTITY}/robot"])
def test_a_tracked_resource_stands_in_a_group_only(sandbox: Sandbox, scope: str) -> None:
    sandbox.call("PUT", f"{sandbox.group('places')}/{IDENTITY}/robot", {"location": "westeurope"})
    answer = sandbox.call("PUT", f"{scope}/{STORAGE}/misplaced", ACCOUNT)
    assert (answer.status, answer.code) == (404, "InvalidResourceType")
    assert "/resourceGroups/NAME/" in answer.body["error"]["message"]


def test_a_user_identity_must_be_one(sandbox: Sandbox) -> None:
    group = sandbox.group("identities")
    identity = {"type": "UserAssigned", "userAssignedIdentities": {group: {}}}
    answer = sandbox.call("PUT", f"{group}/{STORAGE}/wrongidentity", {**ACCOUNT, "identity": identity})
    assert (answer.status, answer.code) == (400, "InvalidIdentity")
    assert group in answer.body["error"]["message"]


def test_leaving_out_what_is_fixed_at_creation_does_not_unfix_it(sandbox: Sandbox) -> None:
    path = f"{sandbox.group('frozen')}/{STORAGE}/frozenstore"
    sandbox.call("PUT", path, {**ACCOUNT, "properties": {"isHnsEnabled": True}})
    assert sandbox.call("PUT", path, ACCOUNT).body["properties"]["isHnsEnabled"] is True
    answer = sandbox.call("PUT", path, {**ACCOUNT, "properties": {"isHnsEnabled": False}})
    assert (answer.status, answer.code) == (409, "PropertyChangeNotAllowed")


@pytest.mark.parametrize("body", [["a list"], "text"])
def test_the_body_of_an_action_is_an_object(sandbox: Sandbox, body: object) -> None:
    path = f"{sandbox.group('actions')}/{STORAGE}/actionstore"
    sandbox.call("PUT", path, ACCOUNT)
    for url in (f"{path}/listKeys", f"{SUBSCRIPTION}/providers/Microsoft.Storage/checkNameAvailability"):
        answer = sandbox.call("POST", url, body)
        assert (answer.status, answer.code) == (400, "InvalidRequestContent")


@pytest.mark.parametrize("wrong", ["$top=many", "$top=0", "$top=-1", "$skipToken=x"])
def test_a_page_is_asked_for_by_number(sandbox: Sandbox, wrong: str) -> None:
    answer = sandbox.call("GET", f"{sandbox.group('paged')}/{IDENTITY}?{wrong}")
    assert (answer.status, answer.code) == (400, "InvalidQueryParameterValue")


def test_the_next_page_keeps_the_filter(sandbox: Sandbox) -> None:
    group = sandbox.group("filtered")
    for name in ("one-a", "one-b"):
        sandbox.call("PUT", f"{group}/{IDENTITY}/{name}", {"location": "westeurope"})
    kind = "Microsoft.ManagedIdentity/userAssignedIdentities"
    first = sandbox.call("GET", f"{group}/resources?$top=1&$filter=resourceType%20eq%20'{kind}'").body
    second = sandbox.call("GET", first["nextLink"]).body
    assert [row["name"] for page in (first, second) for row in page["value"]] == ["one-a", "one-b"]


def test_nothing_is_written_below_what_is_being_deleted(sandbox: Sandbox, leaving: str) -> None:
    assert sandbox.call("DELETE", leaving).status == 202
    for path, body in (
        (f"{leaving}/{IDENTITY}/late", {"location": "westeurope"}),
        (f"{leaving}/{IDENTITY}/robot", {"location": "westeurope", "tags": {"a": "b"}}),
        (leaving, {"location": "westeurope"}),
    ):
        answer = sandbox.call("PUT", path, body)
        assert (answer.status, answer.code) == (409, "ResourceGroupBeingDeleted")


def test_a_deletion_asked_for_twice_is_one(sandbox: Sandbox, leaving: str) -> None:
    first, second = (sandbox.call("DELETE", leaving) for _ in range(2))
    assert (first.status, second.status) == (202, 202)
    assert first.headers["azure-asyncoperation"] == second.headers["azure-asyncoperation"]
    while sandbox.call("GET", first.headers["azure-asyncoperation"]).body["status"] == "InProgress":
        pass
    assert sandbox.call("GET", leaving).status == 404


def test_a_vault_that_went_with_its_group_comes_back_with_its_roles(sandbox: Sandbox) -> None:
    vault = f"{sandbox.group('regained')}/providers/Microsoft.KeyVault/vaults/regainedvault"
    role = f"{vault}/providers/Microsoft.Authorization/roleAssignments/11111111-2222-4333-8444-555555555555"
    where = {"tenantId": TENANT_ID, "sku": {"family": "A", "name": "standard"}}
    body = {"location": "westeurope", "properties": where}
    definition = f"{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/{READER}"
    grant = {"properties": {"principalId": OBJECT_ID, "roleDefinitionId": definition}}
    assert sandbox.call("PUT", vault, body).status in (200, 201)
    assert sandbox.call("PUT", role, grant).status == 201
    assert sandbox.call("DELETE", f"{SUBSCRIPTION}/resourceGroups/regained").status in (200, 202)
    sandbox.group("regained")
    assert sandbox.call("GET", vault).status == 404
    again = sandbox.call("PUT", vault, {**body, "properties": {**where, "createMode": "recover"}})
    assert again.status in (200, 201), again
    assert sandbox.call("GET", role).status == 200
    second = role.replace("555555555555", "555555555556")
    assert sandbox.call("PUT", second, grant).code == "RoleAssignmentExists"  # it counts again, too


def test_names_that_could_not_be_had_are_told_before_anything_is_written(sandbox: Sandbox) -> None:
    group = sandbox.group("names")
    vaults, accounts = f"{group}/providers/Microsoft.KeyVault/vaults", f"{group}/{STORAGE}"
    properties = {"tenantId": TENANT_ID, "sku": {"family": "A", "name": "standard"}, "accessPolicies": []}
    vault = {"location": "westeurope", "properties": properties}
    for name in ("kept-vault", "live-vault"):
        assert sandbox.call("PUT", f"{vaults}/{name}", vault).status == 200
    assert sandbox.call("PUT", f"{accounts}/heldelsewhere", ACCOUNT).status in (200, 201, 202)
    assert sandbox.call("DELETE", f"{vaults}/kept-vault").status == 200
    asked = {
        f"{vaults}/kept-vault": vault,
        f"{vaults}/KEPT-vault": {**vault, "properties": {**properties, "createMode": "recover"}},
        f"{vaults}/live-vault": vault,
        f"{vaults}/free-vault": vault,
        f"{vaults}/9": vault,
        f"{SUBSCRIPTION}/resourceGroups/unborn/{STORAGE}/heldelsewhere": ACCOUNT,
    }
    resources = [{"id": path, "body": body} for path, body in asked.items()]
    refused = sandbox.admin("POST", "/refused", {"resources": resources})["value"]
    assert {each["id"].rsplit("/", 1)[-1]: each["code"] for each in refused} == {
        "kept-vault": "ConflictError", "9": "VaultNameNotValid", "heldelsewhere": "StorageAccountAlreadyTaken",
    }  # fmt: skip
    assert "exists in deleted state" in refused[0]["message"]
    assert sandbox.call("GET", f"{vaults}/free-vault").status == 404
