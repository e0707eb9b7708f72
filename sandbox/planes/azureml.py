"""``{region}.api.azureml.ms``: Azure ML's regional address, where each path prefix is a service of its own.

A service is a class in any file of ``sandbox/planes``; it is found by itself, as planes are::

    class History(Service):
        prefixes = ("/history",)

        async def handle(self, request: Request, path: str) -> Response: ...
"""

import importlib
import pkgutil
import re
from typing import ClassVar

from sandbox import planes
from sandbox.arm import access
from sandbox.arm.access import Caller, Tokens
from sandbox.arm.azure import Azure
from sandbox.arm.errors import ArmError
from sandbox.arm.operations import Operations
from sandbox.arm.resource import Resource
from sandbox.gateway.hosts import Plane
from sandbox.gateway.http import Request, Response

AUDIENCES = ("https://ml.azure.com", "https://management.azure.com", "https://management.core.windows.net")
_WORKSPACE = re.compile(
    r".*?(/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.MachineLearningServices/workspaces/[^/]+)(/.*)?",
    re.IGNORECASE,
)


class Service:
    """What answers below some path prefixes of the regional address.

    Attributes:
        prefixes: first path segments, each with its leading slash; unique among all services.
    """

    prefixes: ClassVar[tuple[str, ...]]

    def __init__(self, azure: Azure, tokens: Tokens, operations: Operations) -> None:
        self.azure = azure
        self.tokens = tokens
        self.operations = operations

    async def handle(self, request: Request, path: str) -> Response:
        """Answer a request; `path` is what follows the prefix."""
        raise NotImplementedError

    def caller(self, request: Request) -> Caller:
        """Who asks.

        Raises:
            ArmError: 401.
        """
        return self.tokens.read(request.headers.get("authorization"), AUDIENCES)

    def workspace(self, request: Request, path: str, action: str) -> tuple[Resource, str]:
        """The workspace that a path names, and the path behind it, if the caller may do `action` there.

        Args:
            request: for its token.
            path: holds the workspace's ARM id anywhere.
            action: what is asked, below the workspace's type, such as ``experiments/runs/read``.

        Raises:
            ArmError: 401, 403, or 404 for a path without a workspace or a workspace that is not there.
        """
        found = _WORKSPACE.fullmatch(path)
        if found is None:
            raise ArmError(404, "NotFound", f"{request.method} {request.path} names no workspace.")
        caller = self.caller(request)
        access.require(
            self.azure.reader, caller.object_id, f"Microsoft.MachineLearningServices/workspaces/{action}", found[1]
        )
        return self.azure.need(found[1]), found[2] or ""


class AzureML(Plane):
    """The regional address and the services behind it.

    Raises:
        RuntimeError: two services claim one prefix; both are named.
    """

    hosts = ("{region}.api.azureml.ms",)

    def __init__(self, azure: Azure, tokens: Tokens, operations: Operations) -> None:
        super().__init__(azure, tokens, operations)
        self._services: dict[str, Service] = {}
        for kind in _find():
            service = kind(azure, tokens, operations)
            for prefix in kind.prefixes:
                if other := self._services.get(prefix):
                    raise RuntimeError(f"{prefix} is claimed by {type(other).__name__} and {kind.__name__}")
                self._services[prefix] = service

    async def handle(self, request: Request, names: dict[str, str]) -> Response:
        """Hand the request to the service that its first path segment names."""
        prefix, path = _split(request.path)
        service = self._services.get(prefix.lower())
        if service is None:
            raise ArmError(
                404, "NotFound",
                f"{request.host} has no service '{prefix}'; the sandbox has: {', '.join(sorted(self._services))}.",
            )  # fmt: skip
        return await service.handle(request, path)


def _split(path: str) -> tuple[str, str]:
    first, slash, rest = path.lstrip("/").partition("/")
    return f"/{first}", slash + rest


def _find() -> list[type[Service]]:
    found: list[type[Service]] = []
    for module in pkgutil.iter_modules(planes.__path__, f"{planes.__name__}."):
        things = vars(importlib.import_module(module.name)).values()
        found += [
            thing for thing in things
            if isinstance(thing, type) and issubclass(thing, Service) and thing is not Service
            and thing.__module__ == module.name
        ]  # fmt: skip
    return found
