"""The least HTTP/1.1 client that a proxy to a server on this machine needs: one request, one connection.

The inference server closes each connection after its answer, so there is nothing to keep.
"""

import asyncio
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import httptools

_HEAD = b"HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
# What belongs to one connection, not to the message.
HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)


@dataclass
class Reply:
    """What the server answered.

    Attributes:
        status: HTTP status.
        reason: its words.
        headers: (lower-case name, value) in order, without those of the connection.
        body: all of it.
    """

    status: int = 0
    reason: str = ""
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""


class BrokenReplyError(Exception):
    """The server went away, or answered nonsense, before its answer was whole."""


class _Exchange(asyncio.Protocol):
    def __init__(self, request: bytes) -> None:
        self._request = request
        self._parser = httptools.HttpResponseParser(self)
        self._pieces: list[bytes] = []
        self._reply = Reply()
        self._transport: asyncio.BaseTransport | None = None
        self.done: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        transport.write(self._request)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(f"it answered what is no HTTP: {error}")

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail("it closed the connection before it had answered")

    def on_status(self, status: bytes) -> None:
        self._reply.reason = status.decode("latin-1")

    def on_header(self, name: bytes, value: bytes) -> None:
        key = name.decode("latin-1").lower()
        if key not in HOP:
            self._reply.headers.append((key, value.decode("latin-1")))

    def on_body(self, body: bytes) -> None:
        self._pieces.append(body)

    def on_message_complete(self) -> None:
        self._reply.status = self._parser.get_status_code()
        self._reply.body = b"".join(self._pieces)
        if not self.done.done():
            self.done.set_result(self._reply)
        if self._transport:
            self._transport.close()

    def abort(self) -> None:
        if self._transport:
            self._transport.abort()  # type: ignore[attr-defined]

    def _fail(self, why: str) -> None:
        if not self.done.done():
            self.done.set_exception(BrokenReplyError(why))
        self.abort()


async def request(
    socket: Path,
    method: str,
    path: str,
    headers: Iterable[tuple[str, str]] = (),
    body: bytes = b"",
    timeout: float = 5.0,
) -> Reply:
    """Ask the server that listens on a socket.

    Raises:
        TimeoutError: no whole answer in time.
        FileNotFoundError: nobody has listened yet.
        ConnectionRefusedError: nobody listens any more.
        BrokenReplyError: the server went away in the middle.
    """
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    head = f"{method} {path} ".encode("latin-1") + _HEAD + lines.encode("latin-1")
    message = head + f"Content-Length: {len(body)}\r\n\r\n".encode() + body
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(timeout):
        # Its address has room for about 100 characters; and a link that a server puts in its place is not followed.
        held = os.open(socket, os.O_PATH | os.O_NOFOLLOW)
        try:
            _, exchange = await loop.create_unix_connection(lambda: _Exchange(message), f"/proc/self/fd/{held}")
        finally:
            os.close(held)
        try:
            return await exchange.done
        finally:
            exchange.abort()
