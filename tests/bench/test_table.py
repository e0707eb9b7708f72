"""The table that measurements end in, and the page that keeps it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench import stage
from bench.__main__ import PAGE, write
from bench.table import Row, markdown, text, times, verdict

ROWS = [
    Row(what="reads", ours="10/s", other="peer 5/s", ratio=times(2), bar="over 5/s", verdict=verdict(True)),
    Row(what="a | b", ours="1 s", bar="under 1 s", verdict=verdict(False)),
]


def test_columns_are_aligned() -> None:
    head, first, second = text(ROWS).splitlines()
    assert head.index("measured") == first.index("10/s") == second.index("1 s")
    assert first.endswith("holds")
    assert second.endswith("missed")


def test_markdown_keeps_its_columns() -> None:
    lines = markdown(ROWS).splitlines()
    assert {line.count("|") for line in lines} == {7}
    assert "a / b" in lines[-1]


def test_only_what_is_between_the_marks_is_replaced(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE.read_text(encoding="utf-8"), encoding="utf-8")
    write(page, "first")
    write(page, "second")
    before, _, rest = PAGE.read_text(encoding="utf-8").partition("<!-- measured")
    told = page.read_text(encoding="utf-8")
    assert told.startswith(before)
    assert "\nsecond\n" in told
    assert "first\n<!--" not in told
    assert told.endswith(rest.partition("<!-- end")[2])


def test_a_command_that_fails_is_no_measurement(tmp_path: Path) -> None:
    with pytest.raises(stage.BenchError, match="ended with 3:\nthat is why"):
        stage.run([sys.executable, "-c", "import sys; print('that is why'); sys.exit(3)"], tmp_path, os.environ)


def test_memory_counts_the_whole_family(tmp_path: Path) -> None:
    code = "import subprocess, sys; big = b'x' * 50_000_000; subprocess.run([sys.executable, '-c', sys.argv[1]])"
    child = "import time; big = b'x' * 50_000_000; time.sleep(0.5)"
    found = stage.run([sys.executable, "-c", code, child], tmp_path, os.environ, memory=True)
    assert 100e6 < found.memory < 150e6


def test_nothing_that_makes_a_client_local_is_measured_with(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in (
        "AZURE_CLIENT_SECRET",
        "ARM_CLIENT_ID",
        "HTTPS_PROXY",
        "SSL_CERT_FILE",
        "PYTHONDONTWRITEBYTECODE",
        "MLOPS_LIVE",
        "MAKEFLAGS",
    ):
        monkeypatch.setenv(name, "set")
    found = stage.bare(tmp_path)
    assert not {name for name, value in found.items() if value == "set"}
    assert found["SANDBOX_HOME"] == str(tmp_path)


def test_a_family_ends_with_its_processes() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        assert stage.family(process.pid) == [process.pid]
        assert stage.share(process.pid) >= 0
        assert process.stdin is not None
        process.stdin.close()
    assert stage.share(process.pid) == 0
