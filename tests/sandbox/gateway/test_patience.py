"""How long a client may take: to say what it wants, to send it, and to read the answer."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from sandbox.gateway import tunnel
from sandbox.gateway.http import Receive, Request, Response, Scope, Send, streamed

SECONDS = 0.3
LONG, PIECE = 2000, 65536
READ: list[int] = []  # pieces of the long answer that were read to be sent


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with the length of what was sent, or with more than anybody wants to read, or before it was sent."""
    request = Request(scope, receive)

    def pieces() -> Iterator[bytes]:
        for _ in range(LONG):
            READ.append(PIECE)
            yield b"x" * PIECE

    if request.path == "/long":
        await Response(200, streamed(pieces())).send(send, left=request.left)
    elif request.path == "/refused":
        await Response(413, b"too large").send(send)
    else:
        try:
            size = sum([len(piece) async for piece in request.stream()])
        except ConnectionResetError:
            return
        await Response(200, str(size).encode()).send(send)


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A gateway of this process with little patience."""
    monkeypatch.setattr(tunnel, "PATIENCE_SECONDS", SECONDS)
    monkeypatch.setattr(tunnel, "LEAST_RATE", 100_000)
    monkeypatch.setattr(tunnel, "UNREAD_SECONDS", SECONDS)
    monkeypatch.setattr(tunnel, "_LOOK_SECONDS", 0.02)
    ready, ports, over = threading.Event(), [], threading.Event()

    async def serve() -> None:
        config = uvicorn.Config(app, http="httptools", ws="none", lifespan="off", log_config=None)
        config.load()
        state, nobody = ServerState(), Any
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: tunnel.Tunnel(config, state, nobody, nobody), "127.0.0.1", 0)  # type: ignore[arg-type]
        looking = loop.create_task(tunnel.keep_looking(state))
        ports.append(server.sockets[0].getsockname()[1])
        ready.set()
        await asyncio.to_thread(over.wait)
        looking.cancel()
        server.close()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    ready.wait(10)
    yield ports[0]
    over.set()
    thread.join(10)


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=10)


def drip(connection: socket.socket, piece: bytes) -> bytes:
    """Send a little now and then until the other side has had enough; what it answered by then."""
    connection.settimeout(0.02)
    said = b""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            connection.sendall(piece)
            got = connection.recv(65536)
        except TimeoutError:
            continue
        except OSError:
            return said
        if not got:
            return said
        said += got
    raise AssertionError(f"it was still listened to after 10 s: {said!r}")


@pytest.mark.parametrize(
    ("begin", "piece"),
    [
        pytest.param(b"", b"G", id="method"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\n", b"X: y\r\n", id="headers"),
        pytest.param(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9000\r\n\r\n", b"z", id="body"),
        pytest.param(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nz\r\n", id="chunks"),
    ],
)
def test_who_sends_too_slowly_is_told_so(port: int, begin: bytes, piece: bytes) -> None:
    with closing(connect(port)) as connection:
        connection.sendall(begin)
        said = drip(connection, piece)
    assert said.startswith(b"HTTP/1.1 408 ")
    assert b"arrived too slowly" in said


@pytest.mark.parametrize("begin", [b"", b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\nGET / HT"])
def test_who_says_nothing_more_is_let_go(port: int, begin: bytes) -> None:
    with closing(connect(port)) as connection:
        connection.sendall(begin)
        said = b""
        while piece := connection.recv(65536):
            said += piece
    assert said.count(b" 200 ") == bool(begin)
    assert said.count(b" 408 ") == 1


def test_a_refusal_is_not_followed_by_another_answer(port: int) -> None:
    with closing(connect(port)) as connection:
        connection.sendall(b"POST /refused HTTP/1.1\r\nHost: x\r\nContent-Length: 9000\r\n\r\n")
        said = drip(connection, b"z")
    assert said.count(b"HTTP/1.1") == 1
    assert said.startswith(b"HTTP/1.1 413 ")


def test_who_sends_steadily_has_the_time_that_it_takes(port: int) -> None:
    """Four times as long as nothing at all may take, at twice the least rate."""
    pieces, size = 48, 5000
    with closing(connect(port)) as connection:
        connection.sendall(f"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {pieces * size}\r\n\r\n".encode())
        for _ in range(pieces):
            connection.sendall(b"z" * size)
            time.sleep(4 * SECONDS / pieces)
        said = connection.recv(65536)
    assert said.startswith(b"HTTP/1.1 200 ")
    assert said.endswith(str(pieces * size).encode())


def test_an_answer_that_nobody_reads_is_given_up(port: int) -> None:
    with closing(connect(port)) as connection:
        connection.sendall(b"GET /long HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(4 * SECONDS)
        received = 0
        try:
            while piece := connection.recv(1 << 20):
                received += len(piece)
        except ConnectionResetError:
            pass
    assert received < LONG * PIECE


def test_an_answer_is_read_no_further_once_its_client_has_left(port: int) -> None:
    READ.clear()
    with closing(connect(port)) as connection:
        connection.sendall(b"GET /long HTTP/1.1\r\nHost: x\r\n\r\n")
        connection.recv(65536)
    time.sleep(0.5)
    assert 0 < len(READ) < LONG / 2
