"""A load generator that costs little itself: requests made up beforehand, answers only looked at for their length.

One for both sides of a comparison. It speaks HTTP/1.1 over kept connections, through a proxy and TLS where asked.
"""

import asyncio
import os
import socket
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import uvloop

from bench.stage import BenchError


@dataclass(frozen=True)
class Server:
    """Where requests go.

    Attributes:
        url: scheme, host and port as a client writes them.
        proxy: port on 127.0.0.1 through which ``https`` goes.
        trusted: file with the certificate authority.
        socket: Unix socket in the place of the port.
        failing: some failures are its way under load; they are left out of the count.
    """

    url: str
    proxy: int = 0
    trusted: Path | None = None
    socket: Path | None = None
    failing: bool = False

    @property
    def host(self) -> str:
        """What the Host header says."""
        return urlsplit(self.url).netloc


def rate(server: Server, requests: Iterator[bytes], clients: int, seconds: float = 4.0) -> float:
    """Answered requests a second of so many clients, each with one request under way.

    Raises:
        BenchError: an answer was no success.
    """
    return uvloop.run(_rate(server, requests, clients, seconds))


def request(server: Server, method: str, path: str, headers: dict[str, str], body: bytes = b"") -> bytes:
    """A request as it goes over the wire."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {server.host}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


async def _rate(server: Server, requests: Iterator[bytes], clients: int, seconds: float) -> float:
    each = [_Client(server, requests) for _ in range(clients)]
    for client in each:
        await client.dial()
    begun = time.perf_counter()
    for client in each:
        client.next()
    await asyncio.sleep(seconds)
    count, passed = sum(client.answered for client in each), time.perf_counter() - begun
    for client in each:
        await client.stop()
    if failed := next((client.failure for client in each if client.failure), b""):
        raise BenchError(f"{server.url} answered: {failed[:600].decode('latin-1')}")
    return count / passed


class _Client(asyncio.Protocol):
    """One client: the next request goes out when the last one is answered in full.

    A server that closes the connection after each answer is dialled again, as any client would.
    """

    def __init__(self, server: Server, requests: Iterator[bytes]) -> None:
        self._server = server
        self._requests = requests
        self._wanted = -1
        self._closing = False
        self._good = True
        self._read = bytearray()
        self._transport: asyncio.Transport | None = None
        self._dialling: asyncio.Task[None] | None = None
        self._over = False
        self._lost = asyncio.Event()
        self.answered = 0
        self.failure = b""

    async def dial(self) -> None:
        """Connect, through the proxy if there is one."""
        where, loop = urlsplit(self._server.url), asyncio.get_running_loop()
        if self._server.socket:
            await loop.create_unix_connection(lambda: self, os.path.relpath(self._server.socket))
            return
        plain = socket.socket()
        plain.setblocking(False)
        try:
            await loop.sock_connect(plain, ("127.0.0.1", self._server.proxy or where.port or 80))
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            context = None
            if self._server.proxy:
                await loop.sock_sendall(plain, f"CONNECT {where.hostname}:443 HTTP/1.1\r\n\r\n".encode())
                if b" 200 " not in (said := await loop.sock_recv(plain, 4096)):
                    raise BenchError(f"the proxy answered: {said[:300].decode('latin-1')}")
                context = ssl.create_default_context(cafile=self._server.trusted)
            await loop.create_connection(
                lambda: self, sock=plain, ssl=context, server_hostname=where.hostname if context else None
            )
        except BaseException:
            plain.close()
            raise

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to write; uvloop's transports do not derive from asyncio's."""
        self._lost.clear()
        self._transport = transport  # type: ignore[assignment]
        if self._over:
            transport.abort()  # type: ignore[attr-defined]

    def connection_lost(self, exc: Exception | None) -> None:
        """Dial again, unless it is over."""
        self._lost.set()
        if not self._over and not self.failure:
            self._dialling = asyncio.get_running_loop().create_task(self._again())

    def next(self) -> None:
        """Send the next request."""
        if self._transport and not self._over:
            self._transport.write(next(self._requests))

    async def stop(self) -> None:
        """Count no more, and leave no connection behind: a server that takes one at a time would wait at it."""
        self._over = True
        if self._dialling:
            await asyncio.gather(self._dialling, return_exceptions=True)
        if self._transport:
            self._transport.abort()
            await self._lost.wait()

    def data_received(self, data: bytes) -> None:
        """Collect an answer."""
        self._read += data
        if self._wanted < 0 and (end := self._read.find(b"\r\n\r\n")) >= 0:
            head = bytes(self._read[:end]).lower()
            self._good = head[9:10] == b"2"
            if not self._good and not self._server.failing:
                self.failure = bytes(self._read)
                return
            self._closing = b"connection: close" in head or head.startswith(b"http/1.0")
            start = head.find(b"content-length:")
            self._wanted = end + 4 + (int(head[start + 15 :].split(b"\r\n", 1)[0]) if start >= 0 else 0)
        if 0 <= self._wanted <= len(self._read):
            self._read.clear()
            self._wanted = -1
            self.answered += self._good
            if not self._closing:
                self.next()
            elif self._transport:
                self._transport.abort()  # not waiting for the server to close

    async def _again(self) -> None:
        self._read.clear()
        while not self._over:
            try:
                await self.dial()
            except OSError:  # reset before it was whole: once more, as any client would
                await asyncio.sleep(0)
            else:
                self.next()
                return
