"""Secrets on a vault's own address: kept sealed, shown to whoever has the role, recoverable until purged."""

from typing import Any

import pytest

from sandbox.constants import OBJECT_ID, TENANT_ID
from tests.sandbox.conftest import SUBSCRIPTION, Answer, Sandbox
from tests.sandbox.planes.conftest import Principal, assign

OFFICER, USER = "b86a8fe4-44ce-4948-aee5-eccb2c155cd7", "4633458b-17de-408a-b874-0445c86b69e6"
AUDIENCE = "https://vault.azure.net"
SECRET_TYPE = "Microsoft.KeyVault/vaults/secrets"
URL = "https://secretstests.vault.azure.net"


@pytest.fixture(scope="module")
def vault(local: Sandbox) -> str:
    """A vault whose secrets the sandbox's caller may write; its ARM id."""
    path = f"{local.group('secrets')}/providers/Microsoft.KeyVault/vaults/secretstests"
    make(local, path)
    assign(local, path, OBJECT_ID, OFFICER)
    return path


def make(local: Sandbox, path: str, **more: Any) -> None:
    properties = {"tenantId": TENANT_ID, "sku": {"family": "A", "name": "standard"}, **more}
    assert local.call("PUT", path, {"location": "westeurope", "properties": properties}).status == 200


def ask(local: Sandbox, method: str, path: str, body: object = None, who: Principal | None = None) -> Answer:
    token = local.token(AUDIENCE, (who.client_id, who.secret) if who else None)
    return local.call(method, f"{URL}{path}?api-version=7.5", body, token)


@pytest.mark.runs(SECRET_TYPE)
def test_a_secret_comes_back_with_all_its_versions(local: Sandbox, vault: str) -> None:
    first = ask(local, "PUT", "/secrets/versions", {"value": "one", "contentType": "text/plain"}).body
    second = ask(local, "PUT", "/secrets/versions", {"value": "two", "tags": {"team": "ml"}}).body
    assert (first["value"], second["value"]) == ("one", "two")
    shown = ask(local, "GET", "/secrets/versions").body
    assert (shown["value"], shown["id"], shown["tags"]) == ("two", second["id"], {"team": "ml"})
    assert ask(local, "GET", f"/secrets/versions/{first['id'].rsplit('/', 1)[-1]}").body["value"] == "one"
    listed = ask(local, "GET", "/secrets/versions/versions").body["value"]
    assert [each["id"] for each in listed] == [second["id"], first["id"]]
    assert "value" not in str(listed)
    assert f"{URL}/secrets/versions" in [each["id"] for each in ask(local, "GET", "/secrets").body["value"]]


@pytest.mark.runs(SECRET_TYPE)
def test_arm_and_the_vault_show_one_secret(local: Sandbox, vault: str) -> None:
    path = f"{vault}/secrets/by-arm"
    answer = local.call("PUT", path, {"properties": {"value": "from arm", "contentType": "text/plain"}})
    assert answer.status == 200
    assert answer.body["properties"]["secretUri"] == f"{URL}/secrets/by-arm"
    assert "from arm" not in str(answer.body)
    assert "versions" not in answer.body["properties"]
    shown = ask(local, "GET", "/secrets/by-arm").body
    assert (shown["value"], shown["contentType"]) == ("from arm", "text/plain")
    assert answer.body["properties"]["secretUriWithVersion"] == shown["id"]
    ask(local, "PUT", "/secrets/by-vault", {"value": "from vault"})
    assert local.call("GET", f"{vault}/secrets/by-vault").status == 200
    # No value again: the latest one stays, and is described anew.
    local.call("PUT", path, {"properties": {"contentType": "other"}})
    again = ask(local, "GET", "/secrets/by-arm").body
    assert (again["value"], again["contentType"], again["id"]) == ("from arm", "other", shown["id"])


def test_no_value_stands_in_the_state_or_the_log(local: Sandbox, vault: str) -> None:
    canary = "canary-6f1f9f5e-4b60"
    ask(local, "PUT", "/secrets/canary", {"value": canary})
    assert ask(local, "GET", "/secrets/canary").body["value"] == canary
    files = [path for path in local.home.root.rglob("*") if path.is_file()]
    assert any(path.name == "state.db" for path in files)
    assert [path for path in files if canary.encode() in path.read_bytes()] == []


def test_roles_divide_reading_from_writing(local: Sandbox, vault: str, stranger: Principal) -> None:
    ask(local, "PUT", "/secrets/guarded", {"value": "x"})
    for method, path in (("GET", "/secrets/guarded"), ("GET", "/secrets"), ("GET", "/deletedsecrets")):
        answer = ask(local, method, path, who=stranger)
        assert (answer.status, answer.code) == (403, "Forbidden"), path
    assign(local, f"{vault}/secrets/guarded", stranger.object_id, USER)
    assert ask(local, "GET", "/secrets/guarded", who=stranger).body["value"] == "x"
    for method, path, body in (
        ("PUT", "/secrets/guarded", {"value": "y"}),
        ("DELETE", "/secrets/guarded", None),
        ("PATCH", "/secrets/guarded", {}),
        ("GET", "/secrets/canary", None),
    ):
        assert ask(local, method, path, body, who=stranger).status == 403, (method, path)


def test_without_a_token_it_is_401_with_a_challenge(local: Sandbox, vault: str) -> None:
    for token in ("", local.token()):
        answer = local.call("GET", f"{URL}/secrets/a", token=token)
        assert (answer.status, answer.code) == (401, "Unauthorized")
        assert f'resource="{AUDIENCE}"' in answer.headers["www-authenticate"]


def test_a_deleted_secret_is_recovered_or_purged(local: Sandbox, vault: str) -> None:
    ask(local, "PUT", "/secrets/gone", {"value": "x"})
    deleted = ask(local, "DELETE", "/secrets/gone").body
    assert deleted["recoveryId"] == f"{URL}/deletedsecrets/gone"
    assert ask(local, "GET", "/secrets/gone").code == "SecretNotFound"
    assert ask(local, "PUT", "/secrets/gone", {"value": "y"}).status == 409
    assert ask(local, "GET", "/deletedsecrets/gone").body["recoveryId"] == deleted["recoveryId"]
    assert ask(local, "POST", "/deletedsecrets/gone/recover").status == 200
    assert ask(local, "GET", "/secrets/gone").body["value"] == "x"
    ask(local, "DELETE", "/secrets/gone")
    assert [each["recoveryId"] for each in ask(local, "GET", "/deletedsecrets").body["value"]] == [
        deleted["recoveryId"]
    ]
    assert ask(local, "DELETE", "/deletedsecrets/gone").status == 204
    assert ask(local, "GET", "/deletedsecrets/gone").status == 404
    assert ask(local, "PUT", "/secrets/gone", {"value": "y"}).status == 200


def test_a_protected_vault_lets_nobody_purge(local: Sandbox, vault: str) -> None:
    path = vault.replace("secretstests", "secretskept")
    make(local, path, enablePurgeProtection=True)
    assign(local, path, OBJECT_ID, OFFICER)
    token = local.token(AUDIENCE)
    secret = "https://secretskept.vault.azure.net/secrets/kept"
    local.call("PUT", secret, {"value": "x"}, token)
    local.call("DELETE", secret, None, token)
    answer = local.call("DELETE", secret.replace("/secrets/", "/deletedsecrets/"), None, token)
    assert (answer.status, answer.code) == (403, "Forbidden")


def test_a_recovered_vault_has_its_secrets(local: Sandbox, vault: str) -> None:
    path = vault.replace("secretstests", "secretsback")
    make(local, path)
    assert local.call("PUT", f"{path}/secrets/a", {"properties": {"value": "kept"}}).status == 200
    assert local.call("DELETE", path).status == 200
    make(local, path, createMode="recover")
    assign(local, path, OBJECT_ID, OFFICER)
    answer = local.call("GET", "https://secretsback.vault.azure.net/secrets/a", token=local.token(AUDIENCE))
    assert answer.body["value"] == "kept"


def test_a_purged_vault_leaves_no_deleted_secret(local: Sandbox, vault: str) -> None:
    path, url = vault.replace("secretstests", "secretspurged"), "https://secretspurged.vault.azure.net"
    token = local.token(AUDIENCE)
    for _ in range(2):
        make(local, path)
        assign(local, path, OBJECT_ID, OFFICER)
        assert local.call("GET", f"{url}/deletedsecrets", token=token).body["value"] == []
        assert local.call("PUT", f"{url}/secrets/a", {"value": "x"}, token).status == 200
        assert local.call("DELETE", f"{url}/secrets/a", token=token).status == 200
        assert local.call("DELETE", path).status == 200
        purge = "/providers/Microsoft.KeyVault/locations/westeurope/deletedVaults/secretspurged/purge"
        assert local.call("POST", f"{SUBSCRIPTION}{purge}", {}).status == 200


def test_attributes_change_without_the_value(local: Sandbox, vault: str) -> None:
    made = ask(local, "PUT", "/secrets/attributes", {"value": "x"}).body
    version = made["id"].rsplit("/", 1)[-1]
    changed = ask(
        local, "PATCH", f"/secrets/attributes/{version}", {"attributes": {"enabled": False}, "tags": {"a": "b"}}
    )
    assert (changed.body["attributes"]["enabled"], changed.body["tags"]) == (False, {"a": "b"})
    refusal = ask(local, "GET", "/secrets/attributes")
    assert (refusal.status, refusal.code) == (403, "Forbidden")
    ask(local, "PATCH", f"/secrets/attributes/{version}", {"attributes": {"enabled": True}})
    assert ask(local, "GET", "/secrets/attributes").body["value"] == "x"


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("PUT", "/secrets/under_score", {"value": "x"}, 400, "BadParameter"),
        ("PUT", "/secrets/novalue", {}, 400, "BadParameter"),
        ("PUT", "/secrets/long", {"value": "x" * 25 * 1025}, 400, "BadParameter"),
        ("GET", "/secrets/none", None, 404, "SecretNotFound"),
        ("GET", "/deletedsecrets/none", None, 404, "SecretNotFound"),
        ("GET", "/keys", None, 404, "NotFound"),
        ("POST", "/secrets/none", {}, 404, "NotFound"),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(
    local: Sandbox, vault: str, method: str, path: str, body: object, status: int, code: str
) -> None:
    answer = ask(local, method, path, body)
    assert (answer.status, answer.code) == (status, code)


def test_a_vault_that_is_not_there_is_named(local: Sandbox) -> None:
    answer = local.call("GET", "https://nosuchvault.vault.azure.net/secrets/a", token=local.token(AUDIENCE))
    assert (answer.status, answer.code) == (404, "VaultNotFound")
    assert "nosuchvault" in answer.body["error"]["message"]
