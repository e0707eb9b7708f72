"""A code asset: the files it was asked for, and no others, are its version."""

from pathlib import Path

import pytest

import naming
from components.code_asset import CodeAsset, CodeAssetArgs
from components.place import WorkspaceRef
from tests.conftest import Declare, Declared

VERSION = "mlops:azure:CodeAsset$pulumi-python:dynamic:AssetVersion::scoring-version"
BLOBS = "mlops:azure:CodeAsset$pulumi-python:dynamic:BlobFolder::scoring-blobs"
INCLUDE = ("ml_jobs/score.py",)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "ml_jobs").mkdir()
    (tmp_path / "ml_jobs" / "score.py").write_text("score")
    (tmp_path / "ml_jobs" / "train.py").write_text("train")
    return tmp_path


def asset(declare: Declare, workspace: WorkspaceRef, root: Path, include: tuple[str, ...] = INCLUDE) -> Declared:
    args = CodeAssetArgs(workspace=workspace, code_name="scoring", root=str(root), include=include)
    return declare(lambda: CodeAsset("scoring", args))


def test_the_content_is_the_version(declare: Declare, workspace: WorkspaceRef, root: Path) -> None:
    version = naming.content(root, INCLUDE).version
    got = asset(declare, workspace, root)[VERSION]
    assert (got["kind"], got["name"], got["version"], got["workspace_id"]) == ("codes", "scoring", version, "/ws")
    assert got["properties"]["codeUri"] == f"https://account.blob.core.windows.net/code/scoring/{version}"
    assert got["properties"]["tags"] == workspace.tags


def test_only_what_it_was_asked_for_is_uploaded(declare: Declare, workspace: WorkspaceRef, root: Path) -> None:
    declared = asset(declare, workspace, root)
    assert list(declared[BLOBS]["files"]) == ["ml_jobs/score.py"]


def test_a_pattern_without_files_is_refused_and_named(declare: Declare, workspace: WorkspaceRef, root: Path) -> None:
    with pytest.raises(ValueError, match=r"no file matches 'ml_jobs/scor\.py'"):
        asset(declare, workspace, root, ("ml_jobs/scor.py",))
