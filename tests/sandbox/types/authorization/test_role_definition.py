"""Custom roles: they count as built-in ones do, and nobody gets beyond their own rights by writing one."""

import json
import uuid
from typing import Any

import pytest

from tests.sandbox.conftest import SUBSCRIPTION, Answer, Sandbox
from tests.sandbox.planes.conftest import Principal, assign, make_stranger

ADMINISTRATOR = "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9"
OWNER = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"
STORE = {"location": "westeurope", "kind": "StorageV2", "sku": {"name": "Standard_LRS"}}
DEFINITIONS = "providers/Microsoft.Authorization/roleDefinitions"


def define(sandbox: Sandbox, permissions: list[dict[str, Any]], *, scope: str = SUBSCRIPTION, token: str | None = None,
           guid: str = "", name: str = "", scopes: tuple[str, ...] = ()) -> Answer:  # fmt: skip
    properties = {"roleName": name or f"role {uuid.uuid4()}", "permissions": permissions,
                  "assignableScopes": list(scopes or (scope,))}  # fmt: skip
    return sandbox.call("PUT", f"{scope}/{DEFINITIONS}/{guid or uuid.uuid4()}", {"properties": properties}, token)


@pytest.fixture(scope="module")
def group(sandbox: Sandbox) -> str:
    return sandbox.group("roles")


@pytest.fixture
def who(sandbox: Sandbox) -> Principal:
    return make_stranger(sandbox)


def token(sandbox: Sandbox, who: Principal, audience: str = "https://management.azure.com") -> str:
    return sandbox.token(audience, (who.client_id, who.secret))


def test_a_custom_role_grants_what_it_says_without_what_it_takes_out(
    sandbox: Sandbox, group: str, who: Principal
) -> None:
    made = define(sandbox, [
        {"actions": ["Microsoft.Storage/*", "Microsoft.Resources/subscriptions/resourceGroups/read"],
         "notActions": ["Microsoft.Storage/storageAccounts/listKeys/action"]},
        {"actions": ["Microsoft.Storage/storageAccounts/delete"]},
    ])  # fmt: skip
    assert made.status == 201, made
    assert made.body["properties"]["type"] == "CustomRole"
    mine = token(sandbox, who)
    store = f"{group}/providers/Microsoft.Storage/storageAccounts/customroles"
    assert sandbox.call("PUT", store, STORE, mine).status == 403
    assign(sandbox, group, who.object_id, made.body["name"])
    assert sandbox.call("PUT", store, STORE, mine).status == 200
    assert sandbox.call("GET", group, token=mine).status == 200
    assert sandbox.call("POST", f"{store}/listKeys", {}, mine).status == 403
    assert sandbox.call("PUT", group, {"location": "westeurope"}, mine).status == 403
    # Each permission stands alone: what one takes out, another may give.
    again = {**made.body["properties"], "permissions": [{"actions": ["Microsoft.Storage/*/listKeys/action"]}]}
    assert sandbox.call("PUT", made.body["id"], {"properties": again}).status == 200
    assert sandbox.call("POST", f"{store}/listKeys", {}, mine).status == 200
    assert sandbox.call("GET", store, token=mine).status == 403


def test_data_actions_of_a_custom_role_open_a_vault_and_no_more(sandbox: Sandbox, group: str, who: Principal) -> None:
    properties = {"tenantId": "5a9dbe11-0000-4000-8000-00000000a001", "sku": {"family": "A", "name": "standard"},
                  "enableRbacAuthorization": True, "accessPolicies": []}  # fmt: skip
    vault = f"{group}/providers/Microsoft.KeyVault/vaults/kv-custom-roles"
    sandbox.call("PUT", vault, {"location": "westeurope", "properties": properties})
    made = define(sandbox, [
        {"dataActions": ["Microsoft.KeyVault/vaults/secrets/*"],
         "notDataActions": ["Microsoft.KeyVault/vaults/secrets/getSecret/action"]}
    ], scope=group)  # fmt: skip
    assign(sandbox, vault, who.object_id, made.body["name"])
    mine = token(sandbox, who, "https://vault.azure.net")
    secret = "https://kv-custom-roles.vault.azure.net/secrets/one?api-version=7.4"
    assert sandbox.call("PUT", secret, {"value": "x"}, mine).status == 200
    assert sandbox.call("GET", secret, token=mine).status == 403


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"guid": OWNER}, "InvalidRoleDefinitionId"),
        ({"name": "reader"}, "RoleDefinitionWithSameNameExists"),
        ({"scopes": ("/subscriptions/other",)}, "InvalidAssignableScopes"),
        ({"permissions": "all"}, "InvalidRequestContent"),
        ({"permissions": [{"actions": [1]}]}, "InvalidRequestContent"),
        ({"permissions": [{"actions": "*"}]}, "InvalidRequestContent"),
        ({"guid": "not-a-guid"}, "InvalidResourceName"),
    ],
)
def test_a_role_that_azure_refuses_is_refused(sandbox: Sandbox, group: str, change: dict[str, Any], code: str) -> None:
    refused = define(sandbox, **{"permissions": [{"actions": ["*/read"]}], "scope": group, **change})
    assert refused.code == code, refused


def test_a_role_is_assigned_within_its_scopes_only(sandbox: Sandbox, group: str, who: Principal) -> None:
    made = define(sandbox, [{"actions": ["*"]}], scope=group)
    beside = sandbox.group("roles-beside")
    path = f"{beside}/providers/Microsoft.Authorization/roleAssignments/{uuid.uuid4()}"
    body = {"properties": {"principalId": who.object_id, "roleDefinitionId": made.body["id"]}}
    assert sandbox.call("PUT", path, body).code == "RoleDefinitionDoesNotExist"


def test_a_role_that_somebody_has_is_not_deleted(sandbox: Sandbox, group: str, who: Principal) -> None:
    made = define(sandbox, [{"actions": ["*"]}], scope=group)
    given = assign(sandbox, group, who.object_id, made.body["name"])
    assert sandbox.call("DELETE", made.body["id"]).code == "RoleDefinitionHasAssignments"
    assert sandbox.call("DELETE", given).status == 200
    assert sandbox.call("DELETE", made.body["id"]).status == 200


def test_who_administers_one_group_defines_no_role_beyond_it(sandbox: Sandbox, group: str, who: Principal) -> None:
    """Writing a role needs the right at every scope that it has, and at every scope that it would leave."""
    assign(sandbox, group, who.object_id, ADMINISTRATOR)
    mine, every = token(sandbox, who), [{"actions": ["*"]}]
    assert define(sandbox, every, scope=group, token=mine).status == 201
    for scopes in ((group, SUBSCRIPTION), (SUBSCRIPTION,), ("/", group)):
        refused = define(sandbox, every, scope=group, token=mine, scopes=scopes)
        assert (refused.status, refused.code) == (403, "AuthorizationFailed"), scopes
    wide = define(sandbox, [{"actions": ["*/read"]}]).body
    for scope, guid in ((group, wide["name"]), (SUBSCRIPTION, wide["name"]), (group, wide["name"].upper())):
        refused = define(sandbox, every, scope=scope, guid=guid, token=mine)
        assert refused.status in (403, 409), refused
    narrow = {**wide["properties"], "assignableScopes": [group], "permissions": every}
    assert sandbox.call("PUT", wide["id"], {"properties": narrow}, mine).status == 403
    assert sandbox.call("GET", wide["id"]).body["properties"]["permissions"] == [{"actions": ["*/read"]}]


def test_a_condition_is_refused_since_nothing_would_hold_it(sandbox: Sandbox, group: str, who: Principal) -> None:
    path = f"{group}/providers/Microsoft.Authorization/roleAssignments/{uuid.uuid4()}"
    definition = f"{SUBSCRIPTION}/{DEFINITIONS}/{OWNER}"
    properties = {"principalId": who.object_id, "roleDefinitionId": definition, "conditionVersion": "2.0",
                  "condition": "(!(ActionMatches{'Microsoft.Authorization/roleAssignments/write'}))"}  # fmt: skip
    refused = sandbox.call("PUT", path, {"properties": properties})
    assert (refused.status, refused.code) == (400, "RoleAssignmentConditionNotSupported")
    assert "leave it out" in json.dumps(refused.body)
