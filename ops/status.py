"""Shows what is there: endpoints with their traffic, models with where they come from, and runs that are not over.

    python -m ops.status --outputs FILE [--stack NAME] [--model NAME] [--offline] [--json]

For each deployment its model, its share of the traffic and its state; for each endpoint what holds the traffic or
works on it, what cools down, and what differs from the live file. The next release is what it would be after the last
update; what another update would change, a preview says. With ``--offline`` nothing is asked: what releases have
written into the live file is all that is shown.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

from live_file import LiveDeployment, LiveFile, LiveTraining
from model_file import FILE, folder_of
from ops import command, live, retire
from ops import model as models_of
from ops.command import UsageError
from ops.facts import Cloud as Looks
from ops.facts import Versions, comes_from, table
from ops.report import Report
from ops.rollout_state import BlobStore, State, Store
from ops.stack import Model, Stack
from ops.traffic import Endpoint, look, show
from ops.views import EndpointView, ModelVersion, Run
from ops.workspace import Workspace


class Cloud(Looks, Endpoint, Protocol):
    """What a status needs from a workspace."""

    def running(self) -> list[Run]:  # noqa: D102 - see Workspace
        ...


def of_model(
    azure: Cloud, store: Store, stack: str, model: Model, inputs: Mapping[str, str | float] | None
) -> dict[str, object]:
    """What there is to know about one model's endpoint.

    Args:
        azure: the workspace.
        store: the state of the endpoint's rollouts.
        stack: its name.
        model: of the stack.
        inputs: that the model would be trained with; None where its file has mistakes.
    """
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
                # Who holds it, and why, is said once for all of them.
                "stays": "held" if held and each.name in plan.why else plan.why.get(each.name, ""),
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
        **dict.fromkeys(("left", "kept", "stale"), ""),
        **({} if held or state.is_held(now) or inputs is None else _next(named, view, state, model, inputs)),
        "unread": "" if inputs is not None else (folder_of(model.name) / FILE).as_posix(),
        "live_file": "" if difference.none else str(difference),
        "history": state.history[-3:],
    }


def _next(
    named: Sequence[LiveDeployment], view: EndpointView, state: State, model: Model, inputs: Mapping[str, Any]
) -> dict[str, str]:
    """The deployment that the next release goes on with, the one that it keeps to, or the one in its way."""
    newest = named[-1] if named else None
    if newest and _as_now(newest, model, inputs):
        has_all = not state.to and view.traffic.get(newest.name) == 100
        return {} if has_all else {"left": state.to or newest.name}
    if state.to:
        # A release refuses to begin another rollout.
        return {"stale": state.to}
    known = (each for each in named[:-1] if each.name == view.live and each.trained)
    return {"kept": next((each.name for each in known if _as_now(each, model, inputs)), "")}


def _as_now(entry: LiveDeployment, model: Model, inputs: Mapping[str, Any]) -> bool:
    """True for a deployment that would be made, and whose model would be trained, alike now."""
    version = ModelVersion(name=model.name, version=entry.model_version, tags={}, properties={})
    if entry.name != live.entry(model, version, entry.model).name:
        return False
    training = model.training
    return not (training and entry.trained) or entry.trained == LiveTraining(
        pipeline=training.pipeline, data=training.data, environment=training.environment, inputs=inputs
    )


def _inputs(model: Model) -> Mapping[str, str | float] | None:
    try:
        return models_of.read([model.name])[model.name].file.training.inputs
    except UsageError:
        return None


def told(name: str, found: dict[str, object]) -> str:
    """One model, as a reader wants to see it."""
    lines = [f"{name}  {found['endpoint']}  {show(found['traffic'])}"]  # type: ignore[arg-type] # a dict of weights
    rows = [
        tuple(str(part) for part in (f"  {row['deployment']}", f"{row['traffic']} %", row["state"], row["model"],
                                     row["from"], row["stays"]))
        for row in found["deployments"]  # type: ignore[attr-defined] # a list of rows
    ]  # fmt: skip
    lines += [table(rows)] if rows else ["  no deployment"]
    abort = command.next_command("abort", model=name)
    for key, says in (
        ("held", f"held by name: {{}}; {command.next_command('rollback', lift=True, model=name)} ends it"),
        ("rollout", "a rollout is under way {}"),
        ("works", "{} works on it"),
        ("left", "the next release goes on with {}, which has not all of the traffic yet"),
        ("kept", "the next release keeps to {}, which is what the last update declared"),
        (
            "stale",
            f"the last update does not declare {{}} any more; {abort} gives the traffic back",
        ),
        ("unread", "{} has mistakes, so what the next release does is not known; a preview names them"),
        ("live_file", "the live file differs: {}"),
    ):
        if found[key]:
            lines.append(f"  {says.format(found[key])}")
    return "\n".join(lines)


def written(file: LiveFile, model: Model) -> dict[str, str]:
    """What releases wrote about a model: each deployment, the newest last, and what its model is."""
    said = {each.name: each.model.rpartition("azureml://registries/")[2] for each in file.of(model.name)}
    of = {
        each.name: f" of {each.trained.pipeline} and {each.trained.data}"
        for each in file.of(model.name)
        if each.trained
    }
    return {name: f"{said[name]}{of.get(name, '')}" for name in said}


def _age(file: LiveFile) -> str:
    if not file.path.is_file():
        return f"there is no {file.path}, so nothing is live"
    return f"{file.path} was last written {datetime.fromtimestamp(file.path.stat().st_mtime, UTC):%Y-%m-%d %H:%M} UTC"


def _main(given: argparse.Namespace) -> dict[str, object]:
    stack, name = Stack.read(given.outputs), command.stack_of(given)
    models = [stack.model(given.model)] if given.model else list(stack.models.values())
    file = live.read(name)
    if given.offline:
        named = {model.name: written(file, model) for model in models}
        if not given.json:
            print(f"nothing was asked, so the traffic is not known; {_age(file)}")
            for each in models:
                print(f"{each.name}  {each.endpoint}")
                rows = [(f"  {deployment}", of) for deployment, of in named[each.name].items()]
                print(table(rows) or "  no deployment")
        return {"models": named, "runs": []}
    report = Report()
    with report.step("connect") as step:
        workspace = Workspace(stack)
        step.result = f"workspace {stack.workspace}"
    found = {
        model.name: of_model(
            workspace,
            BlobStore(stack.release_store, model.endpoint),
            name,
            model,
            _inputs(model),
        )
        for model in models
    }
    runs = [{"run": run.name, "status": run.status, "url": run.studio_url} for run in workspace.running()]
    if not given.json:
        for model_name, what in found.items():
            print(told(model_name, what))
        print("\n".join(f"run {run['run']}  {run['status']}  {run['url']}" for run in runs) or "no run is under way")
    return {"models": found, "runs": runs}


def parser() -> command.Parser:
    """The arguments of this command."""
    made = command.parser("status", __doc__.partition("\n")[0])
    made.add_argument("--offline", action="store_true", help="ask nobody: show what releases wrote down")
    return made


if __name__ == "__main__":
    sys.exit(command.run(parser(), _main))
