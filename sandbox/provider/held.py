"""Names that a deletion did not free: Azure keeps what is soft-deleted, and its name, until a date.

A creation under such a name is refused by Azure in the middle of an `up`. Asked here it is refused before anything
is made, in a preview too. The sandbox's state is asked, which works without a running gateway.
"""

import json
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sandbox.arm.schema import ResourceType
from sandbox.provider.client import Client
from sandbox.values import Json, Props, plain


@dataclass(frozen=True)
class Keeping:
    """How a type keeps what was deleted.

    Attributes:
        what: the thing, in words.
        days: how long, unless a property of it says so.
        days_path: that property, '' when it is always the same.
        protection: the property that forbids to purge it, '' when nothing does.
        recovers: the input that brings the deleted one back, and its value.
        globally: the name is taken everywhere, not only in the resource group.
        recover: command that brings it back.
        purge: command that frees the name.
    """

    what: str
    days: int
    days_path: str
    protection: str
    recovers: tuple[str, Json]
    globally: bool
    recover: str
    purge: str


# Sources: learn.microsoft.com, key-vault/general/soft-delete-overview and machine-learning/concept-soft-delete.
KEPT = {
    "Microsoft.KeyVault/vaults": Keeping(
        "key vault", 90, "softDeleteRetentionInDays", "enablePurgeProtection", ("createMode", "recover"), True,
        "az keyvault recover --name {name}", "az keyvault purge --name {name}",
    ),
    "Microsoft.MachineLearningServices/workspaces": Keeping(
        "workspace", 14, "", "", ("allowRecoverSoftDeletedWorkspace", True), False,
        "Azure portal, Azure Machine Learning, Recently deleted, Recover",
        "az ml workspace delete --name {name} --resource-group {group} --permanently-delete",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Held:
    """A deleted resource whose name is still taken.

    Attributes:
        path: its resource id, in lower case.
        name: its name.
        location: its region.
        deleted: when, UTC.
        properties: ARM's, as they were.
    """

    path: str
    name: str
    location: str
    deleted: str
    properties: Mapping[str, Json]

    @property
    def protected(self) -> bool:
        """Nobody can purge it."""
        keeping = _keeping(self)
        return bool(keeping and keeping.protection and self.properties.get(keeping.protection))

    @property
    def group(self) -> str:
        """The resource group it was in."""
        return self.path.split("/")[4]


# What is left where a name cannot be freed.
WAY_OUT = (
    "another name_salt, under mlops:platform in the stack file, gives the whole stack other names; make purge removes "
    "the sandbox with every stack in it"
)
Find = Callable[[str, str], list[Held]]


def of_state(database: Path | None) -> Find:
    """Looks deleted resources up in a sandbox's state; a state that is not there holds none."""

    def find(arm_type: str, name: str) -> list[Held]:
        where = " WHERE kind = ? AND name = ? COLLATE NOCASE"
        return _read(database, where, arm_type.lower(), name) if database else []

    return find


def everything(database: Path) -> list[Held]:
    """All that was deleted and still has its name."""
    return [held for held in _read(database, "") if _keeping(held)]


def free(client: Client, held: Held) -> None:
    """Purge a deleted resource: its name is free, and what it held is gone for good.

    Raises:
        ProviderError: it has purge protection.
    """
    _, _, subscription, _, _, _, _, kind, _ = held.path.split("/")
    if kind == "vaults":
        where = f"/subscriptions/{subscription}/providers/Microsoft.KeyVault/locations/{held.location}"
        client.post(f"{where}/deletedVaults/{held.name}/purge", "2024-11-01")
    else:
        client.delete(held.path, "2025-12-01", force="forceToPurge=true")


def _keeping(held: Held) -> Keeping | None:
    kind = "/".join(held.path.split("/")[6:8])
    return next((keeping for name, keeping in KEPT.items() if name.lower() == kind), None)


def _read(database: Path, where: str, *values: str) -> list[Held]:
    if not database.exists():
        return []
    connection = sqlite3.connect(database)
    try:
        connection.execute("PRAGMA query_only=1")
        rows = connection.execute(f"SELECT key, location, name, deleted, rows FROM deleted{where}", values).fetchall()  # noqa: S608
    except (sqlite3.DatabaseError, UnicodeDecodeError):  # whoever opens the state to use it says what is wrong with it
        return []
    finally:
        connection.close()
    return [
        _held(key, location, name, deleted, json.loads(content)[0]) for key, location, name, deleted, content in rows
    ]


def _held(key: str, location: str, name: str, deleted: str, row: Mapping[str, Json]) -> Held:
    return Held(key, name, location, deleted, json.loads(row["body"]).get("properties") or {})


def taken(kind: ResourceType, name: str, inputs: Props, find: Find) -> str:
    """Why a resource of this name cannot be created now, '' when it can."""
    keeping = KEPT.get(kind.arm_type)
    if keeping is None:
        return ""
    wanted = plain(inputs.get("properties")) if "properties" in inputs else plain(inputs)
    option, value = keeping.recovers
    if isinstance(wanted, Mapping) and wanted.get(option) == value:
        return ""
    group = str(plain(inputs.get("resourceGroupName", ""))).lower()
    for held in find(kind.arm_type, name):
        if keeping.globally or held.group.lower() == group:
            return _told(keeping, held)
    return ""


def kept_by_replacing(kind: ResourceType, old: Props, new: Props, properties: Mapping[str, Json]) -> str:
    """Why a resource cannot be replaced under its own name, '' when it can."""
    keeping = KEPT.get(kind.arm_type)
    named = [kind.name_input or ""] if keeping and keeping.globally else ["resourceGroupName", kind.name_input or ""]
    if keeping is None or any(plain(old.get(each)) != plain(new.get(each)) for each in named):
        return ""
    protected = keeping.protection and properties.get(keeping.protection)
    way = "it has purge protection, so nobody can purge it" if protected else "or take it away, purge it, and make it"
    return (
        f"such a change replaces the {keeping.what}, and a deleted one keeps the name '{plain(old.get(named[-1]))}' "
        f"for {_days(keeping, properties)} days. Give the new one another name{'; ' if protected else ', '}{way}"
    )


def _days(keeping: Keeping, properties: Mapping[str, Json]) -> int:
    return int(properties.get(keeping.days_path) or keeping.days) if keeping.days_path else keeping.days


def _told(keeping: Keeping, held: Held) -> str:
    until = datetime.fromisoformat(held.deleted) + timedelta(days=_days(keeping, held.properties))
    known = {"name": held.name, "group": held.group}
    purge = (
        f"it has purge protection and cannot be purged: {WAY_OUT}"
        if held.protected
        else (
            f"for a new one: {keeping.purge} (in the sandbox, all of them: .venv/bin/python -m sandbox purge "
            "--deleted); or choose another name"
        )
    )
    return (
        f"the name '{held.name}' is taken until {until:%Y-%m-%d} by a {keeping.what} that was deleted on "
        f"{held.deleted[:10]}. To have that one back: {keeping.recover}; {purge}"
    ).format(**known)
