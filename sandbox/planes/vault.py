"""``{vault}.vault.azure.net``: secrets, for whoever has a data role. Keys and certificates are not served."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sandbox import clock
from sandbox.arm import access, ids
from sandbox.arm.accept import recover
from sandbox.arm.access import ISSUER
from sandbox.arm.errors import ArmError
from sandbox.arm.kind import Body
from sandbox.arm.operations import purge
from sandbox.arm.resource import Change, Resource, from_row
from sandbox.arm.verbs import Verbs
from sandbox.constants import TENANT_ID
from sandbox.gateway.hosts import Plane
from sandbox.gateway.http import Request, Response, json_response
from sandbox.types.keyvault.secret import Secret, Version, address, attributes, value_of
from sandbox.types.keyvault.vault import UNIQUE

AUDIENCE = "https://vault.azure.net"
_CHALLENGE = f'Bearer authorization="https://login.microsoftonline.com/{TENANT_ID}", resource="{AUDIENCE}"'
_READ = "readMetadata/action"


@dataclass(frozen=True)
class Asked:
    """A request that was let in.

    Attributes:
        body: the JSON that was sent.
        caller: object id of who asks.
        client: application id of the same.
        vault: the vault of the host name.
        name: the secret's name, '' where the path has none.
        version: the version's id, '' for the latest.
    """

    body: dict[str, Any]
    caller: str
    client: str
    vault: Resource
    name: str
    version: str

    @property
    def where(self) -> str:
        """The secret's ARM id."""
        return f"{self.vault.id.text}/secrets/{self.name}"


class VaultPlane(Plane):
    """The secrets of every vault."""

    hosts = ("{vault}.vault.azure.net",)

    async def handle(self, request: Request, names: dict[str, str]) -> Response:
        """Vault, identity, right, then the operation."""
        vault = self.azure.named(UNIQUE, names["vault"])
        if vault is None:
            raise ArmError(
                404, "VaultNotFound",
                f"There is no vault '{names['vault']}' in the sandbox; on Azure this host would not be found at all.",
            )  # fmt: skip
        try:
            caller = self.tokens.read(request.headers.get("authorization"), (AUDIENCE,))
        except ArmError as error:
            raise ArmError(401, "Unauthorized", error.message, headers={"www-authenticate": _CHALLENGE}) from error
        place, name, version = _place(request.path)
        if (request.method, place) not in _OPERATIONS:
            known = ", ".join(sorted(f"{method} {where}" for method, where in _OPERATIONS))
            raise ArmError(404, "NotFound", f"{request.method} {request.path} is not in the sandbox; it has: {known}.")
        action, run = _OPERATIONS[request.method, place]
        asked = Asked(await request.json() or {}, caller.object_id, caller.client_id, vault, name, version)
        self._require(asked, action)
        return await run(self, asked)

    async def list_secrets(self, asked: Asked) -> Response:
        """Every secret, without its value."""
        found = self.azure.children(asked.vault.id.text, Secret.arm_type)
        shown = [_item(me, me["properties.versions"][0], with_version=False) for me in found]
        return json_response({"value": shown, "nextLink": None})

    async def list_versions(self, asked: Asked) -> Response:
        """Every version of a secret, without its value."""
        me = self._need(asked)
        return json_response({"value": [_item(me, each) for each in me["properties.versions"]], "nextLink": None})

    async def get(self, asked: Asked) -> Response:
        """A secret with its value."""
        me = self._need(asked)
        version = _version(me, asked.version)
        if attributes(version)["enabled"] is False:
            raise ArmError(403, "Forbidden", f"Operation get is not allowed on the disabled secret '{me.name}'.")
        return self._with_value(me, version)

    async def set(self, asked: Asked) -> Response:
        """A value for a new or an existing secret."""
        properties = {name: asked.body[name] for name in ("value", "contentType", "attributes") if name in asked.body}
        sent = {"properties": properties, "tags": asked.body.get("tags") or {}}
        me, _, _ = await self._verbs.put(ids.parse(asked.where), sent, asked.caller)
        return self._with_value(me, me["properties.versions"][0])

    async def update(self, asked: Asked) -> Response:
        """Other attributes for a version; its value stays."""
        me = self._need(asked)
        wanted = _version(me, asked.version)["id"]

        def write(now: Resource) -> None:
            version = _version(now, wanted)
            version["attributes"] = {**(version["attributes"] or {}), **asked.body.get("attributes", {})}
            version.update({name: asked.body[name] for name in ("contentType", "tags") if name in asked.body})
            version["updated"] = int(clock.now().timestamp())

        await self.azure.revise(me, write)
        me = self._need(asked)
        return json_response(_item(me, _version(me, wanted)))

    async def delete(self, asked: Asked) -> Response:
        """Put aside until it is purged or recovered."""
        me = self._need(asked)
        await self._verbs.delete(me.id, asked.caller)
        return json_response(self._deleted(asked)[0][0])

    async def list_deleted(self, asked: Asked) -> Response:
        """Every deleted secret."""
        return json_response({"value": [shown for shown, _ in self._deleted(asked)], "nextLink": None})

    async def get_deleted(self, asked: Asked) -> Response:
        """A deleted secret."""
        return json_response(self._need_deleted(asked)[0])

    async def purge(self, asked: Asked) -> Response:
        """Gone for good, unless the vault is protected."""
        self._need_deleted(asked)
        if asked.vault.get("properties.enablePurgeProtection"):
            raise ArmError(403, "Forbidden", f"The vault '{asked.vault.name}' has purge protection.")
        await self.azure.change(asked.caller, lambda change: purge(change, asked.where))
        return Response(204)

    async def recover(self, asked: Asked) -> Response:
        """A deleted secret as it was."""
        _, rows = self._need_deleted(asked)

        def write(change: Change) -> None:
            recover(change, rows)
            change.tx.run("DELETE FROM deleted WHERE key = ?", (asked.where.lower(),))

        await self.azure.change(asked.caller, write)
        me = self._need(asked)
        return json_response(_item(me, me["properties.versions"][0]))

    def _require(self, asked: Asked, action: str) -> None:
        """Refuse without a data role on the vault or the secret."""
        action, scope = f"{Secret.arm_type}/{action}", asked.where if asked.name else asked.vault.id.text
        if not access.allowed(self.azure.reader, asked.caller, action, scope, data=True):
            raise ArmError(
                403, "Forbidden",
                "Caller is not authorized to perform action on resource.\r\nIf role assignments, deny assignments or "
                "role definitions were changed recently, please observe propagation time.\r\nCaller: "
                f"appid={asked.client};oid={asked.caller};iss={ISSUER}\r\nAction: '{action}'\r\nResource: '{scope}'\r\n"
                "Assignment: (not found)\r\nDenyAssignmentId: null\r\nDecisionReason: null \r\n"
                f"Vault: {asked.vault.name};location={asked.vault['location']}\r\n",
                inner="ForbiddenByRbac",
            )  # fmt: skip

    def _need(self, asked: Asked) -> Resource:
        if me := self.azure.get(asked.where):
            return me
        raise ArmError(404, "SecretNotFound", f"A secret with (name/id) {asked.name} was not found in this key vault.")

    def _need_deleted(self, asked: Asked) -> tuple[Body, str]:
        if found := self._deleted(asked):
            return found[0]
        raise ArmError(404, "SecretNotFound", f"Deleted Secret not found: {asked.name}")

    def _deleted(self, asked: Asked) -> list[tuple[Body, str]]:
        """What is shown of each deleted secret, or of the one that is asked for, and its rows."""
        below = f"{asked.vault.id.key}/secrets/"
        rows = self.azure.reader.all(
            "SELECT * FROM deleted WHERE kind = ? AND key >= ? AND key < ? ORDER BY key",
            (Secret.arm_type.lower(), below, f"{below[:-1]}0"),
        )
        wanted = [row for row in rows if not asked.name or row["key"] == asked.where.lower()]
        return [(_shown_deleted(asked.vault, row["rows"], row["deleted"]), row["rows"]) for row in wanted]

    def _with_value(self, me: Resource, version: Version) -> Response:
        return json_response({"value": value_of(self.azure, me, version), **_item(me, version)})

    @property
    def _verbs(self) -> Verbs:
        return Verbs(self.azure, self.operations)


# Method and place to what a role must cover, below Microsoft.KeyVault/vaults/secrets/, and what is done.
_OPERATIONS: dict[tuple[str, str], tuple[str, Callable[[VaultPlane, Asked], Awaitable[Response]]]] = {
    ("GET", "secrets"): (_READ, VaultPlane.list_secrets),
    ("GET", "secret"): ("getSecret/action", VaultPlane.get),
    ("GET", "versions"): (_READ, VaultPlane.list_versions),
    ("PUT", "secret"): ("setSecret/action", VaultPlane.set),
    ("PATCH", "secret"): ("update/action", VaultPlane.update),
    ("DELETE", "secret"): ("delete", VaultPlane.delete),
    ("GET", "deletedsecrets"): (_READ, VaultPlane.list_deleted),
    ("GET", "deletedsecret"): (_READ, VaultPlane.get_deleted),
    ("DELETE", "deletedsecret"): ("purge/action", VaultPlane.purge),
    ("POST", "recover"): ("recover/action", VaultPlane.recover),
}


def _place(path: str) -> tuple[str, str, str]:
    """Which operation's place a path is, the secret's name and the version."""
    parts = path.strip("/").split("/")
    match [part.lower() for part in parts]:
        case ["secrets" | "deletedsecrets" as place]:
            return place, "", ""
        case ["secrets", _, "versions"]:
            return "versions", parts[1], ""
        case ["secrets", _, *version] if len(version) < 2:
            return "secret", parts[1], "".join(version)
        case ["deletedsecrets", _]:
            return "deletedsecret", parts[1], ""
        case ["deletedsecrets", _, "recover"]:
            return "recover", parts[1], ""
    return "", "", ""


def _version(me: Resource, wanted: str) -> Version:
    versions: list[Version] = me["properties.versions"]
    found = next((each for each in versions if wanted in ("", each["id"])), None)
    if found is None:
        raise ArmError(404, "SecretNotFound", f"A secret with (name/id) {me.name}/{wanted} was not found.")
    return found


def _item(me: Resource, version: Version, *, with_version: bool = True) -> Body:
    """A secret without its value."""
    where = address(me)
    item = {"id": f"{where}/{version['id']}" if with_version else where, "attributes": attributes(version)}
    if version["contentType"]:
        item["contentType"] = version["contentType"]
    return {**item, "tags": version["tags"]}


def _shown_deleted(vault: Resource, rows: str, deleted: str) -> Body:
    me = from_row(json.loads(rows)[0])
    since = datetime.fromisoformat(deleted)
    until = since + timedelta(days=vault["properties.softDeleteRetentionInDays"])
    return {
        **_item(me, me["properties.versions"][0]), "recoveryId": address(me).replace("/secrets/", "/deletedsecrets/"),
        "deletedDate": int(since.timestamp()), "scheduledPurgeDate": int(until.timestamp()),
    }  # fmt: skip
