"""The whole release against a workspace in memory: each step looks first whether its work is done."""

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ops import release as module
from ops.command import OpsError, UsageError
from ops.gate import Budget
from ops.release import Release
from ops.release_file import ReleaseFile
from ops.report import Report
from ops.scoring import Answer
from ops.stack import Stack
from ops.stack_file import StackFile
from ops.workspace import Run
from tests.ops.conftest import FakeWorkspace

FILE = ReleaseFile.read(Path("ops/flight-delay.yaml"))
CARD = {
    "commit": "c0ffee",
    "seed": 13,
    "parameters": {},
    "train_month": "2013-01",
    "validate_month": "2013-02",
    "metrics": {"candidate": {"auc": 0.66}},
    "gates": [{"gate": "auc", "passed": True}],
    "checks": {"passed": True},
    "export": {"passed": True},
}
PREDICTION = {"predictions": [{"late": False, "probability": 0.3}]}


class Scorer:
    """Every deployment answers, and refuses what is no flight."""

    def __init__(self, uri: str, secret: str) -> None:
        assert secret == "key"

    def ask(self, request: Any, deployment: str | None = None) -> Answer:
        flight = request["flights"][0]
        for field, good in (("carrier", isinstance(flight["carrier"], str)), ("month", flight["month"] <= 12)):
            if not good:
                return Answer(status=400, body={"error": {"field": f"flights[0].{field}"}}, seconds=0.001)
        return Answer(status=200, body=PREDICTION, seconds=0.001)


@pytest.fixture
def release(azure: FakeWorkspace, stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Release:
    config_file = tmp_path / "Pulumi.dev.yaml"
    config_file.write_text("config:\n  mlops:deployments: []\n", encoding="utf-8")
    azure.deployments = {}
    made = Release(
        stack=stack, file=FILE, config_file=config_file, apply=["apply", "the stack"], reason="a test",
        report=Report(), workspace=azure, outputs=tmp_path / "outputs.json", quiet=False,
    )  # fmt: skip
    run = f"flight-delay-{FILE.fingerprint(stack)}"
    azure.files[run, "model_card.json"] = json.dumps(CARD).encode()
    sample = {"request": FILE.smoke.request, "answer": PREDICTION}
    azure.files[run, "sample.json"] = json.dumps(sample).encode()
    monkeypatch.setattr("ops.release.Scorer", Scorer)
    monkeypatch.setattr("ops.probes.Scorer", Scorer)
    monkeypatch.setattr("ops.release.Budget", lambda: Budget(seconds=0))
    monkeypatch.setattr("ops.submit.time.sleep", lambda _: None)
    return made


@pytest.fixture
def applied(azure: FakeWorkspace, release: Release, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The apply commands that were run; each creates what the configuration file names."""
    commands: list[list[str]] = []

    def apply(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        for entry in StackFile(release.config_file).deployments:
            azure.deployments[entry.name] = f"{entry.model}:{entry.version}"
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(module, "subprocess", type("Stub", (), {"run": staticmethod(apply)}))
    return commands


def test_from_nothing_to_an_answer(azure: FakeWorkspace, release: Release, applied: list[list[str]]) -> None:
    result = release.run()
    assert result["model"] == "flight-delay:1"
    assert result["deployment"] == "blue"
    assert result["answer"] == PREDICTION
    assert azure.traffic == {"blue": 100}
    assert applied == [["apply", "the stack"]]
    assert len(azure.submitted) == 1


def test_a_second_release_does_nothing(
    azure: FakeWorkspace, release: Release, applied: list[list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    release.run()
    history, capsys_before = list(azure.history), capsys.readouterr()
    assert "  ✓ train" in capsys_before.err
    release.run()
    told = capsys.readouterr().err
    assert [line[2] for line in told.splitlines() if line.startswith("  ")] == ["=", "=", "=", "=", "=", "✓"]
    assert azure.history == history
    assert len(azure.submitted) == len(azure.versions) == len(applied) == 1


def test_another_model_goes_live_in_the_other_colour_and_is_compared_with_the_first(
    azure: FakeWorkspace, stack: Stack, release: Release, applied: list[list[str]]
) -> None:
    release.run()
    other = replace(stack, data="flights:d2")
    run = f"flight-delay-{FILE.fingerprint(other)}"
    for name in ("model_card.json", "sample.json"):
        azure.files[run, name] = azure.files[f"flight-delay-{FILE.fingerprint(stack)}", name]
    replace(release, stack=other).run()
    assert azure.submitted[1].models == {"champion": "flight-delay:1"}
    assert azure.deployments == {"blue": "flight-delay:1", "green": "flight-delay:2"}
    assert azure.traffic == {"green": 100}
    assert {"blue": 90, "green": 10} in azure.history


@pytest.mark.parametrize("step", ["submit", "register", "set_traffic", "endpoint_secret"])
def test_it_goes_on_where_it_was_stopped(
    azure: FakeWorkspace, release: Release, applied: list[list[str]], step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped right after each of its writes, the next run repeats none of them."""
    real = getattr(azure, step)

    def then_stop(*arguments: Any) -> None:
        real(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(azure, step, then_stop)
    with pytest.raises(KeyboardInterrupt):
        release.run()
    monkeypatch.setattr(azure, step, real)
    assert release.run()["traffic"] == {"blue": 100}
    assert len(azure.submitted) == len(azure.versions) == len(applied) == 1


def test_an_apply_that_fails_stops_the_release(azure: FakeWorkspace, release: Release) -> None:
    release.apply = ["false"]
    with pytest.raises(OpsError, match="apply ended with exit code 1") as failure:
        release.run()
    assert "false" in failure.value.why
    assert azure.traffic == {}


def test_an_apply_that_is_no_command_is_a_wrong_argument(release: Release) -> None:
    release.apply = ["no-such-command"]
    with pytest.raises(UsageError, match="--apply no-such-command: cannot be run"):
        release.run()


def test_a_failed_run_promotes_nothing(azure: FakeWorkspace, stack: Stack, release: Release) -> None:
    name = f"flight-delay-{FILE.fingerprint(stack)}"
    azure.runs[name] = [Run(name=name, status="Running"), Run(name=name, status="Failed")]
    before = release.config_file.read_bytes()
    with pytest.raises(OpsError, match="Failed"):
        release.run()
    assert azure.versions == []
    assert release.config_file.read_bytes() == before


def test_the_closing_lines_hold_no_key_in_a_log(
    release: Release, applied: list[list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    release.run()
    out = capsys.readouterr().out
    assert "Bearer $(" in out
    assert "\nkey      key" not in out
    assert "answered {" in out
