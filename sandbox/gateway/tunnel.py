"""CONNECT in: TLS is ended in place, and the request is served on the same connection.

A host that no plane answers for is refused by name: nothing ever leaves the machine.
"""

import asyncio
import json
import socket
from typing import Any, cast

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from sandbox.gateway.certs import Authority
from sandbox.gateway.hosts import Hosts
from sandbox.gateway.http import HEAD_LIMIT, LEAST_RATE, PATIENCE_SECONDS, UNREAD_SECONDS

_JOIN_LIMIT = 65536
_LOOK_SECONDS = 5.0


class Joined:
    """A transport that sends what one turn of the loop writes together: an answer's head and body are one record of
    TLS, one call of the system and one packet.
    """

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._parts: list[bytes] = []
        self._size = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Send with the rest of this turn; much at once goes at once."""
        if not self._parts:
            self._loop.call_soon(self._flush)
        self._parts.append(data)
        self._size += len(data)
        if self._size > _JOIN_LIMIT:
            self._flush()

    def close(self) -> None:
        """Send what is left, then close."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._parts:
            parts, self._parts, self._size = self._parts, [], 0
            self._transport.write(parts[0] if len(parts) == 1 else b"".join(parts))


class Served(HttpToolsProtocol):
    """uvicorn's HTTP on a connection that was upgraded to TLS.

    Data may arrive between the end of the handshake and `connection_made`: it is kept until then.

    Attributes:
        host: the name that the tunnel was asked for; '' on a plain connection.
    """

    def __init__(self, config: Config, state: ServerState, host: str = "") -> None:
        super().__init__(config, state, {"protocol": self})
        self.host = host
        self._early: list[bytes] = []
        self._open = 0  # bytes of a head that has no end yet, without the piece that it began in
        self._reading_head = False
        self._arriving = True  # a request is awaited or under way
        self._arrived = 0  # bytes of it
        self._waited = 0.0  # seconds for it
        self._unread = (0, 0.0)  # bytes of answers that the client does not read, and for how many seconds it has not

    def look(self, seconds: float) -> None:
        """Count the time since the last look against who sends too slowly, or reads nothing, and end that."""
        if self.transport is None or self.transport.is_closing():
            return
        if self._arriving and not self.flow.read_paused:
            self._waited += seconds
            if self._waited > PATIENCE_SECONDS + self._arrived / LEAST_RATE:
                if self._reading_head or self.cycle is None or not self.cycle.response_started:
                    self.transport.write(_TOO_SLOW)
                self.transport.close()
        size = self.transport.get_write_buffer_size()
        self._unread = (size, self._unread[1] + seconds if size and size == self._unread[0] else 0.0)
        if self._unread[1] > UNREAD_SECONDS:
            self.transport.abort()

    def connection_made(self, transport: Any) -> None:
        """Begin to serve."""
        super().connection_made(cast(asyncio.Transport, Joined(transport)))
        for data in self._early:
            super().data_received(data)
        self._early.clear()

    def data_received(self, data: bytes) -> None:
        """Serve what arrived, or keep it until there is a transport."""
        if self.transport is None:
            self._early.append(data)
        else:
            # Python's clients send head and body apart and, through a proxy, wait for the answer to the first packet
            # (urllib3 leaves Nagle's algorithm on there): a delayed one would cost 40 ms a request.
            self.transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
            goes_on = self._reading_head
            self._arrived += len(data)
            super().data_received(data)
            if goes_on and self._reading_head:
                self._open += len(data)
                if self._open > HEAD_LIMIT:
                    self.transport.write(_TOO_LARGE)
                    self.transport.close()

    def on_message_begin(self) -> None:
        """A head begins."""
        super().on_message_begin()
        self._reading_head, self._open = True, 0
        self._arriving, self._arrived, self._waited = True, 0, 0.0

    def on_headers_complete(self) -> None:
        """It is whole."""
        self._reading_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """All of a request has arrived."""
        self._arriving = False
        super().on_message_complete()


async def keep_looking(state: ServerState) -> None:
    """Look at every connection every few seconds, until it is cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        begun = loop.time()
        await asyncio.sleep(_LOOK_SECONDS)
        # The gateway's own pauses are nobody's fault.
        seconds = min(loop.time() - begun, 2 * _LOOK_SECONDS)
        for each in list(state.connections):
            if isinstance(each, Served):
                each.look(seconds)


class Tunnel(asyncio.Protocol):
    """One client connection: a CONNECT to a known host, or a plain request to the sandbox itself."""

    def __init__(self, config: Config, state: ServerState, hosts: Hosts, authority: Authority) -> None:
        self._config = config
        self._state = state
        self._hosts = hosts
        self._authority = authority
        self._head = b""
        self._transport: asyncio.Transport | None = None
        self._upgrading: asyncio.Task[None] | None = None
        self._patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to answer."""
        if isinstance(transport, asyncio.Transport) or hasattr(transport, "write"):
            self._transport = transport  # type: ignore[assignment]
            self._patience = asyncio.get_running_loop().call_later(PATIENCE_SECONDS, self._give_up)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client left before it had said what it wants."""
        self._hand_on()

    def data_received(self, data: bytes) -> None:
        """Collect the request's head, then hand the connection on."""
        if self._transport is None:
            return
        self._head += data
        if b"\r\n\r\n" not in self._head:
            if len(self._head) > HEAD_LIMIT:
                self._transport.write(_TOO_LARGE)
                self._transport.close()
            return
        self._hand_on()
        method, _, rest = self._head.partition(b" ")
        if method == b"CONNECT":
            target = rest.split(b" ", 1)[0].decode("latin-1")
            self._connect(target.rpartition(":")[0].lower() or target.lower())
        else:
            served = Served(self._config, self._state)
            self._transport.set_protocol(served)
            served.connection_made(self._transport)
            served.data_received(self._head)

    def _hand_on(self) -> None:
        if self._patience:
            self._patience.cancel()

    def _give_up(self) -> None:
        if self._transport:
            self._transport.write(_TOO_SLOW)
            self._transport.close()

    def _connect(self, host: str) -> None:
        if self._transport is None:
            return
        if self._hosts.match(host) is None:
            self._transport.write(_refusal(host))
            self._transport.close()
            return
        self._transport.pause_reading()
        self._transport.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        self._upgrading = asyncio.get_running_loop().create_task(self._upgrade(host))

    async def _upgrade(self, host: str) -> None:
        if self._transport is None:
            return
        served = Served(self._config, self._state, host)
        try:
            secured = await asyncio.get_running_loop().start_tls(
                self._transport, served, self._authority.context(host), server_side=True
            )
        except OSError:
            # The client gave up or does not trust the authority; it knows why, and there is nobody to tell here.
            self._transport.abort()
            return
        if secured is not None:
            served.connection_made(secured)


def _refusal(host: str) -> bytes:
    message = f"The sandbox does not answer for '{host}', and nothing leaves this machine through it."
    return _answer("403 Forbidden", "HostNotInSandbox", message)


def _answer(status: str, code: str, message: str) -> bytes:
    """An answer to what is no whole request, so that no plane is asked."""
    body = json.dumps({"error": {"code": code, "message": message}}).encode()
    lines = (f"HTTP/1.1 {status}", "Content-Type: application/json", f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode() + body


_TOO_SLOW = _answer(
    "408 Request Timeout", "RequestTimeout",
    f"The request arrived too slowly: want all of it after {PATIENCE_SECONDS:.0f} s, and 1 s more for each "
    f"{LEAST_RATE} bytes.",
)  # fmt: skip
_TOO_LARGE = _answer(
    "431 Request Header Fields Too Large", "RequestHeaderFieldsTooLarge",
    f"The request's headers are larger than {HEAD_LIMIT} bytes.",
)  # fmt: skip
