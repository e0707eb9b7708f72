"""Shifts an endpoint's traffic to a deployment in steps, each behind a health gate, with a way back.

    python -m ops.rollout --outputs FILE --to NAME [--steps 10,50,100] [--seconds S] [--p95-ms MS] [--json]
    python -m ops.rollout --outputs FILE --abort [--json]

The state machine, with C the deployment named by --to and S the one that has the traffic before:

    C 0 %  ──gate──▶  10 %  ──gate──▶  50 %  ──gate──▶  100 %  ──gate──▶  done
      ▲                │                │                 │
      └────────────────┴──── S 100 % ◀──┴─────────────────┘   a gate says no, Ctrl-C, SIGTERM, or --abort

Its only memory is the endpoint: the traffic, and while a rollout is under way two tags that name C and S. Each turn
reads them, judges C at these weights, and sets the next ones in one request, which Azure takes or leaves as a whole.
So a controller that is killed leaves weights that sum to 100, and the next one goes on from them, or back. Before the
first deployment has passed its gate there is no traffic at all.
"""

import argparse
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from ops import command
from ops.command import OpsError, UsageError
from ops.gate import Budget, Verdict
from ops.probes import ModelGate
from ops.report import Report, Step
from ops.stack import Stack
from ops.workspace import EndpointView, Shift, Workspace

STEPS = (10, 50, 100)

Weights = dict[str, int]


class Endpoint(Protocol):
    """What a rollout needs from Azure."""

    def endpoint(self, name: str) -> EndpointView:  # noqa: D102 - see Workspace
        ...

    def set_traffic(self, name: str, traffic: Weights, shift: Shift | None) -> None:  # noqa: D102 - see Workspace
        ...


def begin(view: EndpointView, candidate: str) -> Shift:
    """The rollout to a candidate: the one that is under way, else a new one from whoever has the traffic.

    Raises:
        UsageError: the candidate does not exist.
        OpsError: a rollout to another deployment is under way, or more than one other takes traffic.
    """
    if candidate not in view.deployments:
        there = ", ".join(sorted(view.deployments)) or "none"
        raise UsageError(f"--to {candidate}: the endpoint has no such deployment", why=f"it has {there}")
    if view.shift and view.shift.to != candidate:
        raise OpsError(
            f"cannot roll out {candidate}: the rollout to {view.shift.to} is under way ({show(view.traffic)})",
            repair=f"finish it with --to {view.shift.to}, or give the traffic back with --abort",
        )
    if view.shift:
        return view.shift
    others = sorted(name for name in view.traffic if name != candidate)
    if len(others) > 1:
        raise OpsError(
            f"cannot roll out {candidate}: {show(view.traffic)}, and no rollout is under way",
            repair=f"give all traffic to one deployment first: python -m ops.rollout --to {others[0]}",
        )
    return Shift(to=candidate, source=others[0] if others else "")


def forward(weights: Weights, shift: Shift, steps: tuple[int, ...]) -> Weights:
    """The weights of the next step, for a candidate that does not have all the traffic yet."""
    if not shift.source:
        return {shift.to: 100}  # nobody else can take the rest
    share = next(step for step in steps if step > weights.get(shift.to, 0))
    return {shift.to: share} | ({shift.source: 100 - share} if share < 100 else {})


def back(shift: Shift) -> Weights:
    """The weights before the rollout."""
    return {shift.source: 100} if shift.source else {}


@dataclass(kw_only=True)
class Rollout:
    """One rollout.

    Attributes:
        azure: where the weights are.
        name: of the endpoint.
        gate: judges the candidate; is told whether it has traffic.
        step: where progress goes.
        steps: percentages to stop at, rising to 100.
    """

    azure: Endpoint
    name: str
    gate: Callable[[bool], Verdict]
    step: Step
    steps: tuple[int, ...] = STEPS

    def run(self, candidate: str) -> Weights:
        """Goes on from the present weights to 100 %; does nothing for a candidate that has finished its rollout.

        Raises:
            OpsError: a gate said no, and the traffic is back; names what was found.
            KeyboardInterrupt: it was interrupted, and the traffic is back.
        """
        view = self.azure.endpoint(self.name)
        shift = begin(view, candidate)
        if view.shift is None and view.traffic.get(candidate) == 100:
            self.step.done_before = True
            return view.traffic
        try:
            return self._turn(view, shift)
        except BaseException as error:
            self._give_back(shift, error)
            raise

    def abort(self) -> Weights:
        """Gives the traffic back while a rollout is under way; otherwise does nothing. Returns the last weights."""
        view = self.azure.endpoint(self.name)
        if view.shift is None:
            self.step.done_before = True
            return view.traffic
        self.azure.set_traffic(self.name, back(view.shift), None)
        return back(view.shift)

    def _turn(self, view: EndpointView, shift: Shift) -> Weights:
        while True:
            share = view.traffic.get(shift.to, 0)
            verdict = self.gate(share > 0)
            self.step.note(f"{show(view.traffic)}: {verdict.says}")
            if not verdict.healthy:
                raise OpsError(
                    f"deployment {shift.to} at {share} %: {verdict.says}",
                    why="the health gate said no; the traffic is where it was before the rollout",
                    repair="read the deployment's log, then promote a better version",
                )
            if share == 100:
                self.azure.set_traffic(self.name, view.traffic, None)
                return view.traffic
            self.azure.set_traffic(self.name, forward(view.traffic, shift, self.steps), shift)
            view = self.azure.endpoint(self.name)

    def _give_back(self, shift: Shift, cause: BaseException) -> None:
        with _undisturbed():
            try:
                view = self.azure.endpoint(self.name)  # a request that broke off may have been taken all the same
                if view.shift or view.traffic != back(shift):
                    self.azure.set_traffic(self.name, back(shift), None)
            except Exception as error:  # noqa: BLE001 - whatever it is, somebody has to know where the traffic stands
                raise OpsError(
                    f"the traffic could not be given back: {error}",
                    why=f"it was to be given back because of this: {cause or type(cause).__name__}",
                    repair="python -m ops.rollout --abort, as soon as Azure answers again",
                ) from cause
        self.step.note(f"{show(back(shift))}: as before the rollout")


def show(weights: Weights) -> str:
    """Weights as a reader wants them."""
    return ", ".join(f"{name} {share} %" for name, share in sorted(weights.items())) or "no traffic yet"


@contextmanager
def _undisturbed() -> Iterator[None]:
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


def _steps(text: str) -> tuple[int, ...]:
    steps = tuple(int(part) for part in text.split(",") if part.isdecimal())
    if text != ",".join(map(str, steps)) or list(steps) != sorted({*steps, 100}) or 0 in steps or max(steps) > 100:
        raise argparse.ArgumentTypeError(f"{text!r}: want rising percentages that end with 100, such as 10,50,100")
    return steps


def _main(given: argparse.Namespace) -> dict[str, object]:
    stack = Stack.read(given.outputs)
    with Report().step("rollout") as step:
        workspace = Workspace(stack)
        budget = Budget(seconds=given.seconds, p95_ms=given.p95_ms)
        gate = ModelGate(workspace, stack.endpoint, given.to or "", budget)
        rollout = Rollout(azure=workspace, name=stack.endpoint, gate=gate, step=step, steps=given.steps)
        weights = rollout.abort() if given.abort else rollout.run(given.to)
        step.result = show(weights)
    return {"endpoint": stack.endpoint, "traffic": weights}


def parser() -> argparse.ArgumentParser:
    """The arguments of this command."""
    made = command.parser("rollout", __doc__.partition("\n")[0])
    what = made.add_mutually_exclusive_group(required=True)
    what.add_argument("--to", metavar="NAME", help="deployment that shall take the traffic")
    what.add_argument("--abort", action="store_true", help="give the traffic back, if a rollout is under way")
    made.add_argument("--steps", type=_steps, default=STEPS, help="percentages to stop at (default 10,50,100)")
    made.add_argument("--seconds", type=float, default=Budget.seconds, help="length of each gate (%(default)s)")
    made.add_argument("--p95-ms", type=float, default=Budget.p95_ms, help="latency budget (%(default)s)")
    return made


if __name__ == "__main__":
    sys.exit(command.run(parser(), _main))
