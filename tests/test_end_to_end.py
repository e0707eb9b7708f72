"""From `make up` to a scored request and back to an empty machine, as a user does it, in a copy of the repository."""

import json
import re
import socket
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.machine import FIRST_UP, PYTHON, Machine, line, outputs, released

LIVE = ".sandbox/live/dev.yaml"


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A checkout that was fresh before its first `make up`."""
    with released(tmp_path_factory) as made:
        yield made


@pytest.fixture(scope="module")
def first(machine: Machine) -> str:
    """What the first `make up` printed."""
    return (machine.folder / FIRST_UP).read_text(encoding="utf-8")


def answered(printed: str) -> list[dict[str, Any]]:
    """The predictions that `make up` shows."""
    predictions: list[dict[str, Any]] = json.loads(line(printed, "answered").rpartition("  (")[0])["predictions"]
    return predictions


def test_the_deployed_model_answers(first: str) -> None:
    (prediction,) = answered(first)
    assert 0 < prediction["probability"] < 1
    assert prediction["late"] is (prediction["probability"] > 0.5)
    assert "8 of 8 answers are right" in first


def test_each_step_shows_its_time(first: str) -> None:
    for step in ("connect", "train", "register", "deploy", "smoke", "rollout"):
        assert re.search(rf"^  ✓ {step} .* \d+\.\d s$", first, re.MULTILINE), step


def test_a_log_has_neither_escapes_nor_the_key(machine: Machine, first: str) -> None:
    assert "\x1b" not in first
    assert "\r" not in first
    key = machine.key("flight-delay")
    assert len(key) > 20
    assert key not in first


def test_what_came_up_is_listed_with_its_level(first: str) -> None:
    levels = dict(re.findall(r"^  (\w+:\w+)\s+\d+\s+(\w+)$", first, re.MULTILINE))
    assert levels["machinelearningservices:OnlineDeployment"] == "runs"
    assert "unknown" not in levels.values()


def test_the_last_lines_say_how_to_call_it(first: str) -> None:
    table, _, closing = first.partition(" resources in stack dev")
    assert "machinelearningservices:OnlineDeployment" in table
    assert [text.partition(" ")[0] for text in closing.splitlines()[2:5]] == ["endpoint", "call", "curl"]


@pytest.mark.parametrize("label", ["call it", "curl"])
def test_a_printed_line_gives_the_printed_answer_in_any_shell(machine: Machine, first: str, label: str) -> None:
    answer = json.loads(machine.run(line(first, label)))
    assert answer["predictions"] == answered(first)
    assert answer["model"]["commit"] == machine.run("git rev-parse HEAD").strip()


def test_the_printed_next_commands_run(machine: Machine, first: str) -> None:
    machine.run(line(first, "To use it from this shell, curl included:"))
    assert "would be created" in machine.run(line(first, "To see what production would get:"))
    assert line(first, "To stop, and keep the data:") == "make down", "run at the end of this file"


def test_a_second_run_changes_nothing(machine: Machine, first: str) -> None:
    second = machine.run("make up")
    assert "0 changes" in second
    for step in ("train", "register", "live"):
        assert re.search(rf"^  = {step} ", second, re.MULTILINE), step
    assert " ✓ deploy" not in second
    assert line(second, "call it") == line(first, "call it")


def test_a_preview_is_what_up_would_do(machine: Machine, first: str) -> None:
    assert "  0 changes; " in machine.run("make preview")
    machine.edit("Pulumi.dev.yaml", "max_nodes: 2", "max_nodes: 3")
    try:
        told = machine.run("make preview")
    finally:
        machine.run("git checkout -q Pulumi.dev.yaml")
    assert "  1 would be updated; " in told
    assert "replaced" not in told
    (changed,) = re.findall(r"^ +~ +\S+ +(\S+) .* changed: (\S+)$", told, re.MULTILINE)
    assert changed == ("train-compute", "properties.properties.scaleSettings.maxNodeCount")


def test_the_lineage_reaches_commit_data_and_run(machine: Machine, first: str) -> None:
    found = machine.told(f"ops.lineage --outputs {outputs()}")["flight-delay"]
    ((name, live),) = found["deployments"].items()
    stack = machine.exports()["models"]["flight-delay"]
    assert re.fullmatch(r"v1-[0-9a-f]{6}", name)
    assert (live["traffic"], live["state"], live["model"]) == (100, "Succeeded", "flight-delay:1")
    assert live["commit"] == machine.run("git rev-parse HEAD").strip()
    assert (live["code"], live["data"], live["pipeline"]) == (stack["trainingCode"], stack["data"], stack["pipeline"])
    assert live["environment"] == live["serving_environment"] == stack["trainEnvironment"]
    assert live["serving_code"] == stack["serving"]["code"]
    assert (live["author"], json.loads(live["inputs"])["seed"], live["gates"]) == ("Ada", 13, "passed")
    assert json.loads(live["metrics"])["auc"] > 0.6
    assert f"✓ train      run {live['run']}: Completed" in first


def test_the_status_says_what_serves(machine: Machine, first: str) -> None:
    told = machine.run("make status")
    (live,) = machine.traffic("flight-delay")
    assert re.search(rf"^  {live}  100 %  Succeeded  flight-delay:1  run \S+, flights:\S+, commit ", told, re.MULTILINE)
    assert "no run is under way" in told
    assert "differs" not in told


def test_tracked_files_stay_as_they_were(machine: Machine, first: str) -> None:
    assert machine.run("git status --porcelain") == ""


def test_nothing_appears_outside_the_checkout(machine: Machine, first: str) -> None:
    assert [path.relative_to(machine.home) for path in machine.home.rglob("*") if path.is_file()] == []


def test_a_lost_live_file_is_written_again(machine: Machine, first: str) -> None:
    file = machine.folder / LIVE
    before, weights = file.read_text(encoding="utf-8"), machine.traffic("flight-delay")
    file.unlink()
    again = machine.run("make up")
    assert file.read_text(encoding="utf-8") == before
    assert "  0 changes; " in again
    assert machine.traffic("flight-delay") == weights
    assert machine.run("git status --porcelain") == ""


def test_down_leaves_neither_process_nor_port(machine: Machine, first: str) -> None:
    port = int(json.loads((machine.folder / ".sandbox/server.json").read_text(encoding="utf-8"))["port"])
    assert machine.processes()
    machine.run("make down")
    assert machine.processes() == []
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0
    assert (machine.folder / ".sandbox/state.db").is_file(), "the data stays"


def test_up_after_down_goes_on_where_it_was(machine: Machine, first: str) -> None:
    again = machine.run("make up")
    assert "  0 changes; " in again
    assert re.search(r"^  = live ", again, re.MULTILINE)
    assert json.loads(machine.run(line(again, "call it")))["predictions"] == answered(first)


def test_a_released_stack_is_destroyed_after_saying_what_goes(machine: Machine, first: str) -> None:
    asked = machine.run(f"{PYTHON} -m sandbox destroy", code=2)
    live = next(iter(machine.traffic("flight-delay")))
    for name in (f"flight-delay.{live}-deployment", "flight-delay-endpoint", "ml-workspace"):
        assert name in asked, "told before anything goes"
    told = machine.run(f"{PYTHON} -m sandbox destroy --yes")
    assert f"flight-delay.{live}-deployment" in told
    assert "FAILED" not in told
    assert "0 resources in stack dev" in machine.run(f"{PYTHON} -m sandbox status")
    assert not (machine.folder / LIVE).exists(), "the next up begins afresh"
    assert not (machine.folder / outputs()).exists()


def test_purge_removes_the_data(machine: Machine, first: str) -> None:
    machine.run(f"{PYTHON} -m sandbox purge --yes")
    assert not (machine.folder / ".sandbox").exists()
    assert machine.processes() == []
    assert subprocess.run(["git", "status", "--porcelain"], cwd=machine.folder, capture_output=True).stdout == b""
