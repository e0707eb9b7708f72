"""What tests of the jobs share: one snapshot, and one run of a model's pipeline as Azure ML would run it."""

import json
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from ml_jobs.flight_delay import snapshot
from ml_jobs.serving import runtime
from tests.shared import made_once

ROOT = Path(__file__).parents[2]
FLIGHT_DELAY = ROOT / "ml_jobs" / "flight_delay"
MONTHS = tuple(f"2013-{number:02}" for number in range(1, 13))

Broken = Callable[[str, str], Path]
Folders = dict[str, Path]
RunPipeline = Callable[[Path, Path], Folders]

# What the release fills in, as the tests have it.
LINEAGE = {"commit": "c0ffee", "code_version": "k1", "data_version": "d1", "environment_version": "e1"}


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A step that ran as a program."""

    code: int
    out: str
    err: str


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Snapshot of all months; tests do not write to it."""
    return made_once(tmp_path_factory, "flights", lambda folder: snapshot.snapshot(folder / "data", MONTHS)) / "data"


@pytest.fixture
def broken(data: Path, tmp_path: Path) -> Broken:
    """Copies January to March and rewrites one file with ``SELECT * REPLACE (...)`` or any other select list."""

    def rewrite(file: str, select: str) -> Path:
        folder = tmp_path / "broken"
        if not folder.exists():
            for month in ("month=2013-01", "month=2013-02", "month=2013-03"):
                shutil.copytree(data / month, folder / month)
            shutil.copy(data / "planes.parquet", folder)
        with duckdb.connect() as connection:
            connection.execute("SELECT setseed(0.5)")
            connection.execute("SET threads = 1")
            connection.read_parquet(str(folder / file), hive_partitioning=False).create("data")
            connection.sql(f"SELECT {select} FROM data").write_parquet(str(folder / file))  # noqa: S608 - our own tests
        return folder

    return rewrite


def code_of(model: Path, part: str, folder: Path) -> Path:
    """Copies what ``model.yaml`` lists for training or serving, as the program uploads it, and nothing else."""
    for pattern in yaml.safe_load((model / "model.yaml").read_text())[part]["code"]:
        found = [path for path in ROOT.glob(pattern) if path.is_file()]
        assert found, f"{model.name}/model.yaml: {part}.code: {pattern} matches nothing"
        for path in found:
            (folder / path.relative_to(ROOT)).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, folder / path.relative_to(ROOT))
    return folder


def run_in(code: Path, *arguments: str | Path, **environment: str) -> Finished:
    """Runs a step in a folder that holds its code."""
    command = [sys.executable, *map(str, arguments)]
    settings = {"PATH": "/usr/bin:/bin", "PYTHONHASHSEED": "0", **environment}
    done = subprocess.run(command, cwd=code, env=settings, capture_output=True, text=True, timeout=120, check=False)
    return Finished(code=done.returncode, out=done.stdout, err=done.stderr)


@pytest.fixture(scope="session")
def step_program(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Finished]:
    """Runs a step of the flights where Azure ML does: among the files of its code asset and no others."""
    return partial(run_in, code_of(FLIGHT_DELAY, "training", tmp_path_factory.mktemp("code")))


@pytest.fixture(scope="session")
def run_pipeline(tmp_path_factory: pytest.TempPathFactory) -> RunPipeline:
    """Runs the commands of a model's pipeline.yaml, bound as it binds them, with the inputs of its model.yaml.

    Returns each output folder by ``step.output``, and the pipeline's own: ``model`` and ``report``. Tests do not write
    to any of them.
    """

    def run(model: Path, data: Path) -> Folders:
        definition = yaml.safe_load((model / "pipeline.yaml").read_text())
        given = yaml.safe_load((model / "model.yaml").read_text())["training"]["inputs"]
        assert set(given) <= set(definition["inputs"])
        values = {name: port["default"] for name, port in definition["inputs"].items() if "default" in port} | given
        values |= {"data": data, **LINEAGE}
        code = code_of(model, "training", tmp_path_factory.mktemp("code"))
        bound = {f"parent.inputs.{name}": str(value) for name, value in values.items()}
        folders: Folders = {}
        for node, job in definition["jobs"].items():
            component = yaml.safe_load((model / job["component"]).read_text())
            own: dict[str, Any] = {f"inputs.{name}": str(port["default"]) for name, port in component["inputs"].items()
                   if "default" in port}  # fmt: skip
            for name, text in job["inputs"].items():
                own[f"inputs.{name}"] = bound.get(text[3:-2]) if text.startswith("${{") else text
            for name in component["outputs"]:
                folder = tmp_path_factory.mktemp(node) / name
                folders[f"{node}.{name}"] = folder
                bound[f"parent.jobs.{node}.outputs.{name}"] = own[f"outputs.{name}"] = str(folder)
            for name, text in job.get("outputs", {}).items():
                folders[text.removeprefix("${{parent.outputs.").removesuffix("}}")] = folders[f"{node}.{name}"]
            command = _filled(component["command"], own).split()
            assert command.pop(0) == "python"
            done = run_in(code, *command)
            assert done.code == 0, f"{node}: {done.out}{done.err}"
        return folders

    return run


@pytest.fixture(scope="session")
def pipeline(data: Path, run_pipeline: RunPipeline, tmp_path_factory: pytest.TempPathFactory) -> Folders:
    """The flights' pipeline, run once."""

    def run(folder: Path) -> None:
        found = {name: str(path) for name, path in run_pipeline(FLIGHT_DELAY, data).items()}
        (folder / "folders.json").write_text(json.dumps(found))

    listed = made_once(tmp_path_factory, "flights-pipeline", run) / "folders.json"
    return {name: Path(path) for name, path in json.loads(listed.read_text()).items()}


def answer(model: Path, body: object) -> dict[str, Any]:
    """What a registered model answers, without a server."""
    return runtime.Model(model).answer(json.dumps(body))


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
