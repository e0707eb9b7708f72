"""Datastore: a place in a storage account, with the credentials to reach it or none."""

from collections.abc import Mapping
from typing import Any

from sandbox.arm.azure import Azure
from sandbox.arm.kind import Body, Kind, Name, Refusal, action
from sandbox.arm.resource import Change, Resource, View
from sandbox.types.ml.asset import ML
from sandbox.types.storage.account import key


class Datastore(Kind):
    """``workspaces/datastores``."""

    arm_type = f"{ML}/workspaces/datastores"
    level = "enforced"
    name = Name(r"[A-Za-z0-9_]{1,255}", "1-255 letters, digits or underscores")
    provisioning = False
    system_data = True
    hidden = ("properties.credentials.secrets",)
    frozen = ("properties.datastoreType",)

    def fill(self, new: Resource, old: Resource | None, change: Change) -> None:
        """Where it is by default, and which one is the workspace's default."""
        new.properties.setdefault("isDefault", bool(old and old.get("properties.isDefault")))
        if "accountName" in new.properties:
            new.properties.setdefault("endpoint", "core.windows.net")
            new.properties.setdefault("protocol", "https")

    def check_delete(self, me: Resource, view: View) -> None:
        """The default stays."""
        if me.get("properties.isDefault"):
            raise Refusal(400, "UserError", f"Datastore '{me.name}' is the workspace's default and cannot be deleted.")

    def listed(self, scope: str, query: Mapping[str, str], view: View) -> list[Resource]:
        """All, the default one, or those named."""
        found = super().listed(scope, query, view)
        if query.get("isDefault", "").lower() == "true":
            found = [each for each in found if each.get("properties.isDefault")]
        if names := [name for name in query.get("names", "").split(",") if name]:
            found = [each for each in found if each.name in names]
        return found

    @action("listSecrets")
    def secrets(self, me: Resource, body: Body, azure: Azure) -> Body:
        """The kept secrets; for an account key that was not given, the account's own."""
        credentials: dict[str, Any] = me["properties.credentials"]
        kind = credentials["credentialsType"]
        if kind == "None":
            raise Refusal(400, "UserError", f"Datastore '{me.name}' keeps no credentials: it is reached by identity.")
        kept = credentials.get("secrets")
        if kept is None and kind == "AccountKey":
            account = azure.named("storage", str(me.get("properties.accountName")))
            kept = {"key": key(azure, account, "key1")} if account else None
        if kept is None:
            raise Refusal(400, "UserError", f"Datastore '{me.name}' has credentials of type {kind}, and no secrets.")
        return {"secretsType": kind, **{name: value for name, value in kept.items() if name != "secretsType"}}
