"""The load generator counts answers as a client would meet them, and no other."""

import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from bench.load import Server, rate, request
from bench.stage import BenchError


class Handler(BaseHTTPRequestHandler):
    """Answers and counts; `statuses` are given in turn."""

    statuses: Iterator[int]
    guard = threading.Lock()  # each connection has a thread of its own
    answered = 0

    def do_PUT(self) -> None:
        """Read all, answer one."""
        assert self.rfile.read(int(self.headers["Content-Length"])) == b"body"
        with self.guard:
            status = next(type(self).statuses)
            type(self).answered += status < 300
        self.send_response(status)
        self.send_header("Content-Length", "3")
        self.end_headers()
        self.wfile.write(b"yes")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""


class Quiet(ThreadingHTTPServer):
    """A server that is left by its clients in the middle, and does not complain."""

    daemon_threads = False  # its end waits for every answer under way

    def handle_error(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def serving(protocol: str, statuses: Iterator[int]) -> Iterator[tuple[str, type[Handler]]]:
    """A server of HTTP/1.0, which closes after each answer, or HTTP/1.1, which keeps the connection."""
    handler = type("Each", (Handler,), {"statuses": statuses, "protocol_version": protocol})
    server = Quiet(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", handler
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def load(server: Server, clients: int = 3) -> float:
    """Half a second of load."""
    return rate(server, itertools.repeat(request(server, "PUT", "/a", {"x": "y"}, b"body")), clients, 0.5)


# uvloop leaves the socket of a connection that was reset to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("protocol", ["HTTP/1.0", "HTTP/1.1"])
def test_every_answer_counts_once(protocol: str) -> None:
    with serving(protocol, itertools.repeat(201)) as (url, handler):
        counted = round(load(Server(url)) * 0.5)  # the half second is kept to a thousandth
        assert 0 < counted <= handler.answered
        assert counted >= handler.answered / 4 - 3  # a busy machine may stretch the half second


def test_a_failure_ends_the_measurement_with_what_was_said() -> None:
    answers = itertools.chain([200] * 5, itertools.repeat(503))
    with serving("HTTP/1.1", answers) as (url, _), pytest.raises(BenchError, match="503"):
        load(Server(url))


def test_failures_of_a_server_that_has_them_are_left_out() -> None:
    with serving("HTTP/1.1", itertools.cycle([200, 500])) as (url, handler):
        assert 0 < load(Server(url, failing=True)) * 0.5 <= handler.answered
