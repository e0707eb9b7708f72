"""Which resources a template has, where each one goes, and after which others it is made."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sandbox.arm import ids
from sandbox.arm.errors import ArmError
from sandbox.arm.ids import ResourceId
from sandbox.arm.template_functions import invalid, provided
from sandbox.arm.template_reader import Scope

Content = Mapping[str, Any]

# What of a resource is read before its expressions are evaluated.
_SHAPES: Mapping[str, type] = {
    "dependsOn": list, "properties": dict, "resourceGroup": str, "resources": list, "scope": str,
}  # fmt: skip


@dataclass(frozen=True)
class Step:
    """One resource to make.

    Attributes:
        where: its id.
        content: as the template has it.
        needs: keys of those that must have been made before.
    """

    where: ResourceId
    content: Content
    needs: frozenset[str]


def check_shape(resources: object, where: str) -> None:
    """Refuse resources that cannot be read, children included.

    Raises:
        ArmError: 400 InvalidTemplate, with the resource and what is wrong.
    """
    if not isinstance(resources, list):
        raise invalid(f"{where} is missing, or no list")
    for resource in resources:
        if not isinstance(resource, dict) or not all(isinstance(resource.get(key), str) for key in ("type", "name")):
            raise invalid(f"a resource is {str(resource)[:80]}, and each needs a type and a name")
        name = resource["name"]
        for key, wanted in _SHAPES.items():
            if resource.get(key) is not None and not isinstance(resource[key], wanted):
                raise invalid(f"{key} of resource '{name}' is {str(resource[key])[:80]}")
        if "copy" in resource:
            raise invalid(f"resource '{name}' has copy, which the sandbox does not expand")
        check_shape(resource.get("resources") or [], f"resources of resource '{name}'")


def plan(resources: Sequence[Content], scope: Scope) -> list[Step]:
    """The resources whose condition holds, children after their template's order, each after those it depends on.

    Raises:
        ArmError: 400 InvalidTemplate: one is there twice, depends on what the template does not have, or on itself.
    """
    known: set[str] = set()
    wanted: dict[str, tuple[ResourceId, Content]] = {}
    for where, content in _flat(resources, scope, None):
        if isinstance(where, str):
            known.add(where)
            continue
        known.add(where.key)
        if where.key in wanted:
            raise invalid(f"the resource '{where.text}' is defined multiple times in the template")
        _need_kind(where, scope)
        wanted[where.key] = (where, content)
    waiting = {
        key: Step(where, content, frozenset(_needs(where, content, known, scope) & wanted.keys()))
        for key, (where, content) in wanted.items()
    }
    ordered: list[Step] = []
    while waiting:
        free = [key for key, step in waiting.items() if not step.needs & waiting.keys()]
        if not free:
            raise invalid(f"circular dependency between {', '.join(step.where.text for step in waiting.values())}")
        ordered += [waiting.pop(key) for key in free]
    return ordered


def _flat(
    resources: Sequence[Content], scope: Scope, above: ResourceId | None
) -> Iterator[tuple[ResourceId | str, Content]]:
    """Every resource and the children that stand inside it, at any depth; only the key of one that is not wanted.

    The name of one that is not wanted need not stand for anything: clients leave its parameters empty.
    """
    for content in resources:
        inside = content.get("resources") or ()
        if scope.evaluate(content.get("condition", True)):
            where = ids.parse(_path(content, scope, above))
            yield where, content
            yield from _flat(inside, scope, where)
            continue
        try:
            path = _path(content, scope, above)
        except ArmError:
            if inside:
                raise
            continue
        yield path.lower(), content
        if inside:  # their conditions are their own
            yield from _flat(inside, scope, ids.parse(path))


def _path(content: Content, scope: Scope, above: ResourceId | None) -> str:
    names = str(scope.evaluate(content["name"])).split("/")
    if above:  # a child's type and name go on from those of what it stands in
        types = content["type"].split("/")
        if len(types) != len(names):
            raise invalid(f"{content['type']} in '{above.name}' needs {len(types)} names, not {len(names)}")
        return "/".join([above.text, *(part for pair in zip(types, names, strict=True) for part in pair)])
    group = scope.group
    if target := scope.evaluate(content.get("resourceGroup")):
        group = f"{group.rsplit('/', 1)[0]}/{target}"
    return f"{scope.evaluate(content.get('scope')) or group}/{provided(content['type'], names)}"


def _need_kind(where: ResourceId, scope: Scope) -> None:
    try:
        scope.view.registry.need(where)
    except ArmError as error:
        raise invalid(f"resource '{where.name}': {error.message.rstrip('.')}") from error


def _needs(where: ResourceId, content: Content, known: set[str], scope: Scope) -> set[str]:
    """Keys of what a resource depends on: named by id, by type and name, or by name alone."""
    found = set()
    for each in content.get("dependsOn") or []:
        text = str(scope.evaluate(each)).removeprefix("/").lower()
        meant = {key for key in known if text in (key[1:], key.rpartition("/providers/")[2], _full_name(key))}
        if not meant:
            raise invalid(
                f"the resource '{text}', which '{where.name}' depends on, is not defined in the template; it has: "
                f"{', '.join(sorted(filter(None, map(_full_name, known))))}"
            )
        if len(meant) > 1:
            raise invalid(
                f"'{text}', which '{where.name}' depends on, is one of {', '.join(sorted(meant))}; use resourceId()"
            )
        found |= meant
    return found


def _full_name(key: str) -> str:
    """A resource's own name after those of what it stands in: ``account/default/container``."""
    return "/".join(key.rpartition("/providers/")[2].split("/")[2::2])
