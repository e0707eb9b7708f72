"""What a request asks of the blob service is done or refused by name; nothing is passed over."""

from datetime import UTC, datetime, timedelta

import pytest
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import (
    BlobBlock,
    BlobClient,
    BlobSasPermissions,
    BlobServiceClient,
    ContainerClient,
    ContentSettings,
    StandardBlobTier,
    generate_blob_sas,
)

from tests.sandbox.conftest import Sandbox
from tests.sandbox.planes.conftest import ACCOUNT, Account

CONTAINER = "?restype=container"
LEASE = {"x-ms-lease-id": "00000000-0000-0000-0000-000000000001"}
TAGS = {"x-ms-if-tags": "\"a\" = 'b'"}


@pytest.fixture
def full(container: ContainerClient) -> ContainerClient:
    """A container with one blob."""
    container.upload_blob("a", b"content")
    return container


@pytest.mark.parametrize(
    ("method", "where", "headers", "code", "named"),
    [
        ("DELETE", "/a?snapshot=2026-01-01T00:00:00.0000000Z", {}, "UnsupportedQueryParameter", "snapshot"),
        ("DELETE", "/a?versionid=2026-01-01T00:00:00.0000000Z", {}, "UnsupportedQueryParameter", "versionid"),
        ("DELETE", "/a?deletetype=permanent", {}, "UnsupportedQueryParameter", "deletetype"),
        ("GET", "/a?snapshot=2026-01-01T00:00:00.0000000Z", {}, "UnsupportedQueryParameter", "snapshot"),
        ("HEAD", "/a?versionid=1", {}, "UnsupportedQueryParameter", "versionid"),
        ("GET", "/a?comp=metadata&snapshot=1", {}, "UnsupportedQueryParameter", "snapshot"),
        ("GET", "/a?rsct=text/html", {}, "UnsupportedQueryParameter", "rsct"),
        ("DELETE", "/a", {"x-ms-delete-snapshots": "only"}, "InvalidHeaderValue", "x-ms-delete-snapshots"),
        ("DELETE", "/a", LEASE, "UnsupportedHeader", "x-ms-lease-id"),
        ("DELETE", "/a", TAGS, "UnsupportedHeader", "x-ms-if-tags"),
        ("GET", "/a", TAGS, "UnsupportedHeader", "x-ms-if-tags"),
        ("GET", "/a", {"x-ms-range-get-content-crc64": "true"}, "UnsupportedHeader", "x-ms-range-get-content-crc64"),
        ("PUT", "/a", {"x-ms-access-tier": "Cool"}, "UnsupportedHeader", "x-ms-access-tier"),
        ("PUT", "/a", {"x-ms-tags": "a=b"}, "UnsupportedHeader", "x-ms-tags"),
        ("PUT", "/a", {"x-ms-encryption-key": "k"}, "UnsupportedHeader", "x-ms-encryption-key"),
        ("PUT", "/a", {"x-ms-legal-hold": "true"}, "UnsupportedHeader", "x-ms-legal-hold"),
        ("PUT", "/a", {"x-ms-copy-source": "https://blobtests.blob.core.windows.net/c/b?snapshot=1"},
         "UnsupportedQueryParameter", "snapshot"),
        ("PUT", "/a", {"x-ms-copy-source-blob-properties": "false"}, "InvalidHeaderValue",
         "x-ms-copy-source-blob-properties"),
        ("PUT", "/a?comp=block&blockid=QQ==", {"if-match": "*"}, "UnsupportedHeader", "if-match"),
        ("PUT", "/a?comp=tier", {}, "NotImplemented", "comp=tier"),
        ("PUT", "/a?comp=tags", {}, "NotImplemented", "comp=tags"),
        ("PUT", "/a?comp=snapshot", {}, "NotImplemented", "comp=snapshot"),
        ("DELETE", CONTAINER, {"if-unmodified-since": "Sat, 01 Jan 2000 00:00:00 GMT"}, "UnsupportedHeader",
         "if-unmodified-since"),
        ("DELETE", CONTAINER, LEASE, "UnsupportedHeader", "x-ms-lease-id"),
        ("DELETE", "/a?restype=directory", {}, "InvalidQueryParameterValue", "directory"),
        ("DELETE", "/a?restype=container", {}, "InvalidQueryParameterValue", "container"),
        ("GET", f"{CONTAINER}&comp=list&include=snapshots", {}, "InvalidQueryParameterValue", "snapshots"),
        ("GET", f"{CONTAINER}&comp=list&include=metadata,tags", {}, "InvalidQueryParameterValue", "tags"),
        ("GET", f"{CONTAINER}&comp=list&showonly=files", {}, "UnsupportedQueryParameter", "showonly"),
    ],
)  # fmt: skip
def test_what_is_not_done_is_refused_by_name(
    local: Sandbox, account: Account, full: ContainerClient, method: str, where: str, headers: dict[str, str],
    code: str, named: str,
) -> None:  # fmt: skip
    sent = {"x-ms-blob-type": "BlockBlob"} if method == "PUT" and "?" not in where else {}
    url = f"{account.url}/{full.container_name}{where}"
    answer = local.call(
        method, url, "new" if method == "PUT" else None, local.token("https://storage.azure.com"), sent | headers
    )
    assert (answer.status, answer.headers["x-ms-error-code"]) == (501 if code == "NotImplemented" else 400, code)
    if method != "HEAD":
        assert f"<Code>{code}</Code>".encode() in answer.body
        assert named.encode() in answer.body
    assert full.download_blob("a").readall() == b"content"


def test_the_clients_own_calls_go_on_working(service: BlobServiceClient, container: ContainerClient) -> None:
    """Whatever the client sends unasked is heeded."""
    container.set_container_metadata({"team": "ml"})
    assert container.get_container_properties().metadata == {"team": "ml"}
    assert container.get_container_access_policy()["public_access"] is None
    assert container.container_name in [each.name for each in service.list_containers(include_metadata=True)]
    first = container.upload_blob(
        "a", b"content", metadata={"k": "v"}, content_settings=ContentSettings(content_type="text/plain"), timeout=30
    )
    first.set_blob_metadata({"k": "w"})
    first.set_http_headers(ContentSettings(content_type="text/html"))
    second = container.get_blob_client("b")
    second.start_copy_from_url(first.url)
    second.stage_block("QQ==", b"block", validate_content=True)
    assert [each.size for each in second.get_block_list("all")[1]] == [5]
    second.commit_block_list([BlobBlock("QQ==")])
    third = container.get_blob_client("c")
    third.start_copy_from_url(first.url)
    listed = {each.name: each for each in container.list_blobs(include=["metadata", "copy"])}
    assert (listed["a"].metadata, listed["c"].copy.status, listed["c"].copy.source) == (
        {"k": "w"}, "success", first.url,
    )  # fmt: skip
    assert listed["b"].copy.id is None
    assert [each.name for each in container.walk_blobs(delimiter="/")] == ["a", "b", "c"]
    assert container.download_blob("a", offset=1, length=2, validate_content=True).readall() == b"on"
    assert first.exists()
    first.delete_blob(delete_snapshots="include")
    container.delete_blob("b")
    container.delete_container()
    assert service.get_service_properties()["static_website"].enabled is False
    assert service.get_account_information()["sku_name"] == "Standard_LRS"


def test_a_tier_is_refused_before_anything_is_written(container: ContainerClient) -> None:
    with pytest.raises(HttpResponseError, match="x-ms-access-tier is not in the sandbox"):
        container.upload_blob("a", b"content", standard_blob_tier=StandardBlobTier.COOL)
    assert not container.get_blob_client("a").exists()


def test_who_signs_may_say_as_what_a_blob_is_shown(service: BlobServiceClient, full: ContainerClient) -> None:
    now = datetime.now(UTC)
    key = service.get_user_delegation_key(now - timedelta(minutes=1), now + timedelta(hours=1))
    signature = generate_blob_sas(
        ACCOUNT, full.container_name, "a", user_delegation_key=key, permission=BlobSasPermissions(read=True),
        expiry=now + timedelta(hours=1), content_type="text/markdown", content_disposition="attachment",
    )  # fmt: skip
    with BlobClient.from_blob_url(f"{full.get_blob_client('a').url}?{signature}") as client:
        settings = client.get_blob_properties().content_settings
    assert (settings.content_type, settings.content_disposition) == ("text/markdown", "attachment")
