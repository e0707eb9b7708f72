"""Who may do what with blobs: roles, tokens, signatures, keys, everybody."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError
from azure.identity import DefaultAzureCredential
from azure.storage.blob import (
    AccountSasPermissions,
    BlobBlock,
    BlobClient,
    BlobSasPermissions,
    BlobServiceClient,
    ContainerClient,
    ContainerSasPermissions,
    ResourceTypes,
    generate_account_sas,
    generate_blob_sas,
    generate_container_sas,
)

from sandbox.constants import OBJECT_ID
from sandbox.planes import blob_signing
from tests.sandbox.conftest import Sandbox
from tests.sandbox.planes.conftest import ACCOUNT, CONTRIBUTOR, READER, Account, Principal, assign

HOUR = timedelta(hours=1)
OWNER = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"


@pytest.fixture
def full(container: ContainerClient) -> ContainerClient:
    """A container with one blob."""
    container.upload_blob("a", b"content")
    return container


@pytest.fixture
def keys(local: Sandbox, account: Account) -> Iterator[list[str]]:
    """Both keys of the account, which may sign during the test."""
    allow(local, account, True)
    found = local.call("POST", f"{account.id}/listKeys", {}).body["keys"]
    yield [each["value"] for each in found]
    allow(local, account, False)


def allow(local: Sandbox, account: Account, signing: bool) -> None:
    answer = local.call("PATCH", account.id, {"properties": {"allowSharedKeyAccess": signing}})
    assert answer.status == 200, answer


def refused(attempt: Callable[[], Any], status: int, code: str) -> None:
    with pytest.raises(HttpResponseError) as caught:
        attempt()
    assert (caught.value.status_code, _code(caught.value)) == (status, code), caught.value


def _code(error: HttpResponseError) -> str:
    """The service's code; the client makes an enumeration of those it knows."""
    found = vars(error)["error_code"]
    return str(getattr(found, "value", found))


def act_as(account: Account, who: Principal, container: ContainerClient) -> ContainerClient:
    return ContainerClient(account.url, container.container_name, credential=who.credential)


@pytest.mark.runs("Microsoft.Authorization/roleAssignments")
def test_a_blob_is_closed_without_a_data_role(
    local: Sandbox, account: Account, full: ContainerClient, stranger: Principal
) -> None:
    client = act_as(account, stranger, full)
    for attempt in (
        lambda: client.download_blob("a"),
        lambda: list(client.list_blobs()),
        lambda: client.upload_blob("b", b""),
        lambda: client.delete_blob("a"),
        client.get_container_properties,
    ):
        refused(attempt, 403, "AuthorizationPermissionMismatch")
    # Owner is a role over the account, not over what is in it.
    assign(local, account.id, stranger.object_id, OWNER)
    client.get_container_properties()
    refused(lambda: client.download_blob("a"), 403, "AuthorizationPermissionMismatch")


@pytest.mark.runs("Microsoft.Authorization/roleAssignments")
def test_a_role_opens_what_it_covers_until_it_is_taken_away(
    local: Sandbox, account: Account, full: ContainerClient, stranger: Principal
) -> None:
    client = act_as(account, stranger, full)
    refused(lambda: client.download_blob("a"), 403, "AuthorizationPermissionMismatch")
    scope = f"{account.id}/blobServices/default/containers/{full.container_name}"
    assignment = assign(local, scope, stranger.object_id, READER)
    assert client.download_blob("a").readall() == b"content"
    refused(lambda: client.upload_blob("b", b""), 403, "AuthorizationPermissionMismatch")
    assert local.call("DELETE", assignment).status == 200
    refused(lambda: client.download_blob("a"), 403, "AuthorizationPermissionMismatch")
    assign(local, scope, stranger.object_id, CONTRIBUTOR)
    client.upload_blob("b", b"")
    client.delete_blob("a")


def test_a_role_on_one_container_does_not_open_another(
    local: Sandbox, account: Account, service: BlobServiceClient, full: ContainerClient, stranger: Principal
) -> None:
    # The other container's name begins with this one's: a scope ends where a name ends.
    other = service.create_container(f"{full.container_name}-x")
    other.upload_blob("a", b"")
    assign(
        local, f"{account.id}/blobServices/default/containers/{full.container_name}", stranger.object_id, CONTRIBUTOR
    )
    act_as(account, stranger, full).download_blob("a")
    refused(lambda: act_as(account, stranger, other).download_blob("a"), 403, "AuthorizationPermissionMismatch")
    copy = act_as(account, stranger, full).get_blob_client("copy")
    refused(lambda: copy.start_copy_from_url(other.get_blob_client("a").url), 403, "CannotVerifyCopySource")


@pytest.mark.parametrize(
    ("authorization", "code"),
    [
        ("", "NoAuthenticationInformation"),
        ("Bearer nonsense", "InvalidAuthenticationInfo"),
        ("Basic abc", "InvalidAuthenticationInfo"),
    ],
)
def test_without_an_identity_it_is_401_with_a_challenge(
    local: Sandbox, account: Account, full: ContainerClient, authorization: str, code: str
) -> None:
    headers = {"Authorization": authorization} if authorization else {}
    answer = local.call("GET", f"{account.url}/{full.container_name}/a", token="", headers=headers)
    assert (answer.status, answer.headers["x-ms-error-code"]) == (401, code)
    assert "resource_id=https://storage.azure.com" in answer.headers["www-authenticate"]


def test_a_token_for_arm_opens_no_blob(local: Sandbox, account: Account, full: ContainerClient) -> None:
    answer = local.call("GET", f"{account.url}/{full.container_name}/a", token=local.token())
    assert (answer.status, answer.headers["x-ms-error-code"]) == (401, "InvalidAuthenticationInfo")


def test_a_user_delegation_signature_reaches_as_far_as_it_says(
    account: Account, service: BlobServiceClient, full: ContainerClient
) -> None:
    full.upload_blob("b", b"other")
    now = datetime.now(UTC)
    key = service.get_user_delegation_key(now - HOUR, now + HOUR)
    name = full.container_name
    signed = generate_blob_sas(
        ACCOUNT, name, "a", user_delegation_key=key, permission=BlobSasPermissions(read=True), expiry=now + HOUR
    )
    assert BlobClient(account.url, name, "a", credential=signed).download_blob().readall() == b"content"
    refused(
        lambda: BlobClient(account.url, name, "a", credential=signed).upload_blob(b"", overwrite=True),
        403, "AuthorizationPermissionMismatch",
    )  # fmt: skip
    refused(lambda: BlobClient(account.url, name, "b", credential=signed).download_blob(), 403, "AuthenticationFailed")
    refused(
        lambda: BlobClient(account.url, name, "a", credential=signed.replace("sp=r", "sp=rw")).download_blob(),
        403, "AuthenticationFailed",
    )  # fmt: skip
    whole = generate_container_sas(
        ACCOUNT, name, user_delegation_key=key, permission=ContainerSasPermissions(read=True, list=True),
        expiry=now + HOUR,
    )  # fmt: skip
    client = ContainerClient(account.url, name, credential=whole)
    assert [each.name for each in client.list_blobs()] == ["a", "b"]
    late = generate_blob_sas(
        ACCOUNT, name, "a", user_delegation_key=key, permission=BlobSasPermissions(read=True), expiry=now - HOUR / 2
    )
    refused(lambda: BlobClient(account.url, name, "a", credential=late).download_blob(), 403, "AuthenticationFailed")


def test_a_signature_holds_no_longer_than_the_role_of_who_signed(
    local: Sandbox, account: Account, full: ContainerClient, stranger: Principal
) -> None:
    assignment = assign(local, account.id, stranger.object_id, READER)
    now = datetime.now(UTC)
    with BlobServiceClient(account.url, stranger.credential) as client:
        key = client.get_user_delegation_key(now - HOUR, now + HOUR)
    signed = generate_blob_sas(
        ACCOUNT, full.container_name, "a", user_delegation_key=key,
        permission=BlobSasPermissions(read=True, write=True), expiry=now + HOUR,
    )  # fmt: skip
    blob = BlobClient(account.url, full.container_name, "a", credential=signed)
    assert blob.download_blob().readall() == b"content"
    refused(lambda: blob.upload_blob(b"", overwrite=True), 403, "AuthorizationPermissionMismatch")
    local.call("DELETE", assignment)
    refused(blob.download_blob, 403, "AuthorizationPermissionMismatch")


def test_a_user_delegation_key_lasts_a_week_at_most(service: BlobServiceClient) -> None:
    now = datetime.now(UTC)
    refused(lambda: service.get_user_delegation_key(now, now + timedelta(days=8)), 400, "InvalidXmlNodeValue")


def test_an_account_key_signs_where_the_account_lets_it(
    local: Sandbox, account: Account, full: ContainerClient, keys: list[str]
) -> None:
    name, now = full.container_name, datetime.now(UTC)
    for key in keys:
        with BlobServiceClient(account.url, key) as client:
            assert name in [each.name for each in client.list_containers()]
            client.get_blob_client(name, "signed/a b").upload_blob(b"k", metadata={"a": "1"}, overwrite=True)
    by_service = generate_blob_sas(
        ACCOUNT, name, "a", account_key=keys[0], permission=BlobSasPermissions(read=True), expiry=now + HOUR
    )
    by_account = generate_account_sas(
        ACCOUNT, keys[1], ResourceTypes(object=True), AccountSasPermissions(read=True, list=True), now + HOUR
    )
    for signed in (by_service, by_account):
        assert BlobClient(account.url, name, "a", credential=signed).download_blob().readall() == b"content"
    refused(
        lambda: list(ContainerClient(account.url, name, credential=by_account).list_blobs()),
        403, "AuthorizationResourceTypeMismatch",
    )  # fmt: skip
    with (
        BlobServiceClient(account.url, keys[0][::-1].lstrip("=") + "==") as client,
        pytest.raises(ClientAuthenticationError, match="AuthenticationFailed"),
    ):
        list(client.list_containers())
    allow(local, account, False)
    for credential in (keys[0], by_service, by_account):
        refused(
            BlobClient(account.url, name, "a", credential=credential).download_blob,
            403, "KeyBasedAuthenticationNotPermitted",
        )  # fmt: skip


def test_a_signature_without_an_end_is_refused(account: Account, full: ContainerClient, keys: list[str]) -> None:
    query = {"sv": "2022-11-02", "sr": "b", "sp": "r"}
    query["sig"] = blob_signing.sign(keys[0], blob_signing.service(query, ACCOUNT, full.container_name, "a"))
    client = BlobClient(account.url, full.container_name, "a", credential=urlencode(query))
    refused(client.download_blob, 403, "AuthenticationFailed")


def test_a_regenerated_key_ends_what_the_old_one_signed(
    local: Sandbox, account: Account, full: ContainerClient, keys: list[str]
) -> None:
    signed = [
        generate_blob_sas(
            ACCOUNT, full.container_name, "a", account_key=key, permission=BlobSasPermissions(read=True),
            expiry=datetime.now(UTC) + HOUR,
        )
        for key in keys
    ]  # fmt: skip
    assert local.call("POST", f"{account.id}/regenerateKey", {"keyName": "key1"}).status == 200
    old, kept = (BlobClient(account.url, full.container_name, "a", credential=each) for each in signed)
    refused(old.download_blob, 403, "AuthenticationFailed")
    assert kept.download_blob().readall() == b"content"


def test_everybody_reads_what_is_public_and_nothing_else(
    local: Sandbox, account: Account, full: ContainerClient
) -> None:
    place = f"{account.id}/blobServices/default/containers/{full.container_name}"
    blob, listing = (f"{account.url}/{full.container_name}{rest}" for rest in ("/a", "?restype=container&comp=list"))
    refusal = local.call("PUT", place, {"properties": {"publicAccess": "Blob"}})
    assert (refusal.status, refusal.code) == (409, "PublicAccessNotPermitted")
    local.call("PATCH", account.id, {"properties": {"allowBlobPublicAccess": True}})
    for public, expected in (("Blob", [200, 401]), ("Container", [200, 200]), ("None", [401, 401])):
        assert local.call("PUT", place, {"properties": {"publicAccess": public}}).status == 200
        assert [local.call("GET", url, token="").status for url in (blob, listing)] == expected, public
    local.call("PUT", place, {"properties": {"publicAccess": "Container"}})
    assert local.call("PUT", blob, "x", token="", headers={"x-ms-blob-type": "BlockBlob"}).status == 401
    local.call("PATCH", account.id, {"properties": {"allowBlobPublicAccess": False}})
    assert local.call("GET", blob, token="").status == 401


def bearer(who: Principal) -> str:
    return f"Bearer {who.credential.get_token('https://storage.azure.com/.default').token}"


def test_a_copy_within_an_account_asks_the_callers_own_right_to_read(
    local: Sandbox, account: Account, service: BlobServiceClient, full: ContainerClient, stranger: Principal
) -> None:
    other = service.create_container(f"{full.container_name}-to")
    blobs = f"{account.id}/blobServices/default/containers"
    target = act_as(account, stranger, other).get_blob_client("copy")
    source = full.get_blob_client("a").url
    assign(local, f"{blobs}/{other.container_name}", stranger.object_id, CONTRIBUTOR)
    refused(lambda: target.start_copy_from_url(source), 403, "CannotVerifyCopySource")
    assign(local, f"{blobs}/{full.container_name}", stranger.object_id, READER)
    assert target.start_copy_from_url(source)["copy_status"] == "success"
    assert other.download_blob("copy").readall() == b"content"


@pytest.mark.parametrize("signer", ["account key", "delegation key"])
def test_a_signature_for_one_container_copies_from_no_other(
    account: Account, service: BlobServiceClient, full: ContainerClient, keys: list[str], signer: str
) -> None:
    other = service.create_container(f"{full.container_name}-{signer[0]}")
    now = datetime.now(UTC)
    signing: dict[str, Any] = {"account_key": keys[0]}
    if signer == "delegation key":
        signing = {"user_delegation_key": service.get_user_delegation_key(now - HOUR, now + HOUR)}
    everything = ContainerSasPermissions(read=True, write=True, create=True, list=True)
    to, of = (
        generate_container_sas(ACCOUNT, name, permission=everything, expiry=now + HOUR, **signing)
        for name in (other.container_name, full.container_name)
    )
    target = BlobClient(account.url, other.container_name, "copy", credential=to)
    source = full.get_blob_client("a").url
    refused(lambda: target.start_copy_from_url(source), 401, "CannotVerifyCopySource")
    assert target.start_copy_from_url(f"{source}?{of}")["copy_status"] == "success"


def test_a_signature_of_a_container_opens_its_blobs_and_its_list_not_the_container_itself(
    account: Account, full: ContainerClient, keys: list[str]
) -> None:
    name, expiry = full.container_name, datetime.now(UTC) + HOUR
    letters = {"read": True, "write": True, "delete": True, "list": True, "create": True}
    whole = generate_container_sas(
        ACCOUNT, name, account_key=keys[0], permission=ContainerSasPermissions(**letters), expiry=expiry
    )
    client = ContainerClient(account.url, name, credential=whole)
    assert [each.name for each in client.list_blobs()] == ["a"]
    for attempt in (
        client.delete_container, client.get_container_properties, lambda: client.set_container_metadata({"a": "b"}),
    ):  # fmt: skip
        refused(attempt, 403, "AuthorizationPermissionMismatch")
    signed = generate_account_sas(
        ACCOUNT, keys[0], ResourceTypes(container=True), AccountSasPermissions(delete=True), expiry
    )
    ContainerClient(account.url, name, credential=signed).delete_container()


@pytest.mark.parametrize("how", ["upload", "sync copy", "block"])
def test_what_is_put_from_an_address_brings_its_own_right_to_read(
    local: Sandbox, account: Account, service: BlobServiceClient, full: ContainerClient, stranger: Principal, how: str
) -> None:
    other = service.create_container(f"{full.container_name}-{how[0]}")
    blobs = f"{account.id}/blobServices/default/containers"
    target, source = act_as(account, stranger, other).get_blob_client("copy"), full.get_blob_client("a").url
    assign(local, f"{blobs}/{other.container_name}", stranger.object_id, CONTRIBUTOR)
    token = bearer(stranger)

    def put(**more: Any) -> None:
        if how == "upload":
            target.upload_blob_from_url(source, **more)
        elif how == "sync copy":
            target.start_copy_from_url(source, requires_sync=True, **more)
        else:
            target.stage_block_from_url("one", source, **more)
            target.commit_block_list([BlobBlock("one")])

    refused(lambda: put(source_authorization=token), 403, "CannotVerifyCopySource")
    assign(local, f"{blobs}/{full.container_name}", stranger.object_id, READER)
    refused(put, 401, "CannotVerifyCopySource")  # the token of the request is for the target alone
    put(source_authorization=token)
    assert other.download_blob("copy").readall() == b"content"


def test_nothing_that_opened_a_deleted_account_opens_the_next_of_its_name(local: Sandbox) -> None:
    path = f"{local.group('blob-tests')}/providers/Microsoft.Storage/storageAccounts/blobreborn"
    url = "https://blobreborn.blob.core.windows.net"
    body = {"location": "westeurope", "kind": "StorageV2", "sku": {"name": "Standard_LRS"}}
    before: dict[str, str] = {}
    for _ in range(2):
        assert local.call("PUT", path, body).status == 200
        assign(local, path, OBJECT_ID, CONTRIBUTOR)
        key = local.call("POST", f"{path}/listKeys").body["keys"][0]["value"]
        now = datetime.now(UTC)
        with DefaultAzureCredential() as credential, BlobServiceClient(url, credential) as client:
            client.create_container("ccc").upload_blob("a", b"content")
            delegated = client.get_user_delegation_key(now - HOUR, now + HOUR)
        often: dict[str, Any] = {"permission": BlobSasPermissions(read=True), "expiry": now + HOUR}
        signed = {
            "by a key": generate_blob_sas("blobreborn", "ccc", "a", account_key=key, **often),
            "by a user's": generate_blob_sas("blobreborn", "ccc", "a", user_delegation_key=delegated, **often),
        }
        for signature in signed.values():
            assert BlobClient(url, "ccc", "a", credential=signature).download_blob().readall() == b"content"
        for signature in before.values():
            blob = BlobClient(url, "ccc", "a", credential=signature)
            refused(lambda blob=blob: blob.download_blob(), 403, "AuthenticationFailed")  # type: ignore[misc]
        before = signed
        local.call("DELETE", path)
