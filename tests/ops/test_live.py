"""The live file: one entry a deployment, and the way back to it when it was lost."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from live_file import LiveDeployment, LiveFile, LiveTraining
from ops import command, live, release
from ops.command import UsageError
from ops.stack import Stack
from ops.views import ModelVersion
from tests.ops.conftest import MODEL, OUTPUTS, named
from tests.ops.fakes import FakeWorkspace, deployed


def entry(number: str) -> LiveDeployment:
    version = ModelVersion(name="flight-delay", version=number, tags={}, properties={})
    return live.entry(MODEL, version, f"flight-delay:{number}")


@pytest.fixture
def outputs(project: Path, live_folder: Path, azure: FakeWorkspace, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = project / "dev.json"
    path.write_text(json.dumps(OUTPUTS), encoding="utf-8")
    monkeypatch.setattr(live, "Workspace", lambda _: azure)
    return path


def run(outputs: Path, *arguments: str) -> int:
    return command.run(live.parser(), live._main, ["--outputs", str(outputs), *arguments])


def test_whatever_a_deployment_is_made_of_gives_it_another_name() -> None:
    serving = MODEL.serving
    names = {entry("1").name, entry("2").name}
    changes: list[dict[str, Any]] = [
        {"code": "c:2"}, {"environment": "e:2"}, {"script": "s.py"}, {"instance_type": "Standard_F2s_v2"},
    ]  # fmt: skip
    for change in changes:
        model = replace(MODEL, serving=replace(serving, **change))
        version = ModelVersion(name="flight-delay", version="1", tags={}, properties={})
        names.add(live.entry(model, version, "flight-delay:1").name)
    assert len(names) == 6


def test_models_keep_their_entries_when_another_is_written(live_folder: Path) -> None:
    live.write("dev", "wine", [entry("1")])
    live.write("dev", "flight-delay", [entry("2")])
    live.write("dev", "flight-delay", [])
    assert LiveFile.read("dev").models == {"wine": (entry("1"),)}


def test_a_lost_file_is_written_again_from_what_runs(
    outputs: Path, azure: FakeWorkspace, live_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Byte for byte what the releases had written, the live one last."""
    live.write("dev", "flight-delay", [entry("1"), entry("2")])
    before = (live_folder / "dev.yaml").read_bytes()
    azure.there = {each.name: deployed(each) for each in (entry("2"), entry("1"))}
    azure.traffic = {entry("2").name: 100}
    (live_folder / "dev.yaml").unlink()
    assert run(outputs, "--restore") == 0
    assert (live_folder / "dev.yaml").read_bytes() == before


def test_what_a_version_was_trained_with_is_named_and_restored(
    outputs: Path, azure: FakeWorkspace, live_folder: Path
) -> None:
    """A preview tells by it what trains again."""
    said = {"run": "r", "pipeline": "p:1", "data": "d:1", "environment": "e:1", "inputs": '{"seed": 7}'}
    version = ModelVersion(name="flight-delay", version="1", tags={}, properties=said)
    wanted = live.entry(MODEL, version, version.reference)
    assert wanted.trained == LiveTraining(pipeline="p:1", data="d:1", environment="e:1", inputs={"seed": 7})
    assert wanted.name == entry("1").name
    assert live.entry(replace(MODEL, training=None), version, version.reference).trained is None
    live.write("dev", "flight-delay", [wanted])
    before = (live_folder / "dev.yaml").read_bytes()
    (live_folder / "dev.yaml").unlink()
    azure.versions, azure.there = [version], {wanted.name: deployed(wanted)}
    assert run(outputs, "--restore") == 0
    assert (live_folder / "dev.yaml").read_bytes() == before


def test_a_registrys_model_is_restored_too(outputs: Path, azure: FakeWorkspace) -> None:
    version = ModelVersion(name="flight-delay", version="7", tags={}, properties={})
    wanted = live.entry(MODEL, version, "azureml://registries/shared/models/flight-delay/versions/7")
    azure.there = {wanted.name: deployed(wanted)}
    assert run(outputs, "--restore") == 0
    assert LiveFile.read("dev").of("flight-delay") == (wanted,)


def test_the_live_one_comes_last_though_it_is_not_the_newest(outputs: Path, azure: FakeWorkspace) -> None:
    """The last entry is what the next release is compared with."""
    azure.there = {each.name: deployed(each) for each in (entry("1"), entry("2"), entry("3"))}
    azure.traffic = {entry("2").name: 100}
    assert run(outputs, "--restore") == 0
    assert LiveFile.read("dev").of("flight-delay") == (entry("1"), entry("3"), entry("2"))


def test_without_restore_it_only_says_what_differs(
    outputs: Path, azure: FakeWorkspace, live_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    live.write("dev", "flight-delay", [entry("1")])
    azure.there = {entry("2").name: deployed(entry("2"), "Failed")}
    assert run(outputs, "--json") == 0
    told = json.loads(capsys.readouterr().out)["result"]["flight-delay"]
    assert (told["unknown"], told["missing"], told["failed"]) == (
        [entry("2").name],
        [entry("1").name],
        [entry("2").name],
    )
    assert named() == [entry("1").name]


def test_what_no_release_made_is_told_and_not_named(
    outputs: Path, azure: FakeWorkspace, capsys: pytest.CaptureFixture[str]
) -> None:
    by_hand = replace(deployed(entry("1")), name="blue")
    azure.there = {"blue": by_hand, entry("2").name: deployed(entry("2"))}
    azure.traffic = {"blue": 100}
    assert run(outputs, "--restore") == 0
    assert named() == [entry("2").name]
    assert "no release made blue" in capsys.readouterr().err


def test_what_failed_is_not_named(outputs: Path, azure: FakeWorkspace) -> None:
    azure.there = {
        each.name: deployed(each, state) for each, state in ((entry("1"), "Succeeded"), (entry("2"), "Failed"))
    }
    run(outputs, "--restore")
    assert named() == [entry("1").name]


def test_a_damaged_file_is_configuration(outputs: Path, live_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    live_folder.mkdir()
    (live_folder / "dev.yaml").write_text("flight-delay: [{name: [}", encoding="utf-8")
    assert run(outputs) == 2
    told = capsys.readouterr().err
    assert "dev.yaml" in told
    assert "--restore" in told
    with pytest.raises(UsageError):
        live.read("dev")


def test_a_release_takes_out_a_model_whose_endpoint_is_gone(
    outputs: Path, azure: FakeWorkspace, live_folder: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """Settings warn about it as long as it stands there."""
    monkeypatch.setattr(release, "Workspace", lambda _: azure)
    monkeypatch.setattr(release, "release_all", lambda *_: {})
    live.write("dev", "wine", [entry("1")])
    live.write("dev", "flight-delay", [entry("2")])
    for _ in range(2):
        assert command.run(release.parser(), release._main, ["--outputs", str(outputs), "--apply", "x"]) == 0
    assert LiveFile.read("dev").models == {"flight-delay": (entry("2"),)}
    assert capsys.readouterr().err.count("live file  wine: taken out; the endpoint is gone") == 1


def test_a_model_that_an_endpoint_runs_stays_whatever_the_outputs_say(
    stack: Stack, azure: FakeWorkspace, live_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Outputs of an earlier day do not have it; without its entries the next apply would take it away."""
    live.write("dev", "wine", [entry("1")])
    azure.there = {entry("1").name: deployed(entry("1"))}
    monkeypatch.setattr(azure, "endpoint_names", lambda: ["flight-delay-dev", "wine-dev"])
    assert live.forget("dev", stack, azure) == []
    assert named("dev", "wine") == [entry("1").name]
    monkeypatch.setattr(azure, "endpoint_names", lambda: ["flight-delay-dev"])
    assert live.forget("dev", stack, azure) == ["wine"]
