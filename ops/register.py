"""Registers the model of a completed training run, with everything that is known about where it comes from.

    python -m ops.register --outputs FILE --run NAME --reason TEXT [--release-file ops/flight-delay.yaml] [--json]

Versions count 1, 2, 3. A run whose fingerprint is on a version already is that version: registering twice is one.
"""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

from ops import command
from ops.command import OpsError, UsageError
from ops.release_file import DEFAULT, Commit, ReleaseFile
from ops.report import Report
from ops.stack import Stack
from ops.submit import OUTPUT
from ops.workspace import ModelVersion, Run, Workspace

CARD = "model_card.json"
FINGERPRINT = "fingerprint"
GATES = "gates"  # the property that says whether a model may be promoted
PASSED = "passed"

_MAX_TRIES = 5  # when another release takes the same number at the same time


class Models(Protocol):
    """What a registration needs from a workspace."""

    def run(self, name: str) -> Run | None:  # noqa: D102 - see Workspace
        ...

    def models(self, name: str) -> list[ModelVersion]:  # noqa: D102 - see Workspace
        ...

    def output_file(self, run: str, output: str, file: str) -> bytes | None:  # noqa: D102 - see Workspace
        ...

    def register(self, model: ModelVersion, run: str, output: str, description: str) -> None:  # noqa: D102 - see Workspace
        ...


def find(models: Models, name: str, fingerprint: str) -> ModelVersion | None:
    """The newest version with this fingerprint."""
    found = [model for model in models.models(name) if model.tags.get(FINGERPRINT) == fingerprint]
    return max(found, key=lambda model: _number(model.version), default=None)


def register(models: Models, model: str, run: Run, author: str, reason: str) -> tuple[ModelVersion, bool]:
    """Returns the version of a run's model, and True when this call registered it.

    Raises:
        OpsError: the run is not completed, was not submitted by a release, or its output holds no model card.
    """
    if run.status != "Completed":
        raise OpsError(f"run {run.name} is {run.status}", repair="wait until it is Completed, then register it")
    fingerprint = run.tags.get(FINGERPRINT)
    if not fingerprint:
        raise OpsError(f"run {run.name} has no tag {FINGERPRINT!r}", repair="submit it with python -m ops.submit")
    content = models.output_file(run.name, OUTPUT, CARD)
    if content is None:
        raise OpsError(f"run {run.name}: output {OUTPUT!r} holds no {CARD}", repair="the pipeline has to write it")
    properties = lineage(json.loads(content), run, author, reason)
    for _ in range(_MAX_TRIES):
        if found := find(models, model, fingerprint):
            return found, False
        version = 1 + max((_number(known.version) for known in models.models(model)), default=0)
        made = ModelVersion(
            name=model,
            version=str(version),
            tags={FINGERPRINT: fingerprint, "author": author, "reason": reason},
            properties=properties,
        )
        try:
            models.register(made, run.name, OUTPUT, f"{model} of run {run.name}: {reason}")
        except Exception as error:
            if _taken(error):
                continue
            raise
        return made, True
    raise OpsError(f"model {model}: another release took each of {_MAX_TRIES} versions", repair="run it again")


def lineage(card: dict[str, Any], run: Run, author: str, reason: str) -> dict[str, str]:
    """What is recorded on the version: Azure keeps a flat set of texts."""
    checks, gates = card["checks"], card["gates"]
    failed = [gate["gate"] for gate in gates if not gate["passed"]]
    failed += [part for part in ("checks", "export") if not card[part]["passed"]]
    return {
        "run": run.name,
        "commit": card["commit"],
        "data": run.tags["data"],
        "environment": run.tags["environment"],
        "pipeline": run.tags["pipeline"],
        "champion": run.tags.get("champion", "none"),
        "seed": str(card["seed"]),
        "months": f"train {card['train_month']}, validate {card['validate_month']}",
        "parameters": json.dumps(card["parameters"], sort_keys=True),
        "metrics": json.dumps(card["metrics"]["candidate"], sort_keys=True),
        "checks": json.dumps(checks, sort_keys=True),
        GATES: f"failed: {', '.join(failed)}" if failed else PASSED,
        "author": author,
        "reason": reason,
    }


def _number(version: str) -> int:
    return int(version) if version.isdecimal() else 0


def _taken(error: Exception) -> bool:
    return getattr(error, "status_code", None) == 409


def _main(given: argparse.Namespace) -> dict[str, object]:
    stack, release = Stack.read(given.outputs), ReleaseFile.read(given.release_file)
    with Report().step("register") as step:
        workspace = Workspace(stack)
        run = workspace.run(given.run)
        if run is None:
            raise UsageError(f"--run {given.run}: no such run in workspace {stack.workspace}")
        model, is_new = register(workspace, release.model, run, Commit.here().author, given.reason)
        step.done_before = not is_new
        step.result = f"{model.name}:{model.version} of {run.name}"
    return asdict(model)


def parser() -> argparse.ArgumentParser:
    """The arguments of this command."""
    made = command.parser("register", __doc__.partition("\n")[0])
    made.add_argument("--run", required=True, help="name of a completed run")
    made.add_argument("--reason", required=True, help="why this model was made; kept on the version")
    made.add_argument("--release-file", type=Path, default=DEFAULT, metavar="FILE", help="(%(default)s)")
    return made


if __name__ == "__main__":
    sys.exit(command.run(parser(), _main))
