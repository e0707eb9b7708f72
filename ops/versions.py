"""Lists the versions of the stack's models: where each comes from, how good it is, and where it is live.

    python -m ops.versions --outputs FILE [--model NAME] [--also FILE]... [--json]

``--also`` names the outputs of other stacks, to see there too what is live.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ops import command
from ops.facts import Cloud, Versions, comes_from, metrics, table
from ops.register import GATES
from ops.registry import Registry
from ops.stack import Model, Stack
from ops.views import ModelVersion
from ops.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class Place:
    """A stack whose endpoints are looked at."""

    name: str
    stack: Stack
    azure: Cloud


def live_in(model: str, places: Sequence[Place]) -> dict[str, list[str]]:
    """Where each version of a model is deployed, by ``VERSION``, with its share of the traffic."""
    found: dict[str, list[str]] = {}
    for place in places:
        if model not in place.stack.models:
            continue
        view = place.azure.endpoint(place.stack.models[model].endpoint)
        for name, reference in view.deployments.items():
            share = f"{place.name} {name} {view.traffic.get(name, 0)} %"
            found.setdefault(reference.partition(":")[2], []).append(share)
    return found


def rows(model: Model, versions: Sequence[ModelVersion], places: Sequence[Place]) -> list[dict[str, str]]:
    """One row a version, the newest first."""
    deployed = live_in(model.name, places)
    return [
        {
            "version": version.reference,
            "live": ", ".join(deployed.get(version.version, [])) or "-",
            "gates": version.properties.get(GATES, "-"),
            "metrics": metrics(version) or "-",
            "from": comes_from(version),
        }
        for version in reversed(versions)
    ]


def _main(given: argparse.Namespace) -> dict[str, object]:
    stack = Stack.read(given.outputs)
    models = [stack.model(given.model)] if given.model else list(stack.models.values())
    others = [(file.stem, Stack.read(file)) for file in given.also]
    workspace = Workspace(stack)
    places = [Place(name=command.stack_of(given), stack=stack, azure=workspace)]
    places += [Place(name=name, stack=other, azure=Workspace(other)) for name, other in others]
    result: dict[str, object] = {}
    for model in models:
        if model.promoted and stack.registry:
            versions = Registry(stack.registry).versions(model.name)
        else:
            versions = Versions(azure=workspace).of(model.name)
        found = rows(model, versions, places)
        result[model.name] = found
        if not given.json:
            heads = ("version", "live", "gates", "metrics", "from")
            told = [heads, *(tuple(row[head] for head in heads) for row in found)]
            print(table(told) if found else f"{model.name}: no version")
    return result


def parser() -> command.Parser:
    """The arguments of this command."""
    made = command.parser("versions", __doc__.partition("\n")[0])
    also(made)
    return made


def also(made: argparse.ArgumentParser) -> None:
    """What every command takes that looks at several stacks."""
    made.add_argument(
        "--also", type=Path, action="append", default=[], metavar="FILE", help="outputs of another stack to look at"
    )


if __name__ == "__main__":
    sys.exit(command.run(parser(), _main))
