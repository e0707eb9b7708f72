"""Component and pipeline files: Azure's own client accepts them, and every binding leads somewhere of the same type."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from azure.ai.ml import load_component

from tests.ml_jobs.conftest import ROOT

FOLDER = ROOT / "ml_jobs"
PIPELINE = yaml.safe_load((FOLDER / "pipeline.yaml").read_text())
FILES = sorted((FOLDER / "components").glob("*.yaml"))
STEPS = {path.stem: yaml.safe_load(path.read_text()) for path in FILES}
JOBS: dict[str, Any] = PIPELINE["jobs"]


def port_type(reference: str) -> str:
    """Type of what ``${{parent...}}`` names."""
    path = reference.removeprefix("${{parent.").removesuffix("}}").split(".")
    if path[0] in ("inputs", "outputs"):
        return str(PIPELINE[path[0]][path[1]]["type"])
    assert path[0] == "jobs"
    assert path[2] == "outputs"
    return str(STEPS[path[1]]["outputs"][path[3]]["type"])


@pytest.mark.parametrize("path", [*FILES, FOLDER / "pipeline.yaml"], ids=lambda path: path.stem)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_azure_s_client_accepts_the_file(path: Path) -> None:
    result = load_component(path)._validate()
    assert result.passed, result.error_messages


def test_the_pipeline_runs_every_step_under_its_own_name() -> None:
    assert {node: job["component"] for node, job in JOBS.items()} == {
        name: f"./components/{name}.yaml" for name in STEPS
    }
    assert all(step["name"] == f"flight_delay_{name}" for name, step in STEPS.items())


@pytest.mark.parametrize("node", JOBS)
def test_every_port_of_a_step_is_bound_to_one_of_its_type(node: str) -> None:
    step, job = STEPS[node], JOBS[node]
    assert set(job["inputs"]) == set(step["inputs"])
    for name, reference in job["inputs"].items():
        assert port_type(reference) == step["inputs"][name]["type"], name
    for name, reference in job.get("outputs", {}).items():
        assert port_type(reference) == step["outputs"][name]["type"], name


@pytest.mark.parametrize("node", JOBS)
def test_what_a_step_may_lack_is_what_the_pipeline_may_lack(node: str) -> None:
    for name, port in STEPS[node]["inputs"].items():
        source = JOBS[node]["inputs"][name].removeprefix("${{parent.").removesuffix("}}").split(".")
        if source[0] == "inputs":
            assert port.get("optional") == PIPELINE["inputs"][source[1]].get("optional"), name


@pytest.mark.parametrize("node", JOBS)
def test_a_command_is_a_module_of_this_folder_that_uses_every_port(node: str) -> None:
    step = STEPS[node]
    assert step["command"].startswith(f"python -m ml_jobs.{node} ")
    assert (FOLDER / f"{node}.py").is_file()
    used = set(re.findall(r"\$\{\{(\S+?)\}\}", step["command"]))
    assert used == {f"{side}.{name}" for side in ("inputs", "outputs") for name in step[side]}


def test_every_output_of_the_pipeline_is_made_and_every_input_used() -> None:
    bound = [
        reference for job in JOBS.values() for side in ("inputs", "outputs") for reference in job.get(side, {}).values()
    ]
    for side in ("inputs", "outputs"):
        assert {f"${{{{parent.{side}.{name}}}}}" for name in PIPELINE[side]} <= set(bound)


def test_defaults_and_types_are_those_of_the_step() -> None:
    for name, port in STEPS["train"]["inputs"].items():
        if name != "prepared":
            assert PIPELINE["inputs"][name]["default"] == port["default"]
            assert PIPELINE["inputs"][name]["type"] == port["type"]
