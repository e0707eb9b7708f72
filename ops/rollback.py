"""Gives all traffic back to the deployment that had it before, at once, and holds it there until that is lifted.

    python -m ops.rollback --outputs FILE [--model M] [--to NAME] [--reason TEXT] [--json]
    python -m ops.rollback --outputs FILE [--model M] --lift [--json]

No gate is asked, and a rollout under way is ended. All that this needs is in Azure: the endpoint and the state of its
rollouts. ``--lift`` leaves the traffic where it is; the next release may move it again.
"""

import argparse
import sys
from datetime import datetime
from typing import Any

from ops import command
from ops.command import UsageError
from ops.hold import LostError, person, seize, take
from ops.report import Report, Step
from ops.rollout import COOLING
from ops.rollout_state import BlobStore, Held, State, Store, Weights, stamp
from ops.stack import Stack
from ops.traffic import Endpoint, beside, look, make_way, put, show, undisturbed
from ops.views import EndpointView
from ops.workspace import Workspace


def rollback(azure: Endpoint, store: Store, name: str, step: Step, *, to: str = "", why: str = "") -> Weights:
    """Sets all traffic to one deployment, records that it is held, and returns the weights.

    Raises:
        UsageError: it is not known which deployment, or it cannot take traffic; names those that can.
        LostError: somebody else took the state at the same time; the traffic is theirs.
    """
    goal: Weights = {}
    mirror: Weights = {}

    def change(state: State, now: datetime) -> tuple[str, dict[str, Any]] | None:
        view = azure.endpoint(name)
        state = state.of(view.made)
        if not to and state.held and state.held.kind == "rollback" and view.traffic == state.held.weights:
            return None
        target = to or _before(state, view)
        _check(view, target)
        goal.clear()
        goal[target] = 100
        mirror.clear()
        mirror.update(beside(state.mirror if state.to else view.mirror, goal))
        over = state.before | {state.to: 0} if state.to else view.traffic
        held = Held(kind="rollback", weights=dict(goal), over=over, by=person(), why=why, at=stamp(now))
        cooling = {each: until for each, until in state.cooling.items() if each != target}
        cooling |= {each: stamp(now + COOLING) for each in view.traffic if each != target}
        weights = view.traffic if state.weights is None else state.weights
        return f"rollback to {target}" + (f": {why}" if why else ""), {
            "to": "", "step": 0, "held": held, "cooling": cooling, "weights": weights, "mirror": dict(mirror),
            "made": view.made, **state.setting(goal, now),
        }  # fmt: skip

    with undisturbed():
        hold = seize(store, change)
        if hold is None:
            step.done_before = True
            step.note(f"the traffic was given back before; {command.next_command('rollback', lift=True)} ends that")
            return azure.endpoint(name).traffic
        try:
            view = put(azure, name, hold, goal, mirror)
            hold.release()
        except LostError:
            make_way(azure, store, name)
            raise
    return view.traffic


def lift(azure: Endpoint, store: Store, name: str, step: Step) -> Weights:
    """Ends a hold; the traffic stays where it is. Returns the weights."""
    state, view = look(azure, store, name)
    if state.holds(view.traffic, store.now()) is None:
        step.done_before = True
        step.note("nothing is held")
        return view.traffic
    hold = take(store, say=step.now)
    hold.state = hold.state.of(view.made)
    view = azure.endpoint(name)
    late = hold.state.setting(view.traffic, hold.now())["late"]
    hold.release(
        f"hold of {show(view.traffic)} lifted",
        held=None, weights=view.traffic, next=None, late=late, made=view.made,
    )  # fmt: skip
    return view.traffic


def _before(state: State, view: EndpointView) -> str:
    """The deployment that had the traffic before, as the state says; without a state, the only other one."""
    known = state.source if state.to else state.way_back
    others = _able(view) - view.traffic.keys()
    if known and view.traffic != {known: 100}:
        if known in _able(view):
            return known
        made = view.states.get(known)
        raise UsageError(
            f"nothing to go back to: {known}, which had the traffic before, is "
            + (f"in provisioning state {made}" if made else "gone"),
            why=f"live is {show(view.traffic)}", repair=_other(others),
        )  # fmt: skip
    if state.weights is None and len(others) == 1:
        return others.pop()
    if not others:
        raise UsageError(
            "there is nothing to go back to: no other deployment can take the traffic",
            why=f"live is {show(view.traffic)}", repair=_other(others),
        )  # fmt: skip
    raise UsageError(
        "it is not known which deployment had the traffic before", why=f"live is {show(view.traffic)}",
        repair=_other(others),
    )  # fmt: skip


def _other(others: set[str]) -> str:
    """What to do where the way back does not say itself."""
    if not others:
        return "release another version"
    return f"name one of {', '.join(sorted(others))}: {command.next_command('rollback', to='NAME')}"


def _check(view: EndpointView, target: str) -> None:
    if target not in _able(view):
        made = view.states.get(target)
        able = {name for name in _able(view) if view.traffic != {name: 100}}
        raise UsageError(
            f"{command.option('to', target)}: "
            + (f"its provisioning state is {made}" if made else "the endpoint has no such deployment"),
            repair=f"name one that can take traffic: {', '.join(sorted(able)) or 'there is none beside the live one'}",
        )


def _able(view: EndpointView) -> set[str]:
    return {name for name in view.deployments if view.states.get(name, "Succeeded") == "Succeeded"}


def _main(given: argparse.Namespace) -> dict[str, object]:
    if given.lift and given.to:
        raise UsageError(f"{command.option('lift')} and {command.option('to', given.to)} exclude each other")
    stack = Stack.read(given.outputs)
    model = stack.model(given.model)
    endpoint = model.endpoint
    command.about(model.name)
    with Report().step("lift" if given.lift else "rollback") as step:
        azure, store = Workspace(stack), BlobStore(stack.release_store, endpoint)
        if given.lift:
            weights = lift(azure, store, endpoint, step)
        else:
            weights = rollback(azure, store, endpoint, step, to=given.to, why=given.reason)
        step.result = show(weights)
    return {"endpoint": endpoint, "traffic": weights, "held": not given.lift, "done_before": step.done_before}


def parser() -> command.Parser:
    """The arguments of this command."""
    made = command.parser("rollback", __doc__.partition("\n")[0], "the traffic is as it was, or given back as a whole")
    made.add_argument("--to", default="", metavar="NAME", help="the deployment (default: the one before)")
    made.add_argument("--reason", default="", metavar="TEXT", help="reason, kept with the hold")
    made.add_argument("--lift", action="store_true", help="end the hold; the traffic stays where it is")
    return made


if __name__ == "__main__":
    sys.exit(command.run(parser(), _main))
