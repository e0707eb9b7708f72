"""Lists the versions of data, code, environments, components and models that nothing refers to, and archives them.

    python -m ops.unreferenced --outputs FILE [--stack NAME] [--archive] [--json]

Something refers to a version when the stack's outputs or its live file name it, when a deployment, a schedule or a run
that is not over uses it, when it is the newest of its name, or when one of those was made with it: a model's data,
code, environment and pipeline, and a pipeline's steps. Only names that this stack uses are looked at.

An archived version is not deleted: lists do not show it, and what names it still finds it.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from typing import Any, Protocol

from ops import command, live
from ops.arm import Arm
from ops.assets import Asset, Assets, named_in
from ops.registry import Registry
from ops.report import Report
from ops.stack import Stack

# Properties of a model version, and the kind of asset that each names as NAME:VERSION.
_MADE_WITH = {"data": "data", "code": "codes", "environment": "environments", "pipeline": "components"}


class Cloud(Protocol):
    """What is asked of a workspace."""

    def versions(self, kind: str, name: str) -> list[dict[str, Any]]:  # noqa: D102 - see Assets
        ...

    def users(self) -> Iterator[dict[str, Any]]:  # noqa: D102 - see Assets
        ...

    def archive(self, asset: Asset) -> None:  # noqa: D102 - see Assets
        ...


def unreferenced(azure: Cloud, named: Iterable[Asset]) -> list[Asset]:
    """The versions that nothing refers to, among those whose names are reached from what is named.

    Args:
        azure: the workspace.
        named: what the stack, its live file and the registry name.
    """
    used = set(named) | {asset for user in azure.users() for asset in named_in(json.dumps(user))}
    bodies: dict[Asset, dict[str, Any]] = {}
    looked_at: set[tuple[str, str]] = set()
    reached: set[Asset] = set()
    open_ends = set(used)
    while open_ends:
        asset = open_ends.pop()
        reached.add(asset)
        if (asset.kind, asset.name) not in looked_at:
            looked_at.add((asset.kind, asset.name))
            found = azure.versions(asset.kind, asset.name)
            bodies |= {Asset(asset.kind, asset.name, str(each["name"])): each for each in found}
            newest = max(found, key=_made_at, default=None)
            if newest:
                open_ends |= {Asset(asset.kind, asset.name, str(newest["name"]))} - reached
        open_ends |= _made_with(asset, bodies.get(asset)) - reached
    return sorted(asset for asset in bodies if asset not in reached)


def _made_at(body: dict[str, Any]) -> str:
    return str(body.get("systemData", {}).get("createdAt", ""))


def _made_with(asset: Asset, body: dict[str, Any] | None) -> set[Asset]:
    if body is None:
        return set()
    properties = body.get("properties", {})
    recorded = properties.get("properties") or {}
    made = {
        Asset.of(kind, recorded[key]) for key, kind in _MADE_WITH.items() if asset.kind == "models" and key in recorded
    }
    return made | (named_in(json.dumps(properties)) - {asset})


def named_by(stack: Stack, stack_name: str) -> set[Asset]:
    """What a stack's outputs and its live file name."""
    found: set[Asset] = set()
    for model in stack.models.values():
        references = [("codes", model.serving.code), ("environments", model.serving.environment)]
        if model.training:
            references += [
                ("codes", model.training.code),
                ("data", model.training.data),
                ("environments", model.training.environment),
                ("components", model.training.pipeline),
            ]
        for entry in live.entries(stack_name, model.name):
            references += [("codes", entry.code or ""), ("environments", entry.environment or "")]
            references += [("models", entry.model)] if ":" in entry.model and "/" not in entry.model else []
        found |= {Asset.of(kind, reference) for kind, reference in references if reference}
        # Its versions are looked at even while none is live.
        found.add(Asset("models", model.name, ""))
    return found


def _main(given: argparse.Namespace) -> dict[str, object]:
    stack = Stack.read(given.outputs)
    if given.model:
        stack.model(given.model)
    named = named_by(stack, command.stack_of(given))
    with Report().step("unreferenced") as step:
        azure = Assets(Arm(stack.workspace_id))
        if stack.registry:
            registry = Registry(stack.registry)
            named |= {
                Asset("models", each.name, each.version) for name in stack.models for each in registry.versions(name)
            }
        found = unreferenced(azure, named)
        if given.archive:
            for asset in found:
                step.now(f"archives {asset}")
                azure.archive(asset)
        verb = "archived" if given.archive else "to archive with --archive"
        step.done_before = not found
        step.result = f"{len(found)} {verb}" if found else "something refers to every version"
    if not given.json:
        for asset in found:
            print(asset)
    return {"unreferenced": [vars(asset) for asset in found], "archived": given.archive}


def parser() -> command.Parser:
    """The arguments of this command."""
    made = command.parser("unreferenced", __doc__.partition("\n")[0], "what is archived by now stays archived")
    made.add_argument("--archive", action="store_true", help="archive what is listed")
    return made


if __name__ == "__main__":
    sys.exit(command.run(parser(), _main))
