"""Scoring, in Azure's own inference server as it runs in the serving environment."""

import json
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

from ml_jobs import libraries, rows
from ml_jobs.flight_delay import features
from tests.ml_jobs.conftest import FLIGHT_DELAY, LINEAGE, ROOT, code_of

SERVER = ROOT / ".venv-models" / "bin" / "azmlinfsrv"
SAMPLE = (FLIGHT_DELAY / "sample_request.json").read_text()
START_SECONDS = 60


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A response of the server."""

    status: int
    body: Any
    text: str


@dataclass(frozen=True, kw_only=True)
class Server:
    """A running inference server."""

    port: int
    log: Path

    def post(self, body: str | bytes, content_type: str = "application/json") -> Answer:
        data = body.encode() if isinstance(body, str) else body
        asked = urllib.request.Request(f"http://127.0.0.1:{self.port}/score", data, {"Content-Type": content_type})
        try:
            with urllib.request.urlopen(asked, timeout=30) as answer:
                status, text = answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read().decode()
        return Answer(status=status, body=json.loads(text), text=text)


# The server's own --port listens on every interface. gunicorn takes a socket it is handed instead: descriptor 3 of
# the process named by LISTEN_PID, which `exec` keeps.
HANDED = 'exec env LISTEN_PID=$$ LISTEN_FDS=1 "$@" 3<&"$SOCKET"'


def start(code: Path, model: Path, listener: socket.socket, log: Path) -> subprocess.Popen[bytes]:
    if not SERVER.is_file():
        pytest.fail(f"{SERVER} is missing; make it with: make install")
    command = [str(SERVER), "--entry_script", "ml_jobs/serving/score.py", "--model_dir", str(model)]
    settings = {
        "PATH": os.environ["PATH"],
        "AML_APP_ROOT": str(code),
        "GUNICORN_CMD_ARGS": "--no-control-socket",
        "SOCKET": str(listener.fileno()),
    }
    with log.open("wb") as written:
        return subprocess.Popen(
            ["/bin/bash", "-c", HANDED, "bash", *command],
            cwd=code, env=settings, stdout=written, stderr=subprocess.STDOUT, pass_fds=(listener.fileno(),),
        )  # fmt: skip


@pytest.fixture(scope="module")
def listener() -> Iterator[socket.socket]:
    """A free port on loopback."""
    with socket.create_server(("127.0.0.1", 0)) as opened:
        yield opened


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The code of a deployment as the model lists it, and nothing else."""
    return code_of(FLIGHT_DELAY, "serving", tmp_path_factory.mktemp("scoring"))


@pytest.fixture(scope="module")
def server(
    code: Path, pipeline: dict[str, Path], tmp_path_factory: pytest.TempPathFactory, listener: socket.socket
) -> Iterator[Server]:
    # As on Azure: AZUREML_MODEL_DIR/<name of the registered folder>/...
    model = tmp_path_factory.mktemp("azureml-models")
    shutil.copytree(pipeline["model"], model / "model")
    running = Server(port=listener.getsockname()[1], log=model.parent / "server.log")
    with ExitStack() as stop:
        process = start(code, model, listener, running.log)
        stop.callback(process.wait)
        stop.callback(process.terminate)
        deadline = time.monotonic() + START_SECONDS
        while not _is_up(running.port):
            if process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"the server did not start:\n{running.log.read_text()}")
        yield running


def _is_up(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=1) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def test_every_probe_gets_the_answer_kept_with_the_model(server: Server, pipeline: dict[str, Path]) -> None:
    probes = json.loads((pipeline["model"] / "probes.json").read_text())
    assert len(probes["requests"]) == len(probes["answers"]) == 200
    for request, expected in zip(probes["requests"][::10], probes["answers"][::10], strict=True):
        answer = server.post(json.dumps(request))
        assert (answer.status, answer.body) == (200, expected)
        assert answer.body["model"] == LINEAGE


def test_the_scoring_code_holds_nothing_of_a_model(code: Path) -> None:
    """So a change of features is a new model beside the old one, and the code asset under both stays as it is."""
    assert sorted(path.name for path in (code / "ml_jobs").glob("[!_]*")) == ["arrays.py", "serving", "step.py"]


def test_flights_are_answered_in_order_with_the_native_model_s_probabilities(
    server: Server, pipeline: dict[str, Path]
) -> None:
    names = ", ".join(features.FIELDS)
    with duckdb.connect() as connection:
        known = connection.read_parquet(str(pipeline["prepare.prepared"] / "validate.parquet"))
        known = known.filter("late IS NOT NULL").limit(500)
        flights = [dict(zip(features.FIELDS, row, strict=True)) for row in known.project(names).fetchall()]
    columns, _ = rows.labelled(pipeline["prepare.prepared"], "validate", features)
    matrix = features.Encoding.load(pipeline["model"] / "encoding.json").encode(columns)[:500]
    native = libraries.lightgbm().Booster(model_file=pipeline["model"] / "model.txt").predict(matrix)
    answer = server.post(json.dumps({"flights": flights}))
    assert answer.status == 200
    scored = np.array([prediction["probability"] for prediction in answer.body["predictions"]])
    assert np.abs(scored - native).max() <= 1e-5
    assert [prediction["late"] for prediction in answer.body["predictions"]] == (native > 0.5).tolist()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ("", "body"),
        ("{", "body"),
        ("[" * 50_000, "body"),
        ("{}", "flights"),
        ('{"flights": [{}]}', "flights[0].year"),
        (SAMPLE.replace('"B6"', "6"), "flights[0].carrier"),
        (SAMPLE.replace('"humid": 35.68', '"humid": NaN'), "flights[0].humid"),
        (SAMPLE.replace('"day": 4', '"day": 30'), "flights[0].day"),
        (SAMPLE.replace('"carrier"', '"airline"'), 'flights[0]."airline"'),
    ],
    ids=["empty", "cut", "deep", "no-flights", "missing", "type", "nan", "date", "unknown"],
)
def test_a_bad_request_gets_400_and_the_field_and_no_stack_trace(server: Server, body: str, field: str) -> None:
    answer = server.post(body)
    assert answer.status == 400
    assert answer.body["error"]["code"] == "BadRequest"
    assert answer.body["error"]["field"] == field
    assert answer.body["error"]["message"].startswith(field)
    assert "Traceback" not in answer.text
    assert "ml_jobs" not in answer.text


def test_bytes_that_are_no_text_get_400(server: Server) -> None:
    assert server.post(b"\xff\xfe").status == 400


def test_a_form_is_told_to_be_json(server: Server) -> None:
    answer = server.post(SAMPLE, "application/x-www-form-urlencoded")
    assert answer.status == 400
    assert "Content-Type: application/json" in answer.body["error"]["message"]


def test_the_server_goes_on_after_bad_requests(server: Server) -> None:
    before = server.post(SAMPLE).body
    for _ in range(3):
        server.post("{")
    assert server.post(SAMPLE).body == before


def test_the_runtime_has_nothing_to_warn_about(server: Server) -> None:
    server.post(json.dumps({"flights": json.loads(SAMPLE)["flights"] * 20}))
    assert "onnxruntime" not in server.log.read_text()


@pytest.mark.parametrize("cards", [0, 2])
def test_a_model_folder_without_exactly_one_card_stops_the_server_with_the_number(
    code: Path, pipeline: dict[str, Path], tmp_path: Path, cards: int
) -> None:
    for number in range(cards):
        shutil.copytree(pipeline["model"], tmp_path / "models" / str(number))
    (tmp_path / "models").mkdir(exist_ok=True)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        process = start(code, tmp_path / "models", listener, tmp_path / "log")
        try:
            assert process.wait(timeout=START_SECONDS) != 0
        finally:
            process.kill()
    assert f"holds {cards} files model_card.json; want 1" in (tmp_path / "log").read_text()
