"""The training pipeline: steps and pipeline are bound to exact versions, and change when what they run changes."""

from pathlib import Path
from typing import Any

import pytest

from components.code_asset import CodeAsset, CodeAssetArgs
from components.environment import Environment, EnvironmentArgs
from components.place import WorkspaceRef
from components.training_pipeline import TrainingPipeline, TrainingPipelineArgs
from tests.conftest import IMAGE, Declare, Declared

PIPELINE_URN = "mlops:azure:TrainingPipeline$pulumi-python:dynamic:AssetVersion::training-version"
STEP_URN = "mlops:azure:CommandComponent$pulumi-python:dynamic:AssetVersion::training-{}-version"
STEPS = ("prepare", "train")
FOLDER = "ml_jobs/late"


@pytest.fixture
def pipeline(project: Path, declare: Declare, workspace: WorkspaceRef) -> Any:
    """Declares a pipeline of two steps with environments of the given names."""

    def run(
        pipeline_file: str = f"{FOLDER}/pipeline.yaml",
        environments: tuple[str, ...] = ("train",),
        code_name: str = "code",
    ) -> Declared:
        def program() -> None:
            code = CodeAssetArgs(workspace=workspace, code_name=code_name, include=(f"{FOLDER}/*.py",))
            env = EnvironmentArgs(
                workspace=workspace,
                environment_name="train",
                conda_file=f"{FOLDER}/train.conda.yaml",
                image=IMAGE,
            )
            TrainingPipeline(
                "training",
                TrainingPipelineArgs(
                    workspace=workspace,
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
        assert f"python -m ml_jobs.late.{step}" in spec["command"]


def test_each_node_is_bound_to_an_exact_component(pipeline: Any) -> None:
    jobs = pipeline()[PIPELINE_URN]["properties"]["componentSpec"]["jobs"]
    assert {node: job["componentId"] for node, job in jobs.items()} == {
        step: f"training-{step}-version-id" for step in STEPS
    }


def test_assets_carry_their_name_version_and_tags(pipeline: Any, workspace: WorkspaceRef) -> None:
    declared = pipeline()
    for urn in (PIPELINE_URN, *(STEP_URN.format(step) for step in STEPS)):
        got = declared[urn]
        spec = got["properties"]["componentSpec"]
        assert (got["kind"], got["name"], got["version"]) == ("components", spec["name"], spec["version"])
        assert got["properties"]["tags"] == workspace.tags
    assert declared[STEP_URN.format("train")]["properties"]["description"] == "One step."


def versions(declared: Declared) -> dict[str, str]:
    return {
        urn.rpartition("::")[2]: inputs["version"]
        for urn, inputs in declared.inputs.items()
        if inputs.get("kind") == "components"
    }


ALL = {"training-version", *(f"training-{step}-version" for step in STEPS)}


@pytest.mark.parametrize(
    ("file", "new"),
    [
        ("train.py", ALL),
        ("train.conda.yaml", ALL),
        ("train.yaml", {"training-version", "training-train-version"}),
        ("pipeline.yaml", {"training-version"}),
    ],
)
def test_a_version_is_new_when_what_it_runs_is(pipeline: Any, project: Path, file: str, new: set[str]) -> None:
    before = versions(pipeline())
    with (project / FOLDER / file).open("a") as changed:
        changed.write("\n# changed\n")
    after = versions(pipeline())
    assert {name for name in after if after[name] != before[name]} == new


def test_the_same_step_over_another_models_code_is_another_version(pipeline: Any) -> None:
    """Steps that serve every model share a name; two models with equal code must not share a version."""
    one, other = versions(pipeline()), versions(pipeline(code_name="other"))
    assert all(one[name] != other[name] for name in one)


def test_an_undeclared_environment_is_refused_and_named(pipeline: Any) -> None:
    with pytest.raises(ValueError, match=r"prepare\.yaml: environment='train': want one of other, serve"):
        pipeline(environments=("serve", "other"))


def test_a_file_that_is_no_pipeline_is_refused_and_named(pipeline: Any) -> None:
    with pytest.raises(ValueError, match=r"train\.yaml: want a component with type: pipeline"):
        pipeline(f"{FOLDER}/train.yaml")
