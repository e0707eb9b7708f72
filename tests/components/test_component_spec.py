"""Component files: read strictly, and translated to exactly what Microsoft's own client would send."""

import json
import logging
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml

from components import component_spec
from tests.conftest import ROOT, Declare

WORKSPACE = "/subscriptions/s/resourceGroups/r/providers/Microsoft.MachineLearningServices/workspaces/w"
PIPELINE = ROOT / "ml_jobs" / "flight_delay" / "pipeline.yaml"
STEPS = sorted((ROOT / "ml_jobs").glob("**/components/*.yaml"))
COMMAND: dict[str, Any] = {
    "type": "command",
    "name": "train",
    "command": "python -m train ${{inputs.rate}}",
    "environment": "azureml:train@latest",
    "inputs": {
        "rate": {"type": "number", "default": 0.1, "min": 0, "max": 1},
        "fast": {"type": "boolean", "default": True, "optional": True},
        "data": {"type": "uri_folder", "mode": "ro_mount"},
    },
    "outputs": {"model": {"type": "uri_folder", "mode": "upload"}},
    "is_deterministic": True,
    "resources": {"instance_count": 1},
}
NODES: dict[str, Any] = {
    "type": "pipeline",
    "name": "training",
    "inputs": {"data": {"type": "uri_folder"}, "seed": {"type": "integer", "default": 7}},
    "outputs": {"model": {"type": "uri_folder"}},
    "jobs": {
        "first": {
            "type": "command",
            "component": "./first.yaml",
            "inputs": {"data": {"path": "${{parent.inputs.data}}", "mode": "download"}, "rate": 0.1, "fast": True},
            "outputs": {"model": {"mode": "upload"}},
        },
        "second": {
            "type": "command",
            "component": "./second.yaml",
            "inputs": {"data": "${{parent.jobs.first.outputs.model}}", "rate": 1},
            "outputs": {"model": "${{parent.outputs.model}}"},
        },
    },
}


def write(folder: Path, fields: Any) -> Path:
    path = folder / "component.yaml"
    path.write_text(yaml.safe_dump(fields))
    return path


def microsofts(path: Path, **changes: Any) -> dict[str, Any]:
    """What azure-ai-ml sends for a file after it resolved the assets the file names."""
    logging.disable(logging.WARNING)  # it warns of experimental classes it loads itself
    from azure.ai.ml import load_component  # four seconds, for two tests

    component = load_component(str(path), params_override=[{"version": "v1"}])
    for key, value in changes.items():
        setattr(component, key, value)
    rest = component._to_rest_object()
    logging.disable(logging.NOTSET)
    spec: dict[str, Any] = json.loads(json.dumps(rest.as_dict()["properties"]["componentSpec"]))
    return spec


def resolved(declare: Declare, spec: component_spec.Spec) -> dict[str, Any]:
    declared = declare(lambda: pulumi.export("spec", spec))
    found: dict[str, Any] = declared.exports["spec"]
    return found


@pytest.mark.parametrize("path", [*STEPS, None], ids=lambda path: path.stem if path else "every kind of input")
def test_a_command_is_sent_as_microsofts_client_sends_it(declare: Declare, tmp_path: Path, path: Path | None) -> None:
    path = path or write(tmp_path, COMMAND)
    code, environment = f"{WORKSPACE}/codes/c/versions/1", f"{WORKSPACE}/environments/e/versions/1"
    ours = component_spec.command(
        component_spec.read(path, "command"),
        "v1",
        pulumi.Output.from_input(code),
        pulumi.Output.from_input(environment),
    )
    assert resolved(declare, ours) == microsofts(path, code=code, environment=environment)


def with_ids(fields: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """A pipeline whose nodes name registered components instead of files, and those components' ids."""
    ids = {node: f"{WORKSPACE}/components/{node}/versions/1" for node in fields["jobs"]}
    jobs = {node: job | {"component": f"azureml:{ids[node]}"} for node, job in fields["jobs"].items()}
    return fields | {"jobs": jobs}, ids


@pytest.mark.parametrize(
    "fields", [yaml.safe_load(PIPELINE.read_text()), NODES], ids=["ours", "every kind of node input"]
)
def test_a_pipeline_is_sent_as_microsofts_client_sends_it(
    declare: Declare, tmp_path: Path, fields: dict[str, Any]
) -> None:
    registered, ids = with_ids(fields)
    theirs = microsofts(write(tmp_path, registered))
    source = component_spec.read(write(tmp_path, fields), "pipeline")
    ours = component_spec.pipeline(source, "v1", {node: pulumi.Output.from_input(id_) for node, id_ in ids.items()})
    assert resolved(declare, ours) == without_empty(theirs)


def without_empty(spec: dict[str, Any]) -> dict[str, Any]:
    """Microsoft's client mentions that a component came from no job; nobody asks for it."""
    return {key: value for key, value in spec.items() if key != "sourceJobId"}


def test_the_nodes_of_all_pipelines_lead_to_all_steps() -> None:
    pipelines = [component_spec.read(path, "pipeline") for path in (ROOT / "ml_jobs").glob("*/pipeline.yaml")]
    found = {path.resolve() for source in pipelines for path in source.steps().values()}
    assert sorted(found) == STEPS


def test_a_command_says_which_environment_it_wants() -> None:
    assert {component_spec.read(path, "command").environment for path in STEPS} == {"tabular"}


@pytest.mark.parametrize(
    ("kind", "fields", "named"),
    [
        ("pipeline", COMMAND, "want a component with type: pipeline"),
        ("command", NODES, "want a component with type: command"),
        ("command", [1], "want a component with type: command"),
        ("command", COMMAND | {"distribution": {}}, "distribution is not supported; want one of .*command"),
        ("command", COMMAND | {"command": ""}, "command missing"),
        ("command", {"type": "command"}, "name, command, environment missing"),
        ("pipeline", {"type": "pipeline", "name": "x"}, "jobs missing"),
        (
            "pipeline",
            NODES | {"jobs": {"first": {"type": "command", "component": "azureml:first@latest"}}},
            "jobs.first.component='azureml:first@latest': want the file",
        ),
        (
            "pipeline",
            NODES | {"jobs": {"first": {"component": "./first.yaml", "compute": "gpu"}}},
            "jobs.first.compute is not supported",
        ),
    ],
)
def test_what_would_be_lost_is_refused_and_named(tmp_path: Path, kind: str, fields: Any, named: str) -> None:
    with pytest.raises(ValueError, match=rf"component\.yaml: {named}"):
        component_spec.read(write(tmp_path, fields), kind)


def test_a_file_that_is_no_yaml_is_named_with_the_line(tmp_path: Path) -> None:
    file = tmp_path / "step.yaml"
    file.write_text("type: command\nname: [\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"step\.yaml:3: not YAML: "):
        component_spec.read(file, "command")
