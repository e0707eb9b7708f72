"""Takes models from their training pipeline, or from the ML registry, to answers that callers get.

    python -m ops.release --outputs FILE --apply "pulumi up -y -s dev" [--stack NAME] [--model NAME] [--reason TEXT]
                          [--version N | --from-outputs FILE] [--again] [--timeout SECONDS] [--before COMMAND] [--json]

The order: train, register, name the deployment in the live file, apply (it comes up at 0 % beside the live one), ask it
by its name, roll it out, take away what has cooled down. A no anywhere gives back what was before: the live file, the
deployments and the traffic. Each step looks first whether its work is done, so running it again goes on where the last
run ended. ``=`` before a step means that its work was found done.

A promoted model is not trained: ``--version`` names the registry's version to deploy, ``--from-outputs`` the stack
whose live version is taken. Where a model is trained, ``--version`` deploys a version that is registered, as it is.

Without ``--model`` each model of the stack is released; one that fails does not keep the next from its turn.
"""

import argparse
import shlex
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from live_file import LiveDeployment
from ops import command, live, model, retire, submit
from ops.command import OpsError, UsageError
from ops.commit import Commit
from ops.deploy import Deployments
from ops.deploy import Endpoint as Deployer
from ops.endpoint import Call
from ops.gate import Budget
from ops.hold import take
from ops.model import Recipe
from ops.origin import Library, Origin, Trained
from ops.probes import ModelGate, Source
from ops.register import Models
from ops.report import Report, Step
from ops.rollout import Rollout
from ops.rollout_state import BlobStore, State, Store
from ops.scoring import Answer, Scorer
from ops.smoke import picture, prove_model, smoke
from ops.stack import Model, Stack
from ops.submit import Jobs
from ops.traffic import Endpoint, look, show
from ops.views import EndpointView, ModelVersion
from ops.workspace import Workspace


class Cloud(Jobs, Models, Endpoint, Source, Deployer, Protocol):
    """What a release needs from a workspace: what its steps need."""


@dataclass(frozen=True, kw_only=True)
class Release:
    """The release of one model.

    Attributes:
        model: of the stack.
        recipe: what its file says.
        origin: where its versions come from.
        deployments: the model's, in this stack.
        azure: the workspace.
        store: the state of the endpoint's rollouts.
        report: where progress goes.
        call: how the endpoint is called.
        quiet: print no closing lines.
    """

    model: Model
    recipe: Recipe
    origin: Origin
    deployments: Deployments
    azure: Cloud
    store: Store
    report: Report
    call: Call
    quiet: bool

    def run(self) -> dict[str, object]:
        """Does what is left to do; returns what is live.

        Raises:
            OpsError: something said no, and everything is as it was; or it cannot be given back, and that is said.
        """
        command.about(self.model.name)
        state, view = look(self.azure, self.store, self.model.endpoint)
        self._check_known(view)
        if (held := state.holds(view.traffic, self.store.now())) and (
            not state.to or state.foreign(view.traffic, self.store.now())
        ):
            with self.report.step("held") as step:
                step.done_before, step.result = True, f"{show(view.traffic)} stays: {held}"
            step.note(self._waiting(view))
            self._close(view, None)
            return self._result(view, None, None)
        self._check_rollout(state, view)
        version, reference = self.origin.version(view, self.report)
        wanted = live.entry(self.model, version, reference)
        answer: Answer | None = None
        if self._is_live(wanted, state, view):
            with self.report.step("live") as step:
                step.done_before, step.result = True, f"{wanted.name} of {version.reference} takes 100 %"
        else:
            answer = self._replace(wanted, version, serves=not state.to and view.traffic == {wanted.name: 100})
        self._retire()
        view = self.azure.endpoint(self.model.endpoint)
        self._close(view, answer)
        return self._result(view, version, answer)

    def _waiting(self, view: EndpointView) -> str:
        """What would be released now, were the traffic not held, and how it is."""
        wanted, version = self._wanted(view)
        lift = command.next_command("rollback", lift=True)
        if wanted and wanted.name in view.traffic:
            return f"nothing was released, and nothing is new; the hold ends with: {lift}"
        new = f"{wanted.name} of {version.reference}" if wanted and version else "a version that a run would train"
        return f"nothing was released; new is {new}; to release it: {lift}, then {command.next_command('release')}"

    def _wanted(self, view: EndpointView) -> tuple[LiveDeployment | None, ModelVersion | None]:
        """What would be live now, and its model; None where that has to be trained."""
        version, reference = self.origin.known(view)
        return (live.entry(self.model, version, reference), version) if version else (None, None)

    def _check_rollout(self, state: State, view: EndpointView) -> None:
        """A rollout that nobody goes on with keeps every other deployment from its turn, so nothing is made for one.

        One that somebody works on may be over by then.
        """
        if not state.to or state.is_held(self.store.now()):
            return
        wanted, _ = self._wanted(view)
        if wanted is None or wanted.name != state.to:
            raise OpsError(
                f"nothing is released: the rollout to {state.to} is under way ({show(view.traffic)})",
                why=f"what is to go live now is {wanted.name if wanted else 'a model that a run would train'}",
                repair=f"give the traffic back with {command.next_command('abort')}, then release; "
                f"or finish it: {command.next_command('rollout', to=state.to)}",
            )

    def _check_known(self, view: EndpointView) -> None:
        """Without its live deployment in the file, an apply would take that away."""
        named = {each.name for each in self.deployments.named()}
        if not set(view.traffic) - named:
            return
        made = {each.name for each in live.restored(list(self.deployments.there().values()), view.traffic, ())}
        if lost := sorted(set(view.traffic) & made - named):
            raise OpsError(
                f"the live file of stack {self.deployments.stack} does not name {', '.join(lost)}, which takes traffic",
                why="a release made it, so the file was lost or is that of another time",
                repair=f"write it again: {command.next_command('live', restore=True)}",
            )

    def _is_live(self, wanted: LiveDeployment, state: State, view: EndpointView) -> bool:
        return not state.to and view.traffic == {wanted.name: 100} and self.deployments.is_up(wanted)

    def _replace(self, wanted: LiveDeployment, version: ModelVersion, *, serves: bool) -> Answer:
        """Brings the deployment up beside the live one and gives it the traffic, or gives everything back.

        Args:
            wanted: to bring up.
            version: its model.
            serves: it is the live one, and only the number of its instances differs.
        """
        before = [each for each in self.deployments.named() if each.name != wanted.name or serves]
        try:
            with ExitStack() as turn:
                with self.report.step("deploy") as step:
                    # Of two releases at once the second would take away what the first brings up.
                    turn.enter_context(take(self.store, say=step.now).kept())
                    step.done_before = self.deployments.is_up(wanted)
                    step.result = f"{wanted.name} of {version.reference}"
                    if not step.done_before:
                        self.deployments.bring_up(wanted, step)
                with self.report.step("smoke") as step:
                    view = self.azure.endpoint(self.model.endpoint)
                    scorer = Scorer(view.uri, self.azure.endpoint_secret(self.model.endpoint))
                    answer, _ = smoke(scorer, self.recipe.smoke, step, wanted.name)
                    prove_model(answer, version.properties, wanted.name)
            with self.report.step("rollout") as step:
                step.result = show(self._rollout(step, wanted).run(wanted.name))
        except OpsError as error:
            self._give_back(before, wanted, error)
            raise
        return answer

    def _rollout(self, step: Step, wanted: LiveDeployment) -> Rollout:
        return Rollout(
            azure=self.azure,
            store=self.store,
            name=self.model.endpoint,
            gate=ModelGate(self.azure, self.model.endpoint, wanted.name, Budget()),
            step=step,
        )

    def _give_back(self, before: Sequence[LiveDeployment], refused: LiveDeployment, cause: OpsError) -> None:
        with self.report.step("give back") as step:
            try:
                state, view = look(self.azure, self.store, self.model.endpoint)
                if state.is_held(self.store.now()) or refused.name in {**view.traffic, **view.mirror}:
                    step.result = f"{refused.name} stays: it is not this release that decides about it now"
                    return
                self.deployments.reduce_to(before)
            except Exception as error:  # noqa: BLE001 - whatever it is, somebody has to know what is left
                raise OpsError(
                    f"{refused.name} could not be taken away: {error}",
                    why=f"it was to be taken away because of this: {cause.what}",
                    repair="it takes no traffic; release again, which begins with it",
                ) from cause
            names = ", ".join(each.name for each in before)
            step.result = f"{refused.name} is gone; named are {names or 'none'}, as before"

    def _retire(self) -> None:
        state, view = look(self.azure, self.store, self.model.endpoint)
        plan = retire.plan(self.deployments.named(), view.traffic, state, self.store.now())
        if plan.leave:
            with self.report.step("retire") as step:
                retire.retire(self.deployments, plan)
                step.result = retire.told(plan)

    def _close(self, view: EndpointView, answer: Answer | None) -> None:
        """Prints how the endpoint is called, and an answer where one was given."""
        if not self.quiet:
            print(f"\n{self.call.card(view.uri)}")
            if answer is not None:
                print(picture(self.recipe.smoke, answer))

    def _result(self, view: EndpointView, version: ModelVersion | None, answer: Answer | None) -> dict[str, object]:
        return {
            "model": version.reference if version else view.champion,
            "deployment": view.live,
            "traffic": view.traffic,
            "uri": view.uri,
            "answer": answer.body if answer is not None else None,
        }


def release_all(runs: dict[str, Callable[[], dict[str, object]]], report: Report) -> dict[str, object]:
    """Releases one model after the other; a failure is told at once and keeps nobody else from its turn.

    When Azure cannot be reached no further one is tried: each would wait for minutes, and end the same.

    Raises:
        OpsError: some failed; names them, and holds what became of the others.
    """
    if len(runs) == 1:
        return {name: run() for name, run in runs.items()}
    results: dict[str, object] = {}
    failed: dict[str, OpsError] = {}
    for name, run in runs.items():
        report.line(name)
        try:
            results[name] = run()
        except Exception as error:  # noqa: BLE001 - whatever it is, the next model has its turn
            failed[name] = error if isinstance(error, OpsError) else command.explain(error)
            report.line(str(failed[name]))
            if isinstance(failed[name], command.UnreachableError):
                failed |= dict.fromkeys([each for each in runs if each not in {**results, **failed}], failed[name])
                break
    if failed:
        raise command.SomeFailedError(f"{len(failed)} of {len(runs)} models were not released", failed, results)
    return results


def _main(given: argparse.Namespace) -> dict[str, object]:
    # All that can be wrong in arguments and files is found before anything is asked of Azure, which imports slowly.
    stack, name, report = Stack.read(given.outputs), command.stack_of(given), Report()
    source = Stack.read(given.from_outputs) if given.from_outputs else None
    models = [stack.model(given.model)] if given.model else list(stack.models.values())
    recipes = model.read([each.name for each in models])
    live.read(name)
    _check(given, stack, models)
    with report.step("connect") as step:
        workspace = Workspace(stack)
        step.result = f"workspace {stack.workspace}"
    if gone := live.forget(name, stack, workspace):
        with report.step("live file") as step:
            step.result = f"{', '.join(gone)}: taken out; the endpoint is gone"
    library = Library(stack=stack, source=source)
    apply = shlex.split(given.apply)

    def made(each: Model) -> Release:
        trained = Trained(
            azure=workspace,
            recipe=recipes[each.name],
            reason=given.reason or "release",
            again=given.again,
            timeout=given.timeout,
        )
        return Release(
            model=each,
            recipe=recipes[each.name],
            origin=Origin(model=each, library=library, trained=trained, asked=given.version),
            deployments=Deployments(
                stack=name, model=each.name, endpoint=each.endpoint, azure=workspace, apply=apply, report=report
            ),
            azure=workspace,
            store=BlobStore(stack.release_store, each.endpoint),
            report=report,
            call=Call(given.outputs, each.name, recipes[each.name].smoke.file, given.before),
            quiet=given.json,
        )

    return release_all({each.name: made(each).run for each in models}, report)


def _check(given: argparse.Namespace, stack: Stack, models: Sequence[Model]) -> None:
    """Arguments that do not fit each other, the stack or the checkout: all of them at once."""
    problems = []
    if not shlex.split(given.apply):
        problems.append("--apply is empty: want the command that applies the stack")
    if given.version and given.from_outputs:
        problems.append("--version and --from-outputs exclude each other")
    if given.version and len(models) > 1:
        problems.append("--version needs --model: a number means something for one model only")
    if stack.clean_commit:
        if not Commit.here().clean:
            problems.append("the checkout is not a commit: this stack takes committed code only (requireCleanCommit)")
        if not all(each.promoted for each in models) and not (given.reason or "").strip():
            problems.append("--reason is missing: this stack asks why a model is made (requireCleanCommit)")
    if problems:
        raise UsageError("; ".join(problems), repair="correct what is named and run the same command again")


def parser() -> command.Parser:
    """The arguments of this command."""
    left = "what is finished is kept, a run goes on in Azure, and no traffic is left half way"
    made = command.parser("release", __doc__.partition("\n")[0], left)
    made.add_argument("--apply", required=True, metavar="COMMAND", help="applies the stack")
    made.add_argument("--reason", help="why the model is made; kept on its version")
    made.add_argument("--version", metavar="N", help="deploy this version")
    made.add_argument(
        "--from-outputs", type=Path, metavar="FILE", help="outputs of the stack that promoted models come from"
    )
    submit.arguments(made)
    made.add_argument("--before", metavar="COMMAND", help="what a new shell runs before the commands that are printed")
    return made


if __name__ == "__main__":
    sys.exit(command.run(parser(), _main))
