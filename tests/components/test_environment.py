"""An environment: pins and image together are its version."""

from pathlib import Path
from typing import Any

import pytest

from components.environment import Environment, EnvironmentArgs
from components.place import WorkspaceRef
from tests.conftest import Declare

KEY = "mlops:azure:Environment$pulumi-python:dynamic:AssetVersion::train-version"
IMAGE = "mcr.microsoft.com/azureml/base@sha256:" + "a" * 64


@pytest.fixture
def conda(tmp_path: Path) -> Path:
    path = tmp_path / "train.yaml"
    path.write_text("dependencies: [python=3.11]\n")
    return path


def environment(declare: Declare, workspace: WorkspaceRef, conda: Path, image: str = IMAGE) -> dict[str, Any]:
    args = EnvironmentArgs(workspace=workspace, environment_name="train", conda_file=str(conda), image=image)
    return declare(lambda: Environment("train", args))[KEY]


def test_pins_and_image_reach_azure(declare: Declare, workspace: WorkspaceRef, conda: Path) -> None:
    got = environment(declare, workspace, conda)
    assert got["properties"]["condaFile"] == conda.read_text()
    assert (got["properties"]["image"], got["properties"]["osType"]) == (IMAGE, "Linux")
    assert (got["kind"], got["name"], got["workspace_id"]) == ("environments", "train", "/ws")
    assert got["properties"]["tags"] == workspace.tags


def test_the_same_pins_and_image_are_the_same_version(declare: Declare, workspace: WorkspaceRef, conda: Path) -> None:
    first = environment(declare, workspace, conda)["version"]
    assert environment(declare, workspace, conda)["version"] == first


def test_another_pin_is_another_version(declare: Declare, workspace: WorkspaceRef, conda: Path) -> None:
    first = environment(declare, workspace, conda)["version"]
    conda.write_text("dependencies: [python=3.12]\n")
    assert environment(declare, workspace, conda)["version"] != first


def test_another_image_is_another_version(declare: Declare, workspace: WorkspaceRef, conda: Path) -> None:
    first = environment(declare, workspace, conda)["version"]
    assert environment(declare, workspace, conda, IMAGE.replace("a" * 64, "b" * 64))["version"] != first


@pytest.mark.parametrize("image", ["mcr.microsoft.com/azureml/base:latest", "base@sha256:abc", "base"])
def test_an_image_that_can_move_is_refused_and_named(workspace: WorkspaceRef, conda: Path, image: str) -> None:
    with pytest.raises(ValueError, match=f"image='{image}': want NAME@sha256:DIGEST"):
        EnvironmentArgs(workspace=workspace, environment_name="train", conda_file=str(conda), image=image)


def test_a_missing_conda_file_is_refused_and_named(workspace: WorkspaceRef) -> None:
    with pytest.raises(ValueError, match=r"conda_file='none\.yaml': want an existing file"):
        EnvironmentArgs(workspace=workspace, environment_name="train", conda_file="none.yaml", image=IMAGE)
