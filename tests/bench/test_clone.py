"""What is measured is the last commit, in the environments that it asks for."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench import clone
from bench.stage import BenchError

LOCKS = {".venv": "requirements.lock", ".venv-models": "requirements-models.lock"}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with its environments installed."""
    root = tmp_path / "project"
    (root / ".data").mkdir(parents=True)
    for name, lock in LOCKS.items():
        root.joinpath(lock).write_text(f"{name}==1\n")
        root.joinpath(name, "bin").mkdir(parents=True)
        root.joinpath(name, "bin", "python").touch()
        stamp = {
            "python": "3.11 /usr/bin/python3.11",
            "locks": {lock: hashlib.sha256(f"{name}==1\n".encode()).hexdigest()},
        }
        root.joinpath(name, "installed.json").write_text(json.dumps(stamp))
    root.joinpath(".gitignore").write_text(".venv/\n.venv-models/\n.data/\n")
    root.joinpath("Makefile").write_text("up:\n\t@echo up with $(PYTHON)\n")
    git(root, "init", "--quiet")
    commit(root)
    monkeypatch.setattr(clone, "ROOT", root)
    return root


def git(root: Path, *arguments: str) -> None:
    """Run git there."""
    subprocess.run(["git", "-c", "user.name=me", "-c", "user.email=me@example.com", *arguments], cwd=root, check=True)


def commit(root: Path) -> None:
    """Commit everything."""
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "All")


def test_an_installed_clone_shares_the_environments_and_nothing_else(project: Path) -> None:
    (project / "Makefile").write_text("not committed")
    with clone.clone(installed=True) as place:
        assert (place / ".venv").resolve() == project / ".venv"
        assert "not committed" not in (place / "Makefile").read_text()
        (place / ".data" / "more").touch()
    assert not (project / ".data" / "more").exists()


def test_make_takes_the_python_that_the_environment_has(project: Path) -> None:
    with clone.clone(installed=True) as place:
        assert clone.make(place, "up", expected="up with /usr/bin/python3.11") > 0


@pytest.mark.parametrize("lock", LOCKS.values())
def test_environments_of_another_lock_are_not_shared(project: Path, lock: str) -> None:
    """`make` in the clone would empty them and install anew."""
    (project / lock).write_text("another==2\n")
    commit(project)
    with pytest.raises(BenchError, match=f"{lock} .*make install"), clone.clone(installed=True):
        pass


def test_a_command_that_does_not_say_what_it_should_is_no_measurement(tmp_path: Path) -> None:
    says = [sys.executable, "-c", "import sys; print('one'); print('two', file=sys.stderr)"]
    assert clone.told(says, tmp_path, expected="two").seconds > 0
    with pytest.raises(BenchError, match=r"(?s)'three' is not in .*one"):
        clone.told(says, tmp_path, expected="three")
