"""Uploading a folder: nothing twice, nothing half, nothing ever deleted."""

import base64
import hashlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace, TracebackType
from typing import Any, BinaryIO, Self

import azure.storage.blob
import dill  # type: ignore[import-untyped] # ships no types
import grpc
import pulumi
import pytest
from azure.core.exceptions import ResourceNotFoundError
from google.protobuf import struct_pb2
from pulumi.dynamic.dynamic import serialize_provider
from pulumi.runtime.proto import provider_pb2
from pulumi.runtime.proto.provider_pb2_grpc import ResourceProviderStub

import naming
from components import blob_folder
from components.blob_folder import BlobFolder, BlobFolderProvider
from components.place import UploadTarget
from tests.conftest import ROOT, Declare

ADDRESS = "https://account.blob.core.windows.net/code/training/v1"


class Container:
    """A container in memory that behaves as Azure's client does, and can refuse."""

    def __init__(self) -> None:
        self.blobs: dict[str, str] = {}
        self.uploads: list[str] = []
        self.copies: dict[str, str] = {}
        self.copy_ends = ["success"]
        self.exists = True
        self.forgets = False

    def __call__(self, *, account_url: str, container_name: str, credential: object) -> "Container":
        assert (account_url, container_name) == ("https://account.blob.core.windows.net/", "code")
        assert type(credential).__name__ == "DefaultAzureCredential"
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def list_blobs(self, name_starts_with: str, include: list[str]) -> Iterator[SimpleNamespace]:
        assert include == ["metadata"]
        if not self.exists:
            raise ResourceNotFoundError("no such container")
        for name, digest in sorted(self.blobs.items()):
            if name.startswith(name_starts_with):
                yield SimpleNamespace(name=name, metadata={"sha256": digest} if digest else None)

    def upload_blob(
        self, name: str, data: BinaryIO, *, overwrite: bool, metadata: dict[str, str], max_concurrency: int
    ) -> None:
        assert overwrite
        assert max_concurrency > 1
        assert hashlib.sha256(data.read()).hexdigest() == metadata["sha256"]
        self.uploads.append(name)
        if not self.forgets:
            self.blobs[name] = metadata["sha256"]

    def get_blob_client(self, name: str) -> "Blob":
        return Blob(self, name)


class Blob:
    """One blob of that container; a copy ends as the container says."""

    def __init__(self, container: Container, name: str) -> None:
        self.container, self.name = container, name
        self.url = f"https://account.blob.core.windows.net/code/{name}"

    def start_copy_from_url(self, url: str) -> dict[str, str]:
        source = url.removeprefix("https://account.blob.core.windows.net/code/")
        self.container.copies[self.name] = source
        self.container.blobs[self.name] = self.container.blobs[source]
        return {"copy_status": self.container.copy_ends.pop(0)}

    def get_blob_properties(self) -> SimpleNamespace:
        return SimpleNamespace(copy=SimpleNamespace(status=self.container.copy_ends.pop(0)))


@pytest.fixture
def container(monkeypatch: pytest.MonkeyPatch) -> Container:
    made = Container()
    monkeypatch.setattr(azure.storage.blob, "ContainerClient", made)
    return made


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Time that passes only when somebody sleeps; holds each sleep."""
    slept: list[float] = []
    monkeypatch.setattr(blob_folder, "time", SimpleNamespace(sleep=slept.append, monotonic=lambda: sum(slept)))
    return slept


@pytest.fixture
def props(tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.py").write_text("a")
    (tmp_path / "sub" / "b.py").write_text("b")
    return {
        "blob_endpoint": "https://account.blob.core.windows.net/",
        "container": "code",
        "prefix": "training/v1",
        "folder": str(tmp_path),
        "files": dict(naming.content(tmp_path).files),
    }


def test_every_file_is_uploaded_under_the_prefix(container: Container, props: dict[str, Any]) -> None:
    result = BlobFolderProvider().create(props)
    assert container.uploads == ["training/v1/a.py", "training/v1/sub/b.py"]
    assert result.id == ADDRESS
    assert result.outs == props


def test_what_is_there_is_not_uploaded_again(container: Container, props: dict[str, Any]) -> None:
    BlobFolderProvider().create(props)
    container.uploads.clear()
    BlobFolderProvider().create(props)
    assert container.uploads == []


def test_an_interrupted_upload_is_finished(container: Container, props: dict[str, Any]) -> None:
    container.blobs["training/v1/a.py"] = props["files"]["a.py"]
    BlobFolderProvider().create(props)
    assert container.uploads == ["training/v1/sub/b.py"]


@pytest.mark.parametrize("digest", ["0" * 64, ""], ids=["other bytes", "somebody else's blob"])
def test_a_blob_with_other_bytes_is_replaced(container: Container, props: dict[str, Any], digest: str) -> None:
    container.blobs["training/v1/a.py"] = digest
    BlobFolderProvider().create(props)
    assert container.blobs["training/v1/a.py"] == props["files"]["a.py"]


def test_a_file_that_changed_since_the_preview_is_refused(container: Container, props: dict[str, Any]) -> None:
    (Path(props["folder"]) / "a.py").write_text("changed")
    with pytest.raises(ValueError, match=r"a\.py: changed since the program ran; run it again"):
        BlobFolderProvider().create(props)
    assert container.blobs == {}


def test_what_was_uploaded_is_verified(container: Container, props: dict[str, Any]) -> None:
    container.forgets = True
    with pytest.raises(RuntimeError, match=r"training/v1: not stored as uploaded: a\.py, sub/b\.py"):
        BlobFolderProvider().create(props)


def test_what_another_version_holds_is_copied_and_not_sent_again(container: Container, props: dict[str, Any]) -> None:
    container.blobs["training/v0/old/a.py"] = props["files"]["a.py"]
    BlobFolderProvider().create(props)
    assert container.copies == {"training/v1/a.py": "training/v0/old/a.py"}
    assert container.uploads == ["training/v1/sub/b.py"]


def test_another_assets_blobs_are_not_looked_at(container: Container, props: dict[str, Any]) -> None:
    container.blobs["training2/v0/a.py"] = props["files"]["a.py"]
    BlobFolderProvider().create(props)
    assert container.copies == {}


def test_a_copy_that_takes_time_is_waited_for(container: Container, props: dict[str, Any], clock: list[float]) -> None:
    container.blobs["training/v0/a.py"] = props["files"]["a.py"]
    container.copy_ends = ["pending", "pending", "success"]
    BlobFolderProvider().create(props)
    assert len(clock) == 2


def test_a_copy_that_fails_or_never_ends_is_named(
    container: Container, props: dict[str, Any], clock: list[float]
) -> None:
    container.blobs["training/v0/a.py"] = props["files"]["a.py"]
    container.copy_ends = ["pending", "failed"]
    with pytest.raises(RuntimeError, match=r"training/v1/a\.py: copying it from training/v0/a\.py ended as failed"):
        BlobFolderProvider().create(props)
    container.blobs.pop("training/v1/a.py")
    container.copy_ends = ["pending"] * 10_000
    with pytest.raises(RuntimeError, match="ended as pending"):
        BlobFolderProvider().create(props)
    assert 300 <= sum(clock) <= 900


def test_nothing_is_ever_deleted(container: Container, props: dict[str, Any]) -> None:
    """Models were trained on these bytes, and a run may be reading them."""
    BlobFolderProvider().create(props)
    before = dict(container.blobs)
    BlobFolderProvider().delete(ADDRESS, props)
    assert container.blobs == before


def test_read_finds_a_whole_folder(container: Container, props: dict[str, Any]) -> None:
    BlobFolderProvider().create(props)
    result = BlobFolderProvider().read(ADDRESS, props)
    assert (result.id, result.outs) == (ADDRESS, props)


def test_a_folder_that_lost_a_blob_counts_as_gone(container: Container, props: dict[str, Any]) -> None:
    BlobFolderProvider().create(props)
    del container.blobs["training/v1/a.py"]
    assert not BlobFolderProvider().read(ADDRESS, props).id


def test_a_folder_without_its_container_counts_as_gone(container: Container, props: dict[str, Any]) -> None:
    container.exists = False
    assert not BlobFolderProvider().read(ADDRESS, props).id


@pytest.mark.parametrize(
    "change",
    [{"files": {"a.py": "x"}}, {"prefix": "training/v2"}, {"container": "data"}, {"blob_endpoint": "https://b/"}],
    ids=lambda change: next(iter(change)),
)
def test_another_place_or_other_content_is_another_folder(props: dict[str, Any], change: dict[str, Any]) -> None:
    result = BlobFolderProvider().diff(ADDRESS, props, props | change)
    assert (result.changes, result.replaces) == (True, list(change))
    assert result.delete_before_replace is False


@pytest.mark.parametrize("change", [{}, {"folder": "/elsewhere"}])
def test_the_same_content_is_no_change(props: dict[str, Any], change: dict[str, Any]) -> None:
    result = BlobFolderProvider().diff(ADDRESS, props, props | change)
    assert (result.changes, result.replaces) == (False, [])


def test_the_stored_provider_still_works(container: Container, props: dict[str, Any]) -> None:
    """The state keeps it in this form, and a later run reads with it."""
    stored = base64.b64decode(serialize_provider(BlobFolderProvider()))
    assert dill.loads(stored).create(props).id == ADDRESS  # noqa: S301 - written one line above


@pytest.fixture
def servicer() -> Iterator[ResourceProviderStub]:
    """Pulumi's own host of dynamic providers, started as its language plugin does."""
    command = [sys.executable, "-u", "-m", "pulumi.dynamic", "127.0.0.1:1"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as host:
        assert host.stdout
        port = int(host.stdout.readline())
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield ResourceProviderStub(channel)
        host.terminate()


def test_pulumis_own_host_can_load_it(servicer: ResourceProviderStub, props: dict[str, Any]) -> None:
    def struct(values: dict[str, Any]) -> struct_pb2.Struct:
        made = struct_pb2.Struct()
        made.update(values | {"__provider": serialize_provider(BlobFolderProvider())})
        return made

    request = provider_pb2.DiffRequest(id=ADDRESS, olds=struct(props), news=struct(props | {"prefix": "training/v2"}))
    assert list(servicer.Diff(request, timeout=60).replaces) == ["prefix"]


def test_a_preview_does_not_load_the_storage_client() -> None:
    found = "bool({'azure.storage.blob', 'azure.identity'} & set(sys.modules))"
    check = f"import sys, components.blob_folder; sys.exit({found})"
    assert subprocess.run([sys.executable, "-c", check], cwd=ROOT, check=False).returncode == 0


def test_an_upload_waits_for_the_grants_of_its_target(declare: Declare, tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("a")

    class Holder(pulumi.ComponentResource):
        def __init__(self) -> None:
            super().__init__("mlops:azure:Holder", "holder")
            grant = pulumi.CustomResource("azure-native:authorization:RoleAssignment", "grant", {})
            BlobFolder(
                "folder",
                target=UploadTarget(blob_endpoint="https://b/", container="code", ready=[grant]),
                asset="p",
                folder=str(tmp_path),
                content=naming.content(tmp_path),
                opts=pulumi.ResourceOptions(parent=self),
            )

    declared = declare(Holder)
    urn = "mlops:azure:Holder$pulumi-python:dynamic:BlobFolder::folder"
    assert any(urn.endswith("::grant") for urn in declared.options[urn].dependencies)
    assert declared[urn]["files"] == {"a.py": hashlib.sha256(b"a").hexdigest()}
    assert declared[urn]["prefix"] == f"p/{naming.content(tmp_path).version}"


def test_the_state_holds_the_same_provider_for_every_folder(declare: Declare, tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("a")

    def program() -> None:
        for name in ("one", "two"):
            BlobFolder(
                name,
                target=UploadTarget(blob_endpoint="https://b/", container="code"),
                asset="p",
                folder=str(tmp_path),
                content=naming.content(tmp_path),
                opts=pulumi.ResourceOptions(),
            )

    assert len({inputs["__provider"] for inputs in declare(program).inputs.values()}) == 1
