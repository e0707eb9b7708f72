"""Shares a model version of one stack into the ML registry, from where another stack deploys it: nothing is trained.

    python -m ops.promote --outputs dev.json --to-outputs prod.json --to-stack prod --reason TEXT
                          [--model NAME [--version N]] [--check] [--json]

The version keeps its name, its number, its files and what is recorded about them; without ``--version`` it is the one
that is live. Without ``--model`` it is done for every model that the other stack takes from the registry. Afterwards
``python -m ops.release`` brings them up there. ``--check`` says before the other stack is up whether its models may go
there, and changes nothing.
"""

import argparse
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Protocol

from ops import command
from ops.command import OpsError, UsageError
from ops.commit import Commit
from ops.data import declared_models
from ops.origin import check
from ops.register import DIGEST
from ops.registry import Registry
from ops.report import Report
from ops.stack import Model, Stack
from ops.views import EndpointView, ModelVersion
from ops.workspace import Workspace

PROMOTED_BY, PROMOTED_WHY, PROMOTED_FROM = "promoted_by", "promoted_reason", "promoted_from"


class Source(Protocol):
    """What a promotion needs from the workspace that a model comes from."""

    def models(self, name: str) -> list[ModelVersion]:  # noqa: D102 - see Workspace
        ...

    def endpoint(self, name: str) -> EndpointView:  # noqa: D102 - see Workspace
        ...

    def share(self, model: ModelVersion, registry: str) -> None:  # noqa: D102 - see Workspace
        ...


class Target(Protocol):
    """What a promotion needs from a registry."""

    name: str

    def version(self, name: str, version: str) -> ModelVersion | None:  # noqa: D102 - see Registry
        ...

    def digest(self, name: str, version: str) -> str:  # noqa: D102 - see Registry
        ...

    def describe(self, model: ModelVersion) -> None:  # noqa: D102 - see Registry
        ...


def choose(source: Source, model: Model, number: str | None) -> ModelVersion:
    """The version that was asked for, else the live one.

    Raises:
        UsageError: there is no such version; names those there are.
        OpsError: nothing is live.
    """
    versions = source.models(model.name)
    if number is None:
        champion = source.endpoint(model.endpoint).champion
        if champion is None:
            raise OpsError(f"model {model.name} is not live in its own stack", repair="release it there first")
        number = champion.partition(":")[2]
    found = next((known for known in versions if known.version == number), None)
    if found is None:
        there = ", ".join(known.version for known in versions) or "no version at all"
        raise UsageError(f"--version {number}: model {model.name} has no such version", why=f"it has {there}")
    return found


def promote(source: Source, registry: Target, version: ModelVersion, tags: dict[str, str]) -> tuple[ModelVersion, bool]:
    """Returns the registry's version, and True when this call put it there.

    Whatever Azure carries over by itself, its files are read again and everything that is recorded is completed.

    Args:
        source: workspace that it comes from.
        registry: that it goes to.
        version: to promote.
        tags: who promotes it, and why.

    Raises:
        OpsError: it may not go live, or the registry has other content under its name and number.
    """
    check(version, clean_commit=True)
    wanted = version.properties.get(DIGEST)
    if not wanted:
        raise OpsError(
            f"model {version.reference} has no property {DIGEST!r}",
            repair=f"promote a version that {command.next_command('release')} made",
        )
    there = registry.version(version.name, version.version)
    recorded = there.properties.get(DIGEST) if there else None
    if there is None:
        source.share(version, registry.name)
    found = recorded or registry.digest(version.name, version.version)
    if found != wanted:
        raise OpsError(
            f"registry {registry.name} has other content under {version.reference}",
            why=f"its digest is {found}, that of the workspace's version is {wanted}",
            repair="a number is never given twice: train again, and promote the version that this makes: "
            + command.next_command("release", again=True, model=version.name),
        )
    promoted = replace(version, tags={**version.tags, **tags})
    if there and recorded and there.tags.keys() >= tags.keys():
        return there, False
    registry.describe(promoted)
    return promoted, True


def look_before(given: argparse.Namespace) -> dict[str, object]:
    """Refuses what a promotion would refuse, before the other stack is brought up for it.

    Raises:
        UsageError: the stack that models come from is not declared, or not up.
        OpsError: a model is not live there, or may not go on.
    """
    taken = declared_models(given.to_stack, promoted=True)
    if not taken:
        return {}
    if not given.outputs.exists():
        raise _not_up(given, taken)
    stack = Stack.read(given.outputs)
    workspace = Workspace(stack)
    found = {each: choose(workspace, stack.models[each], given.version) for each in taken if each in stack.models}
    for version in found.values():
        check(version, clean_commit=True)
    return {each: version.reference for each, version in found.items()}


def _not_up(given: argparse.Namespace, taken: list[str]) -> UsageError:
    name, what = given.outputs.stem, f"stack {given.to_stack} takes {', '.join(taken)}"
    declared = sorted(each.stem.removeprefix("Pulumi.") for each in Path().glob("Pulumi.*.yaml"))
    if name not in declared:
        return UsageError(
            f"{what} from stack {name}, which nobody has declared: there is no Pulumi.{name}.yaml",
            why=f"declared are {', '.join(declared)}", repair=f"make up STACK={given.to_stack} FROM=NAME",
        )  # fmt: skip
    return UsageError(
        f"{what} from stack {name}, which is not up",
        why=f"there is no {given.outputs}", repair=f"make up STACK={name} first",
    )  # fmt: skip


def _main(given: argparse.Namespace) -> dict[str, object]:
    if given.check:
        return look_before(given)
    stack, to = Stack.read(given.outputs), Stack.read(given.to_outputs)
    models = _wanted(given, stack, to)
    name, report = stack.registry or to.registry, Report()
    problems = []
    if not given.reason.strip():
        problems.append("--reason is empty: want why this model goes there")
    if name is None and models:
        problems.append(f"registry is null in {given.outputs} and in {given.to_outputs}: declare mlops:registry")
    if given.version and len(models) > 1:
        problems.append("--version needs --model: a number means something for one model only")
    if problems:
        raise UsageError("; ".join(problems), repair="correct what is named and run the same command again")
    if name is None or not models:
        with report.step("promote") as step:
            step.done_before, step.result = True, f"stack {given.to_stack} takes no model from {given.outputs}"
        return {}
    workspace, registry = Workspace(stack), Registry(name)
    tags = {PROMOTED_BY: Commit.here().author, PROMOTED_WHY: given.reason, PROMOTED_FROM: stack.workspace_id}
    result: dict[str, object] = {}
    for model in models:
        with report.step("promote") as step:
            shared, is_new = promote(workspace, registry, choose(workspace, model, given.version), tags)
            step.done_before = not is_new
            step.result = f"{shared.reference} in registry {name}, for stack {given.to_stack}"
            result[model.name] = {**asdict(shared), "registry": name}
    return result


def _wanted(given: argparse.Namespace, stack: Stack, to: Stack) -> list[Model]:
    """The model that is named, else every one that the other stack takes from the registry.

    Raises:
        UsageError: the other stack does not take the model that is named.
    """
    taken = [name for name, model in to.models.items() if model.promoted]
    if given.model is None:
        return [model for name, model in stack.models.items() if name in taken]
    model = stack.model(given.model)
    if model.name not in taken:
        raise UsageError(
            f"stack {given.to_stack} does not take {model.name} from a registry",
            why=f"it takes {', '.join(taken) or 'no model'}",
            repair=f"write promoted: true to {model.name} in its configuration and apply it",
        )
    return [model]


def parser() -> command.Parser:
    """The arguments of this command."""
    made = command.parser("promote", __doc__.partition("\n")[0], "what is in the registry by now stays there")
    made.add_argument(
        "--to-outputs", type=Path, required=True, metavar="FILE", help="outputs of the stack that it shall go to"
    )
    made.add_argument("--to-stack", required=True, metavar="NAME", help="name of that stack")
    made.add_argument("--version", metavar="N", help="version to promote (default: the live one)")
    made.add_argument("--check", action="store_true", help="say whether the models may go there; promote nothing")
    made.add_argument("--reason", required=True, help="why it goes there; kept on the registry's version")
    return made


if __name__ == "__main__":
    sys.exit(command.run(parser(), _main))
