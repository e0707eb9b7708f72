"""Component: a step with inputs and outputs, or a pipeline of such steps."""

from typing import Any

from sandbox import clock
from sandbox.arm.kind import Body, Refusal
from sandbox.arm.resource import Change, Resource, View
from sandbox.types.ml import asset
from sandbox.types.ml.asset import ML, Container, Version, stamp
from sandbox.types.ml.environment import same_environment
from sandbox.types.ml.registry import storage_of
from sandbox.types.storage.container import container_id

ANONYMOUS = "azureml_anonymous"
# What describes a component inside its specification, or where it came from, may change.
_DESCRIBES = frozenset({"description", "display_name", "tags", "_source", "$schema", "id", "creation_context"})
_NAMES = frozenset({"name", "version"})


class ComponentContainer(Container):
    """``workspaces/components``."""

    arm_type = f"{ML}/workspaces/components"

    def next_version(self, latest: Resource | None, view: View) -> str:
        """The first is 1; later ones are called after the time of the one before."""
        return stamp(latest.created) if latest else "1"


class ComponentVersion(Version):
    """``workspaces/components/versions``."""

    arm_type = f"{ML}/workspaces/components/versions"

    def fill(self, new: Resource, old: Resource | None, change: Change) -> None:
        """What a specification leaves out, and references in full."""
        super().fill(new, old, change)
        specification = _specification(new)
        _complete(specification, new)
        _expand(specification, scope_of(new), change)

    def check(self, new: Resource, old: Resource | None, view: View) -> None:
        """Code, environment and nested components must exist."""
        for here, key, segment in _references(_specification(new)):
            asset.need(here[key], segment, scope_of(new), view)
        super().check(new, old, view)

    def content(self, properties: Body) -> Body:
        """The specification, without what only describes it."""
        specification = properties.get("componentSpec") or {}
        free = _DESCRIBES | (_NAMES if properties.get("isAnonymous") else frozenset())
        return {
            f"componentSpec.{key}": value
            for key, value in specification.items()
            if key not in free and value not in (None, {}, [])
        }


def scope_of(version: Resource) -> str:
    """The workspace or registry that a version is in."""
    return version.id.text.rsplit("/", 4)[0]


def _specification(me: Resource) -> dict[str, Any]:
    found = me.properties.get("componentSpec")
    if isinstance(found, dict):
        return found
    raise Refusal(400, "UserError", f"componentSpec of {asset.ml_name(me)} is {found!r}: want an object.")


def _complete(specification: dict[str, Any], me: Resource) -> None:
    name = me.id.parent.rsplit("/", 1)[-1]
    if name != ANONYMOUS:
        specification["name"], specification["version"] = name, me.name
    specification.setdefault("is_deterministic", specification.get("type") != "pipeline")
    for port in _objects(specification.get("inputs")):
        port.setdefault("optional", False)
    for part in _objects({"": specification, "task": specification.get("task")}):
        for distribution in _objects({"": part.get("distribution")}):
            numbers = {key: str(value) for key, value in distribution.items() if isinstance(value, int)}
            distribution.update(numbers)


def _expand(specification: dict[str, Any], scope: str, view: View) -> None:
    """Short references become ids; an environment that Azure has under a name is called by it."""
    for here, key, segment in _references(specification):
        found = asset.resolve(here[key], segment, scope, view)
        if found is None:
            continue
        if segment == "environments":
            found = same_environment(found, scope, view)
        here[key] = asset.registry_id(found) or f"azureml:{found.id.text}"
    for port in _objects(specification.get("inputs")):
        compute = str(port.get("default", "")).removeprefix("azureml:")
        if port.get("type") == "string" and view.get(f"{scope}/computes/{compute}"):
            port["default"] = compute


def _references(specification: dict[str, Any]) -> list[tuple[dict[str, Any], str, str]]:
    """Every asset that a specification names: where, under which key, of which kind."""
    found = []
    for here in _objects({"": specification, "task": specification.get("task")}):
        for key, segment in (("code", "codes"), ("environment", "environments")):
            if str(here.get(key)).startswith("azureml:"):
                found.append((here, key, segment))
    steps = _objects(specification.get("jobs"))
    return found + [(step, "componentId", "components") for step in steps if isinstance(step.get("componentId"), str)]


def _objects(named: object) -> list[dict[str, Any]]:
    return [each for each in named.values() if isinstance(each, dict)] if isinstance(named, dict) else []


class RegistryComponentContainer(ComponentContainer):
    """``registries/components``."""

    arm_type = f"{ML}/registries/components"


class RegistryComponentVersion(ComponentVersion):
    """``registries/components/versions``."""

    arm_type = f"{ML}/registries/components/versions"

    def fill(self, new: Resource, old: Resource | None, change: Change) -> None:
        """A command that comes without code gets an empty one: a registry's components have a snapshot each."""
        specification = _specification(new)
        if specification.get("type") == "command" and not specification.get("code"):
            kept = old.get("properties.componentSpec.code") if old else None
            specification["code"] = kept or _empty_code(change.need(scope_of(new)), change)
        super().fill(new, old, change)


def _empty_code(registry: Resource, change: Change) -> str:
    name, account = clock.new_id(), storage_of(registry, change)
    change.make(container_id(account.id.text, name), {"properties": {}})
    code = f"{registry.id.text}/codes/{name}"
    change.make(code, {"properties": {}})
    uri = f"https://{account.name}.blob.core.windows.net/{name}"
    return asset.registry_id(change.make(f"{code}/versions/1", {"properties": {"codeUri": uri}}))
