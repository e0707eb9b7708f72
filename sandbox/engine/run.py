"""The four things an engine does with a stack: preview, up, refresh, destroy."""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from sandbox.engine import config, program, recovery
from sandbox.engine.config import Project
from sandbox.engine.deleting import Waves, waves
from sandbox.engine.deployment import Deployment, as_made
from sandbox.engine.events import Diagnostic, Emit, Event, Mode, Op, Outcome, Summary
from sandbox.engine.hiding import Hiding
from sandbox.engine.journal import Edit, Journal, Key
from sandbox.engine.locking import hold
from sandbox.engine.monitor import Engine, Monitor
from sandbox.engine.providers import PREFIX, Factory, Providers
from sandbox.engine.state import Resource
from sandbox.home import Home
from sandbox.provider import packages
from sandbox.provider.base import ProviderError
from sandbox.store import snapshot
from sandbox.store.migrate import StateError

_THREADS = 16
T = TypeVar("T")


@dataclass(frozen=True)
class Request:
    """What to do with which stack.

    Attributes:
        mode: ``up``, ``preview``, ``refresh`` or ``destroy``.
        folder: where Pulumi.yaml and ``__main__.py`` are.
        stack: the stack's name.
        home: the sandbox's folder, which holds the state.
        offline: ask no cloud; a preview can do without.
    """

    mode: Mode
    folder: Path
    stack: str
    home: Home
    offline: bool = False


def run(request: Request, emit: Emit, factories: Mapping[str, Factory] | None = None) -> Outcome:
    """Do it, telling `emit` what happens; the outcome says whether it went well.

    Args:
        request: what to do.
        emit: called from several threads.
        factories: provider packages; None for those that the sandbox has.

    Raises:
        ConfigError: the project or the stack's configuration is wrong.
        StackLockedError: another run holds the stack.
        StateError: the state is damaged or cannot be written.
    """
    started = time.monotonic()
    project = config.load(request.folder.resolve(), request.stack)
    hiding = Hiding(project.config[key] for key in project.secret_keys if key in project.config)
    emit = hiding.around(emit)
    preview = request.mode == "preview"
    if factories is None:
        factories = packages.factories(request.home, project.name, project.config, offline=request.offline)
    with nullcontext() if preview else hold(request.home, request.stack, request.mode):
        journal = Journal.open(request.home, request.stack, write=not preview)
        good = False
        providers = Providers(factories, project.of_package)
        try:
            deployment = Deployment(journal, providers, emit, preview=preview, naming=project.naming)
            _Run(request, project, deployment, emit, hiding).do()
            good = not deployment.failed
        finally:
            providers.close()
            journal.close()
        if good and not preview:
            _keep_copy(request.home, emit)
    outputs = next((each.outputs for each in journal.current.values() if each.type == "pulumi:pulumi:Stack"), {})
    counts = {} if deployment.mistaken else dict(deployment.counts)
    emit(Summary(request.mode, good, counts, time.monotonic() - started))
    return Outcome(good, counts, tuple(deployment.declared), outputs, mistaken=deployment.mistaken)


def _keep_copy(home: Home, emit: Emit) -> None:
    """What was done is done, with or without a copy of it."""
    try:
        snapshot.take(home)
    except StateError as error:
        emit(Diagnostic("warning", f"all is done, but no copy of the state could be kept: {error}"))


class _Run:
    def __init__(self, request: Request, project: Project, deployment: Deployment, emit: Emit, hiding: Hiding) -> None:
        self._hiding = hiding
        self._request = request
        self._project = project
        self._deployment = deployment
        self._emit: Callable[[Event], None] = emit
        self._journal = deployment.journal

    def do(self) -> None:
        if self._deployment.preview:
            recovery.announce(self._deployment)
        elif not recovery.settle(self._deployment):
            return
        if self._request.mode == "destroy":
            self._delete({(urn, 0): each for urn, each in self._journal.current.items()})
        elif self._request.mode == "refresh":
            self._refresh()
        else:
            self._program()

    def _program(self) -> None:
        deployment, project = self._deployment, self._project
        monitor = Monitor(deployment, project.name, project.stack)
        try:
            program.run(project, monitor, Engine(self._emit), preview=deployment.preview)
        except program.ProgramError as error:
            message = str(error)
            if not error.mistake:
                log = self._request.home.logs / "program.log"
                log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                log.write_text(self._hiding.hide(error.details), encoding="utf-8")
                message = f"{message}; the whole traceback is in {log}"
            deployment.fail(message, where=error.where, mistake=error.mistake)
        if deployment.failed:
            return
        self._delete({
            (urn, 0): each for urn, each in self._journal.current.items() if urn not in deployment.seen
        })  # fmt: skip

    def _delete(self, undeclared: Mapping[Key, Resource]) -> None:
        """Delete what is no longer declared and what was replaced, dependents first."""
        protected = [each for each in undeclared.values() if each.protect]
        for each in protected:
            self._deployment.fail(
                "it is protected and would be deleted. To delete it, take protect away (its own, or that of the "
                "component around it), run up, and then remove it", each.urn,
            )  # fmt: skip
        if protected:
            return
        doomed = {**undeclared, **self._journal.retired}
        leaving = {urn for urn, _ in doomed}
        for wave in self._waves(doomed):
            _each(lambda item: self._delete_one(item[0], item[1], leaving), wave)
            if self._deployment.failed:
                return

    def _waves(self, doomed: Mapping[Key, Resource]) -> Waves:
        renamed = self._deployment.renamed
        return waves(doomed.items(), lambda urn: renamed.get(urn, urn))

    def _delete_one(self, key: Key, resource: Resource, leaving: set[str]) -> None:
        if resource.pending_replacement:  # it is gone already, and its successor is no longer wanted
            self._journal.end(None, Edit(drop={key}), wait=False)
            return
        gone = resource.deleted_with in leaving or resource.type.startswith(PREFIX)
        op: Op = (
            "forget" if resource.retain_on_delete or resource.external else "delete-replaced" if key[1] else "delete"
        )
        try:
            self._deployment.delete(resource, key[1], op, gone=gone or op == "forget")
        except ProviderError as error:
            self._deployment.fail(str(error), resource.urn)

    def _refresh(self) -> None:
        _each(self._refresh_one, list(self._journal.current.values()))

    def _refresh_one(self, resource: Resource) -> None:
        deployment = self._deployment
        if not resource.custom or resource.type.startswith(PREFIX) or resource.pending_replacement:
            return
        started = deployment.start("refresh", resource.urn, resource.type)
        try:
            provider = deployment.providers.find(resource.type, resource.provider)
            found = provider.read(resource.urn, resource.id, resource.inputs, resource.outputs)
        except ProviderError as error:
            deployment.done("refresh", resource.urn, resource.type, started, error=str(error))
            deployment.fail(str(error), resource.urn)
            return
        if found is None:
            self._journal.end(None, Edit(drop={(resource.urn, 0)}))
            deployment.done("delete", resource.urn, resource.type, started, resource_id=resource.id)
            return
        state = replace(as_made(resource, found), external=resource.external)
        if state == resource:
            deployment.done("same", resource.urn, resource.type, started, resource_id=resource.id)
            return
        self._journal.end(None, Edit(put={(resource.urn, 0): state}), wait=False)
        diff = provider.diff(resource.urn, resource.id, resource.inputs, resource.outputs, state.inputs)
        op: Op = "update" if diff.changes or state.problems else "same"
        deployment.done(op, resource.urn, resource.type, started, resource_id=resource.id, changes=diff.changes)


def _each(work: Callable[[T], None], items: Sequence[T]) -> None:
    """Work on several at once. Interrupted: what is under way comes to its end, what waits is not begun."""
    threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="resource")
    try:
        for done in [threads.submit(work, item) for item in items]:
            done.result()
    finally:
        threads.shutdown(wait=True, cancel_futures=True)
