"""A controller stopped at each of its calls, whoever comes next: one owner, and weights that sum to 0 or 100.

The world itself refuses weights that do not. A request of a killed process may arrive when the next one has already
read, set or written something.
"""

from collections.abc import Callable
from functools import partial

import pytest

from ops.abort import abort
from ops.command import OpsError
from ops.gate import Verdict
from ops.hold import TERM, LostError
from ops.report import Report, Step
from ops.rollback import rollback
from ops.rollout import Rollout
from ops.rollout_state import Weights
from tests.ops.world import Actor, Killed, World

GOOD = Verdict(healthy=True, says="fine")
BAD = Verdict(healthy=False, says="bad")
BEFORE = [{"blue": 100}, {}, {"blue": 90, "red": 10}]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("ops.hold.BEAT", -1.0)


def fresh(monkeypatch: pytest.MonkeyPatch, before: Weights) -> World:
    world = World(traffic=dict(before))
    monkeypatch.setattr("ops.hold.time.sleep", world.pass_time)
    if len(before) > 1:  # as a rollout has left it
        first = Actor(World(traffic={"red": 100}))
        Rollout(
            azure=first,
            store=first,
            name="e",
            gate=lambda *_: GOOD,
            step=Step("", Report()),
            hold_at=90,
            steps=(90, 100),
        ).run("blue")
        world.blob = first.world.blob
    return world


def controller(actor: Actor, *verdicts: Verdict) -> Weights:
    left = list(verdicts)

    def gate(_source: str, _share: int, beat: Callable[[], None]) -> Verdict:
        beat()
        return left.pop(0) if len(left) > 1 else left[0]

    rollout = Rollout(azure=actor, store=actor, name="e", gate=gate, step=Step("test", Report()), mirror=10)
    return rollout.run("green", end_hold=bool(actor.world.state.held) and len(actor.world.traffic) > 1)


def ends(actor: Actor) -> Weights:
    return abort(actor, actor, "e", Step("abort", Report()))


def gives_back(actor: Actor, to: str = "blue") -> Weights:
    return rollback(actor, actor, "e", Step("rollback", Report()), to=to)


def calls(monkeypatch: pytest.MonkeyPatch, before: Weights, act: Callable[[Actor], object]) -> int:
    """How many calls an undisturbed process makes."""
    actor = Actor(fresh(monkeypatch, before))
    act(actor)
    return actor.calls


def killed_at_half(monkeypatch: pytest.MonkeyPatch) -> World:
    """A world in which a rollout to green was killed when it had half of the traffic."""
    world = fresh(monkeypatch, {"blue": 100})
    killed = Actor(world)
    killed.die_when(lambda: world.traffic == {"blue": 50, "green": 50})
    with pytest.raises(Killed):
        controller(killed, GOOD)
    return world


def settled(world: World, *expected: Weights) -> None:
    """What has to be true when the last process has ended."""
    state = world.state
    assert world.traffic in expected
    assert state.weights in (world.traffic, None)
    assert (state.next, state.to) == (None, "")
    world.pass_time(TERM.total_seconds())
    assert not state.is_held(world.time)


@pytest.mark.parametrize("before", BEFORE, ids=str)
@pytest.mark.parametrize("taken", [True, False], ids=["taken", "lost"])
def test_after_a_kill_anywhere_it_goes_on_or_goes_back(
    monkeypatch: pytest.MonkeyPatch, before: Weights, taken: bool
) -> None:
    def good(actor: Actor) -> Weights:
        return controller(actor, GOOD)

    for number in range(1, calls(monkeypatch, before, good) + 1):
        for how in ("good", "bad", "abort", "rollback"):
            world = fresh(monkeypatch, before)
            killed = Actor(world)
            killed.die_at(number, taken=taken)
            with pytest.raises(Killed):
                good(killed)
            done = world.traffic == {"green": 100} and not world.state.to
            after = Actor(world)
            if how == "good":
                good(after)
                settled(world, {"green": 100})
            elif how == "bad":
                try:
                    controller(after, BAD)
                except OpsError:
                    settled(world, before)
                else:
                    settled(world, {"green": 100})
                    assert done, "its last gate had passed"
            elif how == "abort":
                ends(after)
                settled(world, {"green": 100} if done else before) if world.blob else None
            else:
                gives_back(after)
                settled(world, {"blue": 100})
                assert world.state.held is not None


@pytest.mark.parametrize("before", BEFORE, ids=str)
@pytest.mark.parametrize("taken", [True, False], ids=["taken", "lost"])
def test_a_broken_connection_anywhere_goes_back_or_is_put_in_order_by_an_abort(
    monkeypatch: pytest.MonkeyPatch, before: Weights, taken: bool
) -> None:
    def good(actor: Actor) -> Weights:
        return controller(actor, GOOD)

    for number in range(1, calls(monkeypatch, before, good) + 1):
        world = fresh(monkeypatch, before)
        broken = Actor(world)
        broken.break_at(number, taken=taken)
        with pytest.raises((ConnectionError, OpsError)):
            good(broken)
        assert world.traffic in (before, {"green": 100})
        ends(Actor(world))
        if world.blob:
            settled(world, before, {"green": 100})


def test_a_write_that_the_client_sends_again_is_not_taken_for_somebody_elses(monkeypatch: pytest.MonkeyPatch) -> None:
    def good(actor: Actor) -> Weights:
        return controller(actor, GOOD)

    for number in range(1, calls(monkeypatch, {"blue": 100}, good) + 1):
        world = fresh(monkeypatch, {"blue": 100})
        assert good(Actor(world, twice=number)) == {"green": 100}
        settled(world, {"green": 100})


@pytest.mark.parametrize("before", BEFORE, ids=str)
@pytest.mark.parametrize("ending", [ends, gives_back], ids=["abort", "rollback"])
def test_whoever_ends_it_at_any_moment_has_the_last_word(
    monkeypatch: pytest.MonkeyPatch, before: Weights, ending: Callable[[Actor], Weights]
) -> None:
    def good(actor: Actor) -> Weights:
        return controller(actor, GOOD)

    for number in range(1, calls(monkeypatch, before, good) + 1):
        world = fresh(monkeypatch, before)
        running = Actor(world)
        running.meanwhile(number, partial(ending, Actor(world)))
        try:
            good(running)
        except OpsError:
            settled(world, before, {"blue": 100})
        else:
            settled(world, {"green": 100}, {"blue": 100})
        if ending is gives_back and len(before) < 2:  # else it was told to end a hold, and may have read this one
            assert world.traffic == {"blue": 100}, number


@pytest.mark.parametrize("ending", [ends, partial(gives_back, to="red")], ids=["abort", "rollback"])
def test_of_two_who_end_it_the_later_one_has_the_last_word(
    monkeypatch: pytest.MonkeyPatch, ending: Callable[[Actor], Weights]
) -> None:
    """The earlier one has sent its weights; they arrive when the later one is done."""

    whole = Actor(killed_at_half(monkeypatch))
    ending(whole)
    (sent,) = whole.puts
    world = killed_at_half(monkeypatch)
    first = Actor(world, slow=sent)

    def overtaken() -> None:
        gives_back(Actor(world), to="green")
        first.arrive()

    first.meanwhile(sent + 1, overtaken)
    with pytest.raises(LostError):
        ending(first)
    settled(world, {"green": 100})


@pytest.mark.parametrize("ending", [ends, gives_back], ids=["abort", "rollback"])
@pytest.mark.parametrize("behind", range(1, 9))
def test_a_request_that_arrives_after_the_end_does_not_stay(
    monkeypatch: pytest.MonkeyPatch, ending: Callable[[Actor], Weights], behind: int
) -> None:
    """The killed process had sent its weights; they arrive at each moment of whoever ended it, or afterwards."""
    undisturbed = Actor(fresh(monkeypatch, {"blue": 100}))
    controller(undisturbed, GOOD)
    for number in undisturbed.puts:
        world = fresh(monkeypatch, {"blue": 100})
        killed = Actor(world, slow=number)
        killed.die_at(number + 1, taken=False)
        with pytest.raises(Killed):
            controller(killed, GOOD)
        after = Actor(world)
        after.meanwhile(behind, killed.arrive)
        said = ending(after)
        killed.arrive()
        final = Actor(world)
        if ending is ends:
            with pytest.raises(OpsError):
                controller(final, BAD)
            settled(world, {"blue": 100})
        else:
            assert said == {"blue": 100}
            rollout = Rollout(azure=final, store=final, name="e", gate=lambda *_: BAD, step=Step("", Report()))
            assert rollout.run("green") == {"blue": 100}
            settled(world, {"blue": 100})


@pytest.mark.parametrize("taken", [True, False], ids=["taken", "lost"])
@pytest.mark.parametrize("ending", [ends, gives_back], ids=["abort", "rollback"])
def test_an_end_that_is_killed_is_finished_by_the_next(
    monkeypatch: pytest.MonkeyPatch, ending: Callable[[Actor], Weights], taken: bool
) -> None:
    whole = Actor(killed_at_half(monkeypatch))
    ending(whole)
    for number in range(1, whole.calls + 1):
        world = killed_at_half(monkeypatch)
        killed = Actor(world)
        killed.die_at(number, taken=taken)
        with pytest.raises(Killed):
            ending(killed)
        ending(Actor(world))
        settled(world, {"blue": 100})
        world = killed_at_half(monkeypatch)
        killed = Actor(world)
        killed.die_at(number, taken=taken)
        with pytest.raises(Killed):
            ending(killed)
        rolled = Actor(world)
        Rollout(azure=rolled, store=rolled, name="e", gate=lambda *_: GOOD, step=Step("", Report())).run("green")
        settled(world, {"green": 100}, *([{"blue": 100}] if ending is gives_back else []))


def test_another_controller_waits_until_a_killed_ones_hold_has_expired(monkeypatch: pytest.MonkeyPatch) -> None:
    world = fresh(monkeypatch, {"blue": 100})
    killed = Actor(world)
    killed.die_when(lambda: world.traffic != {"blue": 100})
    with pytest.raises(Killed):
        controller(killed, GOOD)
    died = world.time
    assert controller(Actor(world), GOOD) == {"green": 100}
    assert TERM <= world.time - died < 2 * TERM


def test_a_controller_that_slept_longer_than_its_hold_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    world = fresh(monkeypatch, {"blue": 100})
    slept = False

    def gate(_source: str, share: int, _beat: Callable[[], None]) -> Verdict:
        nonlocal slept
        if share and not slept:
            slept = True
            world.pass_time(3600)
            controller(Actor(world), GOOD)
        return GOOD

    actor = Actor(world)
    with pytest.raises(LostError):
        Rollout(azure=actor, store=actor, name="e", gate=gate, step=Step("", Report())).run("green")
    settled(world, {"green": 100})
