"""Takes a stack from its training pipeline to a model that answers: train, register, promote, roll out, smoke.

    python -m ops.release --outputs FILE --apply "pulumi up -y -s dev" [--stack dev] [--config-file FILE]
                          [--reason TEXT] [--release-file ops/flight-delay.yaml] [--json]

Each step looks first whether its work is done, so running it again goes on where the last run ended, and does nothing
when there is nothing to do. ``--apply`` is run when the stack's configuration file names a deployment that Azure does
not have yet. ``=`` before a step means that its work was found done.
"""

import argparse
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ops import command
from ops.command import OpsError, UsageError
from ops.endpoint import card
from ops.gate import Budget
from ops.probes import ModelGate, Source
from ops.promote import promote
from ops.register import Models, find, register
from ops.release_file import DEFAULT, Commit, ReleaseFile
from ops.report import Report
from ops.rollout import Endpoint, Rollout, show
from ops.scoring import Scorer
from ops.smoke import picture, smoke
from ops.stack import Stack
from ops.stack_file import Deployment, StackFile
from ops.submit import Jobs, follow, submit
from ops.workspace import ModelVersion, Workspace


class Cloud(Jobs, Models, Endpoint, Source, Protocol):
    """What a release needs from a workspace: what its steps need."""


@dataclass(kw_only=True)
class Release:
    """One release.

    Attributes:
        stack: what the stack made.
        file: what the release is made of.
        config_file: the stack's configuration file.
        apply: command that applies the stack.
        reason: kept on the model version.
        report: where progress goes.
        workspace: where the models are.
        outputs: the file that the stack was read from; the closing lines name it.
        quiet: print no closing lines.
    """

    stack: Stack
    file: ReleaseFile
    config_file: Path
    apply: list[str]
    reason: str
    report: Report
    workspace: Cloud
    outputs: Path
    quiet: bool

    def run(self) -> dict[str, object]:
        """Does what is left to do; returns what is live and what it answered."""
        model = self._train()
        deployment = self._promote(model)
        self._apply(deployment)
        self._roll_out(deployment)
        with self.report.step("smoke") as step:
            view = self.workspace.endpoint(self.stack.endpoint)
            secret = self.workspace.endpoint_secret(self.stack.endpoint)
            answer, _ = smoke(Scorer(view.uri, secret), self.file.smoke, step)
        if not self.quiet:
            print(f"\n{card(view.uri, secret, self.outputs, self.file.smoke.file)}")
            print(picture(self.file.smoke, answer))
        return {
            "model": f"{model.name}:{model.version}",
            "deployment": deployment.name,
            "traffic": view.traffic,
            "uri": view.uri,
            "answer": answer.body,
        }

    def _train(self) -> ModelVersion:
        fingerprint = self.file.fingerprint(self.stack)
        with self.report.step("train") as step:
            found = find(self.workspace, self.file.model, fingerprint)
            if found:
                step.done_before = True
                step.result = f"run {found.properties.get('run')}, same inputs as now"
            else:
                champion = self.workspace.endpoint(self.stack.endpoint).champion
                run, is_new = submit(self.workspace, self.stack, self.file, Commit.here(), champion)
                step.done_before = not is_new and run.finished
                run = follow(self.workspace, run, step)
                step.result = f"run {run.name}: {run.status}"
        with self.report.step("register") as step:
            if found:
                model, is_new = found, False
            else:
                model, is_new = register(self.workspace, self.file.model, run, Commit.here().author, self.reason)
            step.done_before = not is_new
            step.result = f"model {model.name}:{model.version}"
        return model

    def _promote(self, model: ModelVersion) -> Deployment:
        with self.report.step("promote") as step:
            view = self.workspace.endpoint(self.stack.endpoint)
            models = self.workspace.models(model.name)
            deployment, changed = promote(StackFile(self.config_file), models, view, model.name, model.version)
            step.done_before = not changed
            step.result = f"{deployment.name} = {model.name}:{model.version} in {self.config_file}"
        return deployment

    def _apply(self, deployment: Deployment) -> None:
        wanted = f"{deployment.model}:{deployment.version}"
        with self.report.step("apply") as step:
            there = self.workspace.endpoint(self.stack.endpoint).deployments
            step.done_before = there.get(deployment.name) == wanted
            step.result = f"deployment {deployment.name} of {wanted}"
            if not step.done_before:
                self._run_apply()

    def _run_apply(self) -> None:
        try:
            with self.report.handed_over():
                done = subprocess.run(self.apply, stdout=sys.stderr, check=False)
        except OSError as error:
            raise UsageError(f"--apply {shlex.join(self.apply)}: cannot be run", why=str(error)) from None
        if done.returncode != 0:
            raise OpsError(
                f"apply ended with exit code {done.returncode}",
                why=f"{shlex.join(self.apply)}; its messages are above",
                repair="correct what they name and run the same command again",
            )

    def _roll_out(self, deployment: Deployment) -> None:
        with self.report.step("rollout") as step:
            gate = ModelGate(self.workspace, self.stack.endpoint, deployment.name, Budget())
            rollout = Rollout(azure=self.workspace, name=self.stack.endpoint, gate=gate, step=step)
            step.result = show(rollout.run(deployment.name))


def _main(given: argparse.Namespace) -> dict[str, object]:
    config_file = given.config_file or Path(f"Pulumi.{given.stack}.yaml")
    # All that can be wrong in files is found before anything is asked of Azure.
    stack, file = Stack.read(given.outputs), ReleaseFile.read(given.release_file)
    StackFile(config_file)
    file.environment_asset(stack)
    report = Report()
    with report.step("connect") as step:
        workspace = Workspace(stack)
        step.result = f"workspace {stack.workspace}"
    release = Release(
        stack=stack,
        file=file,
        config_file=config_file,
        apply=shlex.split(given.apply),
        reason=given.reason,
        report=report,
        workspace=workspace,
        outputs=given.outputs,
        quiet=given.json,
    )
    return release.run()


def parser() -> argparse.ArgumentParser:
    """The arguments of this command."""
    made = command.parser("release", __doc__.partition("\n")[0])
    made.add_argument("--apply", required=True, metavar="COMMAND", help="applies the stack")
    made.add_argument("--stack", default="dev", help="its Pulumi.<stack>.yaml is edited (%(default)s)")
    made.add_argument("--config-file", type=Path, metavar="FILE", help="edit this file instead")
    made.add_argument("--reason", default="release", help="why the model is made; kept on its version (%(default)s)")
    made.add_argument("--release-file", type=Path, default=DEFAULT, metavar="FILE", help="(%(default)s)")
    return made


if __name__ == "__main__":
    sys.exit(command.run(parser(), _main))
