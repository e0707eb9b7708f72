"""Operations on a container. It is an ARM resource, so it is made, changed and deleted as one."""

import base64
from typing import Any

from sandbox.arm import ids
from sandbox.arm.errors import ArmError
from sandbox.arm.resource import Resource
from sandbox.arm.verbs import Verbs
from sandbox.gateway.http import Response
from sandbox.planes import blob_xml
from sandbox.planes.blob_signing import LIST
from sandbox.planes.blob_target import Operation, Target, http_date, invalid_header, page_size
from sandbox.store.blobs import BlobError, Container

_PUBLIC = {"": "None", "blob": "Blob", "container": "Container"}


async def create(target: Target) -> Response:
    """A new container."""
    public = target.request.headers.get("x-ms-blob-public-access", "")
    if public not in _PUBLIC:
        raise invalid_header("x-ms-blob-public-access", public, "blob or container")
    body = {"properties": {"publicAccess": _PUBLIC[public], "metadata": _metadata(target)}}
    return _described(await _write(target, body, {"if-none-match": "*"}), 201)


async def show(target: Target) -> Response:
    """What a container is, without its blobs."""
    return _described(_need(target), 200)


async def set_metadata(target: Target) -> Response:
    """Other metadata in place of all that it has."""
    _need(target)
    resource: Resource = target.azure.need(target.scope)
    body = {**resource.body, "properties": {**resource.properties, "metadata": _metadata(target)}}
    return _described(await _write(target, body, {}), 200)


async def delete(target: Target) -> Response:
    """Gone with all blobs."""
    _need(target)
    await Verbs(target.azure, target.gate.operations).delete(ids.parse(target.scope), target.caller)
    return Response(202)


async def list_blobs(target: Target) -> Response:
    """Blobs by name."""
    query = target.request.query
    blob_xml.check_include(query, "copy", "metadata")
    page = target.blobs.page(
        target.account.name, target.container, query.get("prefix", ""), delimiter=query.get("delimiter", ""),
        marker=_read_marker(query.get("marker", "")), limit=page_size(query),
    )  # fmt: skip
    marker = base64.urlsafe_b64encode(page.marker.encode()).decode()
    return blob_xml.answer(blob_xml.blobs(f"https://{target.request.host}/", target.container, query, page, marker))


async def show_access(target: Target) -> Response:
    """How open a container is; it has no stored access policies."""
    container = _need(target)
    public = str(target.azure.need(target.scope)["properties.publicAccess"]).lower()
    headers = {"etag": container.etag, "last-modified": http_date(container.modified)}
    if public != "none":
        headers["x-ms-blob-public-access"] = public
    return blob_xml.answer("<SignedIdentifiers/>", headers)


def _need(target: Target) -> Container:
    container = target.blobs.container(target.account.name, target.container)
    if container is None:
        raise BlobError("ContainerNotFound", f"The specified container '{target.container}' does not exist.")
    return container


async def _write(target: Target, body: dict[str, Any], conditions: dict[str, str]) -> Container:
    try:
        await Verbs(target.azure, target.gate.operations).put(
            ids.parse(target.scope), body, target.caller, conditions=conditions
        )
    except ArmError as error:
        if error.code != "PreconditionFailed":
            raise
        raise ArmError(
            409, "ContainerAlreadyExists", f"The specified container '{target.container}' already exists."
        ) from error
    return _need(target)


def _metadata(target: Target) -> dict[str, str]:
    prefix = blob_xml.META
    return {name[len(prefix) :]: value for name, value in target.request.headers.items() if name.startswith(prefix)}


def _described(container: Container, status: int) -> Response:
    return Response(status, headers={
        "etag": container.etag, "last-modified": http_date(container.modified), "x-ms-lease-status": "unlocked",
        "x-ms-lease-state": "available", "x-ms-has-immutability-policy": "false", "x-ms-has-legal-hold": "false",
        **{blob_xml.META + name: value for name, value in container.metadata.items()},
    })  # fmt: skip


def _read_marker(marker: str) -> str:
    try:
        return base64.urlsafe_b64decode(marker).decode()
    except ValueError as error:
        raise ArmError(400, "InvalidQueryParameterValue", f"marker is '{marker}', none that a page gave.") from error


OPERATIONS = {
    ("PUT", ""): Operation(
        create, "containers/write", "cw", data=False, headers=("x-ms-blob-public-access", blob_xml.META)
    ),
    ("GET", ""): Operation(show, "containers/read", "r", data=False),
    ("DELETE", ""): Operation(delete, "containers/delete", "d", data=False),
    ("GET", "metadata"): Operation(show, "containers/read", "r", data=False),
    ("PUT", "metadata"): Operation(set_metadata, "containers/write", "w", data=False, headers=(blob_xml.META,)),
    ("GET", "acl"): Operation(show_access, "containers/getAcl/action", "", data=False),
    ("GET", "list"): Operation(
        list_blobs, "containers/blobs/read", LIST, query=("prefix", "delimiter", "marker", "maxresults", "include")
    ),
}
