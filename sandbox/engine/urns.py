"""Uniform resource names: how Pulumi tells resources apart, and which names a resource had before."""

from collections.abc import Iterable, Sequence
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


def former(urn: str, parent: str, aliases: Sequence[str | AliasSpec], parent_aliases: Iterable[str]) -> list[str]:
    """Every URN that the resource may be known by, the given aliases first, then those that its parent implies."""
    stack, project = urn.removeprefix("urn:pulumi:").split("::")[:2]
    type_, name = type_of(urn), name_of(urn)
    found: list[str] = []
    specs = [alias if isinstance(alias, AliasSpec) else None for alias in aliases]
    for alias, spec in zip(aliases, specs, strict=True):
        if isinstance(alias, str):
            found.append(alias)
        elif spec is not None:
            found.append(_spelled(spec, stack, project, parent, type_, name))
    for above in parent_aliases:
        found.append(_under(above, parent, stack, project, type_, name))
        for alias, spec in zip(aliases, specs, strict=True):
            if isinstance(alias, str):
                found.append(_under(above, parent, stack, project, type_of(alias), name_of(alias)))
            elif spec is not None and spec.parent is None:
                found.append(_under(above, parent, stack, project, spec.type or type_, spec.name or name))
    return [alias for index, alias in enumerate(found) if alias != urn and alias not in found[:index]]


def _spelled(spec: AliasSpec, stack: str, project: str, parent: str, type_: str, name: str) -> str:
    above = parent if spec.parent is None else spec.parent
    return make(spec.stack or stack, spec.project or project, above, spec.type or type_, spec.name or name)


def _under(above: str, parent: str, stack: str, project: str, type_: str, name: str) -> str:
    """The URN below a former parent; a name that begins with the parent's name follows it."""
    now, before = name_of(parent), name_of(above)
    if name.startswith(now):
        name = before + name[len(now) :]
    return make(stack, project, above, type_, name)
