"""What has to be done so that a resource becomes what the program declares. Nothing is done here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from sandbox.engine.state import Resource
from sandbox.provider import diffing
from sandbox.provider.base import Change, Checked, Diff, Kind, Naming, Provider
from sandbox.values import UNKNOWN, Props, has_unknown, keep_secrets


class RefusedError(Exception):
    """The resource cannot be made as declared. Each problem is one message."""

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, kw_only=True)
class Goal:
    """One registration of the program.

    Attributes:
        urn: its name.
        type: its Pulumi type.
        custom: a provider makes it.
        inputs: what the program gave; secrets and unknowns marked.
        resource: everything else that is written down about it.
        aliases: URNs that it may have been known by.
        ignore_changes: property paths that keep their old values.
        replace_on_changes: property paths whose change replaces the resource.
        delete_before_replace: the program's wish, None when it has none.
        timeouts: seconds for ``create``, ``update``, ``delete``; 0 for the provider's own.
    """

    urn: str
    type: str
    custom: bool
    inputs: Props
    resource: Resource
    aliases: tuple[str, ...] = ()
    ignore_changes: tuple[str, ...] = ()
    replace_on_changes: tuple[str, ...] = ()
    delete_before_replace: bool | None = None
    timeouts: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """The decision.

    Attributes:
        op: what to do.
        inputs: checked inputs.
        changes: why, by property path.
        delete_first: for a replacement: the old one goes before the new one comes.
    """

    op: Literal["same", "create", "update", "replace"]
    inputs: Props
    changes: Mapping[str, Change] = field(default_factory=dict)
    delete_first: bool = False


def decide(goal: Goal, old: Resource | None, provider: Provider, naming: Naming) -> Plan:
    """Compare what is declared with what is there.

    Raises:
        RefusedError: the inputs are wrong, or a protected resource would have to be replaced.
        ProviderError: the provider could not tell.
    """
    wanted = goal.inputs
    if old is None or old.pending_replacement:
        return Plan("create", _checked(goal, None, wanted, provider, naming))
    if goal.ignore_changes:
        wanted = diffing.keep(wanted, old.inputs, list(goal.ignore_changes))
    inputs = _checked(goal, old.inputs, wanted, provider, naming)
    diff = provider.diff(goal.urn, old.id, old.inputs, old.outputs, inputs)
    changes = _forced(diff.changes, goal.replace_on_changes)
    if any(change.replace for change in changes.values()):
        if old.protect and goal.resource.protect:
            names = ", ".join(path for path, change in changes.items() if change.replace)
            raise RefusedError(
                f"it is protected, and a change of {names} replaces it. To replace it, take protect away "
                "(its own, or that of the component around it), run up, and then make the change"
            )
        first = diff.delete_before_replace if goal.delete_before_replace is None else goal.delete_before_replace
        # A successor does not inherit what was filled in for its predecessor, such as a random name.
        return Plan("replace", _checked(goal, None, wanted, provider, naming), changes, first)
    if changes or old.problems:
        return Plan("update", inputs, changes)
    return Plan("same", inputs)


def follows(resource: Resource, replaced: set[str], provider: Provider) -> Diff | None:
    """How a resource has to be replaced because others are, or None when it has not to be.

    Inputs made from a replaced resource are not known until there is a new one; whether that can be an update is
    the provider's to say.
    """
    if not resource.custom or resource.external:
        return None
    if resource.provider.rpartition("::")[0] in replaced:
        return Diff({"provider": Change(Kind.UPDATE, replace=True)})
    touched = {name for name, urns in resource.property_dependencies.items() if replaced & set(urns)}
    touched &= set(resource.inputs)
    if not touched:
        return None
    guess = {name: UNKNOWN if name in touched else value for name, value in resource.inputs.items()}
    diff = provider.diff(resource.urn, resource.id, resource.inputs, resource.outputs, guess)
    return diff if diff.replaces else None


def _checked(goal: Goal, old: Props | None, new: Props, provider: Provider, naming: Naming) -> Props:
    checked: Checked = provider.check(goal.urn, old, new, naming)
    if checked.failures:
        raise RefusedError(*(f"{path}: {reason}" if path else reason for path, reason in checked.failures))
    inputs: Props = keep_secrets(checked.inputs, new)
    return inputs


def _forced(changes: Mapping[str, Change], paths: tuple[str, ...]) -> dict[str, Change]:
    patterns = [diffing.parse(path) for path in paths]
    return {
        path: Change(
            change.kind, change.replace or any(diffing.matches(each, diffing.parse(path)) for each in patterns)
        )
        for path, change in changes.items()
    }


def unknown_inputs(goal: Goal) -> list[str]:
    """Inputs that are not known although they should be: outside a preview that is the program's mistake."""
    return [name for name, value in goal.inputs.items() if has_unknown(value)]
