"""Runs the stack's training pipeline, or follows the run that has the same inputs.

    python -m ops.submit --outputs FILE [--release-file ops/flight-delay.yaml] [--json]

A run is named by the fingerprint of its inputs, so the same inputs never train twice: a completed run is taken as it
is, one that runs is followed, and only a failed one is tried again, under the next name.
"""

import argparse
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Protocol

from ops import command
from ops.command import OpsError
from ops.release_file import DEFAULT, Commit, ReleaseFile
from ops.report import Report, Step
from ops.stack import Stack
from ops.workspace import Run, RunRequest, Workspace

OUTPUT = "model"  # the pipeline's output that is registered
LOG_FOLDER = Path("build/runs")

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


def submit(jobs: Jobs, stack: Stack, release: ReleaseFile, commit: Commit, champion: str | None) -> tuple[Run, bool]:
    """Returns the run for these inputs, and True when this call submitted it.

    Args:
        jobs: the workspace.
        stack: what to run and where.
        release: inputs of the run.
        commit: goes on the model card.
        champion: ``MODEL:VERSION`` to compare with, or None for the first model.
    """
    fingerprint = release.fingerprint(stack)
    first = f"{release.model}-{fingerprint}"
    for number in range(1, _MAX_TRIES + 1):
        name = first if number == 1 else f"{first}-{number}"
        found = jobs.run(name)
        if found is None:
            request = _request(name, fingerprint, stack, release, commit, champion)
            return jobs.submit(request), True
        if not found.finished or found.status == "Completed":
            return found, False
    raise OpsError(f"{first} failed {_MAX_TRIES} times", repair="read the logs of its last run before another try")


def follow(jobs: Jobs, run: Run, step: Step) -> Run:
    """Waits for a run, showing each change of a step's state; returns it completed.

    Raises:
        OpsError: it ended otherwise; names the failing step, the end of its log and where the rest is.
    """
    known: dict[str, str] = {}
    while True:
        run = jobs.run(run.name) or run
        steps = jobs.steps(run.name)
        for child in steps:
            if known.get(child.name) != child.status:
                known[child.name] = child.status
                step.note(f"{child.label:<14} {child.status}")
        if run.finished:
            break
        running = [child.label for child in steps if not child.finished]
        step.now(f"{run.status}: {', '.join(running) or run.name}")
        time.sleep(min(5.0, 0.5 + step.elapsed / 60))
    if run.status != "Completed":
        raise _failure(jobs, run, steps)
    return run


def _request(
    name: str, fingerprint: str, stack: Stack, release: ReleaseFile, commit: Commit, champion: str | None
) -> RunRequest:
    environment = release.environment_asset(stack)
    given = {
        "commit": commit.id,
        "data_version": stack.data.partition(":")[2],
        "environment_version": environment.partition(":")[2],
    }
    return RunRequest(
        name=name,
        component=stack.pipeline,
        compute=stack.compute,
        experiment=release.model,
        values={**release.inputs, **given},
        folders={"data": stack.data},
        models={"champion": champion} if champion else {},
        tags={
            "fingerprint": fingerprint,
            "commit": commit.id,
            "data": stack.data,
            "environment": environment,
            "pipeline": stack.pipeline,
            **({"champion": champion} if champion else {}),
        },
    )


def _failure(jobs: Jobs, run: Run, steps: list[Run]) -> OpsError:
    culprit = next((child for child in steps if child.status == "Failed"), run)
    what = f"run {run.name}: {run.status}"
    if culprit is not run:
        what += f" at step {culprit.label}"
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
        repair="correct the cause and run the same command again; a failed run is tried again under the next name",
        log=" and ".join(part for part in (str(log or ""), run.studio_url) if part),
    )


def _main(given: argparse.Namespace) -> dict[str, object]:
    stack, release = Stack.read(given.outputs), ReleaseFile.read(given.release_file)
    with Report().step("train") as step:
        workspace = Workspace(stack)
        champion = workspace.endpoint(stack.endpoint).champion
        run, is_new = submit(workspace, stack, release, Commit.here(), champion)
        step.done_before = not is_new
        run = follow(workspace, run, step)
        step.result = f"{run.name}: {run.status}"
    return asdict(run)


def parser() -> argparse.ArgumentParser:
    """The arguments of this command."""
    made = command.parser("submit", __doc__.partition("\n")[0])
    made.add_argument("--release-file", type=Path, default=DEFAULT, metavar="FILE", help="(%(default)s)")
    return made


if __name__ == "__main__":
    sys.exit(command.run(parser(), _main))
