"""Registers a model with everything that is known about where it comes from.

    python -m ops.register --outputs FILE [--model NAME] --run RUN --reason TEXT [--json]
    python -m ops.register --outputs FILE [--model NAME] --path FOLDER --origin TEXT --reason TEXT [--json]

The first registers the model of a completed training run, the second a folder that was trained elsewhere: an MLflow
model, which is deployed without a scoring script, or the files that this model's scoring code loads. Its origin is kept
on the version; it goes live with ``python -m ops.release --version N``. A rollout's gate asks what its ``probes.json``
holds, so put that file into the folder too.

Versions count 1, 2, 3, and a number is never given twice. A run that is on a version already is that version:
registering twice is one.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Protocol

from ops import command
from ops.command import OpsError, UsageError
from ops.commit import Commit
from ops.digest import digest
from ops.report import Report
from ops.stack import Stack
from ops.submit import OUTPUT
from ops.views import CUSTOM, MLFLOW, ModelVersion, Run, TakenError
from ops.workspace import Workspace

CARD = "model_card.json"
FINGERPRINT = "fingerprint"
CHAMPION = "champion"  # ``NAME:VERSION`` that a version was judged against
NO_CHAMPION = "none"
GATES = "gates"  # the property that says whether a model may go live
PASSED = "passed"
ORIGIN = "origin"
DIGEST = "digest"

_MAX_TRIES = 5  # when another release takes the same number at the same time


class Models(Protocol):
    """What a registration needs from a workspace."""

    def run(self, name: str) -> Run | None:  # noqa: D102 - see Workspace
        ...

    def models(self, name: str) -> list[ModelVersion]:  # noqa: D102 - see Workspace
        ...

    def numbers(self, name: str) -> list[str]:  # noqa: D102 - see Workspace
        ...

    def download_output(self, run: str, output: str, folder: Path) -> Path:  # noqa: D102 - see Workspace
        ...

    def register(self, model: ModelVersion, source: str, description: str) -> None:  # noqa: D102 - see Workspace
        ...


def newest(versions: list[ModelVersion], fits: Callable[[ModelVersion], bool]) -> ModelVersion | None:
    """The version with the highest number of those that fit."""
    return max(filter(fits, versions), key=lambda model: number(model.version), default=None)


def register(models: Models, model: str, run: Run, author: str, reason: str) -> tuple[ModelVersion, bool]:
    """Returns the version of a run's model, and True when this call registered it.

    Raises:
        OpsError: the run is not completed, was not submitted by a release, or its output holds no model card.
    """
    if run.status != "Completed":
        raise OpsError(f"run {run.name} is {run.status}", repair="wait until it is Completed, then register it")
    fingerprint = run.tags.get(FINGERPRINT)
    if not fingerprint:
        raise OpsError(
            f"run {run.name} has no tag {FINGERPRINT!r}", repair=f"submit it: {command.next_command('submit')}"
        )

    def same(known: ModelVersion) -> bool:
        return known.properties.get("run") == run.name

    if found := newest(models.models(model), same):
        return found, False
    with tempfile.TemporaryDirectory() as folder:
        output = models.download_output(run.name, OUTPUT, Path(folder))
        card = next(output.rglob(CARD), None)
        if card is None:
            raise OpsError(f"run {run.name}: output {OUTPUT!r} holds no {CARD}", repair="the pipeline has to write it")
        content = json.loads(card.read_text(encoding="utf-8"))
        properties = {**lineage(content, run), DIGEST: digest(output), "author": author, "reason": reason}
    return _add(
        models,
        ModelVersion(
            name=model,
            version="",
            tags={FINGERPRINT: fingerprint, "author": author, "reason": reason},
            properties=properties,
        ),
        f"azureml://jobs/{run.name}/outputs/{OUTPUT}",
        f"{model} of run {run.name}: {reason}",
        same,
    )


def register_folder(
    models: Models, model: str, folder: Path, origin: str, author: str, reason: str
) -> tuple[ModelVersion, bool]:
    """Returns the version of a model that was trained elsewhere, and True when this call registered it.

    Raises:
        UsageError: there is no such folder, or it is empty.
    """
    if not folder.is_dir() or not any(path.is_file() for path in folder.rglob("*")):
        raise UsageError(f"--path {folder}: no such folder, or nothing in it", repair="name the folder of a model")
    mark = digest(folder)

    def same(known: ModelVersion) -> bool:
        return (known.properties.get(ORIGIN), known.properties.get(DIGEST)) == (origin, mark)

    if found := newest(models.models(model), same):
        return found, False
    properties = {
        ORIGIN: origin,
        DIGEST: mark,
        GATES: "none: trained elsewhere",
        "author": author,
        "reason": reason,
    }
    kind = MLFLOW if (folder / "MLmodel").is_file() else CUSTOM
    made = ModelVersion(
        name=model, version="", tags={"author": author, "reason": reason}, properties=properties, kind=kind
    )
    return _add(models, made, str(folder), f"{model} from {origin}: {reason}", same)


def lineage(card: dict[str, Any], run: Run) -> dict[str, str]:
    """What is recorded on the version of a run: Azure keeps a flat set of texts."""
    gates = card.get("gates") or []
    failed = [gate["gate"] for gate in gates if not gate["passed"]] + ([] if gates else ["no gate is on its card"])
    failed += [part for part in ("checks", "export") if part in card and not card[part]["passed"]]
    tags = ("code", "data", "environment", "pipeline", "inputs")
    return {
        "run": run.name,
        "commit": card["commit"],
        **{name: run.tags[name] for name in tags},
        CHAMPION: run.tags.get(CHAMPION, NO_CHAMPION),
        "parameters": json.dumps(card.get("parameters", {}), sort_keys=True),
        "metrics": json.dumps(card["metrics"]["candidate"], sort_keys=True),
        "checks": json.dumps(card.get("checks", {}), sort_keys=True),
        GATES: f"failed: {', '.join(failed)}" if failed else PASSED,
    }


def number(version: str) -> int:
    """A version as a number; 0 for one that is none."""
    return int(version) if version.isdecimal() else 0


def _add(
    models: Models, wanted: ModelVersion, source: str, description: str, same: Callable[[ModelVersion], bool]
) -> tuple[ModelVersion, bool]:
    for _ in range(_MAX_TRIES):
        version = 1 + max((number(known) for known in models.numbers(wanted.name)), default=0)
        made = replace(wanted, version=str(version))
        try:
            models.register(made, source, description)
        except TakenError:
            if found := newest(models.models(wanted.name), same):
                return found, False
            continue
        return made, True
    raise OpsError(f"model {wanted.name}: another release took each of {_MAX_TRIES} versions", repair="run it again")


def _main(given: argparse.Namespace) -> dict[str, object]:
    stack = Stack.read(given.outputs)
    name = stack.model(given.model).name
    if bool(given.origin) != bool(given.path):
        raise UsageError("--origin and --path go together: a folder has to say where it was trained")
    author = Commit.here().author
    with Report().step("register") as step:
        workspace = Workspace(stack)
        if given.path:
            model, is_new = register_folder(workspace, name, given.path, given.origin, author, given.reason)
        else:
            run = workspace.run(given.run)
            if run is None:
                raise UsageError(f"--run {given.run}: no such run in workspace {stack.workspace}")
            model, is_new = register(workspace, name, run, author, given.reason)
        step.done_before = not is_new
        step.result = f"{model.reference} of {given.path or given.run}"
    return asdict(model)


def parser() -> command.Parser:
    """The arguments of this command."""
    made = command.parser("register", __doc__.partition("\n")[0], "the version is there, or it is not")
    what = made.add_mutually_exclusive_group(required=True)
    what.add_argument("--run", help="name of a completed run")
    what.add_argument("--path", type=Path, metavar="FOLDER", help="folder of a model that was trained elsewhere")
    made.add_argument("--origin", metavar="TEXT", help="where the folder was trained, by whom, on what")
    made.add_argument("--reason", required=True, help="why this model was made; kept on the version")
    return made


if __name__ == "__main__":
    sys.exit(command.run(parser(), _main))
