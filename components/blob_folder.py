"""Local folder uploaded to a blob container under a prefix of its own, once and for all.

A dynamic resource because azure-native's ``storage.Blob`` signs with the account key, which this platform turns
off; docs/adr/0001-upload-content-with-a-dynamic-resource.md has the reasons. Not here: containers and access.
"""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pulumi
from pulumi import dynamic

import naming
from azure_client import alone, credential
from components.place import UploadTarget
from naming import Content

if TYPE_CHECKING:
    from azure.storage.blob import ContainerClient

_CONNECTIONS = 4
_COPY_DEADLINE_SECONDS = 600
_COPY_RETRY_SECONDS = 1


class BlobFolderProvider(dynamic.ResourceProvider):
    """Brings the blobs of one folder there as whoever runs the stack, and leaves them."""

    # Holds no secret: it is stored readable, so that a review sees what runs.
    serialize_as_secret_always = False

    def create(self, props: dict[str, Any]) -> dynamic.CreateResult:
        """Brings what is not there yet; run again after an interruption it finishes the rest.

        What another version of the same asset holds is copied inside the account; the rest is uploaded.

        Raises:
            ValueError: a file changed since the program ran; names it.
            RuntimeError: the container does not hold what was brought; names the blobs.
        """
        asset, _, version = props["prefix"].rpartition("/")
        with _container(props) as container:
            stored = _stored(container, f"{asset}/")
            by_digest = {digest: f"{asset}/{path}" for path, digest in stored.items() if digest}
            for path, digest in sorted(props["files"].items()):
                if stored.get(f"{version}/{path}") == digest:
                    continue
                if digest in by_digest:
                    _copy(container, by_digest[digest], f"{props['prefix']}/{path}")
                else:
                    _upload(container, props, path, digest)
            wrong = _differences(props["files"], _stored(container, f"{props['prefix']}/"))
            if wrong:
                raise RuntimeError(f"{_address(props)}: not stored as uploaded: {', '.join(wrong)}")
        return dynamic.CreateResult(id_=_address(props), outs=props)

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> dynamic.DiffResult:
        """Another place or other content is another folder; where it lay locally does not matter."""
        keys = ("blob_endpoint", "container", "prefix", "files")
        changed = [key for key in keys if olds.get(key) != news.get(key)]
        # The new folder comes first: what refers to the old one moves over before it is forgotten.
        return dynamic.DiffResult(changes=bool(changed), replaces=changed, delete_before_replace=False)

    def read(self, id_: str, props: dict[str, Any]) -> dynamic.ReadResult:
        """A folder that lost a blob counts as gone, so that the next ``up`` completes it."""
        with alone:
            from azure.core.exceptions import ResourceNotFoundError

        with _container(props) as container:
            try:
                stored = _stored(container, f"{props['prefix']}/")
            except ResourceNotFoundError:
                stored = {}
        if _differences(props["files"], stored):
            return dynamic.ReadResult(id_="", outs={})
        return dynamic.ReadResult(id_=id_, outs=props)

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """The stack forgets the blobs, the account keeps them: versions, models and runs point at them."""


# One object, so that the SDK writes it into the state once and not anew for each resource.
_PROVIDER = BlobFolderProvider()


class BlobFolder(dynamic.Resource, name="BlobFolder"):
    """Creates the blobs ``<prefix>/<path>`` for each file of a content; any change is another folder.

    Inputs: ``blob_endpoint``, ``container``, ``prefix`` (``<asset>/<version>``), ``folder`` (local root), and
    ``files`` (SHA-256 of each file, so that a preview shows which one changed).
    Outputs: ``prefix`` and ``url``, known when all blobs are there.
    """

    prefix: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        target: UploadTarget,
        asset: str,
        folder: str,
        content: pulumi.Input[Content],
        opts: pulumi.ResourceOptions,
    ) -> None:
        known = pulumi.Output.from_input(content)
        super().__init__(
            _PROVIDER,
            name,
            {
                "blob_endpoint": target.blob_endpoint,
                "container": target.container,
                "prefix": known.apply(lambda each: f"{asset}/{each.version}"),
                "folder": folder,
                "files": known.apply(lambda each: dict(each.files)),
            },
            # Nothing in the inputs says that an upload needs the role.
            pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=target.ready)),
        )
        self.url: pulumi.Output[str] = pulumi.Output.concat(target.blob_endpoint, target.container, "/", self.prefix)


def _container(props: dict[str, Any]) -> "ContainerClient":
    with alone:
        from azure.storage.blob import ContainerClient

    return ContainerClient(
        account_url=props["blob_endpoint"], container_name=props["container"], credential=credential()
    )


def _address(props: dict[str, Any]) -> str:
    return f"{props['blob_endpoint']}{props['container']}/{props['prefix']}"


def _stored(container: "ContainerClient", prefix: str) -> dict[str, str]:
    """Digest of each blob below the prefix, as its metadata says."""
    blobs = container.list_blobs(name_starts_with=prefix, include=["metadata"])
    return {blob.name.removeprefix(prefix): (blob.metadata or {}).get("sha256", "") for blob in blobs}


def _upload(container: "ContainerClient", props: dict[str, Any], path: str, digest: str) -> None:
    local = Path(props["folder"]) / path
    if naming.digest_of(local) != digest:
        raise ValueError(f"{local}: changed since the program ran; run it again")
    with local.open("rb") as source:
        container.upload_blob(
            f"{props['prefix']}/{path}",
            source,
            overwrite=True,
            metadata={"sha256": digest},
            max_concurrency=_CONNECTIONS,
        )


def _copy(container: "ContainerClient", source: str, target: str) -> None:
    """Copies inside the account, metadata included; the listing afterwards shows whether it arrived."""
    blob = container.get_blob_client(target)
    status = str(blob.start_copy_from_url(container.get_blob_client(source).url)["copy_status"])
    deadline = time.monotonic() + _COPY_DEADLINE_SECONDS
    while status == "pending" and time.monotonic() < deadline:
        time.sleep(_COPY_RETRY_SECONDS)
        status = str(blob.get_blob_properties().copy.status)
    if status != "success":
        raise RuntimeError(f"{blob.url}: copying it from {source} ended as {status}")


def _differences(expected: dict[str, str], stored: dict[str, str]) -> list[str]:
    return sorted(path for path, digest in expected.items() if stored.get(path) != digest)
