"""Smoke checks: each kind of expectation notices the model that breaks it."""

import copy
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from model_file import ModelCheck
from ops import model
from ops.command import OpsError, UsageError
from ops.report import Step
from ops.scoring import Answer
from ops.smoke import prove_model, smoke
from ops.smoke_checks import Smoke, ask_all
from tests.ops.conftest import write_model

REQUEST = {"rows": [{"rain": 0, "day": 4, "name": "x"}]}
RULES = (
    ModelCheck(name="other day", change={"rows[0].day": 11}, expect="same"),
    ModelCheck(name="rain", change={"rows[0].rain": 1}, expect="not lower"),
    ModelCheck(name="sun", change={"rows[0].rain": -1}, expect="not higher"),
    ModelCheck(name="new name", change={"rows[0].name": "y"}, expect="answer"),
    ModelCheck(name="no name", change={"rows[0].name": 7}, expect="refused", field="rows[0].name"),
)
QUESTIONS = Smoke(file=Path("request.json"), request=REQUEST, value="p[0].probability", checks=RULES)


class Model:
    """Answers as a good model does; a test breaks one thing."""

    def __init__(self, **broken: Any) -> None:
        self.broken = broken

    def ask(self, request: Any, deployment: str | None = None) -> Answer:
        row = request["rows"][0]
        if not isinstance(row["name"], str):
            told = self.broken.get("told", {"error": {"field": "rows[0].name"}})
            return Answer(status=self.broken.get("status", 400), body=told, seconds=0)
        if row["name"] == "y" and "name" in self.broken:
            return Answer(status=500, body="boom", seconds=0)
        slope, drift = self.broken.get("slope", 0.1), self.broken.get("drift", 0)
        probability = 0.3 + slope * row["rain"] + drift * (row["day"] - 4)
        return Answer(status=200, body={"p": [{"probability": probability}]}, seconds=0)


def failed(model: Model) -> list[str]:
    return [result.name for result in ask_all(model, QUESTIONS)[1] if not result.passed]


def test_a_good_model_passes_all() -> None:
    answer, results = ask_all(Model(), QUESTIONS)
    assert failed(Model()) == []
    assert len(results) == 6
    assert answer.body == {"p": [{"probability": 0.3}]}


@pytest.mark.parametrize(
    ("broken", "names"),
    [
        ({"drift": 0.01}, ["other day"]),
        ({"slope": -0.1}, ["rain", "sun"]),
        ({"name": True}, ["new name"]),
        ({"status": 200}, ["no name"]),
        ({"status": 500}, ["no name"]),
        ({"told": {"error": "bad request"}}, ["no name"]),
    ],
)
def test_each_check_notices_the_model_that_breaks_it(broken: dict[str, Any], names: list[str]) -> None:
    assert failed(Model(**broken)) == names


def test_a_model_that_does_not_answer_is_asked_once() -> None:
    class Down:
        def ask(self, request: Any, deployment: str | None = None) -> Answer:
            return Answer(status=503, body="no healthy deployment", seconds=0)

    _, results = ask_all(Down(), QUESTIONS)
    assert [result.passed for result in results] == [False]
    assert "503" in results[0].says


def test_the_command_fails_and_names_what_is_wrong(step: Step) -> None:
    with pytest.raises(OpsError, match="2 of 6 answers of the endpoint are wrong: rain, sun"):
        smoke(Model(slope=-0.1), QUESTIONS, step)


def test_a_check_changes_a_copy() -> None:
    before = copy.deepcopy(REQUEST)
    assert QUESTIONS.changed(RULES[0]) == {"rows": [{"rain": 0, "day": 11, "name": "x"}]}
    assert before == REQUEST


def test_a_deployment_is_asked_by_its_name(step: Step) -> None:
    asked: list[str | None] = []

    class Named(Model):
        def ask(self, request: Any, deployment: str | None = None) -> Answer:
            asked.append(deployment)
            return super().ask(request)

    smoke(Named(), QUESTIONS, step, "v1-abc")
    assert asked == ["v1-abc"] * 6


@pytest.mark.parametrize(
    ("told", "right"),
    [
        ({"data_version": "d1", "commit": "c0ffee"}, True),
        ({"data_version": "d2"}, False),
        ({"commit": "other"}, False),
        ({}, True),
        (None, True),
    ],
)
def test_an_answer_of_another_model_is_noticed(told: Any, right: bool) -> None:
    answer = Answer(status=200, body={"model": told}, seconds=0)
    with nullcontext() if right else pytest.raises(OpsError, match="v1-abc answers with another model"):
        prove_model(answer, {"data": "flights:d1", "commit": "c0ffee"}, "v1-abc")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"expect": "higher"}, "'higher': not one of them, did you mean not higher"),
        ({"expect": None}, "checks[0].expect: missing"),
        ({"filed": "x"}, "checks[0].filed: unknown field"),
        ({"change": {"flights[3].day": 1}}, "'flights[3].day' is not in"),
    ],
)
def test_refuses_a_wrong_file(project: Path, change: dict[str, Any], says: str) -> None:
    check = {"name": "n", "change": {}, "expect": "same", **change}
    checks = [{key: value for key, value in check.items() if value is not None}]
    write_model(project, smoke={"value": "predictions[0].probability", "checks": checks})
    with pytest.raises(UsageError) as failure:
        model.read(["flight-delay"])
    assert says in str(failure.value)
    assert "ml_jobs/flight_delay/model.yaml" in str(failure.value)


def test_a_sample_that_is_no_request_is_told(project: Path) -> None:
    (project / "ml_jobs/flight_delay/sample_request.json").write_text("{", encoding="utf-8")
    with pytest.raises(UsageError, match=r"sample_request\.json' cannot be read"):
        model.read(["flight-delay"])
