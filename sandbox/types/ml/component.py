"""Component: a step with inputs and outputs, or a pipeline of such steps."""

from typing import Any

from sandbox.arm.kind import Body
from sandbox.arm.resource import Change, Resource, View
from sandbox.types.ml import asset
from sandbox.types.ml.asset import ML, Container, Version, stamp

_DESCRIBES = frozenset({"description", "display_name", "tags", "_source", "$schema"})


class ComponentContainer(Container):
    """``workspaces/components``."""

    arm_type = f"{ML}/workspaces/components"

    def next_version(self, latest: Resource | None, taken: set[str]) -> str:
        """The first is 1; later ones are called after the time of the one before."""
        return stamp(latest.created) if latest else "1"


class ComponentVersion(Version):
    """``workspaces/components/versions``."""

    arm_type = f"{ML}/workspaces/components/versions"

    def fill(self, new: Resource, old: Resource | None, change: Change) -> None:
        """What a specification leaves out."""
        super().fill(new, old, change)
        for port in new.get("properties.componentSpec.inputs", {}).values():
            port.setdefault("optional", False)

    def check(self, new: Resource, old: Resource | None, view: View) -> None:
        """Code, environment and nested components must exist."""
        scope = new.id.text.rsplit("/", 4)[0]
        for reference, segment in _references(new.get("properties.componentSpec", {})):
            asset.need(reference, segment, scope, view)
        super().check(new, old, view)

    def content(self, properties: Body) -> Body:
        """What describes a component inside its specification may change as well."""
        specification = properties.get("componentSpec") or {}
        return {
            f"componentSpec.{key}": value
            for key, value in specification.items()
            if key not in _DESCRIBES and value not in (None, {}, [])
        }


def _references(specification: dict[str, Any]) -> list[tuple[str, str]]:
    """Every asset that a specification names, with its kind."""
    found = []
    for here in (specification, specification.get("task")):
        if not isinstance(here, dict):
            continue
        for key, segment in (("code", "codes"), ("environment", "environments")):
            if isinstance(here.get(key), str) and here[key].startswith("azureml:"):
                found.append((here[key], segment))
    jobs = specification.get("jobs") or {}
    steps = [job.get("componentId") for job in jobs.values() if isinstance(job, dict)]
    found += [(step, "components") for step in steps if isinstance(step, str)]
    return found


class RegistryComponentContainer(ComponentContainer):
    """``registries/components``."""

    arm_type = f"{ML}/registries/components"


class RegistryComponentVersion(ComponentVersion):
    """``registries/components/versions``."""

    arm_type = f"{ML}/registries/components/versions"
