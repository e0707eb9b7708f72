"""The two files that every command reads: the stack's outputs and the release file."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from ops.command import UsageError
from ops.release_file import Commit, ReleaseFile
from ops.stack import Stack

OUTPUTS: dict[str, Any] = {
    "workspaceId": "/subscriptions/s/resourceGroups/rg/providers/Microsoft.MachineLearningServices/workspaces/ws",
    "computeName": "train",
    "pipelineComponent": "flight_delay_training:abc",
    "dataAsset": "flights:d1",
    "environments": {"train": "train:e1"},
    "endpointName": "flight-delay",
    "somethingElse": 1,
}
RELEASE = yaml.safe_load(Path("ops/flight-delay.yaml").read_text(encoding="utf-8"))


def outputs(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "outputs.json"
    path.write_text(text, encoding="utf-8")
    return path


def test_reads_what_the_stack_made(tmp_path: Path, stack: Stack) -> None:
    assert Stack.read(outputs(tmp_path, json.dumps(OUTPUTS))) == stack


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "not JSON"),
        ("[]", "want one JSON object"),
        ("{}", "missing or of another type: workspaceId, computeName"),
        (json.dumps({**OUTPUTS, "dataAsset": 3}), "missing or of another type: dataAsset"),
        (json.dumps({**OUTPUTS, "workspaceId": "/subscriptions/s"}), "is no workspace's resource id"),
    ],
)
def test_refuses_outputs_that_lack_something(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(UsageError) as failure:
        Stack.read(outputs(tmp_path, text))
    assert says in str(failure.value)


def test_refuses_missing_outputs_and_says_how_to_write_them(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file") as failure:
        Stack.read(tmp_path / "outputs.json")
    assert "pulumi stack output --json" in failure.value.repair


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"model": 3}, "model (str)"),
        ({"inptus": {}}, "unknown: inptus"),
        ({"inputs": {"commit": "x"}}, "inputs.commit is filled in by the release"),
    ],
)
def test_refuses_a_wrong_release_file(tmp_path: Path, change: dict[str, Any], says: str) -> None:
    path = tmp_path / "release.yaml"
    path.write_text(yaml.safe_dump({**RELEASE, **change}), encoding="utf-8")
    with pytest.raises(UsageError) as failure:
        ReleaseFile.read(path)
    assert says in str(failure.value)


def test_refuses_an_environment_that_the_stack_has_not(stack: Stack, tmp_path: Path) -> None:
    path = tmp_path / "release.yaml"
    path.write_text(yaml.safe_dump({**RELEASE, "environment": "spark"}), encoding="utf-8")
    with pytest.raises(UsageError, match="spark") as failure:
        ReleaseFile.read(path).fingerprint(stack)
    assert "it has train" in failure.value.why


def test_every_input_is_one_of_the_pipeline() -> None:
    pipeline = yaml.safe_load(Path("ml_jobs/pipeline.yaml").read_text(encoding="utf-8"))
    assert set(RELEASE["inputs"]) <= set(pipeline["inputs"])


def test_a_folder_without_git_has_an_unknown_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert Commit.here() == Commit("unknown", "unknown")
