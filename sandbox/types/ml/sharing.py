"""From a workspace into a registry: the asset's files are copied into the registry's own storage.

Not here: who may ask for it, and the asset that is then made (planes/registries.py).
"""

import re
from dataclasses import dataclass

from sandbox.arm import ids
from sandbox.arm.azure import Azure
from sandbox.arm.ids import ResourceId
from sandbox.arm.kind import Body, Refusal
from sandbox.arm.resource import Resource, View
from sandbox.store.blobs import BlobError
from sandbox.types.ml import content, upload
from sandbox.types.ml.asset import ML, Version
from sandbox.types.ml.credentials import READ
from sandbox.types.ml.registry import storage_of
from sandbox.work import places
from sandbox.work.places import Place, PlaceError

_SOURCE = re.compile(r"(?i)azureml://locations/[^/]+/workspaces/([^/]+)/([^/]+)/([^/]+)/versions/([^/]+)")
_SHARED = ("models", "environments", "data")


@dataclass(frozen=True)
class Wanted:
    """What is to be shared.

    Attributes:
        workspace: whose asset it is.
        source: id of the asset's version there.
        target: id that it is given in the registry.
    """

    workspace: Resource
    source: ResourceId
    target: ResourceId


def read(body: Body, registry: Resource, view: View) -> Wanted:
    """What a request to import asks for.

    Raises:
        Refusal: 400 or 404, naming what it asks for.
    """
    asked = body.get("properties") or {}
    text = str(asked.get("sourceAssetId", ""))
    if (found := _SOURCE.fullmatch(text)) is None:
        want = "azureml://locations/REGION/workspaces/WORKSPACE-ID/KIND/NAME/versions/VERSION"
        raise Refusal(400, "UserError", f"sourceAssetId is '{text}': want {want}.")
    guid, segment, name, version = found.groups()
    if segment not in _SHARED:
        raise Refusal(400, "UserError", f"'{text}' cannot be shared: want models, environments or data.")
    workspaces = view.of_kind(f"{ML}/workspaces")
    workspace = next((each for each in workspaces if each.get("properties.workspaceId") == guid.lower()), None)
    if workspace is None:
        raise Refusal(404, "UserError", f"'{text}': there is no workspace with the id {guid}.")
    to, as_version = asked.get("destinationName") or name, asked.get("destinationVersion") or version
    return Wanted(
        workspace,
        ids.parse(f"{workspace.id.text}/{segment}/{name}/versions/{version}"),
        ids.parse(f"{registry.id.text}/{segment}/{to}/versions/{as_version}"),
    )


async def bring(wanted: Wanted, registry: Resource, azure: Azure) -> Body:
    """Copy the asset's files, read as the workspace; returns what the registry's asset is put as.

    Raises:
        Refusal: it is not there or cannot be read, or the registry has one of that name already.
    """
    kind = azure.registry.need(wanted.source)
    source = kind.find(wanted.source, azure)
    if source is None or not isinstance(kind, Version):
        raise Refusal(404, "UserError", f"'{wanted.source.text}' does not exist.")
    if azure.get(wanted.target.text):
        raise Refusal(409, "UserError", f"'{wanted.target.text}' already exists: want another name or version.")
    if source.get("properties.build"):
        raise Refusal(400, "UserError", f"'{wanted.source.text}' is built from a context: the sandbox shares images.")
    properties = dict(source.properties)
    if kind.path:
        properties[kind.path] = await _copy(str(properties[kind.path]), wanted.workspace, registry, azure)
    return {"properties": properties}


async def _copy(uri: str, workspace: Resource, registry: Resource, azure: Azure) -> str:
    where = content.locate(uri, workspace, azure)
    who = f"the identity of workspace '{workspace.name}'"
    content.need_access(content.identity_of(workspace), who, where, READ, azure)
    account = storage_of(registry, azure)
    name = where.place.path.rpartition("/")[2] or "content"
    target = Place(account.name, await upload.container(account, registry, azure), name)
    try:
        await places.copy(azure.blobs, where.place, target)
    except (PlaceError, BlobError) as error:
        raise Refusal(409, "UserError", f"{error}") from error
    return target.uri
