"""Where the version that a release deploys comes from: trained here, named, or promoted from another stack."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from ops import command
from ops.command import OpsError, UsageError
from ops.commit import is_clean
from ops.model import Recipe
from ops.register import CHAMPION, FINGERPRINT, GATES, NO_CHAMPION, ORIGIN, PASSED, Models, newest, register
from ops.registry import Registry, model_id
from ops.report import Report
from ops.stack import Model, Stack
from ops.submit import TIMEOUT, Jobs, code_commit, fingerprint, follow, submit, training_of
from ops.views import EndpointView, ModelVersion


class Cloud(Jobs, Models, Protocol):
    """What training and registering need from a workspace."""


def check(version: ModelVersion, *, clean_commit: bool, outputs: str = "") -> None:
    """Refuses a version that may not go live.

    Args:
        version: to deploy or to promote.
        clean_commit: its code has to be committed.
        outputs: of the stack that trains it, where that is not the one at hand.

    Raises:
        OpsError: its gates did not pass, none are recorded, or its commit is not clean.
    """
    verdict = version.properties.get(GATES, "no gate is recorded on it")
    if verdict != PASSED:
        raise OpsError(
            f"model {version.reference} may not go live: {verdict}",
            repair="take a version that passed, or train a better one",
        )
    commit = version.properties.get("commit", "")
    if clean_commit and not is_clean(commit):
        own = {"outputs": outputs, "stack": Path(outputs).stem} if outputs else {}
        again = command.next_command("release", again=True, model=version.name, **own)
        raise OpsError(
            f"model {version.reference} may not go live: its code is that of commit {commit or 'unknown'}",
            why="what made it cannot be made again from a commit",
            repair=f"commit the code, {'' if command.beneath_make() else 'apply, '}then train again: {again}",
        )


@dataclass(frozen=True, kw_only=True)
class Trained:
    """How a model's versions are trained.

    Attributes:
        azure: the workspace.
        recipe: what the model's file says.
        reason: kept on a version that is made.
        again: train although nothing changed.
        timeout: seconds to wait for a run.
    """

    azure: Cloud
    recipe: Recipe
    reason: str
    again: bool = False
    timeout: float = TIMEOUT

    def known(self, model: Model, view: EndpointView) -> tuple[ModelVersion | None, str | None]:
        """The version of the present inputs, None where it has to be trained; and the champion to compare one with.

        A version that was judged against another champion than the present one proves nothing any more: it is judged
        again, by a run that gives the same model.
        """
        versions = self.azure.models(model.name)
        live = next((known for known in versions if known.reference == view.champion), None)
        if live and ORIGIN in live.properties and not self.again:
            return live, None
        mark = fingerprint(training_of(model), self.recipe.file.training.inputs)
        # One that was trained elsewhere cannot be asked by these pipelines.
        champion = live.reference if live and "run" in live.properties else None

        def fits(known: ModelVersion) -> bool:
            if self.again or known.tags.get(FINGERPRINT) != mark:
                return False
            return known.reference == view.champion or known.properties.get(CHAMPION) == (champion or NO_CHAMPION)

        return live if live and fits(live) else newest(versions, fits), champion

    def version(self, model: Model, view: EndpointView, report: Report) -> ModelVersion:
        """The version of the present inputs: the live one, one that was judged against it, or a new one."""
        found, champion = self.known(model, view)
        if found and ORIGIN in found.properties:
            with report.step("train") as step:
                step.done_before = True
                step.result = (
                    f"live is {found.reference} of {found.properties[ORIGIN]}; {command.option('again')} replaces it"
                )
            return found
        file, training = self.recipe.file, training_of(model)
        with report.step("train") as step:
            if found:
                step.done_before, step.result = True, f"run {found.properties.get('run')}, same inputs as now"
            else:
                commit = code_commit(training, file)
                run, is_new = submit(self.azure, model, file, commit, champion, again=self.again)
                step.done_before = not is_new and run.finished
                run = follow(self.azure, run, step, self.timeout, training.compute)
                step.result = f"run {run.name}: {run.status}"
        with report.step("register") as step:
            if found:
                step.done_before, step.result = True, f"model {found.reference}"
                return found
            made, is_new = register(self.azure, model.name, run, commit.author, self.reason)
            step.done_before, step.result = not is_new, f"model {made.reference}"
        return made


@dataclass(frozen=True, kw_only=True)
class Library:
    """The models of the registry, and of the stack that promotes them.

    Attributes:
        stack: that models are promoted to.
        source: that they come from; None when versions are named.
    """

    stack: Stack
    source: Stack | None
    _open: dict[str, Any] = field(default_factory=dict)

    def registry(self) -> Registry:
        """The registry, opened once.

        Raises:
            UsageError: neither stack names one.
        """
        name = self.stack.registry or (self.source.registry if self.source else None)
        if name is None:
            raise UsageError(
                f"{self.stack.file}: registry is null, and models are promoted through one",
                repair="declare mlops:registry in the stack that models come from and apply it",
            )
        if "registry" not in self._open:
            self._open["registry"] = Registry(name)
        found: Registry = self._open["registry"]
        return found

    def live_version(self, model: str) -> str:
        """The version that is live in the stack that models come from.

        Raises:
            OpsError: nothing is live there.
        """
        from ops.workspace import Workspace

        if self.source is None:
            raise UsageError(f"model {model} is promoted: say which version with --version or --from-outputs")
        if "source" not in self._open:
            self._open["source"] = Workspace(self.source)
        champion = self._open["source"].endpoint(self.source.model(model).endpoint).champion
        if champion is None:
            raise OpsError(f"model {model} is not live in {self.source.file}", repair="release it there first")
        return str(champion).partition(":")[2]


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where the versions of one model come from.

    Attributes:
        model: of the stack.
        library: registry and stack that a promoted model comes from.
        trained: how a model of this stack is made.
        asked: version that was asked for by number.
    """

    model: Model
    library: Library
    trained: Trained
    asked: str | None

    def known(self, view: EndpointView) -> tuple[ModelVersion | None, str]:
        """The version that would be deployed, None where it has to be trained; and how a deployment refers to it."""
        if self.model.promoted:
            return self._promoted(view)
        version = self._named(self.asked) if self.asked else self.trained.known(self.model, view)[0]
        return version, version.reference if version else ""

    def version(self, view: EndpointView, report: Report) -> tuple[ModelVersion, str]:
        """The version to deploy, and how a deployment refers to it."""
        clean_commit = self.library.stack.clean_commit
        if self.model.promoted:
            with report.step("promoted") as step:
                version, reference = self._promoted(view)
                source = self.library.source
                check(version, clean_commit=clean_commit, outputs=str(source.file if source else "FILE"))
                step.done_before, step.result = True, f"{version.reference} of registry {self.library.registry().name}"
            return version, reference
        asked = self.asked
        version = self._named(asked) if asked else self.trained.version(self.model, view, report)
        # Whoever released a model that was trained elsewhere has decided what its missing gates mean.
        if not (ORIGIN in version.properties and not clean_commit):
            check(version, clean_commit=clean_commit)
        return version, version.reference

    def _promoted(self, view: EndpointView) -> tuple[ModelVersion, str]:
        number = self.asked
        if number is None and self.library.source is None and view.champion:
            number = view.champion.partition(":")[2]  # nobody asks for another one
        number = number or self.library.live_version(self.model.name)
        registry = self.library.registry()
        found = registry.version(self.model.name, number)
        if found is None:
            source, to = self.library.source, str(self.library.stack.file)
            promote = command.next_command(
                "promote", outputs=str(source.file) if source else "FILE", to_outputs=to, to_stack=Path(to).stem,
                reason="TEXT",
            )  # fmt: skip
            raise OpsError(
                f"registry {registry.name} has no model {self.model.name}:{number}", repair=f"promote it: {promote}"
            )
        return found, model_id(registry.name, found.name, found.version)

    def _named(self, number: str) -> ModelVersion:
        versions = self.trained.azure.models(self.model.name)
        found = next((known for known in versions if known.version == number), None)
        if found is None:
            there = ", ".join(known.version for known in versions) or "no version at all"
            raise UsageError(f"--version {number}: model {self.model.name} has no such version", why=f"it has {there}")
        return found
