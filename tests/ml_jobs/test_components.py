"""Component and pipeline files of every model: Azure's own client accepts them, and every binding leads somewhere."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from azure.ai.ml import load_component

from tests.ml_jobs.conftest import ROOT

MODELS = sorted(path.parent for path in (ROOT / "ml_jobs").glob("*/model.yaml"))
FILES = sorted((ROOT / "ml_jobs").glob("**/components/*.yaml"))
PIPELINES = {model.name: yaml.safe_load((model / "pipeline.yaml").read_text()) for model in MODELS}
NODES = [(model, node) for model in MODELS for node in PIPELINES[model.name]["jobs"]]
SHARED = ("check", "evaluate", "export_onnx")
OWN = ("prepare", "train")

each_node = pytest.mark.parametrize(("model", "node"), NODES, ids=lambda value: getattr(value, "name", value))
each_model = pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)


def read(model: Path, node: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """A node of a pipeline, and the component that it runs."""
    job = PIPELINES[model.name]["jobs"][node]
    return job, yaml.safe_load((model / job["component"]).read_text())


def path_of(reference: str) -> list[str]:
    """``${{parent.inputs.data}}`` as ``["inputs", "data"]``; empty for a value that is written out."""
    return reference[3:-2].split(".")[1:] if reference.startswith("${{") else []


def port_type(model: Path, reference: str) -> str:
    """Type of what ``${{parent...}}`` names; a value that is written out is text."""
    path = path_of(reference)
    if not path:
        return "string"
    if path[0] in ("inputs", "outputs"):
        return str(PIPELINES[model.name][path[0]][path[1]]["type"])
    assert (path[0], path[2]) == ("jobs", "outputs")
    return str(read(model, path[1])[1]["outputs"][path[3]]["type"])


@pytest.mark.parametrize(
    "path", [*FILES, *(model / "pipeline.yaml" for model in MODELS)], ids=lambda path: str(path.relative_to(ROOT))
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_azure_s_client_accepts_the_file(path: Path) -> None:
    result = load_component(path)._validate()
    assert result.passed, result.error_messages


@each_model
def test_a_pipeline_runs_shared_and_own_steps_each_under_its_name(model: Path) -> None:
    jobs = PIPELINES[model.name]["jobs"]
    assert {node: job["component"] for node, job in jobs.items()} == {
        **{node: f"../components/{node}.yaml" for node in SHARED},
        **{node: f"./components/{node}.yaml" for node in OWN},
    }
    for node in jobs:
        owner = "tabular" if node in SHARED else model.name
        assert read(model, node)[1]["name"] == f"{owner}_{node}"
    assert PIPELINES[model.name]["name"] == f"{model.name}_training"


@each_node
def test_every_port_of_a_step_is_bound_to_one_of_its_type(model: Path, node: str) -> None:
    job, step = read(model, node)
    needed = {name for name, port in step["inputs"].items() if not port.get("optional")}
    assert needed <= set(job["inputs"]) <= set(step["inputs"])
    for side in ("inputs", "outputs"):
        for name, reference in job.get(side, {}).items():
            assert port_type(model, reference) == step[side][name]["type"], name


@each_node
def test_what_a_step_may_not_lack_the_pipeline_may_not_lack(model: Path, node: str) -> None:
    job, step = read(model, node)
    for name, reference in job["inputs"].items():
        path = path_of(reference)
        if path[:1] == ["inputs"] and PIPELINES[model.name]["inputs"][path[1]].get("optional"):
            assert step["inputs"][name].get("optional"), name


@each_node
def test_files_that_a_step_is_told_are_among_the_training_code(model: Path, node: str) -> None:
    patterns = yaml.safe_load((model / "model.yaml").read_text())["training"]["code"]
    sent = {path for pattern in patterns for path in ROOT.glob(pattern)}
    for name, text in read(model, node)[0]["inputs"].items():
        if not path_of(text):
            assert ROOT / text in sent, name


@each_node
def test_a_command_is_a_module_of_this_room_that_uses_every_port(model: Path, node: str) -> None:
    step = read(model, node)[1]
    module = f"ml_jobs.{node}" if node in SHARED else f"ml_jobs.{model.name}.{node}"
    assert step["command"].startswith(f"python -m {module} ")
    assert (ROOT / f"{module.replace('.', '/')}.py").is_file()
    used = set(re.findall(r"\$\{\{(\S+?)\}\}", step["command"]))
    assert used == {f"{side}.{name}" for side in ("inputs", "outputs") for name in step[side]}


@each_model
def test_every_output_of_a_pipeline_is_made_and_every_input_used(model: Path) -> None:
    jobs = PIPELINES[model.name]["jobs"].values()
    bound = [reference for job in jobs for side in ("inputs", "outputs") for reference in job.get(side, {}).values()]
    for side in ("inputs", "outputs"):
        assert {f"${{{{parent.{side}.{name}}}}}" for name in PIPELINES[model.name][side]} <= set(bound)


@each_model
def test_what_a_model_chooses_is_an_input_of_its_pipeline_with_the_step_s_type(model: Path) -> None:
    inputs = yaml.safe_load((model / "model.yaml").read_text())["training"]["inputs"]
    assert set(inputs) <= set(PIPELINES[model.name]["inputs"])
    for node in PIPELINES[model.name]["jobs"]:
        job, step = read(model, node)
        for name, reference in job["inputs"].items():
            if path_of(reference)[:1] == ["inputs"] and "default" in step["inputs"][name]:
                assert "default" in PIPELINES[model.name]["inputs"][path_of(reference)[1]], name


@each_model
def test_what_does_not_shape_a_model_is_not_training_code(model: Path) -> None:
    """A change of the scoring script, a smoke check, the sample or the data's maker trains nothing anew."""
    patterns = yaml.safe_load((model / "model.yaml").read_text())["training"]["code"]
    sent = {path.relative_to(ROOT / "ml_jobs").as_posix() for pattern in patterns for path in ROOT.glob(pattern)}
    own = model.name
    never = {"serving/score.py", "scaffold.py", f"{own}/model.yaml", f"{own}/pipeline.yaml", f"{own}/snapshot.py",
             f"{own}/sample_request.json"}  # fmt: skip
    assert not sent & never
    others = {other.name for other in MODELS} - {own}
    assert not [path for path in sent if path.split("/")[0] in others]
