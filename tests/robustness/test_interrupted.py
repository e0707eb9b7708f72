"""R1: killed at any moment, the next `up` needs no other command: nothing refused, doubled, lost or left running."""

import json
import signal
from collections import Counter

import pytest

from tests.robustness.conftest import Forks, Place

FIRST_UPS, CHANGES, TAKEN_BACK = 25, 25, 10
# What Azure makes of itself beside a storage account.
BY_AZURE = {"default"}
BEFORE = {"identities": 3, "owner": "before@example.com", "container": "data"}
AFTER = {"identities": 2, "owner": "after@example.com", "container": "moved"}


@pytest.fixture(scope="module")
def shared(module_place: Place) -> Place:
    """A place whose operations take two looks at them to end."""
    module_place.admin("PUT", "/pace", {"pace": "polls:2"})
    return module_place


@pytest.fixture(scope="module")
def first_points(shared: Place, forks: Forks) -> int:
    """How many points a first `up` passes."""
    shared.configure("whole")
    done = forks.run(shared, "up", "--stack", "whole", kill=0)
    assert done.code == 0, done.said
    assert set(done.points) == {
        f"{when} {what}" for when in ("before", "during", "after") for what in ("GET", "PUT", "POST", "a commit")
    } - {"during a commit"}
    return len(done.points)


@pytest.fixture(scope="module")
def changed(shared: Place, forks: Forks) -> tuple[Forks, int]:
    """A stack that goes to and fro between two configurations; how many points the way takes."""
    points = []
    for values in (BEFORE, AFTER):
        shared.configure("changed", **values)
        points.append(forks.run(shared, "up", "--stack", "changed", kill=0))
        assert points[-1].code == 0, points[-1].said
    return forks, len(points[-1].points)


@pytest.mark.parametrize("share", [point / FIRST_UPS for point in range(FIRST_UPS)])
def test_a_first_up_killed(shared: Place, forks: Forks, first_points: int, share: float) -> None:
    stack, mark = f"f{round(share * FIRST_UPS)}x", shared.last_write()
    shared.configure(stack)
    # The number of looks at an operation varies a little: stay clear of the end.
    killed = forks.run(shared, "up", "--stack", stack, kill=1 + int(share * 0.95 * first_points))
    assert killed.code == -signal.SIGKILL
    again = forks.run(shared, "up", "--stack", stack)
    assert (again.code, again.err) == (0, ""), again.said
    expected = {f"rg-{stack}1", f"log-{stack}1", f"st{stack}1", "code", "data", "id-0", "id-1", "id-2"}
    assert shared.resources(f"{stack}1") == dict.fromkeys(expected | BY_AZURE, "Succeeded")
    assert Counter(shared.writes(mark)) == Counter(("write", name, 201) for name in expected)
    holds_all(shared, stack, len(expected))


@pytest.mark.parametrize("share", [point / CHANGES for point in range(CHANGES)])
def test_a_change_killed(shared: Place, changed: tuple[Forks, int], share: float) -> None:
    forks, points = changed
    number, mark = round(share * CHANGES), shared.last_write()
    old, new = (AFTER, BEFORE) if number % 2 == 0 else (BEFORE, AFTER)
    shared.configure("changed", **new)
    killed = forks.run(shared, "up", "--stack", "changed", kill=1 + int(share * 0.9 * points))
    assert killed.code == -signal.SIGKILL
    again = forks.run(shared, "up", "--stack", "changed")
    assert (again.code, again.err) == (0, ""), again.said
    stays = {"rg-changed1", "log-changed1", "stchanged1", "code", "id-0", "id-1"}
    expected = stays | {str(new["container"])} | ({"id-2"} if new is BEFORE else set())
    assert shared.resources("changed1") == dict.fromkeys(expected | BY_AZURE, "Succeeded")
    assert owners(shared, "changed1") == {str(new["owner"])}
    written = Counter(shared.writes(mark))
    made = {str(new["container"])} | ({"id-2"} if new is BEFORE else set())
    gone = {str(old["container"])} | ({"id-2"} if new is AFTER else set())
    assert {key: count for key, count in written.items() if key[2] == 201} == {("write", name, 201): 1 for name in made}
    assert {name: count for (verb, name, _), count in written.items() if verb == "delete"} == dict.fromkeys(gone, 1)
    assert {name for verb, name, status in written if (verb, status) == ("write", 200)} == stays - {"code"}
    holds_all(shared, "changed", len(expected))


@pytest.mark.parametrize("share", [point / TAKEN_BACK for point in range(TAKEN_BACK)])
def test_a_change_killed_and_taken_back(shared: Place, changed: tuple[Forks, int], share: float) -> None:
    """What the cloud holds may be newer than what the engine saw last: it is asked, not remembered."""
    forks, points = changed
    shared.configure("changed", **BEFORE)
    assert forks.run(shared, "up", "--stack", "changed").code == 0
    shared.configure("changed", **AFTER)
    assert forks.run(shared, "up", "--stack", "changed", kill=1 + int(share * 0.9 * points)).code == -signal.SIGKILL
    shared.configure("changed", **BEFORE)
    again = forks.run(shared, "up", "--stack", "changed")
    assert (again.code, again.err) == (0, ""), again.said
    assert owners(shared, "changed1") == {"before@example.com"}
    assert {"data", "id-2"} < set(shared.resources("changed1"))
    assert "moved" not in shared.resources("changed1")
    holds_all(shared, "changed", 8)


@pytest.mark.parametrize("lines", [1, 3, 6])
def test_the_command_itself_killed(shared: Place, forks: Forks, lines: int) -> None:
    stack, mark = f"c{lines}x", shared.last_write()
    shared.configure(stack)
    process = shared.start("up", "--stack", stack)
    assert process.stdout is not None
    for _ in range(lines + 1):
        assert process.stdout.readline()
    process.kill()
    process.communicate()
    again = shared.run("up", "--stack", stack)
    assert (again.code, again.err) == (0, ""), again.said
    assert max(Counter(shared.writes(mark)).values()) == 1
    holds_all(shared, stack, 8)


def owners(place: Place, prefix: str) -> set[str]:
    """Whose tag the resources of a stack carry in the cloud."""
    rows = place.query("SELECT body FROM resources WHERE key LIKE ?", f"%/resourcegroups/rg-{prefix}%")
    return {tags["owner"] for row in rows if (tags := json.loads(row["body"]).get("tags"))}


def holds_all(place: Place, stack: str, count: int) -> None:
    """The stack knows every resource, nothing is left open, and only the gateway runs."""
    found = place.query("SELECT slot FROM engine_resources WHERE stack = ? AND urn LIKE '%azure-native%'", stack)
    assert [row["slot"] for row in found] == [0] * count
    assert place.query("SELECT * FROM engine_intents WHERE stack = ?", stack) == []
    assert place.processes() == [place.gateway().pid]
