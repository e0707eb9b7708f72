"""The blob service with its own client: what is written is read, whole and in parts, and conditions hold."""

import hashlib
import os
from datetime import UTC, datetime, timedelta

import pytest
from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceModifiedError, ResourceNotFoundError
from azure.storage.blob import BlobBlock, BlobServiceClient, ContainerClient, ContentSettings

from sandbox.constants import OBJECT_ID
from sandbox.store.bodies import IN_ROW
from tests.sandbox.conftest import Sandbox
from tests.sandbox.planes.conftest import ACCOUNT, CONTRIBUTOR, Account, assign

CONTAINER_TYPE = "Microsoft.Storage/storageAccounts/blobServices/containers"


@pytest.mark.runs(CONTAINER_TYPE)
@pytest.mark.parametrize("size", [0, 1, IN_ROW, IN_ROW + 1, 3_000_000])
def test_what_was_uploaded_is_downloaded(container: ContainerClient, size: int) -> None:
    content = os.urandom(size)
    container.upload_blob("dir/a b+c%.bin", content, metadata={"commit": "abc"})
    blob = container.get_blob_client("dir/a b+c%.bin")
    assert blob.download_blob().readall() == content
    shown = blob.get_blob_properties()
    assert (shown.size, shown.metadata) == (size, {"commit": "abc"})
    assert bytes(shown.content_settings.content_md5 or b"") == hashlib.md5(content, usedforsecurity=False).digest()


def test_a_large_upload_goes_by_blocks(container: ContainerClient) -> None:
    content = os.urandom(9_000_000)
    client = container.get_blob_client("large")
    client._config.max_single_put_size = 1_000_000
    client.upload_blob(content, max_concurrency=2)
    committed, uncommitted = client.get_block_list("all")
    assert sum(block.size for block in committed) == len(content)
    assert (len(committed) > 1, uncommitted) == (True, [])
    assert client.download_blob(max_concurrency=2).readall() == content


def test_blocks_count_only_once_they_are_committed(container: ContainerClient) -> None:
    blob = container.get_blob_client("blocks")
    for name in ("one", "two", "three"):
        blob.stage_block(name, name.encode() * 40_000)
    with pytest.raises(ResourceNotFoundError, match="BlobNotFound"):
        blob.download_blob()
    blob.commit_block_list([BlobBlock("two"), BlobBlock("one")])
    assert blob.download_blob().readall() == b"two" * 40_000 + b"one" * 40_000
    assert blob.get_block_list("uncommitted") == ([], [])
    blob.commit_block_list([BlobBlock("one")])
    assert blob.download_blob().readall() == b"one" * 40_000
    with pytest.raises(HttpResponseError, match="InvalidBlockList"):
        blob.commit_block_list([BlobBlock("three")])


@pytest.mark.parametrize(("offset", "length"), [(0, 1), (10, 90), (99, 500), (0, None)])
@pytest.mark.parametrize("size", [100, 200_000])
def test_a_range_is_that_part(container: ContainerClient, size: int, offset: int, length: int | None) -> None:
    content = os.urandom(size)
    container.upload_blob("a", content)
    found = container.download_blob("a", offset, length, validate_content=True).readall()
    assert found == content[offset:][:length]


def test_a_range_behind_the_end_is_refused(container: ContainerClient) -> None:
    container.upload_blob("a", b"x" * 10)
    with pytest.raises(HttpResponseError, match="InvalidRange") as caught:
        container.download_blob("a", 10, 1)
    assert caught.value.status_code == 416


def test_a_blob_is_not_overwritten_unasked(container: ContainerClient) -> None:
    container.upload_blob("a", b"first")
    with pytest.raises(ResourceExistsError, match="BlobAlreadyExists"):
        container.upload_blob("a", b"second")
    assert container.download_blob("a").readall() == b"first"
    container.upload_blob("a", b"second", overwrite=True)
    assert container.download_blob("a").readall() == b"second"


def test_conditions_of_writes(container: ContainerClient) -> None:
    blob = container.get_blob_client("a")
    etag = blob.upload_blob(b"1")["etag"]
    same = {"etag": etag, "match_condition": MatchConditions.IfNotModified}
    blob.upload_blob(b"2", overwrite=True, **same)
    for attempt in (
        lambda: blob.upload_blob(b"3", overwrite=True, **same),
        lambda: blob.set_blob_metadata({"a": "b"}, **same),
        lambda: blob.delete_blob(**same),
        lambda: container.get_blob_client("none").upload_blob(b"", overwrite=True, **same),
        lambda: blob.upload_blob(b"3", overwrite=True, if_unmodified_since=datetime.now(UTC) - timedelta(hours=1)),
    ):
        with pytest.raises(ResourceModifiedError, match="ConditionNotMet"):
            attempt()
    assert blob.download_blob().readall() == b"2"


def test_conditions_of_reads(container: ContainerClient) -> None:
    blob = container.get_blob_client("a")
    written = blob.upload_blob(b"1")
    with pytest.raises(HttpResponseError) as caught:
        blob.download_blob(etag=written["etag"], match_condition=MatchConditions.IfModified)
    assert caught.value.status_code == 304
    with pytest.raises(HttpResponseError) as caught:
        blob.download_blob(if_modified_since=written["last_modified"])
    assert caught.value.status_code == 304
    with pytest.raises(ResourceModifiedError, match="ConditionNotMet"):
        blob.download_blob(etag='"0x8D"', match_condition=MatchConditions.IfNotModified)
    assert blob.download_blob(etag=written["etag"], match_condition=MatchConditions.IfNotModified).readall() == b"1"


def test_a_listing_folds_pages_and_sorts(container: ContainerClient) -> None:
    for name in ("b", "a/1", "a/2", "a/z/3", "c<&>", "ünlaut"):
        container.upload_blob(name, b"", metadata={"of": "test"})
    assert [each.name for each in container.list_blobs()] == ["a/1", "a/2", "a/z/3", "b", "c<&>", "ünlaut"]
    assert [each.name for each in container.walk_blobs()] == ["a/", "b", "c<&>", "ünlaut"]
    assert [each.name for each in container.walk_blobs("a/")] == ["a/z/", "a/1", "a/2"]
    assert [each.name for each in container.list_blobs(name_starts_with="a/", results_per_page=1)] == [
        "a/1", "a/2", "a/z/3",
    ]  # fmt: skip
    pages = container.walk_blobs(results_per_page=1).by_page()
    assert [[each.name for each in page] for page in pages] == [["a/"], ["b"], ["c<&>"], ["ünlaut"]]
    shown = next(iter(container.list_blobs(include=["metadata"])))
    assert (shown.metadata, shown.size) == ({"of": "test"}, 0)


def test_metadata_and_headers_replace_each_their_own(container: ContainerClient) -> None:
    blob = container.get_blob_client("a")
    blob.upload_blob(b"{}", metadata={"old": "1"}, content_settings=ContentSettings(content_type="application/json"))
    before = blob.get_blob_properties()
    assert before.content_settings.content_type == "application/json"
    blob.set_blob_metadata({"new": "2"})
    blob.set_http_headers(ContentSettings(content_type="text/plain", cache_control="no-store"))
    shown = blob.get_blob_properties()
    assert shown.metadata == {"new": "2"}
    assert (shown.content_settings.content_type, shown.content_settings.cache_control) == ("text/plain", "no-store")
    assert shown.etag != before.etag
    assert (shown.creation_time, blob.download_blob().readall()) == (before.creation_time, b"{}")


def test_a_copy_is_a_blob_of_its_own(container: ContainerClient) -> None:
    source, target = container.get_blob_client("source"), container.get_blob_client("target")
    content = os.urandom(200_000)
    source.upload_blob(content, metadata={"kept": "yes"})
    assert target.start_copy_from_url(source.url)["copy_status"] == "success"
    source.delete_blob()
    assert target.download_blob().readall() == content
    shown = target.get_blob_properties()
    assert (shown.metadata, shown.copy.status) == ({"kept": "yes"}, "success")
    with pytest.raises(ResourceNotFoundError, match="BlobNotFound"):
        target.start_copy_from_url(source.url)
    with pytest.raises(HttpResponseError, match="nothing leaves the sandbox"):
        target.start_copy_from_url("https://example.com/a")


def test_a_damaged_upload_is_refused(local: Sandbox, account: Account, container: ContainerClient) -> None:
    answer = local.call(
        "PUT", f"{account.url}/{container.container_name}/a", "content", local.token("https://storage.azure.com"),
        {"x-ms-blob-type": "BlockBlob", "content-md5": "AAAAAAAAAAAAAAAAAAAAAA=="},
    )  # fmt: skip
    assert (answer.status, answer.headers["x-ms-error-code"]) == (400, "Md5Mismatch")
    assert not container.get_blob_client("a").exists()


@pytest.mark.parametrize(
    ("headers", "query", "status", "code"),
    [
        ({}, "", 400, "InvalidHeaderValue"),
        ({"x-ms-blob-type": "PageBlob"}, "", 400, "InvalidHeaderValue"),
        ({"x-ms-blob-type": "BlockBlob", "x-ms-meta-a-b": "c"}, "", 400, "InvalidMetadata"),
        ({"x-ms-blob-type": "BlockBlob", "x-ms-meta-a": "c" * 8192}, "", 400, "MetadataTooLarge"),
        ({"x-ms-blob-type": "BlockBlob", "x-ms-content-crc64": "AAAA"}, "", 400, "UnsupportedHeader"),
        ({}, "?comp=block&blockid=no!", 400, "InvalidQueryParameterValue"),
        ({}, "?comp=blocklist", 400, "InvalidXmlDocument"),
        ({}, "?comp=lease", 501, "NotImplemented"),
        ({"if-match": '"x"', "if-unmodified-since": "soon", "x-ms-blob-type": "BlockBlob"}, "", 412, "ConditionNotMet"),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(
    local: Sandbox, account: Account, container: ContainerClient, headers: dict[str, str], query: str, status: int,
    code: str,
) -> None:  # fmt: skip
    answer = local.call(
        "PUT",
        f"{account.url}/{container.container_name}/a{query}",
        "",
        local.token("https://storage.azure.com"),
        headers,
    )
    assert (answer.status, answer.headers["x-ms-error-code"]) == (status, code)
    assert f"<Code>{code}</Code>".encode() in answer.body


@pytest.mark.parametrize("place", ["?comp=list", "{container}?restype=container&comp=list"])
@pytest.mark.parametrize("limit", ["0", "-1", "many"])
def test_a_page_has_a_size(
    local: Sandbox, account: Account, container: ContainerClient, place: str, limit: str
) -> None:
    url = f"{account.url}/{place.format(container=container.container_name)}&maxresults={limit}"
    answer = local.call("GET", url, token=local.token("https://storage.azure.com"))
    assert (answer.status, answer.headers["x-ms-error-code"]) == (400, "OutOfRangeQueryParameterValue")


def test_what_is_not_there_is_404(service: BlobServiceClient, container: ContainerClient) -> None:
    with pytest.raises(ResourceNotFoundError, match="BlobNotFound"):
        container.download_blob("none")
    with pytest.raises(ResourceNotFoundError, match="BlobNotFound"):
        container.delete_blob("none")
    missing = service.get_container_client("none")
    for attempt in (
        lambda: list(missing.list_blobs()),
        lambda: missing.upload_blob("a", b""),
        missing.get_container_properties,
        missing.delete_container,
    ):
        with pytest.raises(ResourceNotFoundError, match="ContainerNotFound"):
            attempt()


@pytest.mark.runs(CONTAINER_TYPE)
def test_arm_and_the_blob_address_show_one_container(
    local: Sandbox, account: Account, service: BlobServiceClient
) -> None:
    collection = f"{account.id}/blobServices/default/containers"
    client = service.create_container("made-by-blob", metadata={"team": "ml"})
    shown = local.call("GET", f"{collection}/made-by-blob").body["properties"]
    assert (shown["metadata"], shown["publicAccess"]) == ({"team": "ml"}, "None")
    client.set_container_metadata({"team": "ops"})
    assert local.call("GET", f"{collection}/made-by-blob").body["properties"]["metadata"] == {"team": "ops"}
    assert local.call("PUT", f"{collection}/made-by-arm", {"properties": {}}).status == 201
    names = [each.name for each in service.list_containers(include_metadata=True)]
    assert {"made-by-arm", "made-by-blob"} <= set(names)
    with pytest.raises(ResourceExistsError, match="ContainerAlreadyExists"):
        service.create_container("made-by-arm")
    service.get_container_client("made-by-arm").upload_blob("a", b"x")
    assert local.call("DELETE", f"{collection}/made-by-arm").status == 200
    with pytest.raises(ResourceNotFoundError, match="ContainerNotFound"):
        service.get_container_client("made-by-arm").upload_blob("a", b"x")
    client.delete_container()
    assert local.call("GET", f"{collection}/made-by-blob").status == 404


def test_a_container_name_is_held_to_azures_rule(service: BlobServiceClient) -> None:
    for name in ("ab", "double--hyphen", "-first", "Upper"):
        with pytest.raises(HttpResponseError, match="InvalidResourceName"):
            service.create_container(name)


def test_an_account_that_is_not_there_is_named(local: Sandbox) -> None:
    answer = local.call("GET", "https://nosuchaccount.blob.core.windows.net/c/b", token="")
    assert (answer.status, answer.headers["x-ms-error-code"]) == (404, "AccountNotFound")
    assert b"nosuchaccount" in answer.body


def test_a_deleted_account_takes_its_blobs_along(local: Sandbox, account: Account) -> None:
    other = account.id.replace(ACCOUNT, "shortlived")
    body = {"location": "westeurope", "kind": "StorageV2", "sku": {"name": "Standard_LRS"}}
    blob = "https://shortlived.blob.core.windows.net/kept/a"
    token = local.token("https://storage.azure.com")
    for _ in range(2):
        assert local.call("PUT", other, body).status == 200
        assert local.call("PUT", f"{other}/blobServices/default/containers/kept", {"properties": {}}).status == 201
        assign(local, other, OBJECT_ID, CONTRIBUTOR)
        assert local.call("GET", blob, token=token).headers["x-ms-error-code"] == "BlobNotFound"
        assert local.call("PUT", blob, "x", token, {"x-ms-blob-type": "BlockBlob"}).status == 201
        assert local.call("DELETE", other).status == 200
        assert local.call("GET", blob, token=token).headers["x-ms-error-code"] == "AccountNotFound"
