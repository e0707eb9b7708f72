"""The health gate: asks a deployment and the running one the same questions at the same time, and compares.

Three things decide, each with as many requests as it takes to tell:

    answers   every answer is the one that the model gave when it was trained: one wrong one is a no
    errors    the share of errors is shown to be within what is allowed (Clopper and Pearson's bound, 95 %): 149
              requests without an error show less than 2 %. A share that is above the running deployment's by more than
              chance explains (Fisher's exact test, 0.1 %) is a no at once, from the tenth request on
    latency   the 95th percentile is within the budget, and not much above the running deployment's (bootstrap of
              pairs) as long as that one has as much to do: of 200 values it is the tenth from above, and its
              interval spans about ten ranks. More late answers than chance explains are a no at once

So a gate asks 200 of each at least. What stays open is asked on, up to a limit; errors that are still open there are a
no. Through the weights it asks as a caller does, and counts who answered: an error of the other deployment is never one
of this deployment's.

How far its predictions on the same questions are shifted is told as a stability index and decides nothing: a better
model predicts something else.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any

from ops.scoring import Answer, Asker
from ops.statistics import at_least, fisher, p95, p95_ratio, shift, upper

# ONNX Runtime adds up in another order on another processor; a wrong model differs by thousandths.
TOLERANCE = 1e-5

# Each look at the counts may err, so a single one has to be sure.
_SURE = 0.001
_FIRST, _BATCH = 10, 40


@dataclass(frozen=True, kw_only=True)
class Probe:
    """A request and the answer that the model gave to it when it was trained."""

    request: Any
    expected: Any


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What a deployment may cost its callers.

    Attributes:
        requests: asked of each deployment at least.
        limit: asked of each at most, while something is open.
        seconds: asked for at least this long.
        longest: seconds after which a gate that is still open says no.
        errors: share of requests that may fail; as much again where the running deployment's fail too.
        p95_ms: 95 of 100 answers arrive within this time.
        slower: 95th percentile, as a multiple of the running deployment's.
        slack_ms: a difference up to this is never called slow.
        at_once: requests under way at a time.
    """

    requests: int = 200
    limit: int = 2000
    seconds: float = 0.0
    longest: float = 300.0
    errors: float = 0.02
    p95_ms: float = 500.0
    slower: float = 1.5
    slack_ms: float = 20.0
    at_once: int = 4


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a gate found.

    Attributes:
        healthy: True when nothing is wrong.
        says: the numbers, and what is wrong, on one line.
        log: file with what the deployment wrote, when something is wrong.
    """

    healthy: bool
    says: str
    log: str = ""


@dataclass(frozen=True, kw_only=True)
class Judged:
    """Who is judged, and against whom.

    Attributes:
        candidate: asked by name.
        stable: the deployment that runs, asked by name as well; empty when there is none.
        share: percentage of the callers' requests that reaches the candidate. From 1 on it is also asked as a caller
            does, through the weights; at 100 only so, since that is the same.
    """

    candidate: str
    stable: str = ""
    share: int = 0


@dataclass
class Count:
    """Answers of one deployment.

    Attributes:
        requests: that it got.
        errors: that were no 200.
        example: the first of them.
    """

    requests: int = 0
    errors: int = 0
    example: str = ""

    def add(self, answer: Answer) -> None:
        """Counts an answer."""
        self.requests += 1
        if answer.status != 200:
            self.errors += 1
            self.example = self.example or told(answer)

    def __str__(self) -> str:
        return f"{self.errors} of {self.requests}" + (f" ({self.example})" if self.example else "")


@dataclass
class Tally:
    """What was heard so far.

    Attributes:
        candidate: its answers, by name and through the weights.
        stable: the running deployment's.
        nobody: requests through the weights, with the errors that do not say whose they are.
        callers: who answered through the weights.
        times: milliseconds of candidate and stable, for questions that both answered.
        own: milliseconds of the candidate.
        predictions: numbers predicted by both on the first round of questions.
        refused: questions that the running model does not take; it was made for others.
        wrong: the first wrong answer of the candidate.
    """

    candidate: Count = field(default_factory=Count)
    stable: Count = field(default_factory=Count)
    nobody: Count = field(default_factory=Count)
    callers: Counter[str] = field(default_factory=Counter)
    times: list[tuple[float, float]] = field(default_factory=list)
    own: list[float] = field(default_factory=list)
    predictions: tuple[list[float], list[float]] = field(default_factory=lambda: ([], []))
    refused: int = 0
    wrong: str = ""
    rounds: int = 0


def judge(
    asker: Asker, who: Judged, probes: Sequence[Probe], budget: Budget, beat: Callable[[], None] = lambda: None
) -> Verdict:
    """Asks until nothing is open or the budget is used up, then judges; ends early when it is sure of a no.

    Args:
        asker: sends requests.
        who: is judged.
        probes: what to ask and what to expect, in turn.
        budget: how much to ask, and what is good enough.
        beat: called about every second; whatever it raises ends the gate.
    """
    started, tally = time.monotonic(), Tally()
    with ThreadPoolExecutor(budget.at_once) as pool:
        while True:
            size = _BATCH if tally.rounds else _FIRST
            batch = [(tally.rounds + each, probes[(tally.rounds + each) % len(probes)]) for each in range(size)]
            running = [pool.submit(_ask, asker, who, number, probe) for number, probe in batch]
            for number, probe, answers in _finished(running, beat):
                _take(tally, who, probe, answers, first_time=number < len(probes))
            tally.rounds += size
            elapsed = time.monotonic() - started
            if verdict := _no(tally, who, budget):
                return verdict
            over = elapsed > max(budget.longest, budget.seconds)
            if not over and (tally.rounds < budget.requests or elapsed < budget.seconds):
                if tally.rounds >= budget.requests:
                    time.sleep(0.1)  # only the time is left to wait for
                continue
            over = over or tally.rounds >= budget.limit
            if verdict := _decide(tally, who, budget, over=over):
                return verdict


def _finished(
    running: Sequence[Future[tuple[int, Probe, dict[str, Answer]]]], beat: Callable[[], None]
) -> Iterator[tuple[int, Probe, dict[str, Answer]]]:
    """Results as they come, with a beat at least each second."""
    left = set(running)
    try:
        while left:
            done, left = wait(left, timeout=1, return_when=FIRST_COMPLETED)
            beat()
            for each in done:
                yield each.result()
    finally:
        for each in left:
            each.cancel()


def _ask(asker: Asker, who: Judged, number: int, probe: Probe) -> tuple[int, Probe, dict[str, Answer]]:
    """One question to each, one after the other, by turns in the one order and the other."""
    names = [name for name in ("" if who.share == 100 else who.candidate, who.stable) if name or who.share == 100]
    if not who.stable:
        names = names[:1]
    answers = {name: asker.ask(probe.request, name or None) for name in (names if number % 2 else reversed(names))}
    if 0 < who.share < 100:
        answers[""] = asker.ask(probe.request)
    return number, probe, answers


def _take(tally: Tally, who: Judged, probe: Probe, answers: dict[str, Answer], *, first_time: bool) -> None:
    caller = answers.get("") if who.share else None
    if caller:
        _take_caller(tally, who, probe, caller)
    own = answers.get(who.candidate)
    if own:
        tally.candidate.add(own)
    elif caller and caller.deployment == who.candidate:
        own = caller  # it has all the traffic
    right = own is not None and own.status == 200 and not _note_wrong(tally, who, probe, own)
    if own and right:
        tally.own.append(own.seconds * 1000)
    other = answers.get(who.stable)
    if other and who.stable:
        if 400 <= other.model_status < 500 and other.model_status not in (408, 429):
            tally.refused += 1
        else:
            tally.stable.add(other)
        if own and right and other.status == 200:
            tally.times.append((own.seconds * 1000, other.seconds * 1000))
            numbers = predicted(own.body), predicted(other.body)
            if first_time and len(numbers[0]) == len(numbers[1]):
                tally.predictions[0].extend(numbers[0])
                tally.predictions[1].extend(numbers[1])


def _take_caller(tally: Tally, who: Judged, probe: Probe, caller: Answer) -> None:
    tally.nobody.requests += 1
    tally.callers[caller.deployment or "nobody named"] += 1
    if caller.deployment == who.candidate:
        tally.candidate.add(caller)
        if caller.status == 200:
            _note_wrong(tally, who, probe, caller)
    elif not caller.deployment and caller.status != 200:
        tally.nobody.errors += 1
        tally.nobody.example = tally.nobody.example or told(caller)


def _note_wrong(tally: Tally, who: Judged, probe: Probe, answer: Answer) -> bool:
    if close(answer.body, probe.expected):
        return False
    found, expected = str(answer.body)[:120], str(probe.expected)[:120]
    tally.wrong = tally.wrong or f"wrong answer of {who.candidate}: {found} instead of {expected}"
    return True


def _no(tally: Tally, who: Judged, budget: Budget) -> Verdict | None:
    """A no that more requests would not change."""
    if tally.wrong:
        return Verdict(healthy=False, says=tally.wrong)
    if _worse(tally.candidate, tally.stable, budget):
        return Verdict(healthy=False, says=f"errors of {_against(tally, who)}")
    late = len([each for each in tally.own if each > budget.p95_ms])
    if late and at_least(late, len(tally.own), 0.05) < _SURE:  # a p95 within the budget lets 5 of 100 be later
        says = f"{late} of {len(tally.own)} answers of {who.candidate} take longer than {budget.p95_ms:.0f} ms"
        return Verdict(healthy=False, says=says)
    if _worse(tally.nobody, tally.stable, budget):
        says = f"errors through the weights that no deployment answers for: {tally.nobody}"
        return Verdict(healthy=False, says=says)
    return None


def _worse(one: Count, stable: Count, budget: Budget) -> bool:
    if not stable.requests:
        return one.errors > 0 and at_least(one.errors, one.requests, budget.errors) < _SURE
    return fisher(one.errors, one.requests, stable.errors, stable.requests) < _SURE


def _decide(tally: Tally, who: Judged, budget: Budget, *, over: bool) -> Verdict | None:
    """The verdict, or None while something is open and requests are left.

    An error share that could not be shown to be small is a no; a percentile on the edge goes by its own value.
    """
    stable = tally.stable
    share = stable.errors / stable.requests if stable.requests else 0.0
    allowed = budget.errors + min(share, budget.errors)
    bound = upper(tally.candidate.errors, tally.candidate.requests)
    if bound > allowed:
        says = f"errors of {_against(tally, who)}: may be {bound:.1%}, allowed are {allowed:.1%}"
        return Verdict(healthy=False, says=says) if over else None
    for found, limit, says in _latencies(tally, who, budget):
        low, high = p95_ratio(found[-budget.limit :], limit[-budget.limit :])
        if low > 1 or (over and p95(found) > p95(limit)):
            return Verdict(healthy=False, says=says)
        if high > 1 and not over:
            return None
    moved = shift(tally.predictions[1], tally.predictions[0]) if tally.predictions[0] else None
    return Verdict(healthy=True, says=_numbers(tally, who, moved))


def _latencies(tally: Tally, who: Judged, budget: Budget) -> Iterator[tuple[list[float], list[float], str]]:
    """Times, the times that each may take, and what to say when they take longer."""
    says = f"p95 of {who.candidate} is {p95(tally.own):.0f} ms"
    yield tally.own, [budget.p95_ms] * len(tally.own), f"{says}, allowed are {budget.p95_ms:.0f} ms"
    if tally.times and who.share <= 50:  # above, the other one has less to do, and is quicker for that alone
        own, others = map(list, zip(*tally.times, strict=True))
        limits = [max(each * budget.slower, each + budget.slack_ms) for each in others]
        yield own, limits, f"{says} against {p95(others):.0f} ms of {who.stable}, allowed are {p95(limits):.0f} ms"


def _against(tally: Tally, who: Judged) -> str:
    against = f" against {tally.stable.errors} of {tally.stable.requests} of {who.stable}" if who.stable else ""
    return f"{who.candidate}: {tally.candidate}{against}"


def _numbers(tally: Tally, who: Judged, moved: float | None) -> str:
    parts = [f"{tally.candidate.requests} requests, {tally.candidate.errors} errors", f"p95 {p95(tally.own):.0f} ms"]
    if who.stable:
        others = [each for _, each in tally.times]
        beside = f" in {p95(others):.0f} ms" if others else ""
        parts.append(f"{who.stable} at the same time {tally.stable.requests}, {tally.stable.errors} errors{beside}")
    if tally.refused:
        parts.append(f"{tally.refused} it does not take")
    if moved is not None:
        parts.append(f"predictions shifted by {moved:.2f}")
    if tally.callers:
        parts.append("callers got " + ", ".join(f"{name} {count}" for name, count in sorted(tally.callers.items())))
    return "; ".join(parts)


def told(answer: Answer) -> str:
    """An answer that is no 200, in few words."""
    return f"status {answer.status}: {str(answer.body)[:80]}" if answer.status else f"no answer: {answer.body}"


def predicted(body: Any) -> list[float]:
    """The probabilities in an answer."""
    rows = body.get("predictions") if isinstance(body, dict) else None
    numbers = [row.get("probability") for row in rows or [] if isinstance(row, dict)]
    return [float(number) for number in numbers if isinstance(number, int | float)]


def close(found: Any, expected: Any) -> bool:
    """True when two JSON values are the same but for the last digits of their numbers."""
    if isinstance(expected, dict):
        return (
            isinstance(found, dict)
            and found.keys() == expected.keys()
            and all(close(found[key], value) for key, value in expected.items())
        )
    if isinstance(expected, list):
        return (
            isinstance(found, list)
            and len(found) == len(expected)
            and all(close(one, other) for one, other in zip(found, expected, strict=True))
        )
    if isinstance(expected, float):
        return isinstance(found, int | float) and abs(found - expected) <= TOLERANCE
    return bool(found == expected)
