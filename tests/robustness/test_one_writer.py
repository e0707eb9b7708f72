"""R4: one run at a time over a stack; the other is told who and since when; a dead owner is none."""

import re
import signal
import time
from collections.abc import Iterator

import pytest

from tests.robustness.conftest import Forks, Place, until

TIMES = 10  # of each pair: 20 races
HELD = re.compile(
    r"error: stack 'dev' is held by process \d+ \((up|destroy)\) since \d{4}-\d\d-\d\dT[\d:.]+Z; "
    "wait for it, or stop it"
)
EXPECTED = {"rg-dev1", "log-dev1", "stdev1", "default", "code", "data", "id-0", "id-1", "id-2"}


@pytest.fixture(scope="module")
def other(module_place: Place) -> Iterator[Forks]:
    """A second command at the same time."""
    found = Forks(module_place.folder)
    yield found
    found.close()


def slow_down(place: Place) -> None:
    """Let the next write of the resource group take so long that two runs meet."""
    place.admin("DELETE", "/faults")
    match = {"method": "PUT|DELETE", "path": "/resourcegroups/rg-dev1$"}
    place.admin("POST", "/faults", {"match": match, "script": [{"delay": 0.6}]})


@pytest.mark.parametrize("turn", range(TIMES))
@pytest.mark.parametrize("second", ["up", "destroy --yes"])
def test_of_two_runs_one_is_refused(module_place: Place, forks: Forks, other: Forks, second: str, turn: int) -> None:
    module_place.configure("dev", owner=f"{second[:2]}-{turn}@example.com")
    module_place.admin("DELETE", "/faults")
    assert turn > 0 or forks.run(module_place, "up").code == 0
    module_place.configure("dev", owner=f"{second[:2]}-{turn}-again@example.com")
    slow_down(module_place)
    forks.begin(module_place, "up")
    other.begin(module_place, *second.split())
    done = sorted([forks.end(), other.end()], key=lambda each: each.code)
    assert [each.code for each in done] == [0, 3], [each.said for each in done]
    assert HELD.fullmatch(done[1].err.strip()), done[1].err
    module_place.admin("DELETE", "/faults")
    again = forks.run(module_place, "up")
    assert again.code == 0, again.said
    assert module_place.resources("dev1") == dict.fromkeys(EXPECTED, "Succeeded")
    assert balance(module_place) == dict.fromkeys(EXPECTED - {"default"}, 1)


def balance(place: Place) -> dict[str, int]:
    """Creations minus deletions of each name: a double creation shows as 2, a lost one as 0."""
    found: dict[str, int] = {}
    for verb, name, status in place.writes():
        found[name] = found.get(name, 0) + (status == 201) - (verb == "delete")
    return found


def test_a_dead_owner_is_no_owner(module_place: Place, forks: Forks) -> None:
    forks.run(module_place, "up")
    module_place.configure("dev", owner="dead@example.com")
    slow_down(module_place)
    process = module_place.start("up")
    until("the stack is held", lambda: module_place.held_by(process.pid))
    refused = forks.run(module_place, "destroy", "--yes")
    assert refused.code == 3
    assert f"is held by process {process.pid} (up) since" in refused.err
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    begun = time.monotonic()
    taken = forks.run(module_place, "up")
    assert taken.code == 0, taken.said
    assert time.monotonic() - begun < 5
