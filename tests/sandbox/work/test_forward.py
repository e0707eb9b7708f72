"""What the gateway gets of a job's connections is what the job sent, whichever gateway it is."""

import socket
import socketserver
import threading
from pathlib import Path

import pytest

from sandbox.work import forward


class Echo(socketserver.ThreadingTCPServer):
    """Answers what it is sent behind its own name, once the client has ended."""

    daemon_threads = True

    class RequestHandlerClass(socketserver.StreamRequestHandler):
        """One connection."""

        server: "Echo"

        def handle(self) -> None:
            """Answer it."""
            self.wfile.write(self.server.name + self.rfile.read())

    def __init__(self, name: bytes) -> None:
        super().__init__(("127.0.0.1", 0), self.RequestHandlerClass)
        self.name = name
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()


@pytest.fixture
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[tuple[str, int], Path]:
    """Where a job connects to, and the file that has the gateway's port."""
    monkeypatch.setattr(forward, "_MOST", 2)
    listener = socket.create_server(("127.0.0.1", 0))
    forward.begin(listener, tmp_path / "port")
    return listener.getsockname(), tmp_path / "port"


def ask(where: tuple[str, int], content: bytes) -> bytes:
    """Send it all, then read all that comes."""
    with socket.create_connection(where, timeout=10) as client:

        def send() -> None:
            client.sendall(content)
            client.shutdown(socket.SHUT_WR)

        threading.Thread(target=send).start()
        pieces = []
        while piece := client.recv(65536):
            pieces.append(piece)
    return b"".join(pieces)


def test_much_goes_there_and_comes_back_whole(inside: tuple[tuple[str, int], Path]) -> None:
    where, port = inside
    with Echo(b"one ") as gateway:
        port.write_text(str(gateway.server_address[1]))
        content = bytes(range(256)) * 20_000
        assert ask(where, content) == b"one " + content
        gateway.shutdown()


def test_a_later_gateway_is_found_and_none_ends_the_connection(inside: tuple[tuple[str, int], Path]) -> None:
    where, port = inside
    for content in (None, "", "1"):  # no file, an empty one, and a port where nobody is
        if content is not None:
            port.write_text(content)
        with socket.create_connection(where, timeout=10) as client:
            assert client.recv(1) == b""
    for name in (b"one ", b"two "):
        with Echo(name) as gateway:
            port.write_text(str(gateway.server_address[1]))
            assert ask(where, b"x") == name + b"x"
            gateway.shutdown()


def test_connections_past_the_most_wait_for_their_turn(inside: tuple[tuple[str, int], Path]) -> None:
    where, port = inside
    with Echo(b"") as gateway:
        port.write_text(str(gateway.server_address[1]))
        held = [socket.create_connection(where, timeout=10) for _ in range(2)]
        answered = threading.Event()

        def come_late() -> None:
            if ask(where, b"x") == b"x":
                answered.set()

        late = threading.Thread(target=come_late)
        late.start()
        assert not answered.wait(0.2)
        for each in held:
            each.close()
        assert answered.wait(10)
        late.join()
        gateway.shutdown()
