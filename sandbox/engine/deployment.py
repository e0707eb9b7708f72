"""One run over one stack: each registration becomes steps, each step is written down before and after."""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

from sandbox.engine.deleting import waves
from sandbox.engine.events import Declared, Emit, Op
from sandbox.engine.journal import Edit, Journal, Key
from sandbox.engine.plan import Goal, Plan, RefusedError, decide, follows, unknown_inputs
from sandbox.engine.providers import PREFIX, Providers
from sandbox.engine.report import Report
from sandbox.engine.state import Resource
from sandbox.provider.base import Change, Made, Naming, OfflineError, Provider, ProviderError
from sandbox.store.migrate import StateError
from sandbox.values import Props, has_unknown, keep_secrets, masked, secret


@dataclass(frozen=True)
class Answer:
    """What a registration returns to the program; `failed` makes its outputs unknown there."""

    urn: str
    id: str = ""
    outputs: Props | None = None
    failed: bool = False


class Deployment(Report):
    """Applies registrations of a program, from several threads, to a stack.

    Args:
        journal: the stack's state.
        providers: who makes what.
        emit: is told what happens.
        preview: nothing is done, only reported.
        naming: how resources without a name get one.

    Attributes:
        declared: resources with a provider, in the order in which they were declared.
        renamed: URN in the state of the last run to the URN that the program gives the resource now.
        known_as: the same the other way round.
        seen: URNs that the program has declared, and those that its aliases claimed.
    """

    def __init__(self, journal: Journal, providers: Providers, emit: Emit, *, preview: bool, naming: Naming) -> None:
        super().__init__(emit, preview=preview)
        self.journal = journal
        self.providers = providers
        self.declared: list[Declared] = []
        self.renamed: dict[str, str] = {}
        self.known_as: dict[str, str] = {}
        self._naming = naming
        self._replacing = threading.RLock()
        self.seen: set[str] = set()
        self._made_room: dict[str, Mapping[str, Change]] = {}

    # What the program asks

    def register(self, goal: Goal) -> Answer:
        """Make one resource what the program declares."""
        with self._guard:
            twice = goal.urn in self.seen and goal.urn not in self.renamed
            self.seen.add(goal.urn)
        if twice:
            self.fail("two resources of this type have this name; give one of them another", goal.urn)
            return Answer(goal.urn, failed=True)
        if self.failed and not self.preview:
            return Answer(goal.urn, failed=True)  # the run is ending: nothing new is begun
        try:
            return self._apply(goal, self._predecessor(goal))
        except RefusedError as refusal:
            for problem in refusal.problems:
                self.fail(problem, goal.urn, mistake=goal.type.startswith(PREFIX))
        except (ProviderError, StateError) as error:
            self.fail(str(error), goal.urn)
        return Answer(goal.urn, failed=True)

    def register_outputs(self, urn: str, outputs: Props) -> None:
        """Keep what a component, or the stack, exports."""
        with self._guard:
            resource = self.journal.current.get(urn)
        if resource is None:
            return
        # After a failure some are not known; what they were is nearer to the truth.
        known = {name: resource.outputs.get(name) if has_unknown(value) else value for name, value in outputs.items()}
        lacks = (
            tuple(f"it does not export {name} yet" for name in outputs if known[name] is None) if self.failed else ()
        )
        outputs = {name: value for name, value in known.items() if value is not None} if self.failed else outputs
        state = replace(resource, outputs=outputs, problems=lacks)
        if resource != state:
            self.journal.end(None, Edit(put={(urn, 0): state}), wait=False)

    def read(self, goal: Goal, resource_id: str) -> Answer:
        """Look at a resource that somebody else made."""
        with self._guard:
            self.seen.add(goal.urn)
        started = self.start("read", goal.urn, goal.type)
        try:
            made = self.providers.find(goal.type, goal.resource.provider).read(goal.urn, resource_id, None, goal.inputs)
            if made is None:
                raise ProviderError(f"'{resource_id}' does not exist")
        except OfflineError:
            return self._unread(goal, resource_id, started)
        except ProviderError as error:
            self.done("read", goal.urn, goal.type, started, error=str(error))
            self.fail(str(error), goal.urn)
            return Answer(goal.urn, failed=True)
        outputs = _secretive(keep_secrets(made.outputs, goal.inputs), goal.resource)
        state = replace(goal.resource, id=made.id, inputs=goal.inputs, outputs=outputs, external=True)
        with self._guard:
            old = self.journal.current.get(goal.urn)
        if old is not None and not old.external and old.id != made.id:
            # What the stack made under this name is no longer declared: it goes like one that was replaced.
            retired = Edit(put={(goal.urn, 0): state, (goal.urn, self.journal.slot()): old})
            self.journal.end(None, retired)
        else:
            self._keep(state, old)
        self.done("read", goal.urn, goal.type, started, resource_id=made.id)
        return Answer(goal.urn, made.id, state.outputs)

    def _unread(self, goal: Goal, resource_id: str, started: float) -> Answer:
        """In a preview that asks nobody: as the last run saw it, or else not known."""
        with self._guard:
            old = self.journal.current.get(goal.urn)
        self.done("read", goal.urn, goal.type, started, resource_id=resource_id)
        seen = old.outputs if old is not None and old.external and old.id == resource_id else goal.inputs
        return Answer(goal.urn, resource_id, seen)

    # Steps

    def _predecessor(self, goal: Goal) -> Resource | None:
        with self._guard:
            if claimed := self.renamed.get(goal.urn):
                raise RefusedError(f"{claimed} claims by an alias to have been this resource; take the alias away")
            for urn in (goal.urn, *goal.aliases):
                if urn != goal.urn and (urn in self.renamed or (urn in self.seen and urn in self.journal.current)):
                    raise RefusedError(
                        f"its alias {urn} belongs to {self.renamed.get(urn, 'a resource that is declared')}; "
                        "one resource cannot become two: take the alias away"
                    )
                old = self.journal.current.get(urn)
                if old is None:
                    continue
                if urn != goal.urn:
                    self._rename(old, goal)
                return None if old.external and goal.custom else old
        return None

    def _rename(self, old: Resource, goal: Goal) -> None:
        """Note that a resource has another name now; in the state, who stands on it says so from here on."""
        self.seen.add(old.urn)
        self.renamed[old.urn] = goal.urn
        self.known_as[goal.urn] = old.urn
        rows = {(each.urn, 0): each for each in self.journal.current.values()} | self.journal.retired
        edit = Edit(put={
            key: each.pointing(old.urn, goal.urn)
            for key, each in rows.items() if (key[1] or key[0] not in self.seen) and each.points_at(old.urn)
        })  # fmt: skip
        if edit.put:
            self.journal.end(None, edit, wait=False)

    def _apply(self, goal: Goal, old: Resource | None) -> Answer:
        if not goal.custom:
            return self._component(goal, old)
        if not self.preview and (names := unknown_inputs(goal)):
            raise RefusedError(f"{', '.join(names)}: made from a resource that could not be made")
        provider = self.providers.find(goal.type, goal.resource.provider)
        cleared = self._cleared(old)
        plan = decide(goal, None if cleared is not None else old, provider, self._naming)
        if goal.type.startswith(PREFIX):
            self.providers.declare(goal.urn, plan.inputs)
        with self._guard:
            self.declared.append(Declared(goal.urn, goal.type, masked(plan.inputs)))
        if old is None:
            return self._create(goal, None, plan, provider)
        if cleared is not None:
            return self._create(goal, old, replace(plan, changes=cleared), provider, cleared=True)
        if plan.op == "replace":
            if plan.delete_first:
                self._make_room(old, plan.changes)
            return self._create(goal, old, plan, provider, cleared=plan.delete_first)
        return self._update(goal, old, plan, provider) if plan.op == "update" else self._same(goal, old, plan)

    def _cleared(self, old: Resource | None) -> Mapping[str, Change] | None:
        """Why the predecessor was deleted already, or None when it was not."""
        if old is None:
            return None
        with self._replacing:
            return self._made_room.get(old.urn, {} if old.pending_replacement else None)

    def _component(self, goal: Goal, old: Resource | None) -> Answer:
        started = time.monotonic()
        outputs, problems = (old.outputs, old.problems) if old else ({}, ())
        state = replace(goal.resource, inputs=goal.inputs, outputs=outputs, problems=problems)
        op: Op = "create" if old is None else "same" if old.inputs == goal.inputs else "update"
        self._keep(state, old)
        self.done(op, goal.urn, goal.type, started)
        return Answer(goal.urn, outputs=goal.inputs)

    def _same(self, goal: Goal, old: Resource, plan: Plan) -> Answer:
        started = time.monotonic()
        state = replace(goal.resource, id=old.id, inputs=plan.inputs, outputs=_secretive(old.outputs, goal.resource))
        self._keep(state, old)
        self.done("same", goal.urn, goal.type, started, resource_id=old.id)
        return Answer(goal.urn, old.id, state.outputs)

    def _keep(self, state: Resource, old: Resource | None = None) -> None:
        """Write the row down if it is not what it was; a new run would write it again, so nobody waits."""
        if state == old:
            return
        drop = {(old.urn, 0)} if old and old.urn != state.urn else set()
        self.journal.end(None, Edit(put={(state.urn, 0): state}, drop=drop), wait=False)

    def _create(
        self, goal: Goal, old: Resource | None, plan: Plan, provider: Provider, *, cleared: bool = False
    ) -> Answer:
        op: Op = "create" if old is None else "create-replacement"
        started = self.start(op, goal.urn, goal.type)
        state = replace(goal.resource, inputs=plan.inputs)
        edit = Edit()
        number = None
        try:
            if self.preview:
                made = provider.create(goal.urn, plan.inputs, preview=True, timeout=0)
                made = replace(made, id="")
            else:
                state = replace(state, id=provider.claim(goal.urn, plan.inputs))
                number = self.journal.begin("replace" if old and not cleared else "create", state)
                made = provider.create(goal.urn, plan.inputs, preview=False, timeout=goal.timeouts.get("create", 0))
        except ProviderError as error:
            self._broken(number, state, error, retire=None if cleared else old)
            self.done(op, goal.urn, goal.type, started, error=str(error))
            raise
        state = as_made(state, made)
        edit.put[goal.urn, 0] = state
        if old is not None:
            if old.urn != goal.urn:
                edit.drop.add((old.urn, 0))
            if not cleared:
                edit.put[goal.urn, self.journal.slot()] = replace(old, urn=goal.urn)
        self.journal.end(number, edit)
        self.done(op, goal.urn, goal.type, started, resource_id=state.id, changes=plan.changes)
        if old is not None:
            self.done("replace", goal.urn, goal.type, started, resource_id=state.id, changes=plan.changes)
        return Answer(goal.urn, state.id, state.outputs)

    def _update(self, goal: Goal, old: Resource, plan: Plan, provider: Provider) -> Answer:
        started = self.start("update", goal.urn, goal.type)
        state = replace(goal.resource, id=old.id, inputs=plan.inputs, outputs=old.outputs)
        number = None
        try:
            if not self.preview:
                number = self.journal.begin("update", state)
            made = provider.update(
                goal.urn, old.id, old.inputs, old.outputs, plan.inputs,
                preview=self.preview, timeout=goal.timeouts.get("update", 0),
            )  # fmt: skip
        except ProviderError as error:
            self._broken(number, state, error)
            self.done("update", goal.urn, goal.type, started, changes=plan.changes, error=str(error))
            raise
        state = as_made(state, made)
        drop = {(old.urn, 0)} if old.urn != goal.urn else set()
        self.journal.end(number, Edit(put={(goal.urn, 0): state}, drop=drop))
        self.done("update", goal.urn, goal.type, started, resource_id=state.id, changes=plan.changes)
        return Answer(goal.urn, state.id, state.outputs)

    def _broken(
        self, number: int | None, state: Resource, error: ProviderError, retire: Resource | None = None
    ) -> None:
        """Write down what is there after a failure. What is not certain stays an intent for the next run."""
        if number is None or error.uncertain:
            return
        edit = Edit()
        if error.partial is not None:
            made = replace(error.partial, problems=error.partial.problems or (error.message,))
            edit.put[state.urn, 0] = as_made(state, made)
            if retire is not None:
                edit.put[state.urn, self.journal.slot()] = replace(retire, urn=state.urn)
                if retire.urn != state.urn:
                    edit.drop.add((retire.urn, 0))
        self.journal.end(number, edit)

    def _make_room(self, old: Resource, changes: Mapping[str, Change]) -> None:
        """Delete a resource before its successor is made, and before it what cannot stay without it."""
        with self._replacing:
            doomed = [(old, changes)]
            replaced = {old.urn}
            for resource in self._dependents(old):
                diff = follows(resource, replaced, self.providers.find(resource.type, resource.provider))
                if diff is None or resource.urn in self._made_room:
                    continue
                if resource.protect:
                    raise RefusedError(
                        f"replacing it replaces {resource.urn}, which is protected; take its protect away first"
                    )
                replaced.add(resource.urn)
                doomed.append((resource, diff.changes))
            leaving = {resource.urn for resource, _ in doomed} | self._made_room.keys()
            for resource, why in reversed(doomed):
                gone = resource.retain_on_delete or resource.deleted_with in leaving
                self.delete(resource, 0, "delete-replaced", keep=True, gone=gone)
                self._made_room[resource.urn] = why

    def _dependents(self, root: Resource) -> list[Resource]:
        """What stands on a resource, directly or not, and is not registered yet; each after what it stands on."""
        with self._guard:
            others = [each for each in self.journal.current.values() if each.urn not in self.seen]
        found: dict[Key, Resource] = {}
        reached = {root.urn}
        while nearer := [each for each in others if each.urn not in reached and each.needs() & reached]:
            found |= {(each.urn, 0): each for each in nearer}
            reached |= {each.urn for each in nearer}
        return [each for wave in reversed(waves(found.items())) for _, each in wave]

    def delete(self, resource: Resource, slot: int, op: Op, *, keep: bool = False, gone: bool = False) -> None:
        """Delete one resource. `keep` leaves a note that a successor is due; `gone` spares the provider the call.

        Raises:
            ProviderError: it could not be deleted.
        """
        started = self.start(op, resource.urn, resource.type)
        number = None
        if resource.custom and not resource.external and not gone and not self.preview:
            try:
                provider = self.providers.find(resource.type, resource.provider)
                number = self.journal.begin("unmake" if keep else "delete", resource, slot)
                provider.delete(resource.urn, resource.id, resource.inputs, resource.outputs, timeout=0)
            except ProviderError as error:
                if number is not None and not error.uncertain:
                    self.journal.end(number, Edit())
                self.done(op, resource.urn, resource.type, started, resource_id=resource.id, error=str(error))
                raise
        key = (resource.urn, slot)
        noted = Edit(put={key: replace(resource, pending_replacement=True)}) if keep else Edit(drop={key})
        self.journal.end(number, noted)
        self.done(op, resource.urn, resource.type, started, resource_id=resource.id)


def as_made(state: Resource, made: Made) -> Resource:
    """The resource with what the provider said about it; what was secret going in is secret coming out."""
    outputs = keep_secrets(made.outputs, state.inputs)
    inputs = state.inputs if made.inputs is None else keep_secrets(made.inputs, state.inputs)
    return replace(
        state, id=made.id, inputs=inputs, outputs=_secretive(outputs, state), problems=made.problems, external=False
    )


def _secretive(outputs: Props, resource: Resource) -> Props:
    return {
        name: secret(value) if name in resource.additional_secret_outputs else value for name, value in outputs.items()
    }
