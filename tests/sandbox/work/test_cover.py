import json
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.work import cover

COVERED = """
import json, sys
from sandbox.work.cover import cover
cover(**json.loads(sys.argv[1]))
exec(sys.argv[2])
"""
needs_namespaces = pytest.mark.skipif(bool(cover.trouble()), reason=f"no namespaces here: {cover.trouble()}")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder like the sandbox's."""
    (tmp_path / "work/job").mkdir(parents=True)
    (tmp_path / "work/other").mkdir()
    for name in ("secret", "state.db", "ca.pem", "work/job/own", "work/other/theirs"):
        (tmp_path / name).write_text(name)
    return tmp_path


def run(home: Path, script: str) -> str:
    """What a script prints that runs under the cover; its paths are relative to the folder."""
    how = {"root": str(home), "show": [str(home / "work/job")], "copies": [str(home / "ca.pem")]}
    script = f"import os, subprocess, sys; os.chdir({str(home)!r}); {script}"
    done = subprocess.run(
        [sys.executable, "-c", COVERED, json.dumps(how), script], cwd=Path(__file__).parents[3],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return (done.stdout + done.stderr).strip()


@needs_namespaces
def test_only_its_own_is_to_be_seen(home: Path) -> None:
    seen = run(home, "print(sorted(os.path.join(a, f)[2:] for a, _, files in os.walk('.') for f in files))")
    assert seen == "['ca.pem', 'work/job/own']"
    assert run(home, "print(open('ca.pem').read())") == "ca.pem"


@needs_namespaces
def test_its_own_folder_alone_can_be_written(home: Path) -> None:
    assert run(home, "open('work/job/new', 'w').write('kept')") == ""
    assert (home / "work/job/new").read_text() == "kept"
    for name in ("secret", "new", "ca.pem", "work/new"):
        assert "Error" in run(home, f"open({name!r}, 'w')")
    assert (home / "secret").read_text() == "secret"


@needs_namespaces
@pytest.mark.parametrize(
    "way",
    [
        "subprocess.run(['umount', '.'])",
        "subprocess.run(['unshare', '--user', '--map-root-user', '--mount', 'umount', os.getcwd()])",
        "os.chdir('/'); subprocess.run(['mount', '--bind', '/', '/mnt'])",
        "print(open(f'/proc/{os.getppid()}/root' + os.getcwd() + '/secret').read())",
        "print(open(f'/proc/{os.getppid()}/environ').read())",
    ],
)
def test_there_is_no_way_back(home: Path, way: str) -> None:
    said = run(home, f"exec({way!r}); print(os.path.exists({str(home / 'secret')!r}))")
    assert "True" not in said
    assert any(word in said for word in ("denied", "not permitted", "must be superuser", "Invalid argument", "failed"))


@needs_namespaces
def test_it_costs_next_to_nothing(home: Path) -> None:
    assert min(_seconds(home) for _ in range(5)) < 0.02


def _seconds(home: Path) -> float:
    script = "import time\nfrom sandbox.work.cover import cover\nimport json, sys\nbegun = time.perf_counter()\n"
    how = {"root": str(home), "show": [str(home / "work/job")], "copies": [str(home / "ca.pem")]}
    done = subprocess.run(
        [sys.executable, "-c", f"{script}cover(**json.loads(sys.argv[1]))\nprint(time.perf_counter() - begun)",
         json.dumps(how)],
        cwd=Path(__file__).parents[3], capture_output=True, text=True, check=True,
    )  # fmt: skip
    return float(done.stdout)


def test_a_kernel_that_does_not_allow_it_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stub = tmp_path / "python"
    stub.write_text("#!/bin/sh\necho Operation not permitted\n")
    stub.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(stub))
    assert cover.trouble() == "Operation not permitted"
