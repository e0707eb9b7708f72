"""Writes a deployment of a model version into a stack's configuration file; the next apply creates it.

    python -m ops.promote --outputs FILE --config-file Pulumi.prod.yaml --model NAME --version N [--json]

Blue and green take turns: the deployment that holds the traffic stays as it is, the other one gets the version. On
Azure the changed file goes through a pull request, whose preview shows the new deployment.
"""

import argparse
import sys
from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path

from ops import command
from ops.command import OpsError, UsageError
from ops.register import GATES, PASSED
from ops.report import Report
from ops.stack import Stack
from ops.stack_file import Deployment, StackFile
from ops.workspace import EndpointView, ModelVersion, Workspace

COLOURS = ("blue", "green")

# Of a first deployment; later ones take over the size of the live one, which a reviewed change may have set.
_FIRST = Deployment(name=COLOURS[0], model="", version="", instance_type="Standard_D2as_v5", instance_count=1)


def choose(deployments: Iterable[Deployment], view: EndpointView, model: str, version: str) -> tuple[Deployment, bool]:
    """Returns the deployment that shall hold the version, and True when the file has to change for it.

    Args:
        deployments: what the file declares.
        view: the endpoint as it is.
        model: name of the model.
        version: its version.

    Raises:
        OpsError: a rollout of something else is under way.
    """
    declared = {deployment.name: deployment for deployment in deployments}
    for deployment in declared.values():
        if (deployment.model, deployment.version) == (model, version):
            return deployment, False
    if view.shift or len(view.traffic) > 1:
        shares = ", ".join(f"{name} {share} %" for name, share in sorted(view.traffic.items()))
        raise OpsError(
            f"cannot promote {model}:{version}: a rollout is under way ({shares})",
            repair="finish it with python -m ops.rollout --to NAME, or go back with python -m ops.rollout --abort",
        )
    live = view.live
    free = [name for name in dict.fromkeys([*declared, *COLOURS]) if name != live]
    name = free[0]
    size = declared.get(name) or declared.get(live or "") or _FIRST
    return replace(size, name=name, model=model, version=version), True


def check(models: list[ModelVersion], model: str, version: str) -> None:
    """Refuses a version that does not exist or that did not pass its gates.

    Raises:
        UsageError: no such version; names those there are.
        OpsError: the gates recorded on it failed, or none are recorded.
    """
    found = next((known for known in models if known.version == version), None)
    if found is None:
        versions = ", ".join(sorted((known.version for known in models), key=lambda v: (len(v), v)))
        raise UsageError(f"model {model} has no version {version}", why=f"it has {versions or 'no version at all'}")
    verdict = found.properties.get(GATES, "no gate is recorded on it")
    if verdict != PASSED:
        raise OpsError(
            f"model {model}:{version} may not be promoted", why=verdict,
            repair="promote a version that passed, or train a better one",
        )  # fmt: skip


def promote(
    file: StackFile, models: list[ModelVersion], view: EndpointView, model: str, version: str
) -> tuple[Deployment, bool]:
    """Checks the version and writes it into the file; returns the deployment and True when the file changed."""
    check(models, model, version)
    deployment, changes = choose(file.deployments, view, model, version)
    if changes:
        file.write(file.with_deployment(deployment))
    return deployment, changes


def _main(given: argparse.Namespace) -> dict[str, object]:
    stack, file = Stack.read(given.outputs), StackFile(given.config_file)
    with Report().step("promote") as step:
        workspace = Workspace(stack)
        deployment, changed = promote(
            file, workspace.models(given.model), workspace.endpoint(stack.endpoint), given.model, given.version
        )
        step.done_before = not changed
        step.result = f"{deployment.name} = {given.model}:{given.version} in {given.config_file}"
    return asdict(deployment)


def parser() -> argparse.ArgumentParser:
    """The arguments of this command."""
    made = command.parser("promote", __doc__.partition("\n")[0])
    made.add_argument("--config-file", type=Path, required=True, metavar="FILE", help="stack file to edit")
    made.add_argument("--model", required=True, help="name of a registered model")
    made.add_argument("--version", required=True, help="its version")
    return made


if __name__ == "__main__":
    sys.exit(command.run(parser(), _main))
