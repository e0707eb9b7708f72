"""Shows what is there: endpoints with their traffic, models with where they come from, and runs that are not over.

    python -m ops.status --outputs FILE [--stack NAME] [--model NAME] [--json]

For each deployment its model, its share of the traffic and its state; for each endpoint what holds the traffic or
works on it, what cools down, and what differs from the live file.
"""

import argparse
import sys
from typing import Protocol

from ops import command, live, retire
from ops.facts import Cloud as Looks
from ops.facts import Versions, comes_from, table
from ops.report import Report
from ops.rollout_state import BlobStore, Store
from ops.stack import Model, Stack
from ops.traffic import Endpoint, look, show
from ops.views import Run
from ops.workspace import Workspace


class Cloud(Looks, Endpoint, Protocol):
    """What a status needs from a workspace."""

    def running(self) -> list[Run]:  # noqa: D102 - see Workspace
        ...


def of_model(azure: Cloud, store: Store, stack: str, model: Model) -> dict[str, object]:
    """What there is to know about one model's endpoint."""
    state, view = look(azure, store, model.endpoint)
    now, versions, named = store.now(), Versions(azure=azure), live.entries(stack, model.name)
    held = state.holds(view.traffic, now)
    plan = retire.plan(named, view.traffic, state, now)
    deployments = []
    for each in azure.deployments(model.endpoint):
        version = versions.get(each.model)
        deployments.append(
            {
                "deployment": each.name,
                "traffic": view.traffic.get(each.name, 0),
                "state": each.state,
                "model": each.model.rpartition("azureml://registries/")[2],
                "from": comes_from(version) if version else "its version is archived or gone",
                "stays": plan.why.get(each.name, ""),
            }
        )
    difference = live.compare(named, azure.deployments(model.endpoint))
    return {
        "endpoint": model.endpoint,
        "uri": view.uri,
        "traffic": view.traffic,
        "deployments": deployments,
        "rollout": f"to {state.to}, at {view.traffic.get(state.to, 0)} %" if state.to else "",
        "works": state.holder if state.is_held(now) else "",
        "held": str(held) if held else "",
        "live_file": "" if difference.none else str(difference),
        "history": state.history[-3:],
    }


def told(name: str, found: dict[str, object]) -> str:
    """One model, as a reader wants to see it."""
    lines = [f"{name}  {found['endpoint']}  {show(found['traffic'])}"]  # type: ignore[arg-type] # a dict of weights
    rows = [
        tuple(str(part) for part in (f"  {row['deployment']}", f"{row['traffic']} %", row["state"], row["model"],
                                     row["from"], row["stays"]))
        for row in found["deployments"]  # type: ignore[attr-defined] # a list of rows
    ]  # fmt: skip
    lines += [table(rows)] if rows else ["  no deployment"]
    for key, says in (
        ("held", "held by name: {}; python -m ops.rollback --lift ends it"),
        ("rollout", "a rollout is under way {}"),
        ("works", "{} works on it"),
        ("live_file", "the live file differs: {}"),
    ):
        if found[key]:
            lines.append(f"  {says.format(found[key])}")
    return "\n".join(lines)


def _main(given: argparse.Namespace) -> dict[str, object]:
    stack, name = Stack.read(given.outputs), command.stack_of(given)
    models = [stack.model(given.model)] if given.model else list(stack.models.values())
    live.read(name)
    report = Report()
    with report.step("connect") as step:
        workspace = Workspace(stack)
        step.result = f"workspace {stack.workspace}"
    found = {
        model.name: of_model(workspace, BlobStore(stack.release_store, model.endpoint), name, model) for model in models
    }
    runs = [{"run": run.name, "status": run.status, "url": run.studio_url} for run in workspace.running()]
    if not given.json:
        for model, each in found.items():
            print(told(model, each))
        print("\n".join(f"run {run['run']}  {run['status']}  {run['url']}" for run in runs) or "no run is under way")
    return {"models": found, "runs": runs}


def parser() -> argparse.ArgumentParser:
    """The arguments of this command."""
    return command.parser("status", __doc__.partition("\n")[0])


if __name__ == "__main__":
    sys.exit(command.run(parser(), _main))
