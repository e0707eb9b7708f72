"""Pending uploads: a new container and a link that may write to it, before an asset's version exists."""

from datetime import timedelta
from urllib.parse import urlencode

from sandbox import clock
from sandbox.arm.azure import Azure
from sandbox.arm.kind import Body, Refusal
from sandbox.arm.resource import Resource, View
from sandbox.constants import TENANT_ID
from sandbox.planes import blob_signing
from sandbox.planes.blob_target import LATEST
from sandbox.types.ml.content import identity_of
from sandbox.types.storage.account import key
from sandbox.types.storage.container import container_id

_HOURS = 24
_WRITING = "racwdl"
READING = "rl"


async def start(account: Resource, owner: Resource, azure: Azure) -> Body:
    """Make a container for one upload; returns what clients read the link from.

    Args:
        account: the storage account.
        owner: the workspace or registry whose identity signs where the account lets no key sign.
        azure: the running sandbox.

    Raises:
        Refusal: 403 when neither a key nor an identity can sign.
    """
    name = await container(account, owner, azure)
    return {
        "pendingUploadId": name,
        "pendingUploadType": "TemporaryBlobReference",
        "blobReferenceForConsumption": link(account, name, owner, azure, _WRITING),
    }


async def container(account: Resource, owner: Resource, azure: Azure) -> str:
    """Make a container of an account; returns its name."""
    name = clock.new_id()
    await azure.change(
        owner.author, lambda change: change.make(container_id(account.id.text, name), {"properties": {}})
    )
    return name


def link(account: Resource, container: str, owner: Resource, view: View, permissions: str = READING) -> Body:
    """A link to a container of an account, good for a day; to read unless other permissions are given."""
    uri = f"https://{account.name}.blob.core.windows.net/{container}"
    signature = _signature(account, container, owner, view, permissions)
    return {
        "blobUri": uri,
        "storageAccountArmId": account.id.text,
        "credential": {"credentialType": "SAS", "sasUri": f"{uri}?{signature}"},
    }


def _signature(account: Resource, container: str, owner: Resource, view: View, permissions: str) -> str:
    now = clock.now()
    begin, end = (
        f"{moment:%Y-%m-%dT%H:%M:%SZ}" for moment in (now - timedelta(minutes=10), now + timedelta(hours=_HOURS))
    )
    query = {"sv": LATEST, "sp": permissions, "st": begin, "se": end, "spr": "https", "sr": "c"}
    if account.get("properties.allowSharedKeyAccess", True):
        text = blob_signing.service(query, account.name, container)
        signing = key(view, account, "key1")
    else:
        principal = identity_of(owner)
        if not principal:
            raise Refusal(
                403,
                "UserError",
                f"'{account.name}' has allowSharedKeyAccess off and '{owner.name}' no identity: nobody can sign. "
                "Give it an identity with the role 'Storage Blob Data Contributor' on the account.",
            )
        query |= {"skoid": principal, "sktid": TENANT_ID, "skt": begin, "ske": end, "sks": "b", "skv": LATEST}
        text = blob_signing.user_delegation(query, account.name, container)
        signing = blob_signing.delegation_key(view, account.name, account.created, query)
    return urlencode({**query, "sig": blob_signing.sign(signing, text)})
