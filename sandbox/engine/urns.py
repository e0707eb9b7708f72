"""Uniform resource names: how Pulumi tells resources apart, and which names a resource had before."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

STACK = "pulumi:pulumi:Stack"


@dataclass(frozen=True)
class AliasSpec:
    """A former name of a resource; what is '' is as it is now.

    Attributes:
        parent: URN of the former parent, None when it is the present one, '' when it had none.
    """

    name: str = ""
    type: str = ""
    stack: str = ""
    project: str = ""
    parent: str | None = None


def make(stack: str, project: str, parent: str, type_: str, name: str) -> str:
    """The URN of a resource; a parent's types stand before its own, the stack's do not."""
    above = parent.split("::")[2] if parent else ""
    qualified = f"{above}${type_}" if above and above != STACK else type_
    return f"urn:pulumi:{stack}::{project}::{qualified}::{name}"


def type_of(urn: str) -> str:
    """The resource's own type."""
    return urn.split("::")[2].rpartition("$")[2]


def name_of(urn: str) -> str:
    """The logical name."""
    return urn.split("::", 3)[3]


def former(urn: str, parent: str, aliases: Sequence[str | AliasSpec], known_as: Mapping[str, str]) -> list[str]:
    """Every URN that the resource may be known by, the given aliases first, then those that its parent implies.

    Args:
        urn: its name now.
        parent: URN of its parent, '' for none.
        aliases: what the program says it was called.
        known_as: URN to the URN under which the state of the last run has that resource, where the two differ.
    """
    stack, project = urn.removeprefix("urn:pulumi:").split("::")[:2]
    given = [
        alias if isinstance(alias, str) else _spelled(alias, urn, stack, project, parent, known_as)
        for alias in aliases
    ]  # fmt: skip
    found = dict.fromkeys(given)
    # Only one of the names that the parent might have had is the one it had: with all of them, aliases of
    # resources below one another would multiply.
    if above := known_as.get(parent):
        found |= dict.fromkeys(_under(above, parent, stack, project, each) for each in (urn, *given))
    found.pop(urn, None)
    return list(found)


def _spelled(
    spec: AliasSpec, urn: str, stack: str, project: str, parent: str, known_as: Mapping[str, str]
) -> str:  # fmt: skip
    above = parent if spec.parent is None else known_as.get(spec.parent, spec.parent)
    return make(
        spec.stack or stack, spec.project or project, above, spec.type or type_of(urn), spec.name or name_of(urn)
    )


def _under(above: str, parent: str, stack: str, project: str, urn: str) -> str:
    """The URN below a former parent; a name that begins with the parent's name follows it."""
    now, before, name = name_of(parent), name_of(above), name_of(urn)
    if name.startswith(now):
        name = before + name[len(now) :]
    return make(stack, project, above, type_of(urn), name)
