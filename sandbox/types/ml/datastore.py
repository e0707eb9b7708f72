"""Datastore: a place in a storage account, with the credentials to reach it or none."""

from collections.abc import Mapping
from typing import Any

from sandbox.arm.azure import Azure
from sandbox.arm.kind import Body, Kind, Name, Refusal, action
from sandbox.arm.resource import Change, Listing, Resource, View
from sandbox.types.ml.asset import ML
from sandbox.types.ml.workspace_storage import born_with
from sandbox.types.storage.account import key

_PLACE = ("accountName", "containerName", "fileShareName")


class Datastore(Kind):
    """``workspaces/datastores``."""

    arm_type = f"{ML}/workspaces/datastores"
    level = "enforced"
    name = Name(r"[A-Za-z0-9_]{1,255}", "1-255 letters, digits or underscores")
    provisioning = False
    system_data = True
    hidden = ("properties.credentials.secrets",)
    sealed = hidden
    frozen = ("properties.datastoreType",)

    def fill(self, new: Resource, old: Resource | None, change: Change) -> None:
        """Where it is by default, and which one is the workspace's default."""
        new.properties.setdefault("isDefault", bool(old and old.get("properties.isDefault")))
        if "accountName" in new.properties:
            new.properties.setdefault("endpoint", "core.windows.net")
            new.properties.setdefault("protocol", "https")

    def check(self, new: Resource, old: Resource | None, view: View) -> None:
        """Those that the workspace was born with stay on its own storage, where Azure ML keeps what it writes."""
        workspace = view.parent(new)
        if workspace.get("properties.storageAccount") and (born := born_with(workspace).get(new.name)):
            for name, value in born.items():
                if name in _PLACE and new.get(f"properties.{name}") != value:
                    raise Refusal(
                        400, "UserError",
                        f"Datastore '{new.name}' was made with the workspace: its {name} is '{value}', not "
                        f"'{new.get(f'properties.{name}')}'. Make another datastore for another place.",
                    )  # fmt: skip

    def check_delete(self, me: Resource, view: View) -> None:
        """The default stays."""
        if me.get("properties.isDefault"):
            raise Refusal(400, "UserError", f"Datastore '{me.name}' is the workspace's default and cannot be deleted.")

    def listed(self, scope: str, query: Mapping[str, str], view: View) -> Listing:
        """All, the default one, or those named."""
        view.need(scope)
        default = query.get("isDefault", "").lower() == "true"
        names = [name for name in query.get("names", "").split(",") if name]
        return view.listing(scope, self.arm_type).where(
            lambda each: (not default or bool(each.get("properties.isDefault"))) and (not names or each.name in names)
        )

    @action("listSecrets")
    def secrets(self, me: Resource, body: Body, azure: Azure) -> Body:
        """The kept secrets; for an account key that was not given, the account's own."""
        credentials: dict[str, Any] = me["properties.credentials"]
        kind = credentials["credentialsType"]
        if kind == "None":
            raise Refusal(400, "UserError", f"Datastore '{me.name}' keeps no credentials: it is reached by identity.")
        kept = credentials.get("secrets")
        if own_key(me, azure):
            kept = {"key": key(azure, azure.need(azure.parent(me)["properties.storageAccount"]), "key1")}
        if kept is None:
            raise Refusal(400, "UserError", f"Datastore '{me.name}' has credentials of type {kind}, and no secrets.")
        return {"secretsType": kind, **{name: value for name, value in kept.items() if name != "secretsType"}}


def own_key(me: Resource, view: View) -> bool:
    """Whether it is reached with a key that the workspace asks its own account for, as no other was given."""
    credentials = me.get("properties.credentials", {})
    account = str(view.parent(me).get("properties.storageAccount", "")).rsplit("/", 1)[-1]
    return (
        credentials.get("credentialsType") == "AccountKey"
        and credentials.get("secrets") is None
        and str(me.get("properties.accountName")).lower() == account.lower()
    )
