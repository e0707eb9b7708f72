"""Asks the endpoint real questions and judges the answers.

    python -m ops.smoke --outputs FILE [--release-file ops/flight-delay.yaml] [--json]

The questions are in the release file: what must not change the answer, what may move it in one direction only, and what
must be refused with the name of the field. They go through the traffic weights, as a caller's do.
"""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ops import command
from ops.command import OpsError
from ops.release_file import DEFAULT, ReleaseFile
from ops.report import Report, Step
from ops.scoring import Answer, Scorer
from ops.smoke_checks import Asker, Result, Smoke, ask_all
from ops.stack import Stack
from ops.workspace import Workspace


def smoke(asker: Asker, questions: Smoke, step: Step) -> tuple[Answer, list[Result]]:
    """Asks all questions.

    Raises:
        OpsError: an answer is wrong; names each.
    """
    answer, results = ask_all(asker, questions)
    wrong = [result for result in results if not result.passed]
    if wrong:
        for result in wrong:
            step.note(f"{result.name}: {result.says}")
        raise OpsError(
            f"{len(wrong)} of {len(results)} answers are wrong: {', '.join(result.name for result in wrong)}",
            why=wrong[0].says,
            repair="the traffic is as it was; roll back with python -m ops.rollout --to NAME of the other deployment",
        )
    step.result = f"{len(results)} of {len(results)} answers are right"
    return answer, results


def picture(questions: Smoke, answer: Answer) -> str:
    """A request and its answer, as a reader wants to see them."""
    body: dict[str, Any] = {key: value for key, value in answer.body.items() if key != "model"}
    return f"asked    {json.dumps(questions.request)}\nanswered {json.dumps(body)}  ({answer.seconds * 1000:.0f} ms)"


def _main(given: argparse.Namespace) -> dict[str, object]:
    stack, release = Stack.read(given.outputs), ReleaseFile.read(given.release_file)
    with Report().step("smoke") as step:
        workspace = Workspace(stack)
        scorer = Scorer(workspace.endpoint(stack.endpoint).uri, workspace.endpoint_secret(stack.endpoint))
        answer, results = smoke(scorer, release.smoke, step)
    if not given.json:
        print(picture(release.smoke, answer))
    return {"answer": answer.body, "checks": [asdict(result) for result in results]}


def parser() -> argparse.ArgumentParser:
    """The arguments of this command."""
    made = command.parser("smoke", __doc__.partition("\n")[0])
    made.add_argument("--release-file", type=Path, default=DEFAULT, metavar="FILE", help="(%(default)s)")
    return made


if __name__ == "__main__":
    sys.exit(command.run(parser(), _main))
