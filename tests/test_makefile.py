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
    for name in ("Makefile", "install.py", "requirements.lock", "requirements-models.lock"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "bin").mkdir()
    return tmp_path


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs make without a sandbox's or another make's variables, where ``bin`` is all of the path."""
    return subprocess.run(
        [shutil.which("make") or "make", "-s", *arguments], cwd=folder, capture_output=True, text=True, check=False,
        env={"PATH": str(folder / "bin"), "HOME": str(folder)}, timeout=60,
    )  # fmt: skip


def command(folder: Path, name: str, script: str) -> None:
    """A program on the path that writes down what it is asked."""
    path = folder / "bin" / name
    path.write_text(f'#!/bin/sh\necho "{name} $*" >>"{folder}/calls"\n{script}\n', encoding="utf-8")
    path.chmod(0o755)


def calls(folder: Path) -> list[str]:
    return (folder / "calls").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("verb", ["up", "test", "check", "preview", "doctor"])
def test_a_machine_without_python_is_told_so(folder: Path, verb: str) -> None:
    done = make(folder, verb)
    assert done.returncode != 0
    assert "error: no Python 3.11, 3.12 or 3.13 with venv was found on PATH" in done.stderr
    assert "make PYTHON=/path/to/python3.12" in done.stderr
    assert not (folder / ".venv").exists()


def test_a_python_that_is_not_there_is_named(folder: Path) -> None:
    command(folder, "python3.12", "exit 0")
    done = make(folder, "up", "PYTHON=python3.99")
    assert (done.returncode, done.stderr.splitlines()[0]) == (2, "error: python3.99 is not installed")
    assert not (folder / "calls").exists(), "it was asked for this one and no other"


def test_another_python_is_named(folder: Path) -> None:
    command(folder, "python3.7", '[ "$1" = --version ] && echo "Python 3.7.1" || exit 1')
    done = make(folder, "up", "PYTHON=python3.7")
    assert (done.returncode, done.stderr.splitlines()[0]) == (2, "error: python3.7 is Python 3.7.1, or lacks venv")


def test_the_newest_python_that_works_is_taken(folder: Path) -> None:
    command(folder, "python3.13", "exit 127")  # as pyenv's for a version that is not switched on
    for name in ("python3.12", "python3.11", "python3"):
        command(folder, name, "exit 0")
    assert make(folder, "install").returncode == 0
    assert [line.split()[0] for line in calls(folder)] == ["python3.13", "python3.12", "python3.12"]
    assert calls(folder)[-1] == ("python3.12 install.py .venv=requirements.lock .venv-models=requirements-models.lock")


def test_the_doctor_installs_nothing(folder: Path) -> None:
    command(folder, "python3", "exit 0")
    assert make(folder, "doctor").returncode == 0
    assert calls(folder)[-1] == "python3 -m sandbox.doctor"
    assert not list(folder.glob(".venv*"))


@pytest.fixture
def installed(folder: Path) -> Path:
    """The same with programs that only say that they were run; a release ends with closing lines."""
    command(folder, "python3.12", "exit 0")
    for name in ("bash", "mkdir"):
        (folder / "bin" / name).symlink_to(str(shutil.which(name)))
    program = folder / ".venv" / "bin" / "python"
    program.parent.mkdir(parents=True)
    program.write_text(
        '#!/bin/sh\n[ "$3" = env ] || [ "$3" = outputs ] && exit\n'
        '[ "$2" = ops.release ] && { echo "endpoint E"; exit ${RELEASE:-0}; }\n'
        'echo "$2 $3"\n', encoding="utf-8",
    )  # fmt: skip
    program.chmod(0o755)
    return folder


def test_the_status_begins_with_what_serves_and_ends_with_what_came_up(installed: Path) -> None:
    told = [line for line in make(installed, "status").stdout.splitlines() if line]
    says = "What the files say now, against the last update:"
    assert told == ["ops.status --outputs", says, "sandbox preview", "sandbox status"]


def test_the_status_of_a_stopped_sandbox_is_what_releases_wrote(installed: Path) -> None:
    program = installed / ".venv" / "bin" / "python"
    program.write_text('#!/bin/sh\n[ "$3" = env ] && exit 1\necho "$* $MLOPS_LIVE"\n', encoding="utf-8")
    done = make(installed, "status", "MODEL=wine")
    assert done.returncode == 0, done.stderr
    (asked,) = [line for line in done.stdout.splitlines() if "ops.status" in line]
    assert asked == "-m ops.status --outputs .sandbox/outputs/dev.json --model wine --offline .sandbox/live/"


def test_a_stopped_sandbox_starts_before_it_is_asked_whether_models_may_go_on(installed: Path) -> None:
    """Else the refusal would come after the stack is up."""
    (installed / ".sandbox" / "outputs").mkdir(parents=True)
    (installed / ".sandbox" / "outputs" / "dev.json").touch()
    program = installed / ".venv" / "bin" / "python"
    refuses = f'echo "$*" >>{installed}/calls\n[ "$3" = env ] && exit 1\ncase "$*" in *--check) exit 1;; esac\n'
    program.write_text(f"#!/bin/sh\n{refuses}", encoding="utf-8")
    assert make(installed, "up", "STACK=prod").returncode == 2
    last = calls(installed)[-1]
    assert last.startswith("-m sandbox run -- .venv/bin/python -m ops.promote --outputs .sandbox/outputs/dev.json ")
    assert last.endswith(" --check")


@pytest.mark.parametrize(
    ("stack", "shows"), [("dev", True), ("prod", False), ("live", False), ("live FROM=live", True)]
)
def test_up_ends_with_the_endpoint_and_the_next_commands(installed: Path, stack: str, shows: bool) -> None:
    done = make(installed, "up", *f"STACK={stack}".split())
    told = [line.partition(":")[0] for line in done.stdout.splitlines() if line]
    assert told == [
        "ops.data --stack",
        # Whether its models may come is known before anything is made.
        *([] if shows else ["ops.promote --outputs"]),
        "sandbox up",
        "sandbox status",
        "endpoint E",
        "To use it from this shell, curl included",
        *(["To see what production would get"] if shows else []),
        "To take it to Azure",
        "To stop, and keep the data",
    ], done.stderr


LOST = [
    ("up", ["dev"]), ("up STACK=prod", ["prod", "dev"]), ("status", ["dev"]), ("versions", ["dev"]),
    ("rollback STACK=prod", ["prod"]),
]  # fmt: skip


@pytest.mark.parametrize(("verb", "stacks"), LOST, ids=lambda value: str(value))
def test_a_lost_file_of_outputs_is_written_before_it_is_read(installed: Path, verb: str, stacks: list[str]) -> None:
    program = installed / ".venv" / "bin" / "python"
    program.write_text(
        '#!/bin/sh\necho "$*" >>calls\n[ "$3" = env ] && exit\n[ "$3" = outputs ] && echo >"$7"\nexit 0\n',
        encoding="utf-8",
    )
    (installed / ".sandbox" / "outputs").mkdir(parents=True)
    done = make(installed, *verb.split())
    assert done.returncode == 0, done.stderr
    asked = [line for line in calls(installed) if " -m sandbox outputs " in f" {line}"]
    assert asked == [f"-m sandbox outputs --stack {each} --file .sandbox/outputs/{each}.json" for each in stacks]
    reads = [number for number, line in enumerate(calls(installed)) if "-m ops." in line and "ops.data" not in line]
    assert calls(installed).index(asked[0]) < min(reads)
    if verb.startswith("up"):
        assert "--restore" in calls(installed)[min(reads)], "what is live is asked before the program runs"


def test_up_trains_again_when_it_is_asked_to(installed: Path) -> None:
    program = installed / ".venv" / "bin" / "python"
    program.write_text(f'#!/bin/sh\necho "$@" >>{installed}/calls\n', encoding="utf-8")
    make(installed, "up", "AGAIN=1", "MODEL=wine")
    (release,) = [line for line in calls(installed) if "ops.release" in line]
    assert "--model wine --again" in release
    make(installed, "up")
    assert not [line for line in calls(installed)[-3:] if "--again" in line or "--model" in line]


def test_a_release_that_fails_fails_the_up_and_shows_what_came_up_of_it(installed: Path) -> None:
    done = make(installed, "up", "RELEASE=1")
    assert done.returncode == 2
    assert done.stdout.splitlines()[-1] == "endpoint E", "another model of the stack may have been released"


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
