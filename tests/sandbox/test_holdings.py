"""What can be lost from the sandbox's folder is named with its repair."""

import socket
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox import doctor, holdings, launch
from sandbox.console import Console
from sandbox.home import Home
from sandbox.store import snapshot
from tests.sandbox.conftest import Sandbox
from tests.sandbox.world import World

_SOCKETS: list[socket.socket] = []


def _listening() -> int:
    _SOCKETS.append(socket.create_server(("127.0.0.1", 0)))
    return int(_SOCKETS[-1].getsockname()[1])


def finding(home: Home, name: str) -> doctor.Finding:
    return next(each for each in doctor.examine(home) if each.name == name)


def test_a_state_that_is_gone_is_named_with_the_repair(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.make()
    assert finding(home, "state").ok
    (home.blobs / "x").write_bytes(b"x")
    said = finding(home, "state")
    assert not said.ok
    assert f"{home.database}: gone" in said.says
    assert "make purge" in said.says
    home.database.with_name("state.db.good").write_bytes(b"x")
    assert "python -m sandbox restore" in finding(home, "state").says


def test_lost_blobs_are_named_with_the_repair(fresh_sandbox: Sandbox) -> None:
    home = fresh_sandbox.home
    assert finding(home, "blobs").ok
    World(fresh_sandbox).blob("big", b"x" * 100_000)
    assert finding(home, "blobs").ok
    assert sqlite3.connect(home.database).execute("SELECT count(file) FROM blobs").fetchone() == (1,)
    (content,) = home.blobs.iterdir()
    fresh_sandbox.close()
    launch.stop(home)
    snapshot.take(home)
    content.unlink()
    said = finding(home, "blobs")
    assert not said.ok
    assert "1 lost or cut, the first of them" in said.says
    assert said.says.endswith("bring them back with: .venv/bin/python -m sandbox restore")
    assert "what was lost is back" in snapshot.restore(home)
    assert finding(home, "blobs").ok
    content.write_bytes(b"x")  # the copy is the same file
    said = finding(home, "blobs")
    assert not said.ok
    assert said.says.endswith(f"put the files back into {home.blobs}, or start afresh with: make purge")


def test_a_port_that_somebody_else_has_now_is_told(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.make()
    port = _listening()
    (home.root / "port").write_text(str(port))
    said = finding(home, "port")
    assert said.ok, "the gateway takes another"
    assert f"127.0.0.1:{port} is another program's now" in said.says


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    while _SOCKETS:
        _SOCKETS.pop().close()


def test_a_kernel_that_shows_jobs_the_secrets_is_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(holdings, "troubles", lambda: {"files": "Operation not permitted"})
    said = finding(Home(tmp_path / "home"), "jobs")
    assert said.ok
    assert said.lacks
    assert "jobs and scoring code can read and write" in said.says
    doctor.report([said], Console())
    assert capsys.readouterr().out.startswith("note  jobs ")
    monkeypatch.setattr(holdings, "troubles", dict)
    assert not finding(Home(tmp_path / "home"), "jobs").lacks


@pytest.mark.parametrize(
    ("refused", "said", "unsaid"),
    [
        ({}, "they see their own files and processes only", "trust"),
        (
            {"network": "No space"},
            "that they are given (No space): run only code that you trust",
            "state",
        ),
        ({"files": "why", "processes": "why"}, "certificate key and state (why); can leave processes", "network"),
    ],
)
def test_what_jobs_are_not_kept_from_is_named_apart(
    monkeypatch: pytest.MonkeyPatch, refused: dict[str, str], said: str, unsaid: str
) -> None:
    monkeypatch.setattr(holdings, "troubles", lambda: refused)
    found = holdings._jobs()
    assert (found.ok, found.lacks) == (True, bool(refused))
    assert said in found.says
    assert unsaid not in found.says
