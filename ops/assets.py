"""The versions of every kind of asset in a workspace: ARM has one form for all of them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ops.arm import Arm
from ops.views import FINISHED

_REFERENCE = re.compile(r"/(codes|data|environments|components|models)/([^/\"\s]+)/versions/([^/\"\s]+)")


@dataclass(frozen=True, order=True)
class Asset:
    """One version of an asset: ``Asset("data", "flights", "0123456789ab")``."""

    kind: str
    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}:{self.version}"

    @classmethod
    def of(cls, kind: str, reference: str) -> "Asset":
        """The asset that ``NAME:VERSION`` means."""
        name, _, version = reference.partition(":")
        return cls(kind, name, version)


def named_in(text: str) -> set[Asset]:
    """The versions that a text names by their ids."""
    return {Asset(*found) for found in _REFERENCE.findall(text)}


class Assets:
    """The assets of a workspace.

    Args:
        arm: the workspace.
    """

    def __init__(self, arm: Arm) -> None:
        self._arm = arm

    def versions(self, kind: str, name: str) -> list[dict[str, Any]]:
        """The versions of an asset that are not archived, as ARM shows them; none when it is unknown."""
        return list(self._arm.listed(f"{kind}/{name}/versions"))

    def users(self) -> Iterator[dict[str, Any]]:
        """Everything that runs or will run: deployments, schedules, and jobs that are not over."""
        for endpoints in ("onlineEndpoints", "batchEndpoints"):
            for endpoint in self._arm.listed(endpoints):
                yield from self._arm.listed(f"{endpoints}/{endpoint['name']}/deployments")
        yield from self._arm.listed("schedules")
        for job in self._arm.listed("jobs"):
            if job["properties"].get("status") not in FINISHED:
                yield job

    def archive(self, asset: Asset) -> None:
        """Hides a version from lists; it stays, and whoever names it still finds it."""
        path = f"{asset.kind}/{asset.name}/versions/{asset.version}"
        body = self._arm.get(path)
        self._arm.put(path, {"properties": {**body["properties"], "isArchived": True}})
