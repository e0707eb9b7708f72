"""The health gate: asks a deployment real questions for a while and says whether its answers are good enough."""

import math
import time
from dataclasses import dataclass
from typing import Any, Protocol

from ops.scoring import Answer

# ONNX Runtime adds up in another order on another processor; a wrong model differs by thousandths.
TOLERANCE = 1e-5


@dataclass(frozen=True, kw_only=True)
class Probe:
    """A request and the answer that the model gave to it when it was trained."""

    request: Any
    expected: Any


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What a deployment may cost its callers.

    Attributes:
        requests: asked at least.
        seconds: asked for at least this long.
        p95_ms: 95 of 100 answers arrive within this time.
    """

    requests: int = 20
    seconds: float = 1.0
    p95_ms: float = 500.0


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a gate found.

    Attributes:
        healthy: True when nothing is wrong.
        says: the numbers, and what is wrong.
    """

    healthy: bool
    says: str


class Asker(Protocol):
    """What a gate needs from a scorer."""

    def ask(self, request: Any, deployment: str | None = None) -> Answer:  # noqa: D102 - see Scorer
        ...


def judge(asker: Asker, deployment: str, shares_traffic: bool, probe: Probe, budget: Budget) -> Verdict:
    """Asks until the budget's requests and seconds are used up, then judges; ends early when an answer is bad.

    Args:
        asker: sends requests.
        deployment: asked by name, whatever its weight.
        shares_traffic: also ask as a caller does, through the weights.
        probe: what to ask and what to expect.
        budget: how long, and what is good enough.
    """
    targets = [deployment, None] if shares_traffic else [deployment]
    times: list[float] = []
    started = time.monotonic()
    while len(times) < budget.requests or time.monotonic() - started < budget.seconds:
        target = targets[len(times) % len(targets)]
        answer = asker.ask(probe.request, target)
        if wrong := complaint(answer, probe, exact=target is not None):
            who = deployment if target else "the endpoint"
            return Verdict(healthy=False, says=f"answer {len(times) + 1} of {who}: {wrong}")
        times.append(answer.seconds * 1000)
    p95 = sorted(times)[math.ceil(len(times) * 0.95) - 1]
    numbers = f"{len(times)} answers, p95 {p95:.0f} ms"
    if p95 > budget.p95_ms:
        return Verdict(healthy=False, says=f"{numbers}, allowed are {budget.p95_ms:.0f} ms")
    return Verdict(healthy=True, says=numbers)


def complaint(answer: Answer, probe: Probe, *, exact: bool) -> str:
    """What is wrong with an answer; empty when it is right.

    Args:
        answer: what came.
        probe: what was asked and is expected.
        exact: the answer has to be the probe's; through the weights another model may answer.
    """
    if answer.status != 200:
        return f"status {answer.status} ({str(answer.body)[:120]})" if answer.status else f"no answer ({answer.body})"
    if exact and not close(answer.body, probe.expected):
        return f"{str(answer.body)[:120]} instead of {str(probe.expected)[:120]}"
    return ""


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
