"""What tests of the jobs share: one snapshot, and one run of the pipeline as Azure ML would run it."""

import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from ml_jobs import snapshot

ROOT = Path(__file__).parents[2]
MONTHS = tuple(f"2013-{number:02}" for number in range(1, 13))

Broken = Callable[[str, str], Path]


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A step that ran as a program."""

    code: int
    out: str
    err: str


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Snapshot of all months; tests do not write to it."""
    folder = tmp_path_factory.mktemp("data") / "flights"
    snapshot.snapshot(folder, MONTHS)
    return folder


@pytest.fixture
def broken(data: Path, tmp_path: Path) -> Broken:
    """Copies January and February and rewrites one file with ``SELECT * REPLACE (...)`` or any other select list."""

    def rewrite(file: str, select: str) -> Path:
        folder = tmp_path / "broken"
        if not folder.exists():
            for month in ("month=2013-01", "month=2013-02"):
                shutil.copytree(data / month, folder / month)
            shutil.copy(data / "planes.parquet", folder)
        with duckdb.connect() as connection:
            connection.execute("SELECT setseed(0.5)")
            connection.execute("SET threads = 1")
            connection.read_parquet(str(folder / file), hive_partitioning=False).create("data")
            connection.sql(f"SELECT {select} FROM data").write_parquet(str(folder / file))  # noqa: S608 - our own tests
        return folder

    return rewrite


@pytest.fixture(scope="session")
def step_program(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Finished]:
    """Runs a step where Azure ML does: in a folder that holds ``ml_jobs/`` and nothing else of the repository."""
    code = tmp_path_factory.mktemp("code")
    shutil.copytree(ROOT / "ml_jobs", code / "ml_jobs", ignore=shutil.ignore_patterns("__pycache__"))

    def run(*arguments: str | Path, **environment: str) -> Finished:
        command = [sys.executable, *map(str, arguments)]
        settings = {"PATH": "/usr/bin:/bin", "PYTHONHASHSEED": "0", **environment}
        done = subprocess.run(command, cwd=code, env=settings, capture_output=True, text=True, timeout=60, check=False)
        return Finished(code=done.returncode, out=done.stdout, err=done.stderr)

    return run


@pytest.fixture(scope="session")
def pipeline(
    data: Path, step_program: Callable[..., Finished], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """Runs the commands of pipeline.yaml, bound as it binds them, and returns each output folder by ``step.output``.

    The outputs of the pipeline are there too: ``model`` and ``report``. Tests do not write to any of them.
    """
    definition = yaml.safe_load((ROOT / "ml_jobs/pipeline.yaml").read_text())
    values = {
        f"parent.inputs.{name}": str(port["default"])
        for name, port in definition["inputs"].items()
        if "default" in port
    }
    values |= {
        "parent.inputs.data": str(data),
        "parent.inputs.commit": "c0ffee",
        "parent.inputs.data_version": "d1",
        "parent.inputs.environment_version": "e1",
    }
    folders: dict[str, Path] = {}
    for node, job in definition["jobs"].items():
        component = yaml.safe_load((ROOT / "ml_jobs" / job["component"]).read_text())
        bound = {f"inputs.{name}": values.get(text[3:-2]) for name, text in job["inputs"].items()}
        for name in component["outputs"]:
            folder = tmp_path_factory.mktemp(node) / name
            folders[f"{node}.{name}"] = folder
            values[f"parent.jobs.{node}.outputs.{name}"] = bound[f"outputs.{name}"] = str(folder)
        for name, text in job.get("outputs", {}).items():
            folders[text.removeprefix("${{parent.outputs.").removesuffix("}}")] = folders[f"{node}.{name}"]
        command = _filled(component["command"], bound).split()
        assert command.pop(0) == "python"
        done = step_program(*command)
        assert done.code == 0, f"{node}: {done.err}"
    return folders


def _filled(command: str, bound: dict[str, Any]) -> str:
    def optional(match: re.Match[str]) -> str:
        names = re.findall(r"\$\{\{(.*?)\}\}", match[1])
        return match[1] if all(bound.get(name) for name in names) else ""

    command = re.sub(r"\$\[\[(.*?)\]\]", optional, command)
    return re.sub(r"\$\{\{(.*?)\}\}", lambda match: str(bound[match[1]]), command)


@pytest.fixture
def unused_port() -> int:
    """A loopback port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
