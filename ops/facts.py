"""What the commands that only look have in common: versions by reference, and lineage in a fixed order."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from ops.register import number
from ops.registry import Registry
from ops.views import Deployed, EndpointView, ModelVersion

# What is recorded on a version, in the order in which a reader asks.
LINEAGE = (
    "run", "origin", "commit", "code", "data", "environment", "pipeline", "inputs", "champion", "gates", "metrics",
    "author", "reason", "digest",
)  # fmt: skip
PROMOTION = ("promoted_by", "promoted_reason", "promoted_from")


class Cloud(Protocol):
    """What looking needs from a workspace."""

    def models(self, name: str) -> list[ModelVersion]:  # noqa: D102 - see Workspace
        ...

    def data(self) -> list[str]:  # noqa: D102 - see Workspace
        ...

    def model_names(self) -> list[str]:  # noqa: D102 - see Workspace
        ...

    def endpoint(self, name: str) -> EndpointView:  # noqa: D102 - see Workspace
        ...

    def endpoint_names(self) -> list[str]:  # noqa: D102 - see Workspace
        ...

    def deployments(self, endpoint: str) -> list[Deployed]:  # noqa: D102 - see Workspace
        ...


@dataclass(frozen=True, kw_only=True)
class Versions:
    """Model versions, each asked for once.

    Attributes:
        azure: workspace that short references mean.
    """

    azure: Cloud
    _known: dict[str, Any] = field(default_factory=dict)

    def of(self, name: str) -> list[ModelVersion]:
        """All versions of a model in the workspace, the oldest first."""
        if name not in self._known:
            self._known[name] = sorted(self.azure.models(name), key=lambda each: number(each.version))
        found: list[ModelVersion] = self._known[name]
        return found

    def get(self, reference: str) -> ModelVersion | None:
        """The version that a deployment refers to, in the workspace or in a registry."""
        if reference.startswith("azureml://registries/"):
            _, _, _, registry, _, name, _, version = reference.split("/")
            if reference not in self._known:
                self._known[reference] = Registry(registry).version(name, version)
            found: ModelVersion | None = self._known[reference]
            return found
        name, _, version = reference.partition(":")
        return next((each for each in self.of(name) if each.version == version), None)


def lineage(version: ModelVersion | None) -> dict[str, str]:
    """What is recorded on a version, in order; nothing for one that is not there any more."""
    if version is None:
        return {}
    recorded = {key: version.properties[key] for key in LINEAGE if version.properties.get(key)}
    return recorded | {key: version.tags[key] for key in PROMOTION if version.tags.get(key)}


def comes_from(version: ModelVersion) -> str:
    """Where a version comes from, in a few words."""
    known = version.properties
    if origin := known.get("origin"):
        return f"trained elsewhere: {origin}"
    if "run" not in known:
        return "not registered by these commands"
    commit, dash, dirty = known.get("commit", "unknown").partition("-")
    return f"run {known['run']}, {known.get('data', 'unknown data')}, commit {commit[:12]}{dash}{dirty}"


def metrics(version: ModelVersion) -> str:
    """Its measures, as recorded."""
    return version.properties.get("metrics", "").strip("{}").replace('"', "")


def table(rows: Sequence[tuple[str, ...]]) -> str:
    """Rows in columns."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
