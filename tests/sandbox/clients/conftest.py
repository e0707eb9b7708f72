"""Clients of Azure in this process, unmodified, made local by the sandbox's environment alone."""

from collections.abc import Iterator

import pytest
from azure.identity import DefaultAzureCredential

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
