"""HTTPS through the usual environment variables: HTTPS_PROXY, NO_PROXY, REQUESTS_CA_BUNDLE, SSL_CERT_FILE.

One kept-alive connection a thread and host. Hundreds of resources are some thousand requests: what the standard
library spends on parsing their heads was a fifth of the time.
"""

import json
import os
import socket
import ssl
import threading
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field

import httptools

from sandbox.values import Json

_TIMEOUT_SECONDS = 100
_CHUNK = 65536


class ConnectionFailedError(OSError):
    """The connection broke, or what came back was no HTTP."""


@dataclass(frozen=True)
class Answer:
    """A response.

    Attributes:
        status: HTTP status.
        headers: names in lower case.
        body: parsed JSON, None when there is none.
    """

    status: int
    headers: Mapping[str, str]
    body: Json


class Transport:
    """Connections of one client, whatever thread it is used from."""

    def __init__(self) -> None:
        self._local = threading.local()
        self._open: set[_Connection] = set()
        self._trust: ssl.SSLContext | None = None

    def close(self) -> None:
        """Let go of every thread's connections."""
        while self._open:
            self._open.pop().close()

    def exchange(
        self, host: str, method: str, target: str, content: bytes | None, headers: Mapping[str, str]
    ) -> Answer:
        """Send one request and read its answer.

        Raises:
            OSError: the connection failed; unless it was refused, the request may have arrived.
        """
        kept: dict[str, _Connection] = self._local.__dict__.setdefault("connections", {})
        used = host in kept
        connection = kept.get(host) or self._connect(host)
        kept[host] = connection
        try:
            response = connection.exchange(_request(method, target, host, content, headers))
        except OSError:
            self._drop(kept, host)
            if used and not connection.answered:
                # The other side closed a connection that was not in use: no attempt at all.
                return self.exchange(host, method, target, content, headers)
            raise
        if not response.keep:
            self._drop(kept, host)
        raw = bytes(response.body)
        try:
            body = json.loads(raw) if raw else None
        except ValueError:
            body = raw.decode("utf-8", "replace")
        return Answer(response.status, response.headers, body)

    def _drop(self, kept: dict[str, "_Connection"], host: str) -> None:
        connection = kept.pop(host)
        self._open.discard(connection)
        connection.close()

    def _connect(self, host: str) -> "_Connection":
        if self._trust is None:
            bundle = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("SSL_CERT_FILE")
            self._trust = ssl.create_default_context(cafile=bundle or None)
        connection = _Connection(host, self._trust)
        self._open.add(connection)
        return connection


@dataclass
class _Response:
    """Collects what the parser finds."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)
    complete: bool = False
    keep: bool = True

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, data: bytes) -> None:
        self.body += data

    def on_message_complete(self) -> None:
        self.complete = True


class _Connection:
    """One TLS connection to a host, through the proxy if there is one."""

    def __init__(self, host: str, trust: ssl.SSLContext) -> None:
        name, _, port = host.partition(":")
        proxy = _proxy_for(name)
        where = (proxy.hostname or "", proxy.port or 80) if proxy else (name, int(port or 443))
        plain = socket.create_connection(where, timeout=_TIMEOUT_SECONDS)
        try:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if proxy:
                _tunnel(plain, f"{name}:{port or 443}")
            self._socket = trust.wrap_socket(plain, server_hostname=name)
        except OSError:
            plain.close()
            raise
        self.answered = False  # anything of the answer to the request under way has come

    def exchange(self, request: bytes) -> _Response:
        self.answered = False
        response = _Response()
        parser = httptools.HttpResponseParser(response)
        self._socket.sendall(request)
        while not response.complete:
            data = self._socket.recv(_CHUNK)
            if not data:
                raise ConnectionFailedError("the connection ended before the answer did")
            self.answered = True
            try:
                parser.feed_data(data)
            except httptools.HttpParserError as error:
                raise ConnectionFailedError(f"the answer is no HTTP: {error}") from error
        response.status = parser.get_status_code()
        response.keep = response.headers.get("connection", "").lower() != "close"
        return response

    def close(self) -> None:
        self._socket.close()


def _request(method: str, target: str, host: str, content: bytes | None, headers: Mapping[str, str]) -> bytes:
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", *(f"{name}: {value}" for name, value in headers.items())]
    if content is not None or method in ("PUT", "POST"):
        lines.append(f"Content-Length: {len(content or b'')}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + (content or b"")


def _tunnel(connection: socket.socket, target: str) -> None:
    connection.sendall(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode("latin-1"))
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = connection.recv(1)  # what comes after the head belongs to TLS
        if not byte:
            raise ConnectionFailedError("the proxy closed the connection")
        head += byte
    status = head.split(b"\r\n", 1)[0].decode("latin-1")
    if status.split(" ")[1:2] != ["200"]:
        raise ConnectionFailedError(f"the proxy refused {target}: {status}")


def _proxy_for(host: str) -> urllib.parse.SplitResult | None:
    proxy = os.environ.get("HTTPS_PROXY") or os.environ.get("https_proxy")
    excluded = (os.environ.get("NO_PROXY") or os.environ.get("no_proxy") or "").split(",")
    if not proxy or any(part and (host == part or host.endswith("." + part.lstrip("."))) for part in excluded):
        return None
    return urllib.parse.urlsplit(proxy if "://" in proxy else f"http://{proxy}")
