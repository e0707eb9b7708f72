"""Key vault: its rules, and that a deleted one is kept until it is purged or recovered."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sandbox import clock
from sandbox.arm.access import Tokens
from sandbox.arm.azure import Azure
from sandbox.arm.kind import Kind
from sandbox.arm.operations import erase_tree, purge_expired
from sandbox.arm.registry import Registry
from sandbox.arm.resource import Change
from sandbox.arm.schema import Schema
from sandbox.constants import TENANT_ID
from sandbox.home import Home
from sandbox.store.db import Store
from sandbox.types.keyvault.deleted_vault import DeletedVault
from sandbox.types.keyvault.secret import Secret
from sandbox.types.keyvault.vault import Vault
from sandbox.types.resources.resource_group import ResourceGroup
from sandbox.types.resources.subscription import Subscription
from tests.sandbox.conftest import SUBSCRIPTION, Answer, Sandbox

PROPERTIES: dict[str, Any] = {
    "tenantId": TENANT_ID, "sku": {"family": "A", "name": "standard"}, "enableRbacAuthorization": True,
    "softDeleteRetentionInDays": 7,
}  # fmt: skip
DELETED = f"{SUBSCRIPTION}/providers/Microsoft.KeyVault/locations/westeurope/deletedVaults"


@pytest.fixture(scope="module")
def vaults(sandbox: Sandbox) -> str:
    """Where vaults are made."""
    return f"{sandbox.group('vaults')}/providers/Microsoft.KeyVault/vaults"


def make(sandbox: Sandbox, path: str, **changes: Any) -> Answer:
    return sandbox.call("PUT", path, {"location": "westeurope", "properties": {**PROPERTIES, **changes}})


def deleted(sandbox: Sandbox) -> list[str]:
    """Names of deleted vaults."""
    listed = sandbox.call("GET", f"{SUBSCRIPTION}/providers/Microsoft.KeyVault/deletedVaults").body["value"]
    return [each["name"] for each in listed]


def test_a_vault_shows_its_address(sandbox: Sandbox, vaults: str) -> None:
    answer = make(sandbox, f"{vaults}/Shown-Vault")
    assert answer.status == 200
    assert answer.body["properties"]["vaultUri"] == "https://shown-vault.vault.azure.net/"
    assert answer.body["properties"]["enableSoftDelete"] is True
    assert "enablePurgeProtection" not in answer.body["properties"]


@pytest.mark.parametrize("name", ["ab", "1first", "double--hyphen", "last-", "a" * 25, "under_score"])
def test_a_name_that_azure_refuses_is_refused(sandbox: Sandbox, vaults: str, name: str) -> None:
    answer = make(sandbox, f"{vaults}/{name}")
    assert (answer.status, answer.code) == (400, "VaultNameNotValid")


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"tenantId": "00000000-0000-0000-0000-000000000000"}, "properties.tenantId"),
        ({"sku": {"family": "A", "name": "basic"}}, "sku.name"),
        ({"softDeleteRetentionInDays": 6}, "softDeleteRetentionInDays is 6"),
        ({"softDeleteRetentionInDays": 91}, "softDeleteRetentionInDays is 91"),
        ({"enableSoftDelete": False}, "enableSoftDelete"),
        ({"enablePurgeProtection": False}, "enablePurgeProtection"),
    ],
)
def test_what_azure_refuses_is_refused_and_named(
    sandbox: Sandbox, vaults: str, changes: dict[str, Any], named: str
) -> None:
    answer = make(sandbox, f"{vaults}/refused", **changes)
    assert answer.status == 400
    assert named in answer.body["error"]["message"]


def test_a_deleted_vault_keeps_its_name_until_it_is_purged(sandbox: Sandbox, vaults: str) -> None:
    path = f"{vaults}/purged"
    make(sandbox, path)
    assert sandbox.call("DELETE", path).status == 200
    assert sandbox.call("GET", path).status == 404
    assert make(sandbox, path).status == 409
    other = f"{sandbox.group('vaults-too')}/providers/Microsoft.KeyVault/vaults/purged"
    assert make(sandbox, other).code == "VaultAlreadyExists"
    check = f"{SUBSCRIPTION}/providers/Microsoft.KeyVault/checkNameAvailability"
    assert sandbox.call("POST", check, {"name": "purged", "type": "Microsoft.KeyVault/vaults"}).body[
        "nameAvailable"
    ] is False  # fmt: skip
    shown = sandbox.call("GET", f"{DELETED}/purged").body
    assert (shown["type"], shown["properties"]["vaultId"]) == ("Microsoft.KeyVault/deletedVaults", path)
    assert "purged" in deleted(sandbox)
    assert sandbox.call("POST", f"{DELETED}/purged/purge", {}).status == 200
    assert sandbox.call("GET", f"{DELETED}/purged").status == 404
    assert "purged" not in deleted(sandbox)
    assert make(sandbox, other).status == 200


def test_a_deleted_vault_is_recovered_with_what_it_had(sandbox: Sandbox, vaults: str) -> None:
    path = f"{vaults}/recovered"
    make(sandbox, path)
    sandbox.call("DELETE", path)
    assert make(sandbox, path, createMode="recover").status == 200
    shown = sandbox.call("GET", path).body["properties"]
    assert "createMode" not in shown
    assert "recovered" not in deleted(sandbox)


def test_a_protected_vault_is_not_purged_and_stays_protected(sandbox: Sandbox, vaults: str) -> None:
    path = f"{vaults}/protected"
    make(sandbox, path, enablePurgeProtection=True)
    assert make(sandbox, path).status == 400
    sandbox.call("DELETE", path)
    refusal = sandbox.call("POST", f"{DELETED}/protected/purge", {})
    assert (refusal.status, refusal.code) == (409, "DeletedVaultPurge")
    assert "protected" in deleted(sandbox)


def test_a_deleted_group_leaves_its_vaults_deleted(sandbox: Sandbox) -> None:
    group = sandbox.group("vaults-gone")
    make(sandbox, f"{group}/providers/Microsoft.KeyVault/vaults/groupgone")
    assert sandbox.call("DELETE", group).status in (200, 202)
    assert "groupgone" in deleted(sandbox)


def test_nobody_writes_a_deleted_vault(sandbox: Sandbox) -> None:
    for path in (f"{DELETED}/written", f"{SUBSCRIPTION}/providers/Microsoft.KeyVault/deletedVaults/written"):
        assert sandbox.call("PUT", path, {}).status in (404, 405)


def test_what_is_deleted_is_purged_at_its_time(tmp_path: Path, schema_cache: Path) -> None:
    group = f"{SUBSCRIPTION}/resourceGroups/timed"
    vault = f"{group}/providers/Microsoft.KeyVault/vaults/timed"
    begun = datetime(2026, 11, 21, 12, tzinfo=UTC)

    async def run() -> None:
        store = Store(tmp_path / "state.db")
        kinds: list[Kind] = [Subscription(), ResourceGroup(), Vault(), Secret(), DeletedVault()]
        azure = Azure(store, Registry(kinds, Schema(schema_cache)), Home(tmp_path))
        await Tokens.open(store)

        def make(change: Change) -> None:
            change.make(SUBSCRIPTION, {})
            change.make(group, {"location": "westeurope"})
            for path in (vault, f"{vault}-kept"):
                change.make(path, {"location": "westeurope", "properties": dict(PROPERTIES)})
                change.make(f"{path}/secrets/gone", {"properties": {"value": "x"}})
            erase_tree(change, change.need(f"{vault}-kept/secrets/gone"))
            erase_tree(change, change.need(vault))

        async def names(after: timedelta) -> list[str]:
            """What is held of what was deleted, once it was looked after at a later time."""
            with clock.fixed(begun + after):
                await azure.change("", purge_expired)
            taken = store.all("SELECT name FROM names WHERE scope = 'vault' ORDER BY name")
            return [row["name"] for row in taken] + [
                row["key"].rpartition("/vaults/")[2] for row in store.all("SELECT key FROM deleted ORDER BY key")
            ]

        with clock.fixed(begun):
            await azure.change("", make)
            (shown,) = DeletedVault().listed(f"{SUBSCRIPTION}/providers/x/locations/westeurope", {}, azure)
        assert shown["properties.scheduledPurgeDate"] == "2026-11-28T12:00:00Z"
        before = ["timed", "timed-kept", "timed", "timed-kept/secrets/gone"]
        assert await names(timedelta(days=6, hours=23)) == before
        assert await names(timedelta(days=7)) == ["timed-kept"]
        await store.close()

    asyncio.run(run())
