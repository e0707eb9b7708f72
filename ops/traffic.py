"""Setting an endpoint's weights by whoever holds its state: announce, set, look, write down.

Azure takes weights as a whole, but without a condition, so an owner that has just lost the state may still set them.
Therefore everybody looks afterwards: the new owner sets its own again, and the former one, too, sets what the new one
wants.
"""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from ops import command
from ops.command import OpsError
from ops.hold import Hold
from ops.rollout_state import State, Store, Weights
from ops.views import EndpointView

_ATTEMPTS = 5


class Endpoint(Protocol):
    """What a rollout needs from Azure."""

    def endpoint(self, name: str) -> EndpointView:  # noqa: D102 - see Workspace
        ...

    def set_traffic(  # noqa: D102 - see Workspace
        self, name: str, traffic: Weights, mirror: Weights, beat: Callable[[], None]
    ) -> None: ...


class OutsideError(OpsError):
    """Somebody changed the weights past the state: they are theirs, and stay."""

    def __init__(self, live: Weights) -> None:
        super().__init__(
            f"the traffic was changed by somebody else meanwhile: {show(live)}",
            why="weights that were set past these commands are held until somebody ends that by name; they stay",
            repair=f"go on from them with {command.next_command('rollout', to='NAME', end_hold=True)}, "
            f"or let the next release move them with {command.next_command('rollback', lift=True)}",
        )


def show(weights: Weights) -> str:
    """Weights as a reader wants them."""
    return ", ".join(f"{name} {share} %" for name, share in sorted(weights.items())) or "no traffic yet"


def forward(before: Weights, candidate: str, share: int) -> Weights:
    """The weights with a share for the candidate; the others divide the rest as they did before."""
    others = {name: weight for name, weight in before.items() if name != candidate}
    rest, total = 100 - share, sum(others.values())
    if not others or rest == 0:
        return {candidate: 100}  # nobody else can take the rest
    exact = {name: weight * rest / total for name, weight in others.items()}
    found = {name: int(part) for name, part in exact.items()}
    left = rest - sum(found.values())
    for name in sorted(exact, key=lambda each: found[each] - exact[each])[:left]:
        found[name] += 1
    return {candidate: share} | {name: part for name, part in found.items() if part}


def look(azure: Endpoint, store: Store, name: str) -> tuple[State, EndpointView]:
    """The state and the endpoint at one moment: nobody has written in between.

    Raises:
        OpsError: somebody wrote each time.
    """
    state, tag = store.read()
    for _ in range(_ATTEMPTS * 4):
        view = azure.endpoint(name)
        again, tag_now = store.read()
        if tag_now == tag:
            return state.of(view.made), view
        state, tag = again, tag_now
    raise OpsError(f"endpoint {name} changes all the time", repair="run the same command again")


def put(
    azure: Endpoint, name: str, hold: Hold, weights: Weights, mirror: Weights, *, what: str = "", **changes: Any
) -> EndpointView:
    """Announces weights, sets them, and writes down that they hold.

    Args:
        azure: where the endpoint is.
        name: of the endpoint.
        hold: right to do so.
        weights: to set.
        mirror: mirrored shares to set.
        what: noted in the history once they hold.
        **changes: fields of the state, written with the announcement.

    Raises:
        LostError: somebody took the state.
        OutsideError: other weights are live afterwards, and nobody who held the state has set them.
    """
    hold.write(**changes, **hold.state.setting(weights, hold.now()))
    for _ in range(_ATTEMPTS):
        azure.set_traffic(name, weights, mirror, hold.beat)
        view = azure.endpoint(name)
        if view.traffic == weights or not hold.state.arrived_late(view.traffic, hold.now()):
            hold.write(what, weights=dict(weights), next=None)
            if view.traffic != weights:
                raise OutsideError(view.traffic)
            return view
        hold.write()
    raise OpsError(
        f"{show(weights)} was set {_ATTEMPTS} times and is {show(view.traffic)}",
        why="a controller that has lost the traffic sets it again and again", repair="end that process",
    )  # fmt: skip


def mend(azure: Endpoint, name: str, hold: Hold, view: EndpointView) -> EndpointView:
    """Finishes what an owner had begun to set when it was killed, and undoes what arrived late."""
    state = hold.state
    unfinished = state.next is not None and not state.to
    if unfinished or state.arrived_late(view.traffic, hold.now()):
        goal = state.next if state.next is not None else state.weights or {}
        mirror = state.mirror if unfinished else beside(view.mirror, goal)
        return put(azure, name, hold, goal, mirror, what=show(goal))
    if state.next is not None and view.traffic == state.next:
        hold.write(weights=state.next, next=None)
    return view


def make_way(azure: Endpoint, store: Store, name: str) -> None:
    """Sets what the new owner wants where a request of the former one has arrived after it."""
    with undisturbed():
        for _ in range(_ATTEMPTS):
            state, view = look(azure, store, name)
            goal = state.next if state.next is not None else state.weights
            if goal is None or not state.arrived_late(view.traffic, store.now()):
                return
            azure.set_traffic(name, goal, beside(state.mirror, goal), lambda: None)


def beside(mirror: Weights, traffic: Weights) -> Weights:
    """Mirrored shares without those of deployments that take traffic: Azure allows one of the two."""
    return {name: share for name, share in mirror.items() if name not in traffic}


@contextmanager
def undisturbed() -> Iterator[None]:
    """A second Ctrl-C while the traffic goes back would leave it half way."""
    try:
        kept = {each: signal.signal(each, signal.SIG_IGN) for each in (signal.SIGINT, signal.SIGTERM)}
    except ValueError:  # not in the main thread, where signals do not arrive
        kept = {}
    try:
        yield
    finally:
        for each, handler in kept.items():
            signal.signal(each, handler)
