"""The health gate: what makes a deployment unfit for traffic, and how many requests it takes to tell."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from statistics import NormalDist
from typing import Any

import pytest

from ops.gate import Budget, Judged, Probe, Verdict, close, judge
from ops.scoring import Answer

PROBES = [
    Probe(
        request={"row": row},
        expected={"model": {"commit": "c"}, "predictions": [{"late": row > 150, "probability": row / 250}]},
    )
    for row in range(200)
]
BUDGET = Budget(at_once=1)
ALONE = Judged(candidate="green")
BESIDE = Judged(candidate="green", stable="blue")
SHARING = Judged(candidate="green", stable="blue", share=10)


@dataclass
class Server:
    """Deployments that answer right in a few milliseconds; a share of them, as the weights say, when none is named.

    Attributes:
        changed: what a deployment answers instead; gets the right answer and the number of its request.
        weights: percent by deployment.
    """

    changed: dict[str, Callable[[Answer, int], Answer]] = field(default_factory=dict)
    weights: dict[str, int] = field(default_factory=lambda: {"blue": 90, "green": 10})
    asked: Counter[str] = field(default_factory=Counter)
    named: Counter[str] = field(default_factory=Counter)
    dice: random.Random = field(default_factory=lambda: random.Random(7))  # noqa: S311 - the same each time
    lock: threading.Lock = field(default_factory=threading.Lock)

    def ask(self, request: Any, deployment: str | None = None) -> Answer:
        with self.lock:
            who = deployment or self.dice.choices(list(self.weights), list(self.weights.values()))[0]
            self.asked[who] += 1
            self.named[deployment or ""] += 1
            right = Answer(
                status=200, body=PROBES[request["row"]].expected, seconds=self.dice.gauss(0.006, 0.001), deployment=who
            )
            change = self.changed.get(who)
            return change(right, self.asked[who]) if change else right


def failing(share: float, status: int = 500, **more: Any) -> Callable[[Answer, int], Answer]:
    """Fails so many of its requests, evenly spread."""

    def change(answer: Answer, number: int) -> Answer:
        if int(number * share) == int((number - 1) * share):
            return answer
        return replace(answer, status=status, body={"message": "boom"}, **more)

    return change


def slower(factor: float, plus: float = 0.0) -> Callable[[Answer, int], Answer]:
    return lambda answer, _number: replace(answer, seconds=answer.seconds * factor + plus)


def predicting(change: Callable[[float], float]) -> Callable[[Answer, int], Answer]:
    def changed(answer: Answer, _number: int) -> Answer:
        row = answer.body["predictions"][0]
        return replace(
            answer, body={**answer.body, "predictions": [{**row, "probability": change(row["probability"])}]}
        )

    return changed


def verdict(server: Server, who: Judged = BESIDE, budget: Budget = BUDGET) -> Verdict:
    return judge(server, who, PROBES, budget)


def test_a_good_one_is_told_from_200_requests_each() -> None:
    server = Server()
    found = verdict(server)
    assert found.healthy
    assert server.named == {"green": 210, "blue": 210}
    assert found.says.startswith("210 requests, 0 errors; p95 ")
    assert "blue at the same time 210, 0 errors" in found.says
    assert "predictions shifted by 0.00" in found.says
    assert "\n" not in found.says


def test_a_first_deployment_is_asked_alone() -> None:
    server = Server()
    assert verdict(server, ALONE).healthy
    assert set(server.named) == {"green"}


def test_through_the_weights_it_counts_who_answered() -> None:
    server = Server()
    found = verdict(server, SHARING)
    assert found.healthy
    assert server.named[""] == 210
    blue, green = server.asked["blue"] - 210, server.asked["green"] - 210
    assert f"callers got blue {blue}, green {green}" in found.says
    assert green > 5


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (predicting(lambda number: number + 0.0001), "wrong answer of green"),
        (lambda answer, _number: replace(answer, body="<html>"), "<html> instead of"),
        (lambda answer, _number: replace(answer, body={**answer.body, "model": {"commit": "another"}}), "another"),
        (lambda answer, _number: replace(answer, body={**answer.body, "predictions": []}), "instead of"),
    ],
    ids=["number", "text", "lineage", "rows"],
)
def test_wrong_answers_are_a_no_at_once(change: Callable[[Answer, int], Answer], says: str) -> None:
    server = Server({"green": change})
    found = verdict(server)
    assert not found.healthy
    assert says in found.says
    assert server.named["green"] == 10


def test_one_wrong_answer_in_two_hundred_is_a_no() -> None:
    def once(answer: Answer, number: int) -> Answer:
        return (
            replace(answer, body={**answer.body, "predictions": [{"late": True, "probability": 1.0}]})
            if number == 137
            else answer
        )

    assert not verdict(Server({"green": once})).healthy


def test_with_all_traffic_it_asks_as_callers_do_and_the_other_by_name() -> None:
    server = Server(weights={"green": 100})
    found = verdict(server, replace(SHARING, share=100))
    assert found.healthy
    assert server.named == {"": 210, "blue": 210}
    assert "210 requests, 0 errors" in found.says
    assert "predictions shifted by 0.00" in found.says
    assert not verdict(Server({"green": failing(1.0)}, weights={"green": 100}), replace(SHARING, share=100)).healthy
    alone = Server(weights={"green": 100})
    assert verdict(alone, replace(ALONE, share=100)).healthy
    assert alone.named == {"": 210}


def test_a_wrong_answer_that_callers_alone_get_is_a_no() -> None:
    server = Server()

    class Router:
        def ask(self, request: Any, deployment: str | None = None) -> Answer:
            found = server.ask(request, deployment)
            cached = deployment is None and found.deployment == "green"
            return replace(found, body={"predictions": []}) if cached else found

    assert "wrong answer of green" in judge(Router(), SHARING, PROBES, BUDGET).says


@pytest.mark.parametrize("status", [500, 503, 424, 429, 0])
def test_a_crash_is_a_no_after_ten_requests(status: int) -> None:
    server = Server({"green": failing(1.0, status)})
    found = verdict(server)
    assert not found.healthy
    assert "errors of green: 10 of 10" in found.says
    assert "against 0 of 10 of blue" in found.says
    assert server.named["green"] == 10


@pytest.mark.parametrize(("share", "most"), [(0.5, 50), (0.1, 210), (0.05, 600)])
def test_errors_are_a_no_as_soon_as_chance_does_not_explain_them(share: float, most: int) -> None:
    server = Server({"green": failing(share)})
    found = verdict(server)
    assert not found.healthy
    assert "status 500: {'message': 'boom'}" in found.says
    assert server.named["green"] <= most


def test_errors_that_stay_open_are_asked_on_and_then_a_no() -> None:
    server = Server({"green": failing(0.019), "blue": failing(0.012)})
    found = verdict(server, budget=replace(BUDGET, limit=400))
    assert not found.healthy
    assert "allowed are" in found.says
    assert server.named["green"] >= 400


def test_one_error_is_asked_on_and_forgiven() -> None:
    server = Server({"green": lambda answer, number: replace(answer, status=503) if number == 20 else answer})
    found = verdict(server)
    assert found.healthy
    assert 210 < server.named["green"] < 400
    assert "1 errors" in found.says


@pytest.mark.parametrize("more", [{}, {"deployment": ""}], ids=["attributed", "nameless"])
@pytest.mark.parametrize("share", [0.03, 0.5, 1.0])
def test_errors_of_the_running_one_never_send_traffic_back(share: float, more: dict[str, Any]) -> None:
    dice = random.Random(3)  # noqa: S311 - the same each time

    def fails(answer: Answer, _number: int) -> Answer:
        return replace(answer, status=503, **more) if dice.random() < share else answer

    assert verdict(Server({"blue": fails}), SHARING).healthy


def test_a_running_one_that_fails_excuses_as_much_again_and_no_more() -> None:
    both = {"green": failing(0.3), "blue": failing(0.3)}
    found = verdict(Server(both), budget=replace(BUDGET, limit=300))
    assert not found.healthy
    assert "allowed are 4.0%" in found.says


def test_errors_that_callers_get_from_the_running_one_are_not_the_candidates() -> None:
    server = Server()

    class Busy:
        """The running one fails under its callers' load only."""

        def ask(self, request: Any, deployment: str | None = None) -> Answer:
            found = server.ask(request, deployment)
            return found if deployment or found.deployment == "green" else replace(found, status=503)

    assert judge(Busy(), SHARING, PROBES, BUDGET).healthy


def test_errors_through_the_weights_that_nobody_answers_for_are_a_no() -> None:
    server = Server()

    class Router:
        def ask(self, request: Any, deployment: str | None = None) -> Answer:
            found = server.ask(request, deployment)
            return found if deployment else replace(found, status=404, deployment="", body="no route")

    found = judge(Router(), SHARING, PROBES, BUDGET)
    assert not found.healthy
    assert "no deployment answers for" in found.says


def test_questions_that_the_running_model_does_not_take_are_no_errors_of_it() -> None:
    refusing = failing(1.0, 424, model_status=400)
    assert "210 it does not take" in verdict(Server({"blue": refusing})).says
    found = verdict(Server({"blue": refusing, "green": failing(0.1)}))
    assert not found.healthy, "a running one that refuses everything excuses nothing"


@pytest.mark.parametrize("status", [408, 429])
def test_a_running_one_that_is_too_busy_for_a_question_has_failed(status: int) -> None:
    busy = verdict(Server({"blue": failing(1.0, 424, model_status=status)}))
    assert "blue at the same time 210, 210 errors" in busy.says


def test_the_two_take_turns_in_being_asked_first() -> None:
    """The second one finds what the first has warmed up."""
    server, first = Server(), Counter[str]()

    class Turns:
        def ask(self, request: Any, deployment: str | None = None) -> Answer:
            first[deployment or ""] += server.named["green"] == server.named["blue"]
            return server.ask(request, deployment)

    judge(Turns(), BESIDE, PROBES, BUDGET)
    assert first["green"] == first["blue"]


def test_slow_answers_are_a_no() -> None:
    server = Server({"green": slower(1, plus=0.6)})
    found = verdict(server)
    assert not found.healthy
    assert found.says == "10 of 10 answers of green take longer than 500 ms"
    assert server.named["green"] == 10, "a slow one costs no more time than it has to"
    edge = verdict(Server({"green": slower(1, plus=0.494)}))
    assert not edge.healthy


@pytest.mark.parametrize(("spread", "healthy"), [(0.067, False), (0.058, True)])
def test_a_latency_on_the_edge_is_asked_on_and_goes_by_its_own_value(spread: float, healthy: bool) -> None:
    times = NormalDist(0.4, spread)
    # Multiples of the golden section spread evenly: no luck of the draw.
    server = Server({"green": lambda answer, n: replace(answer, seconds=times.inv_cdf(n * 0.6180339887 % 1))})
    found = verdict(server, ALONE, replace(BUDGET, limit=400))
    assert found.healthy is healthy
    assert ("allowed are 500 ms" in found.says) is not healthy
    assert server.named["green"] >= 400


def test_slower_than_the_running_one_is_a_no_though_within_the_budget() -> None:
    slow = {"green": slower(1, plus=0.15), "blue": slower(1, plus=0.05)}
    found = verdict(Server(slow))
    assert not found.healthy
    assert "of blue, allowed are" in found.says
    assert verdict(Server({"blue": slow["blue"]})).healthy


@pytest.mark.parametrize(("share", "healthy"), [(50, False), (100, True)])
def test_one_that_has_less_to_do_is_no_measure(share: int, healthy: bool) -> None:
    busy = Server({"green": slower(1, plus=0.15)}, weights={"green": share, "blue": 100 - share})
    assert verdict(busy, replace(SHARING, share=share)).healthy is healthy
    assert not verdict(
        Server({"green": slower(1, plus=0.6)}, weights={"green": 100}), replace(SHARING, share=100)
    ).healthy


def test_a_few_milliseconds_are_never_slow() -> None:
    assert verdict(Server({"green": slower(1, plus=0.012)})).healthy


def test_some_slow_answers_are_allowed() -> None:
    rare = failing(0.02, 200)
    server = Server(
        {
            "green": lambda answer, number: (
                replace(answer, seconds=9) if rare(answer, number).body != answer.body else answer
            )
        }
    )
    assert verdict(server).healthy


def test_what_slows_both_is_nobodys_fault() -> None:
    assert verdict(Server({"green": slower(40), "blue": slower(40)})).healthy


def test_a_shift_is_told_and_refuses_nothing() -> None:
    shifted = {"blue": predicting(lambda number: number**4)}
    found = verdict(Server(shifted))
    assert found.healthy
    assert float(found.says.partition("shifted by ")[2].partition(";")[0]) > 0.25


def test_too_few_requests_are_no_yes() -> None:
    """A gate that runs out of time with fifty good answers has not shown that errors are rare."""
    found = verdict(Server(), budget=replace(BUDGET, longest=0.0))
    assert not found.healthy
    assert "allowed are 2.0%" in found.says


def test_it_asks_for_as_long_as_the_budget_says() -> None:
    server = Server()
    assert verdict(server, budget=replace(BUDGET, seconds=0.5)).healthy
    assert server.named["green"] > 210
    assert verdict(Server(), budget=replace(BUDGET, seconds=0.5, longest=0.0)).healthy, "it was told to take longer"


def test_what_the_beat_raises_ends_the_gate() -> None:
    server = Server()

    def beat() -> None:
        if server.named["green"] > 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        judge(server, BESIDE, PROBES, BUDGET, beat)
    assert server.named["green"] < 100


def test_several_are_asked_at_once() -> None:
    together = threading.Barrier(4, timeout=10)

    class Slow(Server):
        def ask(self, request: Any, deployment: str | None = None) -> Answer:
            if request["row"] < 4:
                together.wait()
            return super().ask(request, deployment)

    assert judge(Slow(), ALONE, PROBES, replace(BUDGET, at_once=4)).healthy


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


def test_what_another_one_answers_to_callers_says_nothing_about_it() -> None:
    """At 100 % it is asked as callers do only, and somebody may have given a share away meanwhile."""
    server = Server(changed={"blue": slower(1.0, plus=0.6)}, weights={"blue": 50, "green": 50})
    found = verdict(server, Judged(candidate="green", stable="blue", share=100))
    assert found.healthy, found.says


def test_a_gate_that_is_ended_asks_nothing_more() -> None:
    def ended() -> None:
        raise KeyboardInterrupt

    def slow(answer: Answer, _number: int) -> Answer:
        time.sleep(0.02)
        return answer

    server = Server(changed={"green": slow})
    with pytest.raises(KeyboardInterrupt):
        judge(server, ALONE, PROBES, BUDGET, ended)
    assert server.named["green"] < 5
