"""What has happened before does not slow down what is asked now: ten thousand jobs, fifty thousand operations."""

import time
from collections.abc import Callable
from functools import partial

import pytest

from bench.history import JOBS, OPERATIONS, STEPS, fill
from tests.sandbox.conftest import SUBSCRIPTION, Sandbox
from tests.sandbox.world import World

PAGE = 100
SLACK = 0.25  # seconds that a busy machine may add; what is measured takes some milliseconds
RESTART_SLACK = 1.0  # all of the state is read twice: to seal it, and to hold it against its seal


@pytest.fixture(scope="module")
def world(sandbox: Sandbox) -> World:
    """A workspace with two environments."""
    found = World(sandbox)
    for name in ("before", "after"):
        found.environment(name)
    return found


def seconds(work: Callable[[], object]) -> float:
    """The faster of two: other work on the machine only ever adds."""

    def once() -> float:
        begun = time.perf_counter()
        work()
        return time.perf_counter() - begun

    return min(once() for _ in range(2))


def test_a_long_history_costs_those_nothing_who_do_not_ask_for_it(world: World) -> None:
    sandbox, jobs = world.sandbox, f"{world.ws}/jobs"
    asked: dict[str, Callable[[], object]] = {
        path: partial(sandbox.call, "GET", path) for path in
        (world.ws, jobs, f"{jobs}/job00000", f"{jobs}?tag=none", f"{jobs}?$skipToken={JOBS - PAGE}",
         f"{world.ws}/environments", f"{SUBSCRIPTION}/resources")
    } | {"restart": sandbox.restart}  # fmt: skip
    before = {what: seconds(work) for what, work in asked.items()}
    fill(sandbox.home, world.ws, range(JOBS), OPERATIONS)
    after = {what: seconds(work) for what, work in asked.items()}
    slack = dict.fromkeys(asked, SLACK) | {"restart": RESTART_SLACK}
    assert not {what: (before[what], after[what]) for what in asked if after[what] > before[what] * 1.2 + slack[what]}
    begun = time.perf_counter()
    assert sandbox.call("DELETE", f"{world.ws}/environments/after/versions/1").status == 200
    assert time.perf_counter() - begun < SLACK


def test_lists_are_read_a_page_at_a_time(world: World) -> None:
    names = [f"job{number:05d}" for number in range(JOBS - 1, -1, -1) if number % STEPS == 0]

    def page(link: str) -> tuple[list[str], str]:
        answer = world.sandbox.call("GET", link)
        assert answer.status == 200, answer
        return [each["name"] for each in answer.body["value"]], answer.body.get("nextLink", "")

    first, link = page(f"{world.ws}/jobs")
    second, _ = page(link)
    assert first + second == names[: 2 * PAGE]
    assert page(f"{world.ws}/jobs?$top=5")[0] == names[:5]
    assert page(f"{world.ws}/jobs?$skipToken={JOBS - 30}") == (names[-10:], "")
    nothing, link = page(f"{world.ws}/jobs?tag=none")
    assert nothing == []
    assert link, "a page that looked at much ends, and another goes on"
