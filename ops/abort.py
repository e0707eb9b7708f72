"""Gives the traffic back while a rollout is under way, whoever runs it; otherwise does nothing.

    python -m ops.abort --outputs FILE [--model M] [--reason TEXT] [--json]

The controller that runs the rollout stops at its next step. All that this needs is in Azure.
"""

import argparse
import sys
from datetime import datetime
from typing import Any

from ops import command
from ops.hold import LostError, seize
from ops.report import Report, Step
from ops.rollout_state import BlobStore, State, Store, Weights
from ops.stack import Stack
from ops.traffic import Endpoint, make_way, mend, show, undisturbed
from ops.workspace import Workspace


def abort(azure: Endpoint, store: Store, name: str, step: Step, *, why: str = "") -> Weights:
    """Ends the rollout of an endpoint, gives the traffic back, and returns the weights.

    Raises:
        LostError: somebody else took the state at the same time; the traffic is theirs.
    """

    def change(state: State, now: datetime) -> tuple[str, dict[str, Any]] | None:
        view = azure.endpoint(name)
        if state.of(view.made) is not state or (not state.to and state.next is None):
            return None
        if not state.to:
            return "", {}  # one before this was killed: what it meant is put in order below
        what = f"abort of the rollout to {state.to}" + (f": {why}" if why else "")
        if state.foreign(view.traffic, now):
            return f"{what}; {show(view.traffic)} was set by others and stays", {"to": "", "next": None}
        return what, {"to": "", "step": 0, **state.setting(state.before, now)}

    with undisturbed():
        hold = seize(store, change)
        if hold is None:
            step.done_before = True
            step.note("no rollout is under way")
            return azure.endpoint(name).traffic
        try:
            view = mend(azure, name, hold, azure.endpoint(name))
            hold.release()
        except LostError:
            make_way(azure, store, name)
            raise
    return view.traffic


def _main(given: argparse.Namespace) -> dict[str, object]:
    stack = Stack.read(given.outputs)
    model = stack.model(given.model)
    endpoint = model.endpoint
    command.about(model.name)
    with Report().step("abort") as step:
        store = BlobStore(stack.release_store, endpoint)
        weights = abort(Workspace(stack), store, endpoint, step, why=given.reason)
        step.result = show(weights)
    return {"endpoint": endpoint, "traffic": weights, "done_before": step.done_before}


def parser() -> command.Parser:
    """The arguments of this command."""
    made = command.parser("abort", __doc__.partition("\n")[0], "the traffic is as it was, or given back as a whole")
    made.add_argument("--reason", default="", metavar="TEXT", help="reason, kept in the history")
    return made


if __name__ == "__main__":
    sys.exit(command.run(parser(), _main))
