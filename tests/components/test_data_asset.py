"""A data asset: its content is its version, and a preview does without it."""

from pathlib import Path
from typing import Any

import pytest
from pulumi.output import Unknown

import naming
from components.data_asset import DataAsset, DataAssetArgs
from components.place import WorkspaceRef
from tests.conftest import Declare, Declared

VERSION = "mlops:azure:DataAsset$pulumi-python:dynamic:AssetVersion::flights-version"
BLOBS = "mlops:azure:DataAsset$pulumi-python:dynamic:BlobFolder::flights-blobs"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "month=2013-01").mkdir()
    (tmp_path / "month=2013-01" / "flights.parquet").write_bytes(b"PAR1")
    return tmp_path


def asset(declare: Declare, workspace: WorkspaceRef, folder: Path) -> Declared:
    args: dict[str, Any] = {
        "data_name": "flights",
        "description": "Flights",
    }
    return declare(lambda: DataAsset("flights", DataAssetArgs(workspace=workspace, folder=str(folder), **args)))


def test_the_content_is_the_version(declare: Declare, workspace: WorkspaceRef, folder: Path) -> None:
    version = naming.content(folder).version
    got = asset(declare, workspace, folder)[VERSION]
    assert (got["name"], got["version"]) == ("flights", version)
    assert got["properties"]["dataType"] == "uri_folder"
    assert got["properties"]["dataUri"] == f"azureml://store/paths/flights/{version}/"
    assert (got["properties"]["description"], got["properties"]["tags"]) == ("Flights", workspace.tags)
    assert (got["kind"], got["workspace_id"]) == ("data", "/ws")


def test_the_files_are_uploaded_below_name_and_version(declare: Declare, workspace: WorkspaceRef, folder: Path) -> None:
    got = asset(declare, workspace, folder)[BLOBS]
    assert got["prefix"] == f"flights/{naming.content(folder).version}"
    assert list(got["files"]) == ["month=2013-01/flights.parquet"]


def test_a_preview_does_without_the_data(declare: Declare, workspace: WorkspaceRef, tmp_path: Path) -> None:
    args = DataAssetArgs(workspace=workspace, data_name="flights", folder=str(tmp_path / "none"), description="Flights")
    declared = declare(lambda: DataAsset("flights", args), preview=True)
    assert isinstance(declared[VERSION]["version"], Unknown)
    assert isinstance(declared[BLOBS]["files"], Unknown)
    assert declared[VERSION]["name"] == "flights"


def test_the_data_is_read_once_and_remembered_beside_it(
    declare: Declare, workspace: WorkspaceRef, tmp_path: Path
) -> None:
    folder = tmp_path / "flights"
    folder.mkdir()
    (folder / "day.csv").write_text("1")
    asset(declare, workspace, folder)
    assert (tmp_path / ".flights.sha256").is_file()


def test_an_empty_folder_is_refused_and_named(declare: Declare, workspace: WorkspaceRef, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"{tmp_path.name}: no file matches"):
        asset(declare, workspace, tmp_path)
