"""The rollout's state machine: every gate, every way back, a controller killed at each point."""

import pytest

from ops.command import OpsError, UsageError
from ops.gate import Verdict
from ops.report import Step
from ops.rollout import Rollout
from ops.workspace import Shift
from tests.ops.conftest import FakeWorkspace, Killed

GOOD = Verdict(healthy=True, says="fine")
BAD = Verdict(healthy=False, says="answer 3 of green: status 500")
TO_GREEN = Shift(to="green", source="blue")
STATES = [
    ({"blue": 100}, None),
    ({"blue": 90, "green": 10}, TO_GREEN),
    ({"blue": 50, "green": 50}, TO_GREEN),
    ({"green": 100}, TO_GREEN),
]


def state(azure: FakeWorkspace) -> tuple[dict[str, int], Shift | None]:
    """What a rollout leaves at the endpoint."""
    return azure.traffic, azure.shift


def rollout(azure: FakeWorkspace, step: Step, *verdicts: Verdict) -> Rollout:
    """A rollout whose gates give these verdicts, the last one for ever."""
    left = list(verdicts)
    return Rollout(azure=azure, name="e", step=step, gate=lambda _shares: left.pop(0) if len(left) > 1 else left[0])


def test_goes_to_all_traffic_in_steps_with_a_gate_at_each(azure: FakeWorkspace, step: Step) -> None:
    azure.traffic = {"blue": 100}
    asked: list[tuple[dict[str, int], bool]] = []

    def gate(shares: bool) -> Verdict:
        asked.append((dict(azure.traffic), shares))
        return GOOD

    assert Rollout(azure=azure, name="e", step=step, gate=gate).run("green") == {"green": 100}
    assert asked == [
        ({"blue": 100}, False),
        ({"blue": 90, "green": 10}, True),
        ({"blue": 50, "green": 50}, True),
        ({"green": 100}, True),
    ]
    assert azure.traffic == {"green": 100}
    assert azure.shift is None


def test_a_first_deployment_gets_no_traffic_before_its_gate_and_all_after(azure: FakeWorkspace, step: Step) -> None:
    azure.deployments = {"blue": "m:1"}
    assert rollout(azure, step, GOOD).run("blue") == {"blue": 100}
    assert azure.history == [{"blue": 100}, {"blue": 100}]


@pytest.mark.parametrize("position", range(4))
def test_a_bad_gate_gives_the_traffic_back(azure: FakeWorkspace, step: Step, position: int) -> None:
    azure.traffic = {"blue": 100}
    with pytest.raises(OpsError, match="status 500") as failure:
        rollout(azure, step, *[GOOD] * position, BAD).run("green")
    assert failure.value.exit_code == 1
    assert state(azure) == ({"blue": 100}, None)
    assert len(azure.history) == (position + 1 if position else 0), "nothing is set when nothing has changed"


@pytest.mark.parametrize("position", range(2))
def test_a_bad_first_deployment_leaves_no_traffic(azure: FakeWorkspace, step: Step, position: int) -> None:
    azure.deployments = {"blue": "m:1"}
    with pytest.raises(OpsError):
        rollout(azure, step, *[GOOD] * position, BAD).run("blue")
    assert state(azure) == ({}, None)


@pytest.mark.parametrize("position", range(4))
def test_ctrl_c_at_a_gate_gives_the_traffic_back(azure: FakeWorkspace, step: Step, position: int) -> None:
    azure.traffic = {"blue": 100}
    seen = 0

    def gate(_shares: bool) -> Verdict:
        nonlocal seen
        seen += 1
        if seen > position:
            raise KeyboardInterrupt
        return GOOD

    with pytest.raises(KeyboardInterrupt):
        Rollout(azure=azure, name="e", step=step, gate=gate).run("green")
    assert state(azure) == ({"blue": 100}, None)


@pytest.mark.parametrize("number", range(1, 5))
@pytest.mark.parametrize("taken", [True, False], ids=["taken", "lost"])
def test_a_request_that_breaks_off_gives_the_traffic_back(
    azure: FakeWorkspace, step: Step, number: int, taken: bool
) -> None:
    azure.traffic = {"blue": 100}

    def fail(request: int) -> None:
        if request == number:
            raise ConnectionError("reset")

    if taken:
        azure.after_request = fail
    else:
        azure.before_request = fail
    with pytest.raises(ConnectionError):
        rollout(azure, step, GOOD).run("green")
    assert state(azure) == ({"blue": 100}, None)


def test_it_says_so_when_the_traffic_cannot_be_given_back(azure: FakeWorkspace, step: Step) -> None:
    azure.traffic = {"blue": 100}

    def fail(request: int) -> None:
        if request > 1:
            raise ConnectionError("unreachable")

    azure.before_request = fail
    with pytest.raises(OpsError, match="could not be given back: unreachable") as failure:
        rollout(azure, step, GOOD, BAD).run("green")
    assert "--abort" in failure.value.repair


def kill_at(azure: FakeWorkspace, number: int, *, taken: bool) -> None:
    """The controller dies at a request, before or after Azure has taken it; no later one arrives."""

    def die(request: int) -> None:
        if request > number or (request == number and not taken):
            raise Killed

    def die_after(request: int) -> None:
        if request == number and taken:
            raise Killed

    azure.before_request, azure.after_request = die, die_after


@pytest.mark.parametrize("number", range(1, 5))
@pytest.mark.parametrize("taken", [True, False], ids=["taken", "lost"])
@pytest.mark.parametrize("healthy", [True, False], ids=["then-good", "then-bad"])
def test_a_killed_controller_can_be_run_again(
    azure: FakeWorkspace, step: Step, number: int, taken: bool, healthy: bool
) -> None:
    azure.traffic = {"blue": 100}
    kill_at(azure, number, taken=taken)
    with pytest.raises(Killed):
        rollout(azure, step, GOOD).run("green")
    assert sum(azure.traffic.values()) == 100
    finished = azure.traffic == {"green": 100} and azure.endpoint("e").shift is None
    azure.before_request = azure.after_request = lambda _: None

    if healthy:
        assert rollout(azure, step, GOOD).run("green") == {"green": 100}
        assert azure.shift is None
    elif finished:
        assert number == 4, "its last gate had passed: the rollout was finished"
    else:
        with pytest.raises(OpsError):
            rollout(azure, step, BAD).run("green")
        assert state(azure) == ({"blue": 100}, None)


@pytest.mark.parametrize(("traffic", "shift"), STATES[1:])
def test_abort_gives_the_traffic_of_an_unfinished_rollout_back(
    azure: FakeWorkspace, step: Step, traffic: dict[str, int], shift: Shift
) -> None:
    azure.traffic, azure.shift = dict(traffic), shift
    assert rollout(azure, step, GOOD).abort() == {"blue": 100}
    assert state(azure) == ({"blue": 100}, None)


@pytest.mark.parametrize("traffic", [{}, {"blue": 100}, {"green": 100}])
def test_abort_with_nothing_running_does_nothing(azure: FakeWorkspace, step: Step, traffic: dict[str, int]) -> None:
    azure.traffic = dict(traffic)
    assert rollout(azure, step, GOOD).abort() == traffic
    assert azure.history == []


def test_a_finished_rollout_is_not_judged_again(azure: FakeWorkspace, step: Step) -> None:
    azure.traffic = {"green": 100}
    assert rollout(azure, step, BAD).run("green") == {"green": 100}
    assert azure.history == []
    assert step.done_before


def test_steps_are_where_it_stops(azure: FakeWorkspace, step: Step) -> None:
    azure.traffic = {"blue": 100}
    Rollout(azure=azure, name="e", step=step, gate=lambda _: GOOD, steps=(25, 100)).run("green")
    assert azure.history == [{"green": 25, "blue": 75}, {"green": 100}, {"green": 100}]


def test_weights_between_two_steps_go_on_to_the_next(azure: FakeWorkspace, step: Step) -> None:
    azure.traffic, azure.shift = {"blue": 70, "green": 30}, TO_GREEN
    rollout(azure, step, GOOD).run("green")
    assert azure.history[0] == {"green": 50, "blue": 50}


def test_refuses_a_deployment_that_does_not_exist(azure: FakeWorkspace, step: Step) -> None:
    with pytest.raises(UsageError, match="red") as failure:
        rollout(azure, step, GOOD).run("red")
    assert "blue, green" in failure.value.why


def test_refuses_while_another_rollout_is_under_way(azure: FakeWorkspace, step: Step) -> None:
    azure.traffic, azure.shift = {"blue": 50, "green": 50}, TO_GREEN
    with pytest.raises(OpsError, match="rollout to green is under way"):
        rollout(azure, step, GOOD).run("blue")
    assert azure.history == []


def test_refuses_to_take_traffic_from_two(azure: FakeWorkspace, step: Step) -> None:
    azure.deployments |= {"red": "m:3"}
    azure.traffic = {"blue": 50, "green": 50}
    with pytest.raises(OpsError, match="no rollout is under way"):
        rollout(azure, step, GOOD).run("red")
    assert azure.history == []
