"""Requests and responses as planes see them: the least that ASGI needs."""

import asyncio
import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from sandbox import clock
from sandbox.arm.errors import ArmError

HEAD_LIMIT = 64 * 1024  # bytes of a request's line and headers
BODY_LIMIT = 4 * 1024 * 1024  # bytes of a body that is held whole; what Azure Resource Manager takes
DEPTH_LIMIT = 100  # levels of JSON
# A request must have arrived so many seconds after it began, and one more for each so many bytes of it; the time that
# the gateway itself takes does not count.
PATIENCE_SECONDS, LEAST_RATE = 30.0, 1024
UNREAD_SECONDS = 120.0  # after so many of which nothing of an answer was read, it is given up
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")  # what some header may hold, and none may say
Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class Request:
    """One HTTP request.

    Attributes:
        method: upper case.
        host: without a port, lower case.
        path: percent-decoded.
        headers: by lower-case name.
        query: by name as written; the last wins.
        head_size: bytes of its line and headers.
        id: its own, which its answer names.
    """

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.id = clock.new_id()
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.raw_path: str = scope["raw_path"].decode("latin-1").partition("?")[0]
        self.headers: dict[str, str] = {
            key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]
        }
        self.host = self.headers.get("host", "").partition(":")[0].lower()
        self.query: dict[str, str] = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
        self.head_size = len(scope["raw_path"]) + sum(len(key) + len(value) for key, value in scope["headers"])
        self.protocol = scope.get("state", {}).get("protocol")
        self._receive = receive
        self._body: bytes | None = None

    def left(self) -> bool:
        """Whether the client has gone: what it asked for is no longer read."""
        transport = getattr(self.protocol, "transport", None)
        return transport is not None and bool(transport.is_closing())

    async def stream(self) -> AsyncIterator[bytes]:
        """The body in pieces, as they arrive.

        Raises:
            ConnectionResetError: the client left before all of it had arrived.
        """
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ConnectionResetError("the client left in the middle of its request")
            if piece := message.get("body", b""):
                yield piece
            if not message.get("more_body"):
                return

    async def body(self, limit: int = BODY_LIMIT) -> bytes:
        """The whole body.

        Raises:
            ArmError: 413 RequestEntityTooLarge; what is left of it is dropped as it arrives.
        """
        if self._body is None:
            size, pieces = int(self.headers.get("content-length") or 0), []
            if size <= limit:
                size = 0
                async for piece in self.stream():
                    size += len(piece)
                    if size > limit:
                        break
                    pieces.append(piece)
            if size > limit:
                raise ArmError(413, "RequestEntityTooLarge", f"The request body is larger than {limit} bytes.")
            self._body = b"".join(pieces)
        return self._body

    async def json(self) -> dict[str, Any] | None:
        """The body read as a JSON object; None when it is empty.

        Raises:
            ArmError: 400 InvalidRequestContent, with the position, the depth, or with what it is instead of an object.
        """
        body = await self.body()
        if not body:
            return None
        try:
            found = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise ArmError(400, "InvalidRequestContent", f"The request content is not valid JSON: {error}.") from error
        if not isinstance(found, dict):
            raise ArmError(
                400, "InvalidRequestContent", f"The request body must be a JSON object, not {type(found).__name__}."
            )
        if body.count(b"{") + body.count(b"[") > DEPTH_LIMIT and _deeper(found, DEPTH_LIMIT):
            raise ArmError(
                400, "InvalidRequestContent", f"The request content is nested deeper than {DEPTH_LIMIT} levels."
            )
        return found


def _deeper(value: object, limit: int) -> bool:
    """Whether a JSON value has more levels of objects and arrays."""
    layer = [value]
    for _ in range(limit):
        below = (each.values() if isinstance(each, dict) else each for each in layer if isinstance(each, dict | list))
        layer = [item for items in below for item in items if isinstance(item, dict | list)]
        if not layer:
            return False
    return True


@dataclass
class Response:
    """One HTTP response.

    Attributes:
        status: HTTP status.
        body: bytes, or a stream of them.
        headers: by name; content-length is added for bytes.
    """

    status: int = 200
    body: bytes | AsyncGenerator[bytes, None] = b""
    headers: dict[str, str] = field(default_factory=dict)

    async def send(self, send: Send, *, head_only: bool = False, left: Callable[[], bool] = lambda: False) -> None:
        """Write it out; a stream only until the client has `left`."""
        headers = {name.lower(): value for name, value in self.headers.items()}
        if isinstance(self.body, bytes) and self.status != 204 and not (head_only and "content-length" in headers):
            headers["content-length"] = str(len(self.body))
        await send(
            {
                "type": "http.response.start",
                "status": self.status,
                "headers": [
                    (name.encode(), _CONTROL.sub(" ", value).encode("latin-1", "replace"))
                    for name, value in headers.items()
                ],
            }
        )
        if isinstance(self.body, bytes):
            await send({"type": "http.response.body", "body": b"" if head_only else self.body})
            return
        async with aclosing(self.body) as pieces:
            async for piece in pieces:
                if left():
                    return
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


async def streamed(pieces: Iterable[bytes]) -> AsyncGenerator[bytes, None]:
    """A body of many pieces, which leaves room for other requests."""
    for piece in pieces:
        yield piece
        await asyncio.sleep(0)


def json_response(value: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A JSON response."""
    return Response(
        status,
        json.dumps(value).encode(),
        {"content-type": "application/json; charset=utf-8", **(headers or {})},
    )
