"""The doctor before anything is installed: any Python's own library is enough, and nothing is made."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox import launch

ROOT = Path(__file__).parents[2]


def bare(folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """The doctor by a Python that has nothing but its own library."""
    kept = {name: text for name, text in launch.local_free(dict(os.environ)).items() if not name.startswith("PIP_")}
    environment = {**kept, "PYTHONPATH": str(ROOT), "SANDBOX_HOME": str(folder / "home"), **more}
    return subprocess.run(
        [sys.executable, "-S", "-m", "sandbox.doctor"], cwd=folder, env=environment, text=True, capture_output=True,
        timeout=60, check=False,
    )  # fmt: skip


def failed(said: str) -> dict[str, str]:
    return {line.split()[1]: line for line in said.splitlines() if line.startswith("FAIL")}


def test_the_machine_is_judged(tmp_path: Path) -> None:
    done = bare(tmp_path, PYTHON=sys.executable)
    assert (done.returncode, failed(done.stdout), done.stderr) == (0, {}, "")
    assert "not installed yet; make up does it" in done.stdout
    assert list(tmp_path.iterdir()) == [], "nothing was made"


@pytest.mark.parametrize("python", ["", "/no/such/python"])
def test_a_missing_python_is_named(tmp_path: Path, python: str) -> None:
    done = bare(tmp_path, PATH=str(tmp_path), PYTHON=python)
    assert done.returncode == 1
    assert failed(done.stdout).keys() == {"python"}
    assert f"none of {python or 'python3.13, python3.12, python3.11'} is here" in done.stdout
    assert "make PYTHON=/path/to/python" in done.stdout


def test_a_network_without_an_index_is_named(tmp_path: Path) -> None:
    (tmp_path / "requirements.lock").write_text("pulumi==3.272.0 \\\n    --hash=sha256:00\n", encoding="utf-8")
    done = bare(tmp_path, PYTHON=sys.executable, PIP_INDEX_URL="http://127.0.0.1:9/simple")
    assert done.returncode == 1
    assert failed(done.stdout).keys() == {"index"}
    assert "pip does not get pulumi; check the network" in done.stdout
