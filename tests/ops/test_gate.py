"""The health gate: what makes a deployment unfit for traffic."""

from typing import Any

import pytest

from ops.gate import Budget, Probe, close, judge
from ops.scoring import Answer

EXPECTED = {"model": {"commit": "c"}, "predictions": [{"late": False, "probability": 0.25}]}
PROBE = Probe(request={"flights": []}, expected=EXPECTED)
BUDGET = Budget(requests=20, seconds=0.0, p95_ms=100.0)


class Server:
    """Answers from a list; the last answer for ever."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.asked: list[str | None] = []

    def ask(self, request: Any, deployment: str | None = None) -> Answer:
        self.asked.append(deployment)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def answer(status: int = 200, body: Any = EXPECTED, ms: float = 5.0) -> Answer:
    return Answer(status=status, body=body, seconds=ms / 1000)


def test_right_answers_in_time_are_healthy() -> None:
    verdict = judge(Server(answer()), "green", False, PROBE, BUDGET)
    assert verdict.healthy
    assert verdict.says == "20 answers, p95 5 ms"


def test_without_traffic_it_asks_the_deployment_by_name_only() -> None:
    server = Server(answer())
    judge(server, "green", False, PROBE, BUDGET)
    assert set(server.asked) == {"green"}


def test_with_traffic_it_asks_as_a_caller_too() -> None:
    server = Server(answer())
    judge(server, "green", True, PROBE, BUDGET)
    assert server.asked.count("green") == server.asked.count(None) == 10


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (answer(500, {"error": "boom"}), "answer 3 of green: status 500"),
        (answer(503), "status 503"),
        (answer(0, "ConnectionError"), "no answer (ConnectionError)"),
        (answer(body="<html>"), "<html> instead of"),
        (answer(body={**EXPECTED, "model": {"commit": "another"}}), "another"),
        (answer(body={"model": {"commit": "c"}, "predictions": [{"late": False, "probability": 0.2501}]}), "0.2501"),
        (answer(body={"model": {"commit": "c"}, "predictions": []}), "instead of"),
    ],
)
def test_one_bad_answer_is_enough(bad: Answer, says: str) -> None:
    server = Server(answer(), answer(), bad, answer())
    verdict = judge(server, "green", False, PROBE, BUDGET)
    assert not verdict.healthy
    assert says in verdict.says
    assert len(server.asked) == 3, "no further request is spent on it"


def test_through_the_weights_another_model_may_answer_but_not_fail() -> None:
    other = answer(body={"model": {"commit": "older"}, "predictions": [{"late": True, "probability": 0.7}]})
    assert judge(Server(answer(), other, answer()), "green", True, PROBE, BUDGET).healthy
    verdict = judge(Server(answer(), answer(502), answer()), "green", True, PROBE, BUDGET)
    assert verdict.says.startswith("answer 2 of the endpoint: status 502")


def test_slow_answers_are_unhealthy() -> None:
    server = Server(*[answer()] * 17, answer(ms=300), answer(ms=300), answer(ms=300))
    verdict = judge(server, "green", False, PROBE, BUDGET)
    assert not verdict.healthy
    assert verdict.says == "20 answers, p95 300 ms, allowed are 100 ms"


def test_one_slow_answer_of_twenty_is_allowed() -> None:
    assert judge(Server(*[answer()] * 19, answer(ms=300)), "green", False, PROBE, BUDGET).healthy


def test_it_asks_for_as_long_as_the_budget_says() -> None:
    server = Server(answer())
    judge(server, "green", False, PROBE, Budget(requests=1, seconds=0.05))
    assert len(server.asked) > 1


@pytest.mark.parametrize(
    ("found", "expected", "same"),
    [
        (0.2500001, 0.25, True),
        (0.2501, 0.25, False),
        (1, 1.0, True),
        ("0.25", 0.25, False),
        ({"a": 1}, {"a": 1, "b": 2}, False),
        ([1], [1, 2], False),
        (True, True, True),
    ],
)
def test_close(found: object, expected: object, same: bool) -> None:
    assert close(found, expected) is same
