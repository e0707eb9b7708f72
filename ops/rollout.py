"""Shifts an endpoint's traffic to a deployment in steps, each behind a health gate, with a way back.

    python -m ops.rollout --outputs FILE --to NAME [--model M] [--steps 10,50,100] [--mirror PERCENT]
                          [--hold-at PERCENT] [--end-hold] [--seconds S] [--p95-ms MS] [--json]

The state machine, with C the deployment named by --to and S the weights before:

    C 0 %  ──gate──▶  10 %  ──gate──▶  50 %  ──gate──▶  100 %  ──gate──▶  done, S cools
      ▲                │                │                 │
      └────────────────┴──── S 100 % ◀──┴─────────────────┘   a gate says no, Ctrl-C, SIGTERM, or ops.abort

Its memory is one blob beside the endpoint (rollout_state.py), which has one owner at a time. Each turn judges C at the
live weights, renews the hold, and sets the next ones in one request, which Azure takes or leaves as a whole. So a
controller that is killed leaves weights that sum to 100, and the next one goes on from them, or back. Before the first
deployment has passed its gate there is no traffic at all.

Weights that a rollback, --hold-at or somebody past these commands has set are held: no rollout moves them until that is
ended by name, with --end-hold or python -m ops.rollback --lift.
"""

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from ops import command
from ops.command import OpsError, UsageError
from ops.gate import Budget, Verdict
from ops.hold import Hold, LostError, take
from ops.probes import ModelGate
from ops.report import Report, Step
from ops.rollout_state import BlobStore, Held, State, Store, Weights, stamp
from ops.stack import Stack
from ops.traffic import Endpoint, OutsideError, beside, forward, look, make_way, mend, put, show, undisturbed
from ops.views import EndpointView
from ops.workspace import Workspace

STEPS = (10, 50, 100)
COOLING = timedelta(hours=1)

# Judges a deployment: against which other one, which percentage of the callers' requests reaches it or is copied to it,
# and a function to call each second.
Gate = Callable[[str, int, Callable[[], None]], Verdict]


@dataclass(kw_only=True)
class Rollout:
    """One rollout.

    Attributes:
        azure: where the weights are.
        store: where the state is.
        name: of the endpoint.
        gate: judges the candidate.
        step: where progress goes.
        steps: percentages to stop at, rising to 100.
        mirror: percentage of the requests that the candidate gets a copy of before it takes any; 0 for none.
        hold_at: percentage to stop at and to hold; 100 goes all the way.
        cooling: how long what had the traffic before is kept as the way back.
    """

    azure: Endpoint
    store: Store
    name: str
    gate: Gate
    step: Step
    steps: tuple[int, ...] = STEPS
    mirror: int = 0
    hold_at: int = 100
    cooling: timedelta = COOLING

    def run(self, candidate: str, *, end_hold: bool = False) -> Weights:
        """Goes on from the present weights to 100 %; does nothing for a candidate that has finished its rollout.

        Weights that are held stay: a candidate that is part of them, or was before, has nothing to do.

        Raises:
            UsageError: the endpoint has no such deployment.
            OpsError: a gate said no, and the traffic is back; the weights are held; or another controller is at work.
            LostError: somebody ended it, and the traffic is theirs.
            KeyboardInterrupt: it was interrupted, and the traffic is back.
        """
        if self._idle(*look(self.azure, self.store, self.name), candidate, end_hold=end_hold):
            return self.azure.endpoint(self.name).traffic
        hold = take(self.store, say=self.step.now)
        try:
            return self._run(hold, candidate, end_hold=end_hold)
        except LostError:
            make_way(self.azure, self.store, self.name)
            raise
        except BaseException as error:
            self._give_back(hold, error)
            raise

    def _idle(self, state: State, view: EndpointView, candidate: str, *, end_hold: bool) -> bool:
        """True when there is nothing to do; says what keeps the weights."""
        if candidate not in view.deployments:
            there = ", ".join(sorted(view.deployments)) or "none"
            raise UsageError(f"--to {candidate}: the endpoint has no such deployment", why=f"it has {there}")
        now = self.store.now()
        if state.arrived_late(view.traffic, now) or (state.next is not None and not state.to):
            return False  # something has to be put in order first
        if state.to not in ("", candidate):
            raise OpsError(
                f"cannot roll out {candidate}: the rollout to {state.to} is under way ({show(view.traffic)})",
                repair=f"finish it with {command.next_command('rollout', to=state.to)}, or give the traffic back with "
                f"{command.next_command('abort')}",
            )
        held = state.holds(view.traffic, now)
        if held and not end_hold and (not state.to or state.foreign(view.traffic, now)):
            self._respect(held, view, candidate)
            return True
        if not state.to and view.traffic == {candidate: 100}:
            self.step.done_before = True
            return True
        if (made := view.states.get(candidate, "Succeeded")) != "Succeeded":
            raise OpsError(
                f"cannot roll out {candidate}: its provisioning state is {made}",
                why="a deployment that did not come up is no candidate",
                repair="read its log, then release again: it is made anew",
            )
        return False

    def _respect(self, held: Held, view: EndpointView, candidate: str) -> None:
        if candidate not in {**view.traffic, **held.over, **held.weights}:
            raise OpsError(
                f"cannot roll out {candidate}: {show(view.traffic)} is held ({held})",
                why="held weights stay until somebody ends that by name",
                repair=f"{command.next_command('rollout', to=candidate, end_hold=True)}, or "
                f"{command.next_command('rollback', lift=True)}",
            )
        self.step.done_before = True
        self.step.note(f"{show(view.traffic)} stays: {held}; {command.next_command('rollback', lift=True)} ends it")

    def _run(self, hold: Hold, candidate: str, *, end_hold: bool) -> Weights:
        view = self.azure.endpoint(self.name)
        hold.state = hold.state.of(view.made)
        view = mend(self.azure, self.name, hold, view)
        if self._idle(hold.state, view, candidate, end_hold=end_hold):
            hold.release()
            return view.traffic
        if not hold.state.to:
            self._begin(hold, view, candidate)
        return self._turn(hold, view)

    def _begin(self, hold: Hold, view: EndpointView, candidate: str) -> None:
        others = {name: share for name, share in view.traffic.items() if name != candidate}
        hold.write(
            f"rollout to {candidate} began",
            to=candidate,
            source=max(others, key=lambda name: others[name], default=""),
            before=view.traffic,
            mirror=view.mirror,
            step=view.traffic.get(candidate, 0),
            weights=view.traffic,
            held=hold.state.holds(view.traffic, hold.now()),  # if this goes back, it is held again
            made=view.made,
        )

    def _turn(self, hold: Hold, view: EndpointView) -> Weights:
        to, source = hold.state.to, hold.state.source
        while True:
            share = view.traffic.get(to, 0)
            beside_it = source if view.states.get(source, "Succeeded") == "Succeeded" else ""
            verdict = self.gate(beside_it, share or view.mirror.get(to, 0), hold.beat)
            self.step.note(f"{show(view.traffic)}: {verdict.says}")
            if not verdict.healthy:
                raise OpsError(
                    f"deployment {to} at {share} %: {verdict.says}",
                    why="the health gate said no; the traffic is where it was before the rollout",
                    repair="read the deployment's log, then release a better version",
                    log=verdict.log,
                )
            if share >= self.hold_at:
                return self._finish(hold, view)
            if share == 0 and source and self.mirror and not view.mirror.get(to):
                view = self._set(hold, view.traffic, {to: self.mirror})
                continue
            wanted = min(next(step for step in self.steps if step > share), max(self.hold_at, 1))
            weights = forward(hold.state.before, to, wanted)
            view = self._set(hold, weights, beside(hold.state.mirror, weights), step=wanted)

    def _set(self, hold: Hold, weights: Weights, mirror: Weights, **changes: Any) -> EndpointView:
        live = self.azure.endpoint(self.name).traffic
        if hold.state.foreign(live, hold.now()):
            raise OutsideError(live)
        return put(self.azure, self.name, hold, weights, mirror, what=show(weights), **changes)

    def _finish(self, hold: Hold, view: EndpointView) -> Weights:
        state, now = hold.state, hold.now()
        held = None
        if view.traffic != {state.to: 100}:
            held = Held(
                kind="split", weights=view.traffic, over=state.before, by=hold.by, why="--hold-at", at=stamp(now)
            )
        left = {name: stamp(now + self.cooling) for name in state.before if name not in view.traffic}
        cooling = {name: until for name, until in state.cooling.items() if name not in view.traffic} | left
        hold.release(
            f"rollout to {state.to} ended: {show(view.traffic)}",
            to="", held=held, cooling=cooling, way_back=state.source or state.way_back,
        )  # fmt: skip
        return view.traffic

    def _give_back(self, hold: Hold, cause: BaseException) -> None:
        before = hold.state.before
        with undisturbed():
            try:
                if not self._return(hold, before):
                    return
            except (LostError, OutsideError):
                make_way(self.azure, self.store, self.name)
                raise
            except Exception as error:  # noqa: BLE001 - whatever it is, somebody has to know where the traffic stands
                raise OpsError(
                    f"the traffic could not be given back: {error}",
                    why=f"it was to be given back because of this: {cause or type(cause).__name__}",
                    repair=f"{command.next_command('abort')}, as soon as Azure answers again",
                ) from cause
        self.step.note(f"{show(before)}: as before the rollout")

    def _return(self, hold: Hold, before: Weights) -> bool:
        """Sets the weights before the rollout, unless it had not begun, or somebody has set others."""
        if not hold.state.to:
            hold.release()
            return False
        view = self.azure.endpoint(self.name)
        what = f"rollout to {hold.state.to} went back"
        if hold.state.foreign(view.traffic, hold.now()):
            hold.release(f"rollout to {hold.state.to} stopped: others have set {show(view.traffic)}", to="")
            return False
        if hold.state.next is not None or view.traffic != before or view.mirror != hold.state.mirror:
            # A request that broke off may have been taken all the same, or may be yet.
            put(self.azure, self.name, hold, before, hold.state.mirror, to="", step=0)
        hold.release(what, to="", step=0)
        return True


def _steps(text: str) -> tuple[int, ...]:
    steps = tuple(int(part) for part in text.split(",") if part.isdecimal())
    if text != ",".join(map(str, steps)) or list(steps) != sorted({*steps, 100}) or 0 in steps or max(steps) > 100:
        raise argparse.ArgumentTypeError(f"{text!r}: want rising percentages that end with 100, such as 10,50,100")
    return steps


def _percent(most: int) -> Callable[[str], int]:
    def percent(text: str) -> int:
        if not text.isdecimal() or not 1 <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{text!r}: want a whole number from 1 to {most}")
        return int(text)

    return percent


def _main(given: argparse.Namespace) -> dict[str, object]:
    stack = Stack.read(given.outputs)
    model = stack.model(given.model)
    command.about(model.name)
    with Report().step("rollout") as step:
        workspace = Workspace(stack)
        budget = Budget(seconds=given.seconds, p95_ms=given.p95_ms)
        rollout = Rollout(
            azure=workspace,
            store=BlobStore(stack.release_store, model.endpoint),
            name=model.endpoint,
            gate=ModelGate(workspace, model.endpoint, given.to, budget),
            step=step,
            steps=given.steps,
            mirror=given.mirror,
            hold_at=given.hold_at,
        )
        weights = rollout.run(given.to, end_hold=given.end_hold)
        step.result = show(weights)
    return {"endpoint": model.endpoint, "traffic": weights}


def parser() -> command.Parser:
    """The arguments of this command."""
    made = command.parser("rollout", __doc__.partition("\n")[0], "the traffic is where it was before it")
    made.add_argument("--to", metavar="NAME", required=True, help="deployment that shall take the traffic")
    made.add_argument("--steps", type=_steps, default=STEPS, help="percentages to stop at (default 10,50,100)")
    made.add_argument(
        "--mirror", type=_percent(50), default=0, metavar="PERCENT", help="first copy this share of the requests to it"
    )
    made.add_argument(
        "--hold-at", type=_percent(100), default=100, metavar="PERCENT", help="stop at this share, and hold it"
    )
    made.add_argument("--end-hold", action="store_true", help="end a hold of these weights, and go on from them")
    made.add_argument("--seconds", type=float, default=Budget.seconds, help="least length of each gate (%(default)s)")
    made.add_argument("--p95-ms", type=float, default=Budget.p95_ms, help="latency budget (%(default)s)")
    return made


if __name__ == "__main__":
    sys.exit(command.run(parser(), _main))
