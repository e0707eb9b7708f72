"""Secret of a vault: every value it had, sealed in the state, shown by the vault's own address only."""

from typing import Any

from sandbox import clock
from sandbox.arm.keys import seal, unseal
from sandbox.arm.kind import Body, Kind, Name, Refusal, SoftDelete
from sandbox.arm.resource import Change, Resource, View, drop

_DESCRIPTIVE = ("contentType", "attributes")
_LONGEST = 25 * 1024
Version = dict[str, Any]


class Secret(Kind):
    """``Microsoft.KeyVault/vaults/secrets``."""

    arm_type = "Microsoft.KeyVault/vaults/secrets"
    level = "runs"
    name = Name(r"[0-9A-Za-z-]{1,127}", "1-127 letters, digits and hyphens", invalid="BadParameter")
    provisioning = False
    created = 200
    soft_delete = SoftDelete()
    hidden = ("properties.versions",)
    differs = {
        "properties.value": "the same value again makes no new version",
        "DELETE": "also through ARM; Azure deletes secrets on the vault's address only",
    }

    def fill(self, new: Resource, old: Resource | None, change: Change) -> None:
        """A new value is a new version; anything else describes the latest one."""
        value = new.get("properties.value")
        drop(new.body, "properties.value")
        versions: list[Version] = list(old["properties.versions"]) if old else []
        now = int(clock.now().timestamp())
        if value is not None:
            if not isinstance(value, str) or len(value.encode()) > _LONGEST:
                raise Refusal(400, "BadParameter", f"properties.value is longer than {_LONGEST} bytes, or no text.")
            if not versions or unseal(change.reader, versions[0]["sealed"], new.id.key) != value:
                sealed = seal(change.reader, value, new.id.key)
                versions.insert(0, {"id": clock.new_hex(32), "sealed": sealed, "created": now})
        if not versions:
            raise Refusal(400, "BadParameter", f"properties.value of secret '{new.name}' is missing.")
        described = {name: new.get(f"properties.{name}") for name in _DESCRIPTIVE}
        versions[0] = {**versions[0], **described, "tags": new.body.get("tags") or {}, "updated": now}
        new.properties["versions"] = versions

    def kept_days(self, me: Resource, view: View) -> int:
        """As its vault says."""
        return int(view.parent(me)["properties.softDeleteRetentionInDays"])

    def outputs(self, me: Resource, view: View) -> Body:
        """Addresses and dates of the latest version."""
        latest = me["properties.versions"][0]
        return {
            "properties": {
                "attributes": attributes(latest),
                "secretUri": address(me),
                "secretUriWithVersion": f"{address(me)}/{latest['id']}",
            }
        }


def address(me: Resource) -> str:
    """Where the vault serves a secret."""
    return f"https://{me.id.parent.rsplit('/', 1)[-1].lower()}.vault.azure.net/secrets/{me.name}"


def attributes(version: Version) -> Body:
    """Attributes of a version as they are shown."""
    return {
        "enabled": True,
        **(version["attributes"] or {}),
        "created": version["created"],
        "updated": version["updated"],
        "recoveryLevel": "Recoverable+Purgeable",
    }


def value_of(view: View, me: Resource, version: Version) -> str:
    """The value of a version."""
    return unseal(view.reader, version["sealed"], me.id.key)
