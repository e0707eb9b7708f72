"""Aborts and rollbacks: who ends what, what then has the traffic, and what stays held."""

import threading
from collections.abc import Callable
from dataclasses import replace

import pytest

from ops import command
from ops.abort import abort
from ops.command import OpsError, UsageError
from ops.gate import Verdict
from ops.hold import LostError, seize, take
from ops.report import Report, Step
from ops.rollback import _main, lift, parser, rollback
from tests.ops.world import BAD, GOOD, Actor, World, end, half_way, rollout


def test_abort_with_nothing_running_does_nothing_and_says_so(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    rollout(world).run("green")
    blob, step, actor = world.blob, Step("abort", Report()), Actor(world)
    assert abort(actor, actor, "e", step) == {"green": 100}
    assert step.done_before
    assert "no rollout is under way" in capsys.readouterr().err
    assert (world.blob, actor.puts) == (blob, [])


@pytest.mark.parametrize("position", range(4))
def test_an_abort_by_anybody_stops_the_controller_and_its_weights_hold(world: World, position: int) -> None:
    other, seen = Actor(world), 0

    def gate(_source: str, _share: int, beat: Callable[[], None]) -> Verdict:
        nonlocal seen
        seen += 1
        if seen > position:
            abort(other, other, "e", Step("abort", Report()), why="seen errors")
            count = len(world.history)
            try:
                beat()
            finally:
                assert len(world.history) == count
        return GOOD

    with pytest.raises(LostError, match=r"ended by .*abort of the rollout to green: seen errors"):
        rollout(world, gate=gate).run("green")
    assert seen == position + 1
    assert end(world) == ({"blue": 100}, "", None)


def test_a_hold_that_could_not_be_kept_is_told_at_the_end(world: World) -> None:
    """It may have run out meanwhile, and somebody else begun."""
    actor, broke = Actor(world), threading.Event()
    hold = take(actor, say=print)

    def unreachable(_call: int) -> None:
        broke.set()
        raise ConnectionError("unreachable")

    def work() -> None:
        with hold.kept():
            actor.before = unreachable
            assert broke.wait(10), "it is renewed while the work goes on"
            actor.before = lambda _: None

    with pytest.raises(ConnectionError, match="unreachable"):
        work()


def test_work_that_fails_under_a_lost_hold_is_told_with_its_own_error(world: World) -> None:
    """The cause, and not that there is nothing left to let go of."""
    actor, noticed = Actor(world), threading.Event()
    hold = take(actor, say=print)

    def work() -> None:
        with hold.kept():
            assert seize(Actor(world), lambda _state, _now: ("abort", {}))
            actor.before = lambda _call: noticed.set()
            assert noticed.wait(10), "it is renewed while the work goes on"
            raise ValueError("the cause")

    with pytest.raises(ValueError, match="the cause"):
        work()


def test_a_rollback_is_immediate_needs_no_gate_and_stays_until_lifted(world: World) -> None:
    rollout(world).run("green")
    actor, step = Actor(world), Step("rollback", Report())
    assert rollback(actor, actor, "e", step, why="complaints") == {"blue": 100}
    assert world.history[-1] == {"blue": 100}
    assert world.state.cooling == {"green": "2026-01-01T01:00:00+00:00"}, "it is kept to be looked at"
    released = rollout(world, GOOD)
    assert released.run("green") == {"blue": 100}, "the release that brought it does not bring it again"
    assert released.step.done_before
    with pytest.raises(OpsError, match=r"is held .rollback by .*complaints"):
        rollout(world).run("red")
    assert lift(actor, actor, "e", step) == {"blue": 100}
    assert rollout(world).run("green") == {"green": 100}


def test_a_second_rollback_does_not_bring_the_bad_one_back(world: World) -> None:
    rollout(world).run("green")
    actor, step = Actor(world), Step("rollback", Report())
    rollback(actor, actor, "e", step)
    puts = list(actor.puts)
    assert rollback(actor, actor, "e", step) == {"blue": 100}
    assert (step.done_before, actor.puts) == (True, puts)


def test_a_rollout_that_went_back_leaves_the_way_back(world: World) -> None:
    rollout(world).run("green")
    with pytest.raises(OpsError):
        rollout(world, GOOD, BAD).run("red")
    actor = Actor(world)
    assert rollback(actor, actor, "e", Step("rollback", Report())) == {"blue": 100}


def test_traffic_that_somebody_ended_leaves_the_way_back(world: World) -> None:
    rollout(world).run("green")
    world.set({}, {})
    rollout(world).run("green", end_hold=True)
    actor = Actor(world)
    assert rollback(actor, actor, "e", Step("rollback", Report())) == {"blue": 100}


def test_a_rollback_ends_a_rollout_under_way(world: World) -> None:
    other = Actor(world)

    def gate(_source: str, share: int, _beat: Callable[[], None]) -> Verdict:
        if share:
            rollback(other, other, "e", Step("rollback", Report()))
        return GOOD

    with pytest.raises(LostError, match="rollback to blue"):
        rollout(world, gate=gate).run("green")
    assert end(world) == ({"blue": 100}, "", None)
    assert world.state.held is not None
    assert rollout(world).run("green") == {"blue": 100}


def test_a_rollback_works_without_a_state(world: World) -> None:
    world.traffic, world.states = {"green": 100}, {"blue": "Succeeded", "green": "Succeeded", "red": "Failed"}
    actor = Actor(world)
    assert rollback(actor, actor, "e", Step("rollback", Report())) == {"blue": 100}


def test_a_rollback_does_not_guess_one_that_never_had_traffic(world: World) -> None:
    """A deployment that has just come up has passed no gate."""
    world.traffic, world.states = {}, {"blue": "Succeeded"}
    rollout(world).run("blue")
    world.states["green"] = "Succeeded"
    actor = Actor(world)
    with pytest.raises(UsageError, match="it is not known which deployment had the traffic before"):
        rollback(actor, actor, "e", Step("rollback", Report()))
    assert world.traffic == {"blue": 100}


def test_a_rollback_of_a_rollback_is_asked_for_by_name(world: World) -> None:
    rollout(world).run("green")
    actor, step = Actor(world), Step("rollback", Report())
    rollback(actor, actor, "e", step)
    lift(actor, actor, "e", step)
    with pytest.raises(UsageError, match="not known") as failure:
        rollback(actor, actor, "e", step)
    assert "green" in failure.value.repair
    assert rollback(actor, actor, "e", step, to="green") == {"green": 100}


def test_a_rollback_to_a_mirrored_one_ends_its_mirror(world: World) -> None:
    """Azure refuses traffic and copies for one deployment."""
    rollout(world).run("green")
    world.mirror = {"blue": 5, "red": 5}
    actor = Actor(world)
    assert rollback(actor, actor, "e", Step("rollback", Report())) == {"blue": 100}
    assert world.mirror == {"red": 5}


def test_an_abort_does_not_go_by_the_state_of_an_endpoint_that_is_gone(world: World) -> None:
    half_way(world, {"green": 100})
    world.blob, world.made = (replace(world.state, made="first").text(), "1"), "second"
    actor, step = Actor(world), Step("abort", Report())
    assert abort(actor, actor, "e", step) == {"green": 100}
    assert step.done_before


def test_an_abort_leaves_weights_that_somebody_set_and_ends_the_rollout(world: World) -> None:
    half_way(world, {"blue": 60, "red": 40})
    actor = Actor(world)
    assert abort(actor, actor, "e", Step("abort", Report())) == {"blue": 60, "red": 40}
    assert end(world) == ({"blue": 60, "red": 40}, "", None)
    assert "was set by others and stays" in world.state.history[-1]["what"]


def test_a_lift_goes_nowhere(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.run(parser(), _main, ["--outputs", "dev.json", "--lift", "--to", "blue"]) == 2
    assert "--lift and --to blue exclude each other" in capsys.readouterr().err


def test_a_rollback_does_not_go_by_the_state_of_an_endpoint_that_is_gone(world: World) -> None:
    rollout(world).run("green")
    world.made = "second"
    actor = Actor(world)
    with pytest.raises(UsageError, match="it is not known which deployment had the traffic before"):
        rollback(actor, actor, "e", Step("rollback", Report()))
    assert world.traffic == {"green": 100}


@pytest.mark.parametrize(("to", "says"), [("", "not known"), ("grey", "no such"), ("red", "state is Failed")])
def test_a_rollback_names_those_that_can_take_traffic(world: World, to: str, says: str) -> None:
    world.states |= {"red": "Failed", "pink": "Succeeded"}
    actor = Actor(world)
    with pytest.raises(UsageError, match=says) as failure:
        rollback(actor, actor, "e", Step("rollback", Report()), to=to)
    assert "green, pink" in failure.value.repair
    assert (world.history, world.blob) == ([], None)


@pytest.mark.parametrize(("state", "is_now"), [(None, "gone"), ("Failed", "in provisioning state Failed")])
def test_a_way_back_that_is_gone_is_told_as_such(world: World, state: str | None, is_now: str) -> None:
    """Nobody has typed its name."""
    del world.states["red"]
    rollout(world).run("green")
    del world.states["blue"]
    world.states |= {"blue": state} if state else {}
    actor = Actor(world)
    with pytest.raises(UsageError) as failure:
        rollback(actor, actor, "e", Step("rollback", Report()))
    assert failure.value.what == f"nothing to go back to: blue, which had the traffic before, is {is_now}"
    assert failure.value.why == "live is green 100 %"
    assert failure.value.repair == "release another version"
    world.states["red"] = "Succeeded"
    with pytest.raises(UsageError) as failure:
        rollback(actor, actor, "e", Step("rollback", Report()))
    assert failure.value.repair.startswith("name one of red: ")


def test_the_live_one_is_none_to_go_back_to(world: World) -> None:
    del world.states["red"]
    rollout(world).run("green")
    del world.states["blue"]
    actor = Actor(world)
    with pytest.raises(UsageError, match="--to blue: the endpoint has no such deployment") as failure:
        rollback(actor, actor, "e", Step("rollback", Report()), to="blue")
    assert failure.value.repair == "name one that can take traffic: there is none beside the live one"


def test_lift_of_nothing_says_so(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    actor, step = Actor(world), Step("lift", Report())
    assert lift(actor, actor, "e", step) == {"blue": 100}
    assert step.done_before
    assert "nothing is held" in capsys.readouterr().err


def test_the_history_tells_who_did_what(world: World) -> None:
    rollout(world).run("green")
    actor = Actor(world)
    rollback(actor, actor, "e", Step("rollback", Report()), why="late")
    told = [entry["what"] for entry in world.state.history]
    assert told[0] == "rollout to green began"
    assert "blue 50 %, green 50 %" in told
    assert "rollback to blue: late" in told
    assert all("@" in entry["by"] and entry["at"] for entry in world.state.history)
