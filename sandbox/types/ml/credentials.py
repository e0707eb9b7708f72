"""Whether the credential that a datastore keeps opens its container: asked when it is used, as storage asks.

Not here: datastores without one, which are reached with the roles of an identity (content.py).
"""

from dataclasses import dataclass
from urllib.parse import parse_qsl

from sandbox.arm import access
from sandbox.arm.errors import ArmError
from sandbox.arm.keys import hash_secret, same
from sandbox.arm.kind import Body, Refusal
from sandbox.arm.resource import Resource, View
from sandbox.planes.blob_access import account_as_reached, check_signature
from sandbox.planes.blob_target import Account
from sandbox.types.storage.account import UNIQUE
from sandbox.types.storage.container import container_id

READ = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read"
WRITE = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/write"
_LETTERS = {READ: "r", WRITE: "cw"}


@dataclass
class _Files:
    """Any blob of a container."""

    account: Account
    container: str
    level: str = "blob"
    blob: str = ""


def need_opened(store: Resource, container: str, action: str, view: View) -> None:
    """Refuse a datastore whose credential does not open its container.

    Args:
        store: the datastore.
        container: its container or file system.
        action: READ or WRITE.
        view: where accounts and principals are looked up.

    Raises:
        Refusal: 403, with the credential, what is wrong with it and the repair.
    """
    account = view.named(UNIQUE, str(store.get("properties.accountName", "")))
    if account is None:
        raise _closed(store, f"there is no storage account '{store.get('properties.accountName')}'")
    given: Body = store.get("properties.credentials.secrets") or {}
    kind = store["properties.credentials.credentialsType"]
    reached = account_as_reached(account, view)
    if kind == "AccountKey":
        if not reached.keys:
            raise _closed(store, f"key based authentication is not permitted on '{account.name}'")
        if not any(same(str(given.get("key")), key) for key in reached.keys):
            raise _closed(store, f"its key is none of '{account.name}'")
        return
    scope = container_id(account.id.text, container)
    if kind == "Sas":
        query = dict(parse_qsl(str(given.get("sasToken", "")).lstrip("?"), keep_blank_values=True))
        try:
            principal = check_signature({"sig": "", **query}, _Files(reached, container), _LETTERS[action], view)
        except ArmError as error:
            raise _closed(store, error.message.rstrip(".")) from error
        if not principal:
            return
    else:
        principal = _signed_in(store, given, view)
    if not access.allowed(view.reader, principal, action, scope, data=True):
        raise _closed(store, f"principal '{principal}' has no role with {action} on '{scope}'")


def _signed_in(store: Resource, given: Body, view: View) -> str:
    """Object id of the application that a datastore signs in as."""
    kept = store["properties.credentials"]
    client = str(kept.get("clientId"))
    row = view.reader.one("SELECT object_id, secret_hash FROM principals WHERE client_id = ?", (client,))
    secret = hash_secret(str(given.get("clientSecret", "")))
    if row is None or not row["secret_hash"] or not same(secret, row["secret_hash"]):
        raise _closed(store, f"application '{client}' cannot sign in with it")
    return str(row["object_id"])


def _closed(store: Resource, why: str) -> Refusal:
    kind = store["properties.credentials.credentialsType"]
    return Refusal(
        403, "UserError",
        f"Datastore '{store.name}': its credential of type {kind} does not open the container: {why}. Put the "
        "datastore again with one that does, or without one to use the roles of an identity.",
    )  # fmt: skip
