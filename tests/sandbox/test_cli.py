"""The command line against mistakes: a line with the repair, the right exit code, never a traceback."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.console import Console


def call(folder: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """``python -m sandbox`` in a folder."""
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd()), "SANDBOX_HOME": str(folder / "home"), **more}
    return subprocess.run(
        [sys.executable, "-m", "sandbox", *arguments],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("stack", ["../x", "a/b", "", "..", "a b", "x" * 101])
def test_a_stack_name_that_could_name_a_path_is_refused(tmp_path: Path, stack: str) -> None:
    answer = call(tmp_path, "status", "--stack", stack)
    assert answer.returncode == 2
    assert "is no stack name; accepted:" in answer.stderr
    assert not (tmp_path / "home").exists()


def test_the_folder_without_a_program_is_named(tmp_path: Path) -> None:
    answer = call(tmp_path, "up")
    assert answer.returncode == 2
    assert f"{tmp_path / 'Pulumi.yaml'}: not found" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_a_home_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("no folder", encoding="utf-8")
    for verb in ("serve", "doctor", "up", "purge"):
        answer = call(tmp_path, verb)
        assert answer.returncode != 0
        assert "Traceback" not in answer.stderr, verb
        assert str(tmp_path / "home") in answer.stderr + answer.stdout, verb


def test_a_port_that_is_taken_is_named_with_what_to_do(tmp_path: Path) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        answer = call(tmp_path, "serve", "--port", port)
    assert answer.returncode != 0
    assert f"port {port} on 127.0.0.1 cannot be taken" in answer.stderr
    assert "--port" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_a_reader_that_leaves_ends_nothing(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as stream:
        console = Console(stream=stream)
        for number in range(3):
            console.line(str(number))
    answer = subprocess.run(
        ["/bin/sh", "-c", f"{{ {sys.executable} -m sandbox doctor --json; echo $? >&2; }} | true"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(Path.cwd()), "SANDBOX_HOME": str(tmp_path / "home")},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert answer.stderr.strip() in ("0", "1")


def test_the_envelope_has_the_error(tmp_path: Path) -> None:
    answer = call(tmp_path, "up", "--json")
    envelope = json.loads(answer.stdout)
    assert (envelope["ok"], envelope["exit_code"], answer.returncode) == (False, 2, 2)
    assert "Pulumi.yaml" in envelope["errors"][0]
