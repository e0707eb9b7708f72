"""The daily verbs where they refuse, and that each is what the README says."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the Makefile and locks, and nothing installed."""
    for name in ("Makefile", "requirements.lock", "requirements-serving.lock"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs make without a sandbox's or another make's variables."""
    return subprocess.run(
        ["make", "-s", *arguments], cwd=folder, capture_output=True, text=True, check=False,
        env={"PATH": f"{folder}:/usr/bin:/bin", "HOME": str(folder)}, timeout=60,
    )  # fmt: skip


@pytest.mark.parametrize("verb", ["up", "test", "check", "preview", "doctor"])
def test_a_machine_without_python_is_told_so(folder: Path, verb: str) -> None:
    done = make(folder, verb, "PYTHON=python3.99")
    assert done.returncode != 0
    assert "error: python3.99 is not installed" in done.stderr
    assert "make PYTHON=/path/to/python3.11" in done.stderr
    assert not (folder / ".venv").exists()


def test_another_python_is_named(folder: Path) -> None:
    other = folder / "python3.7"
    other.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.7.1" || exit 1\n', encoding="utf-8")
    other.chmod(0o755)
    done = make(folder, "up", "PYTHON=python3.7")
    assert done.returncode != 0
    assert "error: python3.7 is Python 3.7.1" in done.stderr


def test_without_a_verb_it_lists_them(folder: Path) -> None:
    listed = make(folder).stdout
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(re.findall(r"^make ([a-z]+) ", listed, re.MULTILINE)) == targets - {"help", "install", "data"}


def test_no_lock_file_names_an_index() -> None:
    for path in ROOT.glob("requirements*.lock"):
        text = path.read_text(encoding="utf-8")
        assert "://" not in text
        assert "--index-url" not in text
        pins = re.findall(r"^[\w.-]+(?:\[[\w,-]+\])?==\S+", text, re.MULTILINE)
        assert len(pins) == len(re.findall(r"^[^\s#]", text, re.MULTILINE)), f"{path.name}: every line is an exact pin"
        assert text.count("--hash=sha256:") >= len(pins)
