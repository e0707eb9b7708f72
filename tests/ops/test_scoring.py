"""Scoring requests over HTTP: what is sent, and what a broken answer becomes."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from ops.scoring import Scorer


class Handler(BaseHTTPRequestHandler):
    """Answers with what it was sent; /text is no JSON, /fail is an error."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        text = "plain" if self.path == "/text" else json.dumps({"sent": json.loads(body), **dict(self.headers)})
        self.send_response(500 if self.path == "/fail" else 200)
        self.send_header("Content-Length", str(len(text)))
        self.send_header("azureml-model-deployment", "blue")
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def address() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_sends_the_request_and_the_secret(address: str) -> None:
    answer = Scorer(f"{address}/score", "s3cret").ask({"flights": []})
    assert answer.status == 200
    assert answer.body["sent"] == {"flights": []}
    assert answer.body["Authorization"] == "Bearer s3cret"
    assert "azureml-model-deployment" not in answer.body
    assert answer.deployment == "blue"
    assert 0 < answer.seconds < 10


def test_names_the_deployment_that_shall_answer(address: str) -> None:
    assert Scorer(f"{address}/score", "s").ask({}, "green").body["azureml-model-deployment"] == "green"


def test_an_error_is_an_answer(address: str) -> None:
    assert Scorer(f"{address}/fail", "s").ask({}).status == 500


def test_text_that_is_no_json_is_kept_as_text(address: str) -> None:
    assert Scorer(f"{address}/text", "s").ask({}).body == "plain"


def test_a_connection_that_breaks_is_an_answer_with_status_0() -> None:
    answer = Scorer("http://127.0.0.1:1/score", "s").ask({})
    assert (answer.status, answer.body) == (0, "ConnectionError")
