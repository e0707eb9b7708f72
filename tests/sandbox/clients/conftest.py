"""Clients of Azure in this process, unmodified, made local by the sandbox's environment alone."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from azure.ai.ml import MLClient
from azure.ai.ml.entities import Registry, RegistryRegionDetails
from azure.core.exceptions import ResourceNotFoundError
from azure.identity import DefaultAzureCredential

from sandbox.constants import SUBSCRIPTION_ID
from tests.sandbox.conftest import Sandbox
from tests.sandbox.world import World


@pytest.fixture(scope="module")
def world(sandbox: Sandbox) -> Iterator[World]:
    """A workspace, and this process's clients pointed at it."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in sandbox.environment.items():
            patch.setenv(name, value)
        yield World(sandbox)


@pytest.fixture(scope="module")
def credential(world: World) -> Iterator[DefaultAzureCredential]:
    """How every client signs in."""
    found = DefaultAzureCredential()
    yield found
    found.close()


@pytest.fixture(scope="module")
def ml(world: World, credential: DefaultAzureCredential) -> MLClient:
    return MLClient(credential, SUBSCRIPTION_ID, "world", "world")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with two files, one of them deeper."""
    (tmp_path / "given" / "deep").mkdir(parents=True)
    (tmp_path / "given" / "a.txt").write_text("one")
    (tmp_path / "given" / "deep" / "b.txt").write_text("two")
    return tmp_path / "given"


@pytest.fixture(scope="module")
def registry(ml: MLClient, credential: DefaultAzureCredential) -> Iterator[MLClient]:
    """A client of a registry that it made."""
    where = [RegistryRegionDetails(location="westeurope")]
    made = ml.registries.begin_create(Registry(name="shared", location="westeurope", replication_locations=where))
    assert made.result().name == "shared"
    yield MLClient(credential, SUBSCRIPTION_ID, "world", registry_name="shared")
    ml.registries.begin_delete(name="shared").result()
    with pytest.raises(ResourceNotFoundError):
        ml.registries.get("shared")
