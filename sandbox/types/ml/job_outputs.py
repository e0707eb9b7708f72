"""What a job leaves: named outputs, assets registered from them, logs and other artifacts."""

from functools import partial
from pathlib import Path

from sandbox.arm.accept import accept
from sandbox.arm.azure import Azure
from sandbox.arm.ids import parse
from sandbox.arm.kind import Body
from sandbox.arm.resource import Change, Resource
from sandbox.types.ml import content
from sandbox.types.ml.asset import Container, newest
from sandbox.types.ml.credentials import WRITE
from sandbox.types.ml.job_needs import identity
from sandbox.types.ml.job_state import workspace_of
from sandbox.work import paths, places
from sandbox.work.places import PlaceError

_FILES = ("uri_file",)
_MODELS = ("custom_model", "mlflow_model", "triton_model")


def prepare(me: Resource, azure: Azure, workspace: Resource, folder: Path) -> dict[str, str]:
    """Make a path for each output, once it is sure that it can be kept; returns what the expressions stand for."""
    values = {}
    who, principal = identity(me, azure, workspace)
    for name, given in (me.get("properties.outputs") or {}).items():
        uri = content.output_uri(me, name, workspace, azure)
        content.need_access(principal, who, content.locate(uri, workspace, azure), WRITE, azure)
        path = paths.inside(folder, f"named/{name}")
        if (given or {}).get("jobOutputType") not in _FILES:
            path.mkdir()
        values[f"outputs.{name}"] = str(path)
    return values


async def keep(me: Resource, azure: Azure, folder: Path) -> None:
    """Write the named outputs to where they are kept, then register those that have an asset's name.

    Raises:
        PlaceError: a file that the job promised is not there, or is a link.
        PathError: the job put a link in the place of an output.
    """
    workspace = workspace_of(me, azure)
    outputs = me.get("properties.outputs") or {}
    for name in outputs:
        path = paths.inside(folder, f"named/{name}")
        if not path.exists():
            raise PlaceError(f"output '{name}': the job did not write {path}")
        where = content.locate(content.output_uri(me, name, workspace, azure), workspace, azure)
        try:
            await places.store(azure.blobs, folder, f"named/{name}", where.place)
        except PlaceError as error:
            raise PlaceError(f"output '{name}': {error}") from error
    await register(me, azure)


async def register(me: Resource, azure: Azure) -> None:
    """Make assets of the outputs that have an asset's name."""
    workspace = workspace_of(me, azure)
    for name, given in (me.get("properties.outputs") or {}).items():
        if given and given.get("assetName"):
            uri = content.output_uri(me, name, workspace, azure)
            await azure.change(me.author, partial(_register, given, uri, me, workspace))


async def keep_artifacts(me: Resource, azure: Azure, folder: Path) -> None:
    """Write logs and the ``outputs`` folder to the artifact store."""
    workspace = workspace_of(me, azure)
    where = content.locate(content.output_uri(me, content.ARTIFACTS, workspace, azure), workspace, azure)
    await places.store(azure.blobs, folder, "artifacts", where.place)


def _register(given: Body, uri: str, me: Resource, workspace: Resource, change: Change) -> None:
    """Make a version of the asset that an output is called, unless that version is there."""
    kind = str(given.get("jobOutputType", "uri_folder"))
    model = kind in _MODELS
    container = f"{workspace.id.text}/{'models' if model else 'data'}/{given['assetName']}"
    version = given.get("assetVersion") or _next(container, change)
    properties: Body = {"modelType": kind, "modelUri": uri} if model else {"dataType": kind, "dataUri": uri}
    properties |= {"isAnonymous": False, "description": given.get("description"), "properties": {}, "tags": {}}
    if model:
        properties["jobName"] = me.name
    where = parse(f"{container}/versions/{version}")
    asset = change.registry.need(where)
    old = change.get(where.text)
    new = accept(asset, where, {"properties": properties}, old, change, patch=False)
    change.save(new)
    asset.stored(new, old, change)


def _next(container: str, change: Change) -> str:
    found = change.get(container)
    if found is None:
        return "1"
    kind = change.registry.need(found.id)
    return kind.next_version(newest(found, change), change) if isinstance(kind, Container) else "1"
