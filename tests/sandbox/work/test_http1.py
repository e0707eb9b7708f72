import asyncio
import contextlib
import os
import socket
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import uvloop

from sandbox.work.http1 import BrokenReplyError, Reply, request

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def ask(answer: bytes, *, timeout: float = 5, wait: float = 0) -> tuple[Reply, bytes]:
    """Ask a server that answers with these bytes; returns its reply and what it was sent."""

    async def work() -> tuple[Reply, bytes]:
        heard, served = b"", asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal heard
            head = await reader.readuntil(b"\r\n\r\n")
            heard = head + await reader.readexactly(4)
            await asyncio.sleep(wait)
            writer.write(answer)
            with contextlib.suppress(ConnectionError):
                await writer.drain()
            writer.close()
            served.set()

        async with await asyncio.start_unix_server(serve, folder / "s"):
            try:
                reply = await request(folder / "s", "POST", "/score?a=b", [("x-one", "1")], b"body", timeout)
            finally:
                await served.wait()
        return reply, heard

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        return uvloop.run(work())


def test_a_request_is_sent_whole_and_its_answer_read_whole() -> None:
    reply, heard = ask(b"HTTP/1.1 201 Made Up\r\nX-A: b\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")
    assert (reply.status, reply.reason, reply.body) == (201, "Made Up", b"ok")
    assert reply.headers == [("x-a", "b"), ("content-length", "2")]
    assert heard.startswith(b"POST /score?a=b HTTP/1.1\r\n")
    assert b"x-one: 1\r\n" in heard
    assert heard.endswith(b"Content-Length: 4\r\n\r\nbody")


def test_an_answer_in_chunks_is_joined() -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"
    assert ask(chunked)[0].body == b"abc"


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", b"nonsense\r\n\r\n"])
def test_half_an_answer_or_none_is_an_error(answer: bytes) -> None:
    with pytest.raises(BrokenReplyError):
        ask(answer)


def test_an_answer_that_comes_too_late_is_a_timeout() -> None:
    with pytest.raises(TimeoutError):
        ask(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", timeout=0.05, wait=0.3)


def test_nobody_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConnectionRefusedError):
        uvloop.run(request(_dead(tmp_path / "dead"), "GET", "/"))
    with pytest.raises(FileNotFoundError):
        uvloop.run(request(tmp_path / "never", "GET", "/"))


def test_an_address_may_be_longer_than_the_system_takes(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 30)
    folder.mkdir()
    (folder / "dead").symlink_to(_dead(tmp_path / "dead"))
    with pytest.raises(ConnectionRefusedError):
        uvloop.run(request(folder / "dead", "GET", "/"))


def _dead(path: Path) -> Path:
    """A socket that nobody listens on any more."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(path))
    return path
