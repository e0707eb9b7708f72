"""The questions that come with a model."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ops.command import OpsError
from ops.gate import Budget, Judged, Probe, Verdict
from ops.probes import ModelGate, read
from ops.scoring import Asker
from ops.views import Deployed
from tests.ops.fakes import FakeWorkspace

GOOD: dict[str, Any] = {
    "requests": [{"row": row} for row in range(200)],
    "answers": [{"is": row} for row in range(200)],
}


def test_each_request_goes_with_its_answer() -> None:
    probes = read(json.dumps(GOOD).encode(), "m:1", 200)
    assert probes[7] == Probe(request={"row": 7}, expected={"is": 7})


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "m:1 has no probes.json"),
        (b"{", "of model m:1 is damaged"),
        (b"[]", "is damaged"),
        (b'{"requests": []}', "is damaged"),
        (json.dumps(GOOD | {"answers": []}).encode(), "is damaged"),
        (json.dumps({key: values[:199] for key, values in GOOD.items()}).encode(), "holds 199 requests"),
    ],
)
def test_questions_that_cannot_be_asked_are_refused(content: bytes | None, says: str) -> None:
    with pytest.raises(OpsError, match=says):
        read(content, "m:1", 200)


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Judged, int]]:
    """What is judged; green is bad once callers reach it."""
    told: list[tuple[Judged, int]] = []

    def judge(asker: Asker, who: Judged, probes: list[Probe], budget: Budget, beat: Callable[[], None]) -> Verdict:
        told.append((who, len(probes)))
        return Verdict(healthy=not who.share, says="as it is")

    monkeypatch.setattr("ops.probes.judge", judge)
    return told


@pytest.fixture
def gate(azure: FakeWorkspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelGate:
    monkeypatch.chdir(tmp_path)
    asset = "azureml://registries/r/models/m/versions/2"
    azure.model_files[asset, "probes.json"] = json.dumps(GOOD).encode()
    azure.there["green"] = Deployed(
        name="green", state="Succeeded", model=asset, code=None, environment=None, script=None, instance_type="",
        instance_count=1,
    )  # fmt: skip
    return ModelGate(azure, "e", "green", Budget())


def test_a_gate_asks_the_questions_of_its_deployments_model(
    azure: FakeWorkspace, gate: ModelGate, judged: list[tuple[Judged, int]]
) -> None:
    gate("blue", 0, lambda: None)
    azure.model_files.clear()  # it is fetched once
    gate("", 10, lambda: None)
    assert judged == [
        (Judged(candidate="green", stable="blue", share=0), 200),
        (Judged(candidate="green", stable="", share=10), 200),
    ]


@pytest.mark.usefixtures("judged")
def test_a_no_keeps_what_the_deployment_wrote(azure: FakeWorkspace, gate: ModelGate) -> None:
    azure.logs["green"] = "Traceback: no such column"
    assert gate("blue", 0, lambda: None).log == ""
    verdict = gate("blue", 10, lambda: None)
    assert Path(verdict.log).read_text(encoding="utf-8") == "Traceback: no such column"
    azure.logs.clear()
    assert gate("blue", 10, lambda: None).log == "", "a log that cannot be had is no reason to fail"
