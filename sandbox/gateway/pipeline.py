"""The one ordered list that every request goes through: id, host, guard, fault, handle, error, log."""

import logging
import sqlite3
import time

from sandbox import clock
from sandbox.arm.errors import ArmError
from sandbox.faults import BrokenError, Faults
from sandbox.gateway.hosts import Hosts, Plane
from sandbox.gateway.http import HEAD_LIMIT, Receive, Request, Response, Scope, Send, json_response
from sandbox.store.db import DiskFullError

log = logging.getLogger("sandbox.requests")


class Pipeline:
    """The ASGI application behind every host name."""

    def __init__(self, hosts: Hosts, faults: Faults) -> None:
        self._hosts = hosts
        self._faults = faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return
        begun = time.perf_counter()
        request = Request(scope, receive)
        try:
            response = await self._answer(request)
        except BrokenError as broken:
            log.info("%s %s%s broken off on demand", request.method, request.host, request.path)
            await broken.end(request, send)
            return
        except ConnectionResetError:
            log.info("%s %s%s: the client left", request.method, request.host, request.path)
            return
        response.headers.setdefault("x-ms-request-id", request.id)
        response.headers.setdefault(
            "x-ms-correlation-request-id", request.headers.get("x-ms-correlation-request-id", request.id)
        )
        if client := request.headers.get("x-ms-client-request-id"):
            response.headers.setdefault("x-ms-client-request-id", client)
        response.headers.setdefault("date", clock.now().strftime("%a, %d %b %Y %H:%M:%S GMT"))
        await response.send(send, head_only=request.method == "HEAD", left=request.left)
        milliseconds = (time.perf_counter() - begun) * 1000
        log.info("%s %s%s %d %.1f ms", request.method, request.host, request.path, response.status, milliseconds)

    async def _answer(self, request: Request) -> Response:
        found = self._hosts.match(request.host)
        if found is None:
            return json_response(
                {
                    "error": {
                        "code": "HostNotInSandbox",
                        "message": f"The sandbox does not answer for '{request.host}'.",
                    }
                },
                421,
            )
        plane, names = found
        try:
            _guard(request, plane)
            if not plane.own and (planned := await self._faults.strike(request)) is not None:
                return planned
            return await plane.handle(request, names)
        except ArmError as error:
            return plane.refuse(error)
        except (BrokenError, ConnectionResetError):
            raise
        except DiskFullError as full:
            log.warning("%s %s%s: %s", request.method, request.host, request.path, full)
            return plane.refuse(ArmError(507, "InsufficientStorage", str(full)))
        except sqlite3.DatabaseError as damage:
            log.exception("%s %s%s failed", request.method, request.host, request.path)
            return plane.refuse(_unusable(damage))
        except Exception as error:
            log.exception("%s %s%s failed", request.method, request.host, request.path)
            return _failed(plane, error)


def _guard(request: Request, plane: Plane) -> None:
    """Loopback alone does not stop a web page in a browser on this machine: it names its origin, no client does.

    Nor may a request name another host than its connection: a token for Azure never travels in clear text.
    """
    tunnel = getattr(request.protocol, "host", "")
    if tunnel != ("" if plane.own else request.host):
        raise ArmError(
            421, "MisdirectedRequest",
            f"'{request.host}' is not answered on {f'a connection to {tunnel!r}' if tunnel else 'plain HTTP'}; "
            + ("it is plain HTTP." if plane.own else "use https and the proxy that `python -m sandbox env` prints."),
        )  # fmt: skip
    if request.head_size > HEAD_LIMIT:
        raise ArmError(431, "RequestHeaderFieldsTooLarge", f"The request's headers are larger than {HEAD_LIMIT} bytes.")
    if "\0" in request.path:
        raise ArmError(400, "InvalidUri", "The request URI is invalid: it has NUL (%00).")
    if "origin" in request.headers:
        raise ArmError(403, "OriginNotAllowed", f"Requests from a web page ({request.headers['origin']}) are refused.")


def _unusable(damage: sqlite3.DatabaseError) -> ArmError:
    """The state file gave way while it was in use; only stopping looks at it anew and names the repair."""
    return ArmError(
        500, "StateUnusable",
        f"The sandbox's state file cannot be used: {damage}. Run: make down, then: make doctor, which "
        "names the repair.",
    )  # fmt: skip


def _failed(plane: Plane, error: Exception) -> Response:
    return plane.refuse(
        ArmError(500, "InternalServerError", f"The sandbox failed: {type(error).__name__}; see the gateway's log.")
    )
