"""Registration: versions that count, one for each fingerprint, with the whole lineage."""

import json
from typing import Any

import pytest

from ops.command import OpsError
from ops.register import lineage, register
from ops.workspace import ModelVersion, Run
from tests.ops.conftest import FakeWorkspace

TAGS = {"fingerprint": "f1", "data": "flights:d1", "environment": "train:e1", "pipeline": "p:1", "champion": "m:1"}
RUN = Run(name="m-f1", status="Completed", tags=TAGS)


def card(**changes: Any) -> dict[str, Any]:
    return {
        "commit": "c0ffee",
        "seed": 13,
        "parameters": {"num_leaves": 31},
        "train_month": "2013-01",
        "validate_month": "2013-02",
        "metrics": {"candidate": {"auc": 0.66}, "baseline": {"auc": 0.63}},
        "gates": [{"gate": "auc", "passed": True}],
        "checks": {"passed": True, "summary": "102 of 102 checks passed"},
        "export": {"passed": True},
        **changes,
    }


@pytest.fixture
def trained(azure: FakeWorkspace) -> FakeWorkspace:
    azure.files["m-f1", "model_card.json"] = json.dumps(card()).encode()
    return azure


def known(number: str, fingerprint: str) -> ModelVersion:
    return ModelVersion(name="m", version=number, tags={"fingerprint": fingerprint}, properties={})


def test_the_first_version_is_1(trained: FakeWorkspace) -> None:
    model, is_new = register(trained, "m", RUN, "Ada", "first try")
    assert (model.version, is_new) == ("1", True)
    assert trained.versions == [model]


def test_versions_count_as_numbers_do(trained: FakeWorkspace) -> None:
    trained.versions = [known("9", "a"), known("10", "b"), known("2", "c")]
    assert register(trained, "m", RUN, "Ada", "r")[0].version == "11"


def test_the_same_fingerprint_is_the_same_version(trained: FakeWorkspace) -> None:
    first, _ = register(trained, "m", RUN, "Ada", "r")
    assert register(trained, "m", RUN, "Bob", "again") == (first, False)
    assert len(trained.versions) == 1


def test_a_number_taken_by_another_release_is_passed_over(trained: FakeWorkspace) -> None:
    trained.conflicts = 2
    assert register(trained, "m", RUN, "Ada", "r")[0].version == "3"


def test_it_gives_up_when_every_number_is_taken(trained: FakeWorkspace) -> None:
    trained.conflicts = 99
    with pytest.raises(OpsError, match="another release took each of 5 versions"):
        register(trained, "m", RUN, "Ada", "r")


def test_the_whole_lineage_is_on_the_version(trained: FakeWorkspace) -> None:
    model, _ = register(trained, "m", RUN, "Ada", "first try")
    found = model.properties
    assert found["run"] == "m-f1"
    assert found["commit"] == "c0ffee"
    assert found["data"] == "flights:d1"
    assert found["environment"] == "train:e1"
    assert found["champion"] == "m:1"
    assert found["seed"] == "13"
    assert json.loads(found["parameters"]) == {"num_leaves": 31}
    assert json.loads(found["metrics"]) == {"auc": 0.66}
    assert "102 of 102" in found["checks"]
    assert (found["author"], found["reason"]) == ("Ada", "first try")
    assert found["gates"] == "passed"
    assert all(isinstance(value, str) for value in found.values()), "Azure keeps texts only"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"gates": [{"gate": "auc", "passed": False}, {"gate": "loss", "passed": True}]}, "failed: auc"),
        ({"checks": {"passed": False}}, "failed: checks"),
        ({"export": {"passed": False}}, "failed: export"),
    ],
)
def test_what_failed_is_recorded(changes: dict[str, Any], says: str) -> None:
    assert lineage(card(**changes), RUN, "Ada", "r")["gates"] == says


@pytest.mark.parametrize(
    ("run", "says"),
    [
        (Run(name="m-f1", status="Failed", tags=TAGS), "is Failed"),
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
