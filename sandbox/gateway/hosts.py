"""Which plane answers for which host name. Two that claim one host stop the start."""

import importlib
import pkgutil
import re
from typing import ClassVar

from sandbox import planes
from sandbox.arm.access import Tokens
from sandbox.arm.azure import Azure
from sandbox.arm.errors import ArmError
from sandbox.arm.operations import Operations
from sandbox.gateway.http import Request, Response


class Plane:
    """Everything that one family of host names answers.

    Attributes:
        hosts: patterns such as ``{account}.blob.core.windows.net``; a part in braces is one label.
        own: True for the sandbox's own address, which is plain; Azure's hosts are reached through TLS only.
    """

    hosts: ClassVar[tuple[str, ...]]
    own: ClassVar[bool] = False

    def __init__(self, azure: Azure, tokens: Tokens, operations: Operations) -> None:
        self.azure = azure
        self.tokens = tokens
        self.operations = operations

    async def handle(self, request: Request, names: dict[str, str]) -> Response:
        """Answer a request; `names` holds the parts of the host in braces."""
        raise NotImplementedError

    def refuse(self, error: ArmError) -> Response:
        """An error in the shape that this plane's clients read."""
        return Response(error.status, error.json(), {"content-type": "application/json", **error.headers})

    async def start(self) -> None:
        """Called once, before the first request."""

    async def stop(self) -> None:
        """Called once, after the last request."""


class Hosts:
    """All planes, found by host name.

    Raises:
        RuntimeError: two planes claim one pattern; both are named.
    """

    def __init__(self, found: list[Plane]) -> None:
        self.planes = found
        self._patterns: list[tuple[re.Pattern[str], Plane]] = []
        claimed: dict[str, Plane] = {}
        for plane in found:
            for pattern in plane.hosts:
                shape = re.sub(r"\{\w+\}", "{}", pattern)
                if other := claimed.get(shape):
                    raise RuntimeError(f"{pattern} is claimed by {type(other).__name__} and {type(plane).__name__}")
                claimed[shape] = plane
                expression = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[a-z0-9_-]{1,63})", re.escape(pattern))
                self._patterns.append((re.compile(expression), plane))
        # A host without a variable part goes before one with.
        self._patterns.sort(key=lambda entry: entry[0].groups)
        self._known: dict[str, tuple[Plane, dict[str, str]] | None] = {}

    @classmethod
    def find(cls, azure: Azure, tokens: Tokens, operations: Operations) -> "Hosts":
        """The planes of ``sandbox/planes``."""
        found: list[Plane] = []
        for module in pkgutil.iter_modules(planes.__path__, f"{planes.__name__}."):
            for thing in vars(importlib.import_module(module.name)).values():
                if isinstance(thing, type) and issubclass(thing, Plane) and thing.__module__ == module.name:
                    found.append(thing(azure, tokens, operations))  # noqa: PERF401 - two conditions read better so
        return cls(found)

    @property
    def of_azure(self) -> list[str]:
        """Patterns of every host of Azure's that is answered."""
        return [pattern for plane in self.planes if not plane.own for pattern in plane.hosts]

    def match(self, host: str) -> tuple[Plane, dict[str, str]] | None:
        """The plane for a host and the host's variable parts, or None."""
        if host not in self._known:
            if len(self._known) > 4096:
                self._known.clear()
            self._known[host] = next(
                ((plane, found.groupdict()) for pattern, plane in self._patterns if (found := pattern.fullmatch(host))),
                None,
            )
        return self._known[host]
