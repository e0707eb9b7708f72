"""Clients of Azure, unmodified, made local by the sandbox's environment; and identities beside the sandbox's own."""

import secrets
import sqlite3
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from azure.identity import ClientSecretCredential, DefaultAzureCredential
from azure.storage.blob import BlobServiceClient, ContainerClient

from sandbox.arm.keys import hash_secret
from sandbox.constants import OBJECT_ID, TENANT_ID
from tests.sandbox.conftest import SUBSCRIPTION, Sandbox

CONTRIBUTOR = "ba92f5b4-2d11-453d-a403-e96b0029c9fe"
READER = "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1"
ACCOUNT = "blobtests"


@dataclass(frozen=True)
class Account:
    """A storage account of the tests; the sandbox's caller may write its blobs."""

    id: str
    url: str


@dataclass(frozen=True)
class Principal:
    """An application that can sign in."""

    object_id: str
    client_id: str
    secret: str

    @property
    def credential(self) -> ClientSecretCredential:
        """How a client signs in as it."""
        return ClientSecretCredential(TENANT_ID, self.client_id, self.secret)


@pytest.fixture(scope="module")
def local(sandbox: Sandbox) -> Iterator[Sandbox]:
    """The sandbox, with this process's clients made local."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in sandbox.environment.items():
            patch.setenv(name, value)
        yield sandbox


@pytest.fixture(scope="module")
def account(local: Sandbox) -> Account:
    """A storage account without account keys."""
    group = local.group("blob-tests")
    path = f"{group}/providers/Microsoft.Storage/storageAccounts/{ACCOUNT}"
    body = {"location": "westeurope", "kind": "StorageV2", "sku": {"name": "Standard_LRS"},
            "properties": {"allowSharedKeyAccess": False}}  # fmt: skip
    assert local.call("PUT", path, body).status == 200
    assign(local, path, OBJECT_ID, CONTRIBUTOR)
    return Account(path, f"https://{ACCOUNT}.blob.core.windows.net")


@pytest.fixture(scope="module")
def service(account: Account) -> Iterator[BlobServiceClient]:
    """The account's blob service, as the sandbox's caller."""
    with DefaultAzureCredential() as credential, BlobServiceClient(account.url, credential) as client:
        yield client


@pytest.fixture
def container(service: BlobServiceClient) -> ContainerClient:
    """A new container."""
    return service.create_container(f"c{uuid.uuid4().hex[:16]}")


@pytest.fixture
def stranger(local: Sandbox) -> Principal:
    """An application without any role."""
    return make_stranger(local)


def make_stranger(local: Sandbox) -> Principal:
    """Make an application without any role."""
    found = Principal(str(uuid.uuid4()), str(uuid.uuid4()), secrets.token_urlsafe(16))
    connection = sqlite3.connect(local.home.database, timeout=30)
    with connection:
        connection.execute(
            "INSERT INTO principals VALUES (?,?,?,?,'')",
            (found.object_id, found.client_id, "stranger", hash_secret(found.secret)),
        )
    connection.close()
    return found


def assign(sandbox: Sandbox, scope: str, object_id: str, role: str) -> str:
    """Give a role; returns the assignment's id."""
    path = f"{scope}/providers/Microsoft.Authorization/roleAssignments/{uuid.uuid4()}"
    definition = f"{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/{role}"
    answer = sandbox.call("PUT", path, {"properties": {"principalId": object_id, "roleDefinitionId": definition}})
    assert answer.status == 201, answer
    return path
