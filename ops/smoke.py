"""Asks an endpoint real questions and judges the answers.

    python -m ops.smoke --outputs FILE [--model NAME] [--deployment NAME] [--json]

The questions are in the model's file: what must not change the answer, what may move it in one direction only, and what
must be refused with the name of the field. They go through the traffic weights, as a caller's do, or to the deployment
that is named, whatever its weight.
"""

import argparse
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from ops import command, model
from ops.command import OpsError
from ops.report import Report, Step
from ops.scoring import Answer, Asker, Scorer
from ops.smoke_checks import Result, Smoke, ask_all
from ops.stack import Stack
from ops.workspace import Workspace

# What an answer says about its model, and the property of a version that says the same.
_LINEAGE = {"commit": "commit", "code_version": "code", "data_version": "data", "environment_version": "environment"}


def smoke(asker: Asker, questions: Smoke, step: Step, deployment: str | None = None) -> tuple[Answer, list[Result]]:
    """Asks all questions.

    Raises:
        OpsError: an answer is wrong; names each.
    """
    answer, results = ask_all(asker, questions, deployment)
    wrong = [result for result in results if not result.passed]
    if wrong:
        for result in wrong:
            step.note(f"{result.name}: {result.says}")
        raise OpsError(
            f"{len(wrong)} of {len(results)} answers of {deployment or 'the endpoint'} are wrong: "
            f"{', '.join(result.name for result in wrong)}",
            why=wrong[0].says,
            repair="read the deployment's log and correct the model or its scoring code",
        )
    step.result = f"{len(results)} of {len(results)} answers are right"
    return answer, results


def prove_model(answer: Answer, properties: Mapping[str, str], deployment: str) -> None:
    """An answer names the model that gave it; this refuses one that another model gave.

    Raises:
        OpsError: names what the answer says and what the version's properties say.
    """
    told = answer.body.get("model") if isinstance(answer.body, dict) else None
    for key, name in _LINEAGE.items():
        found = str(told.get(key, "")) if isinstance(told, dict) else ""
        wanted = properties.get(name, "").rpartition(":")[2]
        if found and wanted and found != wanted:
            raise OpsError(
                f"deployment {deployment} answers with another model",
                why=f"{key} is {found} in the answer and {wanted} on the model version",
                repair=f"look which model the deployment holds: {command.next_command('lineage')}",
            )


def picture(questions: Smoke, answer: Answer) -> str:
    """A request and its answer, as a reader wants to see them."""
    body: dict[str, Any] = {key: value for key, value in answer.body.items() if key != "model"}
    return f"asked    {json.dumps(questions.request)}\nanswered {json.dumps(body)}  ({answer.seconds * 1000:.0f} ms)"


def _main(given: argparse.Namespace) -> dict[str, object]:
    stack = Stack.read(given.outputs)
    wanted = stack.model(given.model)
    command.about(wanted.name)
    questions = model.read([wanted.name])[wanted.name].smoke
    with Report().step("smoke") as step:
        workspace = Workspace(stack)
        scorer = Scorer(workspace.endpoint(wanted.endpoint).uri, workspace.endpoint_secret(wanted.endpoint))
        answer, results = smoke(scorer, questions, step, given.deployment)
    if not given.json:
        print(picture(questions, answer))
    return {"answer": answer.body, "checks": [asdict(result) for result in results]}


def parser() -> command.Parser:
    """The arguments of this command."""
    made = command.parser("smoke", __doc__.partition("\n")[0])
    made.add_argument("--deployment", metavar="NAME", help="ask this one, whatever its weight")
    return made


if __name__ == "__main__":
    sys.exit(command.run(parser(), _main))
