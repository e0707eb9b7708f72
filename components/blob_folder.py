"""Local folder uploaded to a blob container under a prefix of its own, once and for all.

A dynamic resource because azure-native's ``storage.Blob`` signs with the account key, which this platform turns
off; docs/adr/0001-upload-content-with-a-dynamic-resource.md has the reasons. Not here: containers and access.
"""

import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pulumi
from pulumi import dynamic

from components.place import UploadTarget
from naming import Content

if TYPE_CHECKING:
    from azure.storage.blob import ContainerClient

T = TypeVar("T")

# A role assignment takes effect within minutes; Azure promises ten.
_ACCESS_DEADLINE_SECONDS = 600
_ACCESS_RETRY_SECONDS = 5
_UPLOAD_CONNECTIONS = 4


class BlobFolder(dynamic.Resource):
    """Creates the blobs ``<prefix>/<path>`` for each file of a content; any change is another folder.

    Inputs: ``blob_endpoint``, ``container``, ``prefix``, ``folder`` (local root), and ``files`` (SHA-256 of each
    file, so that a preview shows which one changed).
    Outputs: ``prefix`` and ``url``, known when all blobs are there.
    """

    prefix: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        target: UploadTarget,
        prefix: str,
        folder: str,
        content: Content,
        opts: pulumi.ResourceOptions,
    ) -> None:
        super().__init__(
            BlobFolderProvider(),
            name,
            {
                "blob_endpoint": target.blob_endpoint,
                "container": target.container,
                "prefix": prefix,
                "folder": folder,
                "files": dict(content.files),
            },
            # Nothing in the inputs says that an upload needs the role.
            pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=target.grants)),
        )
        self.url: pulumi.Output[str] = pulumi.Output.concat(target.blob_endpoint, target.container, "/", self.prefix)


class BlobFolderProvider(dynamic.ResourceProvider):
    """Uploads, finds and removes the blobs of one folder as whoever runs the stack."""

    # Holds no secret: it is stored readable, so that a review sees what runs.
    serialize_as_secret_always = False

    def create(self, props: dict[str, Any]) -> dynamic.CreateResult:
        """Uploads what is not there yet; run again after an interruption it finishes the rest.

        Raises:
            ValueError: a file changed since the program ran; names it.
            RuntimeError: the container does not hold what was uploaded; names the blobs.
        """
        with _container(props) as container:
            present = _until_allowed(lambda: _stored(container, props["prefix"]))
            for path, digest in sorted(props["files"].items()):
                if present.get(path) != digest:
                    _upload(container, props, path, digest)
            wrong = _differences(props["files"], _stored(container, props["prefix"]))
            if wrong:
                raise RuntimeError(f"{_address(props)}: not stored as uploaded: {', '.join(wrong)}")
        return dynamic.CreateResult(id_=_address(props), outs=props)

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> dynamic.DiffResult:
        """Another place or other content is another folder; where it lay locally does not matter."""
        keys = ("blob_endpoint", "container", "prefix", "files")
        changed = [key for key in keys if olds.get(key) != news.get(key)]
        # The new folder comes first: what refers to the old one moves over before it goes.
        return dynamic.DiffResult(changes=bool(changed), replaces=changed, delete_before_replace=False)

    def read(self, id_: str, props: dict[str, Any]) -> dynamic.ReadResult:
        """A folder that lost a blob counts as gone, so that the next ``up`` completes it."""
        from azure.core.exceptions import ResourceNotFoundError  # as in _container

        with _container(props) as container:
            try:
                stored = _stored(container, props["prefix"])
            except ResourceNotFoundError:
                stored = {}
        if _differences(props["files"], stored):
            return dynamic.ReadResult(id_="", outs={})
        return dynamic.ReadResult(id_=id_, outs=props)

    def delete(self, _id: str, props: dict[str, Any]) -> None:
        """Removes the blobs below the prefix and nothing else."""
        from azure.core.exceptions import ResourceNotFoundError  # as in _container

        with _container(props) as container:
            try:
                for path in _stored(container, props["prefix"]):
                    container.delete_blob(f"{props['prefix']}/{path}")
            except ResourceNotFoundError:
                return  # container or blob went first: nothing is left to remove


def _container(props: dict[str, Any]) -> "ContainerClient":
    # Imported on use: a preview uploads nothing and should not wait a second for the client library.
    from azure.identity import DefaultAzureCredential
    from azure.storage.blob import ContainerClient

    return ContainerClient(
        account_url=props["blob_endpoint"],
        container_name=props["container"],
        credential=DefaultAzureCredential(),
    )


def _address(props: dict[str, Any]) -> str:
    return f"{props['blob_endpoint']}{props['container']}/{props['prefix']}"


def _stored(container: "ContainerClient", prefix: str) -> dict[str, str]:
    """Digest of each blob below the prefix, as its metadata says."""
    blobs = container.list_blobs(name_starts_with=f"{prefix}/", include=["metadata"])
    return {blob.name.removeprefix(f"{prefix}/"): (blob.metadata or {}).get("sha256", "") for blob in blobs}


def _upload(container: "ContainerClient", props: dict[str, Any], path: str, digest: str) -> None:
    local = Path(props["folder"]) / path
    with local.open("rb") as source:
        if hashlib.file_digest(source, "sha256").hexdigest() != digest:
            raise ValueError(f"{local}: changed since the program ran; run it again")
        source.seek(0)
        container.upload_blob(
            f"{props['prefix']}/{path}",
            source,
            overwrite=True,
            metadata={"sha256": digest},
            max_concurrency=_UPLOAD_CONNECTIONS,
        )


def _differences(expected: dict[str, str], stored: dict[str, str]) -> list[str]:
    return sorted(path for path, digest in expected.items() if stored.get(path) != digest)


def _until_allowed(action: Callable[[], T]) -> T:
    """Repeats an action while Azure does not know the new role assignment yet."""
    from azure.core.exceptions import HttpResponseError  # as in _container

    deadline = time.monotonic() + _ACCESS_DEADLINE_SECONDS
    while True:
        try:
            return action()
        except HttpResponseError as error:
            if error.status_code != 403 or time.monotonic() >= deadline:
                raise
        time.sleep(_ACCESS_RETRY_SECONDS)
