"""Registration: numbers that are never given twice, one version a run, with the whole lineage."""

import json
from pathlib import Path
from typing import Any

import pytest

from ops import command
from ops import register as module
from ops.command import OpsError, UsageError
from ops.register import lineage, newest, register, register_folder
from ops.views import ModelVersion, Run, TakenError
from tests.ops.conftest import OUTPUTS
from tests.ops.fakes import CARD, FakeWorkspace, digest_of

TAGS = {
    "fingerprint": "f1", "data": "flights:d1", "environment": "train:e1", "pipeline": "p:1", "code": "training:t1",
    "inputs": '{"seed": 13}', "champion": "m:1",
}  # fmt: skip
RUN = Run(name="m-f1", status="Completed", tags=TAGS)


def card(**changes: Any) -> dict[str, Any]:
    return {**CARD, **changes}


@pytest.fixture
def trained(azure: FakeWorkspace) -> FakeWorkspace:
    azure.outputs["m-f1"] = {"model_card.json": json.dumps(card()).encode(), "model.onnx": b"onnx"}
    return azure


def known(number: str) -> ModelVersion:
    return ModelVersion(name="m", version=number, tags={}, properties={"run": f"r{number}"})


def test_the_first_version_is_1(trained: FakeWorkspace) -> None:
    model, is_new = register(trained, "m", RUN, "Ada", "first try")
    assert (model.version, is_new) == ("1", True)
    assert trained.registered == [(model, "azureml://jobs/m-f1/outputs/model")]


def test_versions_count_as_numbers_do(trained: FakeWorkspace) -> None:
    trained.versions = [known("9"), known("10"), known("2")]
    assert register(trained, "m", RUN, "Ada", "r")[0].version == "11"


def test_archived_versions_keep_their_numbers(trained: FakeWorkspace) -> None:
    trained.archived = ["1", "2"]
    assert register(trained, "m", RUN, "Ada", "r")[0].version == "3"


def test_the_same_run_is_the_same_version(trained: FakeWorkspace) -> None:
    first, _ = register(trained, "m", RUN, "Ada", "r")
    assert register(trained, "m", RUN, "Bob", "again") == (first, False)
    assert len(trained.versions) == 1


def test_a_number_taken_by_another_release_is_passed_over(trained: FakeWorkspace) -> None:
    trained.conflicts = 2
    assert register(trained, "m", RUN, "Ada", "r")[0].version == "3"


def test_the_newest_version_has_the_highest_number() -> None:
    assert newest([known("9"), known("10"), known("2")], lambda _: True) == known("10")


def test_two_releases_of_one_run_are_one_version(trained: FakeWorkspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other one was quicker with the same run."""

    def taken(model: ModelVersion, _source: str, _description: str) -> None:
        trained.versions.append(model)
        raise TakenError(model.reference)

    monkeypatch.setattr(trained, "register", taken)
    made, is_new = register(trained, "m", RUN, "Ada", "r")
    assert (made.version, is_new) == ("1", False)


def test_it_gives_up_when_every_number_is_taken(trained: FakeWorkspace) -> None:
    trained.conflicts = 99
    with pytest.raises(OpsError, match="another release took each of 5 versions"):
        register(trained, "m", RUN, "Ada", "r")


def test_the_whole_lineage_is_on_the_version(trained: FakeWorkspace) -> None:
    model, _ = register(trained, "m", RUN, "Ada", "first try")
    found = model.properties
    assert {name: found[name] for name in ("run", "commit", "data", "environment", "code", "pipeline", "champion")} == {
        "run": "m-f1",
        "commit": "c0ffee",
        "data": "flights:d1",
        "environment": "train:e1",
        "code": "training:t1",
        "pipeline": "p:1",
        "champion": "m:1",
    }
    assert json.loads(found["parameters"]) == {"num_leaves": 31}
    assert json.loads(found["metrics"]) == {"auc": 0.66}
    assert json.loads(found["inputs"]) == {"seed": 13}
    assert "102 of 102" in found["checks"]
    assert (found["author"], found["reason"]) == ("Ada", "first try")
    assert found["gates"] == "passed"
    assert found["digest"] == digest_of(b"onnx")
    assert all(isinstance(value, str) for value in found.values()), "Azure keeps texts only"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"gates": [{"gate": "auc", "passed": False}, {"gate": "loss", "passed": True}]}, "failed: auc"),
        ({"gates": []}, "failed: no gate is on its card"),
        ({"checks": {"passed": False}}, "failed: checks"),
        ({"export": {"passed": False}}, "failed: export"),
    ],
)
def test_what_failed_is_recorded(changes: dict[str, Any], says: str) -> None:
    assert lineage(card(**changes), RUN)["gates"] == says


@pytest.mark.parametrize(
    ("run", "says"),
    [
        (Run(name="m-f1", status="Failed", tags=TAGS), "is Failed"),
        (Run(name="m-f1", status="Running", tags=TAGS), "is Running"),
        (Run(name="m-f1", status="Completed"), "no tag 'fingerprint'"),
        (Run(name="other", status="Completed", tags=TAGS), "holds no model_card.json"),
    ],
)
def test_refuses_a_run_that_gives_no_model(trained: FakeWorkspace, run: Run, says: str) -> None:
    with pytest.raises(OpsError, match=says):
        register(trained, "m", run, "Ada", "r")
    assert trained.versions == []


def test_another_error_of_azure_is_not_hidden(trained: FakeWorkspace, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError("403")

    monkeypatch.setattr(trained, "register", refuse)
    with pytest.raises(PermissionError):
        register(trained, "m", RUN, "Ada", "r")


# Trained elsewhere.


@pytest.mark.parametrize(("file", "kind"), [("MLmodel", "mlflow_model"), ("model.onnx", "custom_model")])
def test_a_model_that_was_trained_elsewhere_says_where(
    azure: FakeWorkspace, tmp_path: Path, file: str, kind: str
) -> None:
    (tmp_path / file).write_text("weights", encoding="utf-8")
    model, is_new = register_folder(azure, "m", tmp_path, "the lab's notebook", "Ada", "a try")
    assert is_new
    assert (model.kind, model.properties["origin"], model.version) == (kind, "the lab's notebook", "1")
    assert model.properties["gates"] == "none: trained elsewhere"
    assert azure.registered == [(model, str(tmp_path))]
    assert register_folder(azure, "m", tmp_path, "the lab's notebook", "Bob", "again") == (model, False)


def test_other_content_of_the_same_origin_is_another_version(azure: FakeWorkspace, tmp_path: Path) -> None:
    for content in ("one", "two"):
        (tmp_path / "MLmodel").write_text(content, encoding="utf-8")
        register_folder(azure, "m", tmp_path, "a lab", "Ada", "r")
    assert [each.version for each in azure.versions] == ["1", "2"]


def test_the_same_content_of_another_origin_is_another_version(azure: FakeWorkspace, tmp_path: Path) -> None:
    (tmp_path / "MLmodel").write_text("one", encoding="utf-8")
    for origin in ("a lab", "another lab"):
        register_folder(azure, "m", tmp_path, origin, "Ada", "r")
    assert [each.properties["origin"] for each in azure.versions] == ["a lab", "another lab"]


def test_a_folder_has_to_say_where_it_was_trained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "dev.json").write_text(json.dumps(OUTPUTS), encoding="utf-8")
    given = ["--outputs", str(tmp_path / "dev.json"), "--path", str(tmp_path), "--reason", "r"]
    assert command.run(module.parser(), module._main, given) == 2
    assert "--origin and --path go together" in capsys.readouterr().err


def test_an_empty_or_missing_folder_is_a_wrong_argument(azure: FakeWorkspace, tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "gone"):
        with pytest.raises(UsageError, match="--path"):
            register_folder(azure, "m", folder, "a lab", "Ada", "r")
