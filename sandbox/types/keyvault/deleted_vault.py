"""Deleted vaults: to be looked at, and purged before their time."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta

from sandbox.arm.azure import Azure
from sandbox.arm.ids import ResourceId, parse
from sandbox.arm.kind import Body, Kind, Refusal, action
from sandbox.arm.operations import purge
from sandbox.arm.resource import Change, Resource, View, from_row
from sandbox.types.keyvault.vault import Vault


class DeletedVault(Kind):
    """``Microsoft.KeyVault/locations/deletedVaults``."""

    arm_type = "Microsoft.KeyVault/locations/deletedVaults"
    level = "enforced"
    parents = False
    provisioning = False
    made_by_azure = True

    def check(self, new: Resource, old: Resource | None, view: View) -> None:
        """Never written by a client."""
        raise Refusal(405, "MethodNotAllowed", "A deleted vault cannot be written; recover it by creating the vault.")

    def find(self, where: ResourceId, view: View) -> Resource | None:
        """By name and region."""
        region = where.parent.rsplit("/", 1)[-1].lower()
        found = _deleted(view, where.subscription)
        return next((me for me in found if me.name == where.name.lower() and me["properties.location"] == region), None)

    def listed(self, scope: str, query: Mapping[str, str], view: View) -> list[Resource]:
        """Of one region."""
        region = scope.rsplit("/", 1)[-1].lower()
        return [me for me in _deleted(view, parse(scope).subscription) if me["properties.location"] == region]

    def outputs(self, me: Resource, view: View) -> Body:
        """The type's name as the service spells it here."""
        return {"type": DeletedVaults.arm_type}

    @action("purge")
    async def purge(self, me: Resource, body: Body, azure: Azure) -> Body:
        """Gone for good, unless the vault is protected."""
        if me.get("properties.purgeProtectionEnabled"):
            raise Refusal(
                409, "DeletedVaultPurge",
                f"The vault '{me.name}' has purge protection: it goes on {me['properties.scheduledPurgeDate']}.",
            )  # fmt: skip

        def write(change: Change) -> None:
            purge(change, me["properties.vaultId"])

        await azure.change(me.author, write)
        return {}


class DeletedVaults(Kind):
    """``Microsoft.KeyVault/deletedVaults``: the list over all regions."""

    arm_type = "Microsoft.KeyVault/deletedVaults"
    level = "enforced"
    parents = False
    provisioning = False
    made_by_azure = True

    def check(self, new: Resource, old: Resource | None, view: View) -> None:
        """Never written by a client."""
        raise Refusal(405, "MethodNotAllowed", "A deleted vault cannot be written; recover it by creating the vault.")

    def listed(self, scope: str, query: Mapping[str, str], view: View) -> list[Resource]:
        """Of the subscription."""
        return _deleted(view, parse(scope).subscription)


def _deleted(view: View, subscription: str) -> list[Resource]:
    rows = view.reader.all("SELECT * FROM deleted WHERE kind = ? ORDER BY key", (Vault.arm_type.lower(),))
    found = [_show(from_row(json.loads(row["rows"])[0]), row["deleted"]) for row in rows]
    return [me for me in found if me.id.subscription == subscription]


def _show(vault: Resource, deleted: str) -> Resource:
    since = datetime.fromisoformat(deleted)
    until = since + timedelta(days=vault["properties.softDeleteRetentionInDays"])
    where = (
        f"/subscriptions/{vault.id.subscription}/providers/Microsoft.KeyVault/locations/{vault['location']}"
        f"/deletedVaults/{vault.name.lower()}"
    )
    properties = {
        "vaultId": vault.id.text,
        "location": vault["location"],
        "tags": vault.body.get("tags") or {},
        "deletionDate": deleted,
        "scheduledPurgeDate": until.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "purgeProtectionEnabled": vault.get("properties.enablePurgeProtection"),
    }
    return Resource(parse(where), {"properties": properties}, author=vault.author)
