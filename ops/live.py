"""Compares what the live file names with what Azure runs, and writes the file again when it was lost.

    python -m ops.live --outputs FILE [--stack NAME] [--model NAME] [--restore] [--json]

Releases write the file, the program reads it. With ``--restore`` it names what the endpoints have and nothing else;
deployments that it did not name before, and those that it named and Azure has not, are told either way.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Protocol

from live_file import LiveDeployment, LiveFile, LiveFileError, LiveTraining, deployment_name, live_deployment
from ops import command
from ops.command import UsageError
from ops.register import number
from ops.report import Report
from ops.stack import Model, Stack
from ops.views import MLFLOW, Deployed, ModelVersion
from ops.workspace import Workspace


def read(stack: str) -> LiveFile:
    """A stack's live file.

    Raises:
        UsageError: it cannot be used; names the file and what is wrong.
    """
    try:
        return LiveFile.read(stack)
    except LiveFileError as error:
        raise UsageError(
            f"the live file cannot be read: {error}",
            repair="take it back from version control, or delete it and run "
            f"{command.next_command('live', restore=True)}",
        ) from None


def entries(stack: str, model: str) -> tuple[LiveDeployment, ...]:
    """What the file names for a model, the oldest first."""
    return read(stack).of(model)


def write(stack: str, model: str, wanted: Iterable[LiveDeployment]) -> None:
    """Names these deployments for a model; those of the other models stay as they are."""
    read(stack).having(model, tuple(wanted)).write()


class Endpoints(Protocol):
    """What a workspace serves."""

    def endpoint_names(self) -> list[str]:  # noqa: D102 - see Workspace
        ...

    def deployments(self, endpoint: str) -> list[Deployed]:  # noqa: D102 - see Workspace
        ...


def forget(name: str, stack: Stack, azure: Endpoints) -> list[str]:
    """Takes out the models that a stack has no more, and returns them; one that some endpoint still runs stays.

    The stack's outputs alone would not do: those of an earlier day do not have a model that came later.
    """
    file = read(name)
    gone = [model for model in file.models if model not in stack.models]
    if gone:
        others = set(azure.endpoint_names()) - {model.endpoint for model in stack.models.values()}
        there = {each.name for endpoint in sorted(others) for each in azure.deployments(endpoint)}
        gone = [model for model in gone if not there & {each.name for each in file.of(model)}]
        for model in gone:
            file = file.having(model, ())
    if gone:
        file.write()
    return gone


def entry(model: Model, version: ModelVersion, reference: str) -> LiveDeployment:
    """The deployment of a model version with what the stack would serve it with now.

    Args:
        model: of the stack.
        version: to deploy.
        reference: how a deployment refers to it.
    """
    brings_scoring = version.kind == MLFLOW
    return live_deployment(
        model=reference,
        code=None if brings_scoring else model.serving.code,
        environment=None if brings_scoring else model.serving.environment,
        script=None if brings_scoring else model.serving.script,
        instance_type=model.serving.instance_type,
        instance_count=model.serving.instance_count,
        trained=None if model.promoted else trained(version),
    )


def trained(version: ModelVersion) -> LiveTraining | None:
    """What a version was trained with; None when that is not on it, as when it was trained elsewhere."""
    said = {key: version.properties.get(key) for key in ("pipeline", "data", "environment", "inputs")}
    pipeline, data, environment, inputs = said.values()
    if not (pipeline and data and environment and inputs):
        return None
    return LiveTraining(pipeline=pipeline, data=data, environment=environment, inputs=json.loads(inputs))


@dataclass(frozen=True, kw_only=True)
class Difference:
    """How file and Azure differ for one model.

    Attributes:
        unknown: deployments on the endpoint that the file does not name.
        missing: entries of the file that the endpoint does not have.
        failed: deployments on the endpoint that do not answer.
    """

    unknown: list[str]
    missing: list[str]
    failed: list[str]

    @property
    def none(self) -> bool:
        """True when the file says what Azure runs."""
        return not (self.unknown or self.missing or self.failed)

    def __str__(self) -> str:
        parts = {
            "on the endpoint and not in the file": self.unknown,
            "in the file and not on the endpoint": self.missing,
            "does not answer": self.failed,
        }
        return "; ".join(f"{says}: {', '.join(names)}" for says, names in parts.items() if names) or "the same"


def compare(named: Sequence[LiveDeployment], deployed: Sequence[Deployed]) -> Difference:
    """What the file names against what the endpoint has."""
    there = {each.name for each in deployed}
    known = {each.name for each in named}
    return Difference(
        unknown=sorted(there - known),
        missing=sorted(known - there),
        failed=sorted(each.name for each in deployed if not each.ready),
    )


def restored(
    deployed: Sequence[Deployed], traffic: dict[str, int], versions: Sequence[ModelVersion]
) -> tuple[LiveDeployment, ...]:
    """The entries that name what a release brought up on an endpoint, the oldest version first, the live one last.

    Args:
        deployed: what the endpoint has.
        traffic: percent by deployment.
        versions: of the model, in the workspace; they say what each was trained with.
    """
    known = {each.reference: trained(each) for each in versions}
    found = [
        LiveDeployment(
            **{key: value for key, value in vars(each).items() if key != "state"}, trained=known.get(each.model)
        )
        for each in deployed
        if each.ready and each.name == _name(each)
    ]
    return tuple(sorted(found, key=lambda each: (traffic.get(each.name, 0), number(each.model_version))))


def _name(each: Deployed) -> str:
    """The name that a release gives to what a deployment is made of."""
    return deployment_name(
        model=each.model,
        code=each.code,
        environment=each.environment,
        script=each.script,
        instance_type=each.instance_type,
    )


def _main(given: argparse.Namespace) -> dict[str, object]:
    stack, name, report = Stack.read(given.outputs), command.stack_of(given), Report()
    models = [stack.model(given.model)] if given.model else list(stack.models.values())
    file = read(name)
    workspace = Workspace(stack)
    result: dict[str, object] = {}
    for model in models:
        with report.step(model.name) as step:
            deployed = workspace.deployments(model.endpoint)
            difference = compare(file.of(model.name), deployed)
            step.done_before, step.result = difference.none, str(difference)
            if given.restore and not difference.none:
                traffic = workspace.endpoint(model.endpoint).traffic
                named = restored(deployed, traffic, workspace.models(model.name))
                file = file.having(model.name, named)
                file.write()
                now = compare(named, deployed)
                step.result = f"names {', '.join(each.name for each in named) or 'nothing'}"
                step.note(f"before: {difference}")
                if now.unknown:
                    step.note(f"no release made {', '.join(now.unknown)}; the program leaves them alone")
            result[model.name] = {**asdict(difference), "named": [asdict(each) for each in file.of(model.name)]}
    return result


def parser() -> command.Parser:
    """The arguments of this command."""
    made = command.parser("live", __doc__.partition("\n")[0], "the live file is the one before, or the new one")
    made.add_argument("--restore", action="store_true", help="write the file again from what Azure runs")
    return made


if __name__ == "__main__":
    sys.exit(command.run(parser(), _main))
