"""The directory: whom somebody at this machine may become, beside the sandbox's own caller.

An application or a person is a principal of its own; a user-assigned identity is the one that a program declared, or
one that is made along. Roles are ordinary role assignments. Secrets lie in files that only their owner can read, tokens
of other issuers too; the state holds a secret's hash.
"""

import difflib
import re
import secrets
import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from sandbox import clock
from sandbox.arm import ids
from sandbox.arm.azure import Azure
from sandbox.arm.errors import ArmError
from sandbox.arm.keys import hash_secret
from sandbox.arm.operations import Operations
from sandbox.arm.resource import Resource, View
from sandbox.arm.roles import DEFINITION, ROLES
from sandbox.arm.verbs import Verbs
from sandbox.atomic import write_private
from sandbox.constants import LOCATION, OBJECT_ID, SUBSCRIPTION_ID
from sandbox.planes import federation
from sandbox.store.db import Reader, Tx

APPLICATION, USER_ASSIGNED, PERSON = "service-principal", "user-assigned", "person"
KINDS = (APPLICATION, USER_ASSIGNED, PERSON)
DOMAIN = "sandbox.onmicrosoft.com"
_ISSUER = "https://issuer.sandbox.invalid"
_NAME = r"[A-Za-z0-9][\w.-]{0,62}"
_IDENTITIES = "Microsoft.ManagedIdentity/userAssignedIdentities"
_ASSIGNMENTS = "providers/Microsoft.Authorization/roleAssignments"
_SUBSCRIPTION = f"/subscriptions/{SUBSCRIPTION_ID}"


class Directory:
    """Adds, lists and removes identities, and signs in as one.

    Args:
        azure: the running sandbox.
        operations: for what is written through Azure Resource Manager.
    """

    def __init__(self, azure: Azure, operations: Operations) -> None:
        self._azure = azure
        self._verbs = Verbs(azure, operations)

    async def add(self, name: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Make an identity what is asked, or leave it so; a role is added to those that it has.

        Args:
            name: how it is called.
            asked: ``kind``, ``role`` and ``scope``, ``federated`` as issuer and subject; each may be absent.

        Raises:
            ArmError: 400 InvalidIdentity with every mistake, a line each; nothing was made.
        """
        there = _row(self._azure.reader, name)
        kind = str(asked.get("kind") or (there["kind"] if there else APPLICATION))
        federated = tuple(str(part) for part in asked.get("federated") or ())
        problems = _wrong(name, kind, federated, there)
        role = scope = ""
        if asked.get("role"):
            role = _role(str(asked["role"]), self._azure, problems)
        if asked.get("scope"):
            scope = _scope(str(asked["scope"]), self._azure, problems)
        if bool(asked.get("role")) != bool(asked.get("scope")):
            problems.append("--role and --scope go together: which role, and where")
        group = ids.parse(scope).group if scope else ""
        me = None
        if kind == USER_ASSIGNED:  # a stack that came up anew has another one under the same name
            me = (self._of(there["object_id"]) if there else None) or self._declared(name)
        if kind == USER_ASSIGNED and not problems and not (me or group):
            problems.append(
                f"{name}: a user-assigned identity stands in a resource group; --scope must be one, or in one "
                f"({_known(_groups(self._azure))})"
            )
        if problems:
            raise ArmError(400, "InvalidIdentity", "\n".join(problems))
        if kind == USER_ASSIGNED:
            await self._identity(name, me, group, federated, there)
        else:
            await self._principal(name, kind, federated, there)
        row = self.need(name)
        if role:
            await self._grant(row["object_id"], role, scope)
        return self.show(row)

    async def remove(self, name: str) -> dict[str, Any]:
        """Take an identity away, with its credentials and the role assignments that it was given; says what went.

        Raises:
            ArmError: 404 IdentityNotFound.
        """
        row = self.need(name)
        shown, object_id = self.show(row), row["object_id"]
        for grant in self._azure.reader.all("SELECT * FROM grants WHERE principal = ?", (object_id,)):
            if not shown["declared"] or grant["key"].rpartition("/")[2] == _assignment(
                object_id, grant["role"], grant["scope"]
            ):
                await self._verbs.delete(ids.parse(grant["key"]), OBJECT_ID)
        if row["kind"] == USER_ASSIGNED and (me := self._of(object_id)):
            credential = f"{me.id.text}/federatedIdentityCredentials/{_credential(row['name'])}"
            await self._verbs.delete(me.id if row["resource"] else ids.parse(credential), OBJECT_ID)

        def forget(tx: Tx) -> None:
            tx.resources = True
            tx.run("DELETE FROM identities WHERE name = ?", (name,))
            if row["kind"] != USER_ASSIGNED:
                tx.run("DELETE FROM principals WHERE object_id = ?", (object_id,))

        await self._azure.store.write(forget)
        for ending in ("secret", "token"):
            (self._azure.home.identities / f"{row['name']}.{ending}").unlink(missing_ok=True)
        return shown

    def sign_in(self, name: str) -> dict[str, Any]:
        """What :meth:`show` tells, with a token file that is new, for one that signs in with tokens.

        Raises:
            ArmError: 404 IdentityNotFound.
        """
        row = self.need(name)
        if row["issuer"]:
            token = federation.issue(self._azure.reader, row["issuer"], row["subject"])
            write_private(self._azure.home.identities / f"{row['name']}.token", token.encode())
        return self.show(row)

    def need(self, name: str) -> Mapping[str, Any]:
        """The row of an identity that can sign in.

        Raises:
            ArmError: 404 IdentityNotFound, with those that there are and the command that adds one.
        """
        row = _row(self._azure.reader, name)
        if row is None:
            names = [each["name"] for each in self._azure.reader.all("SELECT name FROM identities ORDER BY name")]
            raise ArmError(
                404, "IdentityNotFound",
                f"there is no identity '{name}'{_near(name, names)}; there are: {', '.join(names) or 'none'}. Add it "
                f"with: .venv/bin/python -m sandbox identity add {name if re.fullmatch(_NAME, name) else 'NAME'} "
                "--role Reader --scope subscription",
            )  # fmt: skip
        return dict(row)

    def listing(self) -> list[dict[str, Any]]:
        """Every identity, by name."""
        return [self.show(dict(row)) for row in self._azure.reader.all("SELECT * FROM identities ORDER BY name")]

    def show(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """An identity without its secret: where that lies, its ids and its roles."""
        principal = self._azure.reader.one("SELECT client_id FROM principals WHERE object_id = ?", (row["object_id"],))
        rows = self._azure.reader.all(
            "SELECT role, scope, key FROM grants WHERE principal = ? ORDER BY scope, role", (row["object_id"],)
        )
        ending = "token" if row["issuer"] else "secret"
        return {
            "name": row["name"], "kind": row["kind"],
            "declared": row["kind"] == USER_ASSIGNED and not row["resource"], "objectId": row["object_id"],
            "clientId": principal["client_id"] if principal else "",
            "federated": [row["issuer"], row["subject"]] if row["issuer"] else None,
            "file": str(self._azure.home.identities / f"{row['name']}.{ending}"),
            "roles": [
                {"role": role_name(each["role"], self._azure), "scope": self._spelled(each["scope"])} for each in rows
            ],
        }  # fmt: skip

    def _spelled(self, scope: str) -> str:
        found = self._azure.get(scope)
        return found.id.text if found else scope

    async def _principal(
        self, name: str, kind: str, federated: tuple[str, ...], there: Mapping[str, Any] | None
    ) -> None:
        """An application or a person, with its secret unless it has a token's issuer."""
        object_id = there["object_id"] if there else clock.new_id()
        issuer, subject = federated or ((there["issuer"], there["subject"]) if there else ("", ""))
        path = self._azure.home.identities / f"{there['name'] if there else name}.secret"
        if issuer:
            path.unlink(missing_ok=True)
            kept = None
        else:
            if not path.exists():
                write_private(path, secrets.token_urlsafe(32).encode())
            kept = hash_secret(path.read_text(encoding="utf-8"))
        client_id = f"{name}@{DOMAIN}".lower() if kind == PERSON else clock.new_id()

        def write(tx: Tx) -> None:
            tx.resources = True
            tx.run("INSERT OR IGNORE INTO principals VALUES (?,?,?,NULL,'')", (object_id, client_id, name))
            tx.run("UPDATE principals SET secret_hash = ? WHERE object_id = ?", (kept, object_id))
            tx.run(
                "INSERT INTO identities VALUES (?,?,?,?,?,'') ON CONFLICT (name) DO UPDATE SET issuer = ?, subject = ?",
                (name, kind, object_id, issuer, subject, issuer, subject),
            )

        await self._azure.store.write(write)

    async def _identity(
        self, name: str, me: Resource | None, group: str, federated: tuple[str, ...], there: Mapping[str, Any] | None
    ) -> None:
        """A user-assigned identity that takes the tokens of an issuer: the one of that name, else a new one."""
        same = there and me and there["object_id"] == me["properties.principalId"]
        made = there["resource"] if there and same else ""
        if me is None:
            made = f"{_SUBSCRIPTION}/resourceGroups/{group}/providers/{_IDENTITIES}/{name}"
            me, _, _ = await self._verbs.put(ids.parse(made), {"location": LOCATION}, OBJECT_ID)
        issuer, subject = federated or ((there["issuer"], there["subject"]) if there else (_ISSUER, f"identity:{name}"))
        body = {"properties": {"issuer": issuer, "subject": subject, "audiences": [federation.AUDIENCE]}}
        where = ids.parse(f"{me.id.text}/federatedIdentityCredentials/{_credential(name)}")
        await self._verbs.put(where, body, OBJECT_ID)
        row = (name, USER_ASSIGNED, me["properties.principalId"], issuer, subject, made)
        await self._azure.store.write(lambda tx: tx.run("INSERT OR REPLACE INTO identities VALUES (?,?,?,?,?,?)", row))

    def _declared(self, name: str) -> Resource | None:
        """A user-assigned identity that is there already, by its name."""
        return next((each for each in self._azure.of_kind(_IDENTITIES) if each.name.lower() == name.lower()), None)

    def _of(self, object_id: str) -> Resource | None:
        row = self._azure.reader.one("SELECT resource FROM principals WHERE object_id = ?", (object_id,))
        return self._azure.get(row["resource"]) if row else None

    async def _grant(self, object_id: str, role: str, scope: str) -> None:
        has = self._azure.reader.one(
            "SELECT 1 FROM grants WHERE principal = ? AND role = ? AND scope = ?", (object_id, role, scope.lower())
        )
        if has is None:
            where = f"{scope}/{_ASSIGNMENTS}/{_assignment(object_id, role, scope)}"
            definition = f"{_SUBSCRIPTION}/providers/{DEFINITION}/{role}"
            body = {"properties": {"principalId": object_id, "roleDefinitionId": definition}}
            await self._verbs.put(ids.parse(where), body, OBJECT_ID)


def role_name(guid: str, view: View) -> str:
    """What a role is called."""
    return next((name for name, each in _roles(view).items() if each == guid.lower()), guid)


def _row(reader: Reader, name: str) -> Mapping[str, Any] | None:
    row = reader.one("SELECT * FROM identities WHERE name = ?", (name,))
    return dict(row) if row else None


def _wrong(name: str, kind: str, federated: tuple[str, ...], there: Mapping[str, Any] | None) -> list[str]:
    found = []
    if not re.fullmatch(_NAME, name):
        found.append(
            f"{name!r} is no name of an identity; accepted: 1-63 letters, digits, hyphens, underscores and periods, "
            "the first a letter or digit"
        )
    if kind not in KINDS:
        found.append(f"kind is '{kind}'{_near(kind, KINDS)}; accepted: {', '.join(KINDS)}")
    elif there and kind != there["kind"]:
        found.append(
            f"'{there['name']}' is a {there['kind']} and cannot become a {kind}; remove it first: "
            f".venv/bin/python -m sandbox identity remove {there['name']}"
        )
    if federated and kind == PERSON:
        found.append(f"'{name}' is a person, who signs in with a password; leave --federated out")
    elif federated and (len(federated) != 2 or not federated[0].startswith("https://") or not federated[1]):
        found.append(
            f"federated is {' '.join(federated)!r}: want an issuer's https URL and a subject, such as "
            "https://token.actions.githubusercontent.com repo:my-org/my-repo:ref:refs/heads/main"
        )
    return found


def _role(asked: str, view: View, problems: list[str]) -> str:
    """The id of a role that is named, or given by its id."""
    roles = _roles(view)
    by_name = {name.lower(): guid for name, guid in roles.items()}
    guid = by_name.get(asked.lower()) or (asked.lower() if asked.lower() in roles.values() else "")
    if not guid:
        problems.append(f"role is '{asked}'{_near(asked, roles)}; accepted: {', '.join(sorted(roles))}")
    return guid


def _roles(view: View) -> dict[str, str]:
    """Every role by its name, the custom ones too."""
    own = {str(each["properties.roleName"]): each.name.lower() for each in view.of_kind(DEFINITION)}
    return own | {role.name: guid for guid, role in ROLES.items()}


def _scope(asked: str, view: View, problems: list[str]) -> str:
    """The id of what a role is given on."""
    if asked.lower() == "subscription":
        return _SUBSCRIPTION
    group = f"{_SUBSCRIPTION}/resourceGroups/{asked}"
    if found := view.get(asked if asked.startswith("/") else group):
        return found.id.text
    groups = _groups(view)
    known = [row["id"] for row in view.reader.all("SELECT id FROM resources")] if asked.startswith("/") else groups
    problems.append(
        f"scope is '{asked}', and that is not there{_near(asked, [*known, 'subscription'])}; accepted: subscription, a "
        f"resource group ({_known(groups)}), or the id of a resource"
    )
    return ""


def _groups(view: View) -> list[str]:
    return [each.name for each in view.of_kind("Microsoft.Resources/resourceGroups")]


def _known(names: Iterable[str]) -> str:
    return ", ".join(names) or "there is none yet"


def _near(word: str, known: Iterable[str]) -> str:
    by_lower = {each.lower(): each for each in known}
    close = difflib.get_close_matches(word.lower(), list(by_lower), 1)
    return f"; did you mean '{by_lower[close[0]]}'?" if close else ""


def _credential(name: str) -> str:
    """The name of the federated identity credential that an identity signs in by."""
    return f"sandbox-{re.sub(r'[^A-Za-z0-9_-]', '-', name)}"


def _assignment(object_id: str, role: str, scope: str) -> str:
    """The name of a role assignment, the same each time, so that adding twice is adding once."""
    return str(uuid.uuid5(uuid.UUID(object_id), f"{role} {scope}".lower()))
