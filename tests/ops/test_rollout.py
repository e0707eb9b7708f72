"""The rollout's state machine: every gate, every way back, what is held."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from ops.command import OpsError, UsageError
from ops.gate import Verdict
from ops.rollout_state import Weights
from tests.ops.world import BAD, GOOD, Actor, World, end, half_way, rollout


def test_goes_to_all_traffic_in_steps_with_a_gate_at_each(world: World) -> None:
    asked: list[tuple[Weights, str, int]] = []

    def gate(source: str, share: int, _beat: Callable[[], None]) -> Verdict:
        asked.append((dict(world.traffic), source, share))
        return GOOD

    assert rollout(world, gate=gate).run("green") == {"green": 100}
    assert asked == [
        ({"blue": 100}, "blue", 0),
        ({"blue": 90, "green": 10}, "blue", 10),
        ({"blue": 50, "green": 50}, "blue", 50),
        ({"green": 100}, "blue", 100),
    ]
    assert end(world) == ({"green": 100}, "", None)


def test_a_first_deployment_gets_no_traffic_before_its_gate_and_all_after(world: World) -> None:
    world.traffic, world.states = {}, {"blue": "Succeeded"}
    assert rollout(world).run("blue") == {"blue": 100}
    assert world.history == [{"blue": 100}]


@pytest.mark.parametrize("position", range(4))
def test_a_bad_gate_gives_the_traffic_back(world: World, position: int) -> None:
    with pytest.raises(OpsError, match="12 of 210") as failure:
        rollout(world, *[GOOD] * position, BAD).run("green")
    assert failure.value.exit_code == 1
    assert end(world) == ({"blue": 100}, "", None)
    assert len(world.history) == (position + 1 if position else 0), "nothing is set when nothing has changed"


@pytest.mark.parametrize("position", range(2))
def test_a_bad_first_deployment_leaves_no_traffic(world: World, position: int) -> None:
    world.traffic = {}
    with pytest.raises(OpsError):
        rollout(world, *[GOOD] * position, BAD).run("blue")
    assert end(world) == ({}, "", None)


@pytest.mark.parametrize("position", range(4))
def test_ctrl_c_at_a_gate_gives_the_traffic_back(world: World, position: int) -> None:
    seen = 0

    def gate(_source: str, _share: int, _beat: Callable[[], None]) -> Verdict:
        nonlocal seen
        seen += 1
        if seen > position:
            raise KeyboardInterrupt
        return GOOD

    with pytest.raises(KeyboardInterrupt):
        rollout(world, gate=gate).run("green")
    assert end(world) == ({"blue": 100}, "", None)


def test_it_says_so_when_the_traffic_cannot_be_given_back(world: World) -> None:
    actor = Actor(world)

    def fail(_call: int) -> None:
        if world.traffic != {"blue": 100}:
            raise ConnectionError("unreachable")

    actor.before = fail
    with pytest.raises(OpsError, match="could not be given back: unreachable") as failure:
        rollout(world, GOOD, BAD, actor=actor).run("green")
    assert "ops.abort" in failure.value.repair


def test_a_finished_rollout_is_not_judged_again_and_writes_nothing(world: World) -> None:
    rollout(world).run("green")
    blob, history = world.blob, list(world.history)
    again = rollout(world, BAD)
    assert again.run("green") == {"green": 100}
    assert again.step.done_before
    assert (world.blob, world.history) == (blob, history)


def test_what_had_the_traffic_cools(world: World) -> None:
    rollout(world, cooling=timedelta(hours=2)).run("green")
    assert world.state.cooling == {"blue": "2026-01-01T02:00:00+00:00"}
    rollout(world).run("blue")
    assert world.state.cooling == {"green": "2026-01-01T01:00:00+00:00"}


def test_steps_are_where_it_stops(world: World) -> None:
    rollout(world, steps=(25, 100)).run("green")
    assert world.history == [{"green": 25, "blue": 75}, {"green": 100}]


def test_a_mirror_comes_before_the_first_step_and_goes_with_it(world: World) -> None:
    seen: list[tuple[Weights, Weights, int]] = []

    def gate(_source: str, share: int, _beat: Callable[[], None]) -> Verdict:
        seen.append((dict(world.traffic), dict(world.mirror), share))
        return GOOD

    rollout(world, gate=gate, mirror=10, steps=(100,)).run("green")
    assert seen == [
        ({"blue": 100}, {}, 0),
        ({"blue": 100}, {"green": 10}, 10),
        ({"green": 100}, {}, 100),
    ]
    world.mirror = {"red": 5}
    with pytest.raises(OpsError):
        rollout(world, GOOD, BAD, mirror=20).run("blue")
    assert (world.traffic, world.mirror) == ({"green": 100}, {"red": 5}), "exactly what was before"


def test_refuses_a_deployment_that_does_not_exist(world: World) -> None:
    with pytest.raises(UsageError, match="grey") as failure:
        rollout(world).run("grey")
    assert "blue, green" in failure.value.why


def test_a_deployment_that_failed_is_no_candidate(world: World) -> None:
    world.states["green"] = "Failed"
    with pytest.raises(OpsError, match="provisioning state is Failed"):
        rollout(world).run("green")
    assert (world.history, world.blob) == ([], None)


def test_a_stable_deployment_that_failed_is_not_asked(world: World) -> None:
    world.states["blue"] = "Failed"
    sources: set[str] = set()

    def gate(source: str, _share: int, _beat: Callable[[], None]) -> Verdict:
        sources.add(source)
        return GOOD

    rollout(world, gate=gate).run("green")
    assert sources == {""}


def test_a_new_endpoint_of_the_same_name_begins_anew(world: World) -> None:
    rollout(world).run("green")
    world.traffic, world.made = {}, "second"
    assert rollout(world).run("blue") == {"blue": 100}
    assert world.state.source == ""


def test_a_second_rollout_waits_for_the_end_of_the_first(world: World) -> None:
    half_way(world, {"blue": 90, "green": 10})
    with pytest.raises(OpsError, match=r"the rollout to green is under way .blue 90 %, green 10 %") as failure:
        rollout(world).run("red")
    assert "--to green" in failure.value.repair
    assert world.history == []


# What is held.


def split(world: World) -> None:
    """Somebody sets a split through Azure's own client."""
    world.set({"blue": 90, "green": 10}, {})
    world.history.clear()


@pytest.mark.parametrize("candidate", ["blue", "green"])
def test_a_release_of_nothing_new_leaves_a_split_of_somebody_alone(world: World, candidate: str) -> None:
    rollout(world).run("blue")
    split(world)
    run = rollout(world, BAD)
    assert run.run(candidate) == {"blue": 90, "green": 10}
    assert run.step.done_before
    assert world.history == []


def test_a_split_that_somebody_set_over_a_killed_rollout_stays(world: World) -> None:
    half_way(world, {"blue": 60, "green": 40})
    run = rollout(world, BAD)
    assert run.run("green") == {"blue": 60, "green": 40}
    assert run.step.done_before
    assert world.history == []


def test_it_is_compared_with_what_has_most_of_the_traffic(world: World) -> None:
    world.set({"blue": 20, "green": 80}, {})
    sources: set[str] = set()

    def gate(source: str, _share: int, _beat: Callable[[], None]) -> Verdict:
        sources.add(source)
        return GOOD

    rollout(world, gate=gate).run("red", end_hold=True)
    assert sources == {"green"}
    assert world.state.way_back == "green"


def test_a_split_on_an_endpoint_without_a_state_is_somebodys_too(world: World) -> None:
    split(world)
    assert rollout(world).run("green") == {"blue": 90, "green": 10}
    assert world.history == []


def test_a_release_of_something_new_stops_at_a_split_and_says_how_to_go_on(world: World) -> None:
    split(world)
    with pytest.raises(OpsError, match="blue 90 %, green 10 % is held") as failure:
        rollout(world).run("red")
    assert "--to red --end-hold" in failure.value.repair
    assert world.history == []


def test_a_hold_is_ended_by_name(world: World) -> None:
    split(world)
    assert rollout(world).run("red", end_hold=True) == {"red": 100}
    assert world.history[0] == {"red": 10, "blue": 81, "green": 9}
    assert world.state.held is None


def test_a_rollout_that_ended_a_hold_and_goes_back_holds_it_again(world: World) -> None:
    split(world)
    with pytest.raises(OpsError):
        rollout(world, GOOD, BAD).run("red", end_hold=True)
    assert world.traffic == {"blue": 90, "green": 10}
    assert rollout(world).run("green") == {"blue": 90, "green": 10}


def test_a_split_can_be_reached_in_steps_and_is_held(world: World) -> None:
    assert rollout(world, hold_at=30).run("green") == {"blue": 70, "green": 30}
    assert world.history == [{"blue": 90, "green": 10}, {"blue": 70, "green": 30}]
    assert rollout(world).run("green") == {"blue": 70, "green": 30}
    assert rollout(world).run("green", end_hold=True) == {"green": 100}


def test_weights_that_others_set_meanwhile_stay(world: World) -> None:
    actor = Actor(world)

    def gate(_source: str, share: int, _beat: Callable[[], None]) -> Verdict:
        if share:
            world.set({"blue": 60, "red": 40}, {})
        return GOOD

    with pytest.raises(OpsError, match="changed by somebody else meanwhile: blue 60 %, red 40 %"):
        rollout(world, actor=actor, gate=gate).run("green")
    assert end(world) == ({"blue": 60, "red": 40}, "", None)


# Abort and rollback.


def test_two_controllers_cannot_both_hold_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    refused: list[str] = []

    def gate(_source: str, _share: int, beat: Callable[[], None]) -> Verdict:
        monkeypatch.setattr("ops.hold.time.sleep", lambda _seconds: beat())
        with pytest.raises(OpsError, match="works on this endpoint") as failure:
            rollout(world, BAD).run("green")
        refused.append(failure.value.what)
        return GOOD

    assert rollout(world, gate=gate).run("green") == {"green": 100}
    assert len(refused) == 4
