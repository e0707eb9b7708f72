"""The training pipeline: steps and pipeline are bound to exact versions, and change when what they run changes."""

from pathlib import Path
from typing import Any

import pytest

from components.code_asset import CodeAsset, CodeAssetArgs
from components.environment import Environment, EnvironmentArgs
from components.place import UploadTarget, WorkspacePlace
from components.training_pipeline import TrainingPipeline, TrainingPipelineArgs
from tests.conftest import Declare, Declared

PIPELINE_URN = "mlops:azure:TrainingPipeline$azure-native:machinelearningservices:ComponentVersion::training-version"
STEP_URN = "mlops:azure:CommandComponent$azure-native:machinelearningservices:ComponentVersion::training-{}-version"
STEPS = ("check", "prepare", "train", "evaluate", "export_onnx")


@pytest.fixture
def pipeline(project: Path, declare: Declare, place: WorkspacePlace, target: UploadTarget) -> Any:
    """Declares the project's own pipeline with environments of the given names."""

    def run(pipeline_file: str = "ml_jobs/pipeline.yaml", environments: tuple[str, ...] = ("train",)) -> Declared:
        def program() -> None:
            code = CodeAssetArgs(place=place, target=target, code_name="code", include=("ml_jobs/*.py",))
            image = "base@sha256:" + "a" * 64
            env = EnvironmentArgs(
                place=place,
                environment_name="train",
                conda_file="ml_jobs/environments/train.yaml",
                image=image,
            )
            TrainingPipeline(
                "training",
                TrainingPipelineArgs(
                    place=place,
                    pipeline_file=pipeline_file,
                    code=CodeAsset("code", code),
                    environments={name: Environment(name, env) for name in environments},
                ),
            )

        return declare(program)

    return run


def test_each_step_runs_our_code_in_our_environment(pipeline: Any) -> None:
    declared = pipeline()
    for step in STEPS:
        spec = declared[STEP_URN.format(step)]["properties"]["componentSpec"]
        assert (spec["code"], spec["environment"]) == ("azureml:code-version-id", "azureml:train-version-id")
        assert f"python -m ml_jobs.{step}" in spec["command"]


def test_each_node_is_bound_to_an_exact_component(pipeline: Any) -> None:
    jobs = pipeline()[PIPELINE_URN]["properties"]["componentSpec"]["jobs"]
    assert {node: job["componentId"] for node, job in jobs.items()} == {
        step: f"training-{step}-version-id" for step in STEPS
    }


def test_assets_carry_their_name_version_and_tags(pipeline: Any, place: WorkspacePlace) -> None:
    declared = pipeline()
    for urn in (PIPELINE_URN, *(STEP_URN.format(step) for step in STEPS)):
        got = declared[urn]
        spec = got["properties"]["componentSpec"]
        assert (got["name"], got["version"]) == (spec["name"], spec["version"])
        assert got["properties"]["tags"] == place.tags
        assert got["properties"]["description"] == spec["description"]


def versions(declared: Declared) -> dict[str, str]:
    return {
        urn.rpartition("::")[2]: inputs["version"]
        for urn, inputs in declared.inputs.items()
        if "ComponentVersion" in urn
    }


ALL = {"training-version", *(f"training-{step}-version" for step in STEPS)}


@pytest.mark.parametrize(
    ("file", "new"),
    [
        ("ml_jobs/train.py", ALL),
        ("ml_jobs/environments/train.yaml", ALL),
        ("ml_jobs/components/train.yaml", {"training-version", "training-train-version"}),
        ("ml_jobs/pipeline.yaml", {"training-version"}),
    ],
)
def test_a_version_is_new_when_what_it_runs_is(pipeline: Any, project: Path, file: str, new: set[str]) -> None:
    before = versions(pipeline())
    with (project / file).open("a") as changed:
        changed.write("\n# changed\n")
    after = versions(pipeline())
    assert {name for name in after if after[name] != before[name]} == new


def test_an_undeclared_environment_is_refused_and_named(pipeline: Any) -> None:
    with pytest.raises(ValueError, match=r"check\.yaml: environment='train': want one of other, serve"):
        pipeline(environments=("serve", "other"))


def test_a_file_that_is_no_pipeline_is_refused_and_named(pipeline: Any) -> None:
    with pytest.raises(ValueError, match=r"train\.yaml: want a component with type: pipeline"):
        pipeline("ml_jobs/components/train.yaml")
