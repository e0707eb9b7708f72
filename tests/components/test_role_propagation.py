"""Waiting for roles: asked as whoever deploys, until allowed, not for ever."""

from types import SimpleNamespace, TracebackType
from typing import Any, Self

import azure.storage.blob
import pytest
from azure.core.exceptions import HttpResponseError

from components import role_propagation
from components.role_propagation import RolePropagationProvider

PROPS: dict[str, Any] = {
    "blob_endpoint": "https://account.blob.core.windows.net/",
    "container": "code",
    "assignments": ["a", "b"],
}


class Container:
    """A container that refuses a number of times."""

    def __init__(self, refusals: list[int]) -> None:
        self.refusals = refusals
        self.asked = 0

    def from_container_url(self, url: str, credential: object) -> Self:
        assert url == "https://account.blob.core.windows.net/code"
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def list_blobs(self, results_per_page: int) -> list[str]:
        assert results_per_page == 1
        self.asked += 1
        if self.refusals:
            error = HttpResponseError("refused")
            error.status_code = self.refusals.pop(0)
            raise error
        return []


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Time that passes only when somebody sleeps; holds each sleep."""
    slept: list[float] = []
    monkeypatch.setattr(role_propagation, "time", SimpleNamespace(sleep=slept.append, monotonic=lambda: sum(slept)))
    return slept


def container(monkeypatch: pytest.MonkeyPatch, refusals: list[int]) -> Container:
    made = Container(refusals)
    monkeypatch.setattr(azure.storage.blob, "ContainerClient", made)
    return made


def test_it_asks_until_it_is_allowed(monkeypatch: pytest.MonkeyPatch, clock: list[float]) -> None:
    made = container(monkeypatch, [403, 403, 403])
    result = RolePropagationProvider().create(PROPS)
    assert (made.asked, len(clock)) == (4, 3)
    assert result.outs == PROPS


def test_a_role_that_never_comes_is_told_with_the_way_out(monkeypatch: pytest.MonkeyPatch, clock: list[float]) -> None:
    container(monkeypatch, [403] * 1000)
    with pytest.raises(RuntimeError, match=r"still refused after 600 s; .* add the object id to platform\.deployers"):
        RolePropagationProvider().create(PROPS)
    assert sum(clock) == 600


def test_another_refusal_is_not_waited_for(monkeypatch: pytest.MonkeyPatch, clock: list[float]) -> None:
    container(monkeypatch, [500])
    with pytest.raises(HttpResponseError):
        RolePropagationProvider().create(PROPS)
    assert clock == []


def test_new_assignments_are_waited_for_again_and_old_ones_are_not(
    monkeypatch: pytest.MonkeyPatch, clock: list[float]
) -> None:
    provider = RolePropagationProvider()
    assert not provider.diff("id", PROPS, PROPS).changes
    assert provider.diff("id", PROPS, PROPS | {"assignments": ["a", "c"]}).changes
    made = container(monkeypatch, [403])
    provider.update("id", PROPS, PROPS | {"assignments": ["a", "c"]})
    assert made.asked == 2
