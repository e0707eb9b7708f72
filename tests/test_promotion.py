"""A model that was trained in dev serves prod: the same bytes, never trained again, and its origin is known there."""

import json
import re
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from tests.machine import PYTHON, Machine, line, outputs, released

MODEL = "flight-delay"


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine of this module's own, with dev released."""
    with released(tmp_path_factory) as made:
        yield made


def test_prod_from_what_is_no_commit_is_refused(machine: Machine) -> None:
    machine.edit("ml_jobs/serving/score.py", "def init()", "# not committed\ndef init()")
    told = machine.run("make up STACK=prod", code=2)
    machine.run("git checkout -q .")
    assert re.search(
        r"Pulumi\.prod\.yaml:\d+: .*ml_jobs/serving/score\.py not committed; .*repair: git commit", told
    ), told
    assert "nothing was made or changed" in told
    assert "0 resources in stack prod" in machine.run(f"{PYTHON} -m sandbox status --stack prod")
    assert not (machine.folder / outputs("prod")).exists()


@pytest.fixture(scope="module")
def promoted(machine: Machine) -> str:
    """What the first `make up STACK=prod` printed."""
    return machine.run("make up STACK=prod")


def listed(machine: Machine, stack: str, kind: str) -> list[dict[str, Any]]:
    """What the workspace of a stack has of a kind."""
    with closing(machine.sandbox()) as sandbox:
        found: list[dict[str, Any]] = sandbox.call("GET", f"{machine.exports(stack)['workspaceId']}/{kind}").body[
            "value"
        ]
    return found


def live(machine: Machine, stack: str) -> dict[str, Any]:
    """What the one live deployment of a stack is made of."""
    found = machine.told(f"ops.lineage --outputs {outputs(stack)}")[MODEL]["deployments"]
    (one,) = found.values()
    assert one["traffic"] == 100
    return dict(one)


def test_prod_serves_the_very_model_of_dev(machine: Machine, promoted: str) -> None:
    dev, prod = live(machine, "dev"), live(machine, "prod")
    assert prod["model"].startswith("azureml://registries/")
    assert prod["model"].endswith(f"/models/{MODEL}/versions/1")
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", dev["digest"])
    for what in ("digest", "commit", "run", "data", "code", "metrics", "gates"):
        assert prod[what] == dev[what], what
    assert prod["promoted_from"] == machine.exports("dev")["workspaceId"]
    answers = [
        json.loads(machine.run(f"{PYTHON} -m ops.endpoint --outputs {outputs(stack)} --ask "
                               "ml_jobs/flight_delay/sample_request.json", local=True))
        for stack in ("dev", "prod")
    ]  # fmt: skip
    assert answers[0] == answers[1]
    assert json.loads(line(promoted, "answered").rpartition("  (")[0])["predictions"] == answers[0]["predictions"]


def test_prod_takes_tokens_of_entra_only(machine: Machine, promoted: str) -> None:
    (endpoint,) = listed(machine, "prod", "onlineEndpoints")
    assert endpoint["properties"]["authMode"] == "AADToken"
    with closing(machine.sandbox()) as sandbox:
        assert sandbox.call("POST", f"{endpoint['id']}/listKeys").status >= 400
        body = (machine.folder / "ml_jobs/flight_delay/sample_request.json").read_bytes()
        uri = endpoint["properties"]["scoringUri"]
        assert sandbox.call("POST", uri, body, "a key").status == 401
        assert sandbox.call("POST", uri, body, sandbox.token("https://ml.azure.com")).status == 200


def test_nothing_is_trained_in_prod(machine: Machine, promoted: str) -> None:
    assert listed(machine, "dev", "jobs"), "the list is not empty by itself"
    for kind in ("jobs", "data", "computes", "components"):
        assert listed(machine, "prod", kind) == [], kind
    assert not re.search(r"^  [✓=] train ", promoted, re.MULTILINE)


def test_a_second_run_promotes_and_changes_nothing(machine: Machine, promoted: str) -> None:
    again = machine.run("make up STACK=prod")
    assert "  0 changes; " in again
    for step in ("promote", "promoted", "live"):
        assert re.search(rf"^  = {step} ", again, re.MULTILINE), step
    assert machine.run("git status --porcelain") == ""


def test_the_lineage_of_the_data_reaches_prod(machine: Machine, promoted: str) -> None:
    data = machine.exports("dev")["models"][MODEL]["data"]
    found = machine.told(f"ops.lineage --outputs {outputs('dev')} --data {data} --also {outputs('prod')}")
    endpoints = {machine.exports(stack)["models"][MODEL]["endpoint"] for stack in ("dev", "prod")}
    assert {each["endpoint"] for each in found["deployments"]} == endpoints
