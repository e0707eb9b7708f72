"""The commit that is recorded is one that holds the code that ran, or none."""

import subprocess
from pathlib import Path

import pytest

import naming
from ops.commit import Commit, is_clean

PATTERNS = ("ml_jobs/flight_delay/*.py",)


def git(*arguments: str) -> str:
    done = subprocess.run(
        ["git", "-c", "user.name=Ada", "-c", "user.email=ada@example.com", *arguments],
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


@pytest.fixture
def committed(project: Path) -> str:
    git("init", "-q")
    git("add", "-A")
    git("commit", "-qm", "A commit")
    return git("rev-parse", "HEAD")


def code() -> str:
    return f"training:{naming.content(Path(), PATTERNS).version}"


def test_a_checkout_that_holds_what_ran_names_its_commit(committed: str) -> None:
    found = Commit.of_code(code(), PATTERNS, "ml_jobs")
    assert (found.id, found.author, found.clean) == (committed, "Ada", True)


def test_another_checkout_than_the_one_that_was_applied_is_unknown(committed: str) -> None:
    applied = code()
    Path("ml_jobs/flight_delay/train.py").write_text("# trains otherwise\n", encoding="utf-8")
    git("commit", "-qam", "Another commit")
    assert Commit.of_code(applied, PATTERNS, "ml_jobs") == Commit("unknown", "Ada")


@pytest.mark.parametrize("file", ["ml_jobs/flight_delay/train.py", "ml_jobs/flight_delay/new.py"])
def test_code_that_is_not_committed_is_dirty(committed: str, file: str) -> None:
    Path(file).write_text("# not committed\n", encoding="utf-8")
    found = Commit.of_code(code(), PATTERNS, "ml_jobs")
    assert (found.id, found.clean) == (f"{committed}-dirty", False)


@pytest.mark.parametrize("file", ["README.md", "live/dev.yaml"])
def test_what_is_no_code_does_not_make_code_dirty(committed: str, file: str) -> None:
    Path(file).parent.mkdir(exist_ok=True)
    Path(file).write_text("words", encoding="utf-8")
    assert Commit.of_code(code(), PATTERNS, "ml_jobs").clean


def test_a_release_of_its_own_does_not_make_a_checkout_dirty(committed: str) -> None:
    Path("live").mkdir()
    Path("live/prod.yaml").write_text("{}", encoding="utf-8")
    assert Commit.here().clean
    Path("README.md").write_text("words", encoding="utf-8")
    assert not Commit.here().clean


def test_a_pattern_without_a_file_is_another_checkout(committed: str) -> None:
    assert Commit.of_code(code(), ("gone/*.py",), "ml_jobs").id == "unknown"


def test_a_folder_without_git_has_an_unknown_commit(project: Path) -> None:
    assert Commit.here() == Commit("unknown", "unknown")
    assert not is_clean("unknown")
