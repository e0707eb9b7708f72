"""Takes deployments away that are not needed any more, and keeps the one before the live one as the way back.

    python -m ops.retire --outputs FILE --apply "pulumi up -y -s dev" [--stack NAME] [--model NAME] [--json]

A deployment leaves when it takes no traffic, has cooled down since it lost it, and is not the last one that had the
traffic before. Nothing leaves while a rollout is under way or a split is held.
"""

import argparse
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from live_file import LiveDeployment
from ops import command
from ops.deploy import Deployments
from ops.report import Report
from ops.rollout_state import BlobStore, State, moment
from ops.stack import Model, Stack
from ops.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What leaves and what stays.

    Attributes:
        leave: entries that are not needed any more.
        stay: the others.
        why: why each of those without traffic stays, by name.
    """

    leave: tuple[LiveDeployment, ...]
    stay: tuple[LiveDeployment, ...]
    why: dict[str, str]


def plan(named: Sequence[LiveDeployment], traffic: Mapping[str, int], state: State, now: datetime) -> Plan:
    """Decides about the entries of one model.

    Args:
        named: what the live file names.
        traffic: percent by deployment.
        state: of the endpoint's rollouts.
        now: by the clock of the store.
    """
    idle = [each for each in named if not traffic.get(each.name)]
    held = state.holds(dict(traffic), now)
    if state.to or state.is_held(now) or held or not traffic:
        reason = str(held) if held else "nothing has all the traffic yet" if not traffic else "a rollout is under way"
        return Plan(leave=(), stay=tuple(named), why={each.name: reason for each in idle})
    way_back = _way_back(idle, state)
    why: dict[str, str] = {}
    for each in idle:
        until = state.cooling.get(each.name)
        if each is way_back:
            why[each.name] = "the way back"
        elif until and moment(until) > now:
            why[each.name] = f"cools down until {until}"
    leave = tuple(each for each in idle if each.name not in why)
    return Plan(leave=leave, stay=tuple(each for each in named if each not in leave), why=why)


def _way_back(idle: Sequence[LiveDeployment], state: State) -> LiveDeployment | None:
    """The one that had the traffic last."""
    known = [each for each in idle if each.name == state.source]
    known = known or sorted(
        (each for each in idle if each.name in state.cooling), key=lambda each: moment(state.cooling[each.name])
    )
    return known[-1] if known else None


def retire(deployments: Deployments, wanted: Plan) -> None:
    """Takes away what leaves."""
    if wanted.leave:
        deployments.reduce_to(wanted.stay)


def told(wanted: Plan) -> str:
    """A plan in one line."""
    gone = f"took away {', '.join(each.name for each in wanted.leave)}" if wanted.leave else "nothing leaves"
    kept = ", ".join(f"{name} stays ({why})" for name, why in sorted(wanted.why.items()))
    return f"{gone}; {kept}" if kept else gone


def _main(given: argparse.Namespace) -> dict[str, object]:
    stack, report = Stack.read(given.outputs), Report()
    models: list[Model] = [stack.model(given.model)] if given.model else list(stack.models.values())
    workspace = Workspace(stack)
    result: dict[str, object] = {}
    for model in models:
        with report.step(model.name) as step:
            deployments = Deployments(
                stack=command.stack_of(given),
                model=model.name,
                endpoint=model.endpoint,
                azure=workspace,
                apply=shlex.split(given.apply),
                report=report,
            )
            store = BlobStore(stack.release_store, model.endpoint)
            view, (state, _) = workspace.endpoint(model.endpoint), store.read()
            wanted = plan(deployments.named(), view.traffic, state, store.now())
            retire(deployments, wanted)
            step.done_before, step.result = not wanted.leave, told(wanted)
            result[model.name] = {"left": [each.name for each in wanted.leave], "stays": wanted.why}
    return result


def parser() -> command.Parser:
    """The arguments of this command."""
    made = command.parser("retire", __doc__.partition("\n")[0], "what it took away is gone, the rest stands")
    made.add_argument("--apply", required=True, metavar="COMMAND", help="applies the stack")
    return made


if __name__ == "__main__":
    sys.exit(command.run(parser(), _main))
