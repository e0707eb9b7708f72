"""Runs a model's training pipeline, or follows the run that has the same inputs and the same champion.

    python -m ops.submit --outputs FILE [--model NAME] [--again] [--timeout SECONDS] [--json]

A run is named by the fingerprint of its inputs and by the champion it is compared with, so the same never trains twice:
a completed run is taken as it is, one that runs is followed, one that failed when it was judged (step ``evaluate``)
would fail again and is told, and any other that failed is tried again, under the next name. ``--again`` trains although
nothing changed, for example because the commit of the last run was not clean.
"""

import argparse
import hashlib
import json
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

from model_file import ModelFile
from ops import command, model
from ops.command import OpsError, UsageError
from ops.commit import Commit
from ops.report import Report, Step
from ops.stack import Model, Stack, Training
from ops.views import Run, RunRequest
from ops.workspace import Workspace

OUTPUT = "model"  # the pipeline's output that is registered
LOG_FOLDER = Path("build/runs")

TIMEOUT = 7200.0  # seconds; a cluster without quota would keep a pipeline waiting for ever
# The step that judges a model: the same inputs against the same champion get the same verdict.
JUDGE = "evaluate"
_MAX_TRIES = 50  # of one fingerprint; more is a loop that somebody should look at
_LOG_LINES = 15


class Jobs(Protocol):
    """What a run needs from a workspace."""

    def run(self, name: str) -> Run | None:  # noqa: D102 - see Workspace
        ...

    def submit(self, request: RunRequest) -> Run:  # noqa: D102 - see Workspace
        ...

    def steps(self, name: str) -> list[Run]:  # noqa: D102 - see Workspace
        ...

    def log_of(self, name: str, folder: Path) -> Path | None:  # noqa: D102 - see Workspace
        ...


def fingerprint(training: Training, inputs: Mapping[str, Any]) -> str:
    """The same for two runs exactly when pipeline, data, environment and inputs are the same.

    The commit is not in it: what a commit changes in the training changes the pipeline's version, which names the
    code of its steps. Neither is the champion, which judges the result and does not shape it.
    """
    parts = {
        "pipeline": training.pipeline,
        "data": training.data,
        "environment": training.environment,
        "inputs": dict(inputs),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]


def training_of(wanted: Model) -> Training:
    """How a model is trained.

    Raises:
        UsageError: the stack does not train it.
    """
    if wanted.training is None:
        raise UsageError(
            f"model {wanted.name} is promoted to this stack and never trained in it",
            repair="train it in the stack that it comes from",
        )
    return wanted.training


def submit(
    jobs: Jobs, wanted: Model, file: ModelFile, commit: Commit, champion: str | None, *, again: bool = False
) -> tuple[Run, bool]:
    """Returns the run for these inputs, and True when this call submitted it.

    Args:
        jobs: the workspace.
        wanted: what to run and where.
        file: inputs of the run.
        commit: holds the code that runs; goes on the model card.
        champion: ``MODEL:VERSION`` to compare with, or None for the first model.
        again: pass over runs that are completed, or were judged.

    Raises:
        OpsError: the last run with these inputs was judged against this champion, and refused.
    """
    training = training_of(wanted)
    mark = fingerprint(training, file.training.inputs)
    first = f"{wanted.name}-{mark}" + (f"-vs{champion.partition(':')[2]}" if champion else "")
    last: Run | None = None
    for number in range(1, _MAX_TRIES + 1):
        name = first if number == 1 else f"{first}-{number}"
        found = jobs.run(name)
        if found is None:
            if last and last.status == "Failed" and not again:
                steps = jobs.steps(last.name)
                if _judged(steps):
                    raise _failure(jobs, last, steps, "; nothing has changed since")
            return jobs.submit(_request(name, mark, wanted, file, commit, champion)), True
        if not found.finished or (found.status == "Completed" and not again):
            return found, False
        last = found
    raise OpsError(f"{first} ended {_MAX_TRIES} times", repair="read the logs of its last run before another try")


def follow(jobs: Jobs, run: Run, step: Step, timeout: float = TIMEOUT, compute: str = "") -> Run:
    """Waits for a run, showing each change of a step's state; returns it completed.

    Args:
        jobs: the workspace.
        run: to wait for.
        step: where progress goes.
        timeout: seconds after which waiting ends; the run goes on.
        compute: cluster that it waits for while it has no node.

    Raises:
        OpsError: it ended otherwise; names the failing step, the end of its log and where the rest is. Or the time is
            over; names what it was waiting for.
    """
    known: dict[str, str] = {}
    deadline = time.monotonic() + timeout
    while True:
        run = jobs.run(run.name) or run
        steps = jobs.steps(run.name)
        for child in steps:
            if known.get(child.name) != child.status:
                known[child.name] = child.status
                step.note(f"{child.label:<14} {child.status}{_waits(child, compute)}")
        if run.finished:
            break
        waiting = ", ".join(
            f"{each.label or each.name} {each.status}{_waits(each, compute)}"
            for each in [child for child in steps if not child.finished] or [run]
        )
        step.now(waiting)
        if time.monotonic() > deadline:
            raise OpsError(
                f"run {run.name} is still {run.status} after {timeout:.0f} s", why=f"waited for: {waiting}",
                repair="the run goes on; run the same command again to wait longer, or cancel it in the studio. A run "
                "that stays Queued has no node: look at the cluster's state and the subscription's quota",
                log=run.studio_url,
            )  # fmt: skip
        time.sleep(min(5.0, 0.5 + step.elapsed / 60))
    if run.status != "Completed":
        raise _failure(jobs, run, steps)
    return run


def _waits(run: Run, compute: str) -> str:
    return f" (for a node of {compute})" if compute and run.status == "Queued" else ""


def _request(name: str, mark: str, wanted: Model, file: ModelFile, commit: Commit, champion: str | None) -> RunRequest:
    training = training_of(wanted)
    given = {
        "commit": commit.id,
        "code_version": training.code.partition(":")[2],
        "data_version": training.data.partition(":")[2],
        "environment_version": training.environment.partition(":")[2],
    }
    return RunRequest(
        name=name,
        component=training.pipeline,
        compute=training.compute,
        experiment=wanted.name,
        values={**file.training.inputs, **given},
        folders={"data": training.data},
        models={"champion": champion} if champion else {},
        tags={
            "fingerprint": mark,
            "model": wanted.name,
            "commit": commit.id,
            "dirty": str(not commit.clean).lower(),
            "code": training.code,
            "data": training.data,
            "environment": training.environment,
            "pipeline": training.pipeline,
            "inputs": json.dumps(file.training.inputs, sort_keys=True, default=str),
            **({"champion": champion} if champion else {}),
        },
    )


def _judged(steps: list[Run]) -> bool:
    return any(child.label == JUDGE and child.status == "Failed" for child in steps)


def _failure(jobs: Jobs, run: Run, steps: list[Run], since: str = "") -> OpsError:
    culprit = next((child for child in steps if child.status == "Failed"), run)
    what = f"run {run.name}: {run.status}"
    if culprit is not run:
        what += f" at step {culprit.label}{since}"
    repair = "correct the cause and run the same command again; a failed run is tried again under the next name"
    if _judged(steps):
        again = command.next_command("release", again=True)
        repair = f"change what it is trained with or judged by; or train it once more: {again}"
    try:
        log = jobs.log_of(culprit.name, LOG_FOLDER / culprit.name)
    except Exception as error:  # noqa: BLE001 - the failure of the run matters more than that of its log
        return OpsError(
            what, why=f"its log cannot be read ({error})", log=run.studio_url, repair="open it in the studio"
        )
    tail = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-_LOG_LINES:] if log else []
    return OpsError(
        what,
        why="\n".join(["the end of its log:", *(f"    {line}" for line in tail)]) if tail else "it wrote no log",
        repair=repair,
        log=" and ".join(part for part in (str(log or ""), run.studio_url) if part),
    )


def code_commit(training: Training, file: ModelFile) -> Commit:
    """The commit that holds the code that the stack trains with."""
    return Commit.of_code(training.code, file.training.code, str(file.folder.parent))


def _main(given: argparse.Namespace) -> dict[str, object]:
    stack = Stack.read(given.outputs)
    wanted = stack.model(given.model)
    file, training = model.read([wanted.name])[wanted.name].file, training_of(wanted)
    with Report().step("train") as step:
        workspace = Workspace(stack)
        champion = workspace.endpoint(wanted.endpoint).champion
        run, is_new = submit(workspace, wanted, file, code_commit(training, file), champion, again=given.again)
        step.done_before = not is_new
        run = follow(workspace, run, step, given.timeout, training.compute)
        step.result = f"{run.name}: {run.status}"
    return asdict(run)


def parser() -> command.Parser:
    """The arguments of this command."""
    made = command.parser("submit", __doc__.partition("\n")[0], "a run that was submitted goes on in Azure")
    arguments(made)
    return made


def arguments(made: argparse.ArgumentParser) -> None:
    """What every command takes that trains."""
    made.add_argument("--again", action="store_true", help="train although the same inputs were trained before")
    made.add_argument(
        "--timeout", type=command.seconds, default=TIMEOUT, metavar="SECONDS",
        help="how long to wait for a run (%(default)s)",
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(command.run(parser(), _main))
