from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sandbox.arm.schema import Schema
from sandbox.constants import SUBSCRIPTION_ID
from sandbox.provider.azure_native import AzureNative
from sandbox.provider.client import Client, Credential
from tests.sandbox.conftest import Sandbox

Make = Callable[..., AzureNative]


@pytest.fixture(scope="session")
def schema(schema_cache: Path) -> Schema:
    return Schema(schema_cache)


@pytest.fixture
def naps() -> list[float]:
    """The pauses that the client took, none of them for real."""
    return []


@pytest.fixture
def provider(
    sandbox: Sandbox, schema: Schema, naps: list[float], monkeypatch: pytest.MonkeyPatch
) -> Iterator[AzureNative]:
    """The provider against a running sandbox, as any client: by environment variables."""
    for name, value in sandbox.environment.items():
        monkeypatch.setenv(name, value)
    credential = Credential.find({})
    assert credential is not None
    assert credential.subscription == SUBSCRIPTION_ID
    made = AzureNative(schema, {}, Client(credential, naps.append))
    yield made
    made.close()
    sandbox.admin("DELETE", "/faults")
    sandbox.admin("PUT", "/pace", {"pace": "now"})


@pytest.fixture
def offline(schema: Schema) -> AzureNative:
    """The provider without credentials."""
    return AzureNative(schema, {}, None)
