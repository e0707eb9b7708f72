"""A data asset: its content is its version, and its bytes outlive it."""

from pathlib import Path
from typing import Any

import pytest

import naming
from components.data_asset import DataAsset, DataAssetArgs
from components.place import UploadTarget, WorkspacePlace
from tests.conftest import Declare, Declared

VERSION = "mlops:azure:DataAsset$azure-native:machinelearningservices:DataVersion::flights-version"
BLOBS = "mlops:azure:DataAsset$pulumi-python:dynamic:Resource::flights-blobs"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "month=2013-01").mkdir()
    (tmp_path / "month=2013-01" / "flights.parquet").write_bytes(b"PAR1")
    return tmp_path


def asset(declare: Declare, place: WorkspacePlace, target: UploadTarget, folder: Path) -> Declared:
    args: dict[str, Any] = {
        "data_name": "flights",
        "data_store_uri": "azureml://store/paths/",
        "description": "Flights",
    }
    return declare(lambda: DataAsset("flights", DataAssetArgs(place=place, target=target, folder=str(folder), **args)))


def test_the_content_is_the_version(
    declare: Declare, place: WorkspacePlace, target: UploadTarget, folder: Path
) -> None:
    version = naming.content(folder).version
    got = asset(declare, place, target, folder)[VERSION]
    assert (got["name"], got["version"]) == ("flights", version)
    assert got["properties"]["dataType"] == "uri_folder"
    assert got["properties"]["dataUri"] == f"azureml://store/paths/flights/{version}/"
    assert (got["properties"]["description"], got["properties"]["tags"]) == ("Flights", place.tags)
    assert got["workspaceName"] == "ws"


def test_the_files_are_uploaded_below_name_and_version(
    declare: Declare, place: WorkspacePlace, target: UploadTarget, folder: Path
) -> None:
    got = asset(declare, place, target, folder)[BLOBS]
    assert got["prefix"] == f"flights/{naming.content(folder).version}"
    assert list(got["files"]) == ["month=2013-01/flights.parquet"]


def test_the_bytes_outlive_the_version(
    declare: Declare, place: WorkspacePlace, target: UploadTarget, folder: Path
) -> None:
    """Models were trained on them."""
    declared = asset(declare, place, target, folder)
    assert declared.options[BLOBS].retainOnDelete is True
    assert declared.options[VERSION].retainOnDelete is False


def test_an_empty_folder_is_refused_and_named(
    declare: Declare, place: WorkspacePlace, target: UploadTarget, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=f"{tmp_path.name}: no file matches"):
        asset(declare, place, target, tmp_path)
