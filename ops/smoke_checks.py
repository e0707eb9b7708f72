"""Questions to a deployed model: a changed copy of one request, and what the change may do to the answer."""

import copy
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import model_file
from model_file import ANSWER, HIGHER, LOWER, REFUSED, SAME, ModelCheck, ModelFile
from ops.command import UsageError
from ops.scoring import Answer, Asker

# Probabilities are rounded to six digits on their way out.
_TOLERANCE = 2e-6


@dataclass(frozen=True, kw_only=True)
class Smoke:
    """All questions to one model.

    Attributes:
        file: holds the request; a model's sample.
        request: what is asked, and changed for the checks.
        value: path of the number in an answer that the checks compare.
        checks: the questions.
    """

    file: Path
    request: Any
    value: str
    checks: tuple[ModelCheck, ...]

    @classmethod
    def of(cls, model: ModelFile) -> "Smoke":
        """The questions of a model's file.

        Raises:
            UsageError: names the file, the key and what is accepted.
        """
        path, file = model.folder / model_file.FILE, model.folder / model.request.sample
        try:
            request = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UsageError(f"{path}: request.sample={model.request.sample!r} cannot be read ({error})") from None
        for number, each in enumerate(model.smoke.checks):
            for place in each.change:
                _lookup(request, place, f"{path}: smoke.checks[{number}].change")
        return cls(file=file, request=request, value=model.smoke.value, checks=model.smoke.checks)

    def changed(self, check: ModelCheck) -> Any:
        """The request of one check."""
        request = copy.deepcopy(self.request)
        for path, value in check.change.items():
            *way, last = _parts(path)
            holder = request
            for part in way:
                holder = holder[part]
            holder[last] = value
        return request


@dataclass(frozen=True, kw_only=True)
class Result:
    """What came of one check."""

    name: str
    passed: bool
    says: str


def ask_all(asker: Asker, smoke: Smoke, deployment: str | None = None) -> tuple[Answer, list[Result]]:
    """Asks the request as it is, then each check; returns the first answer and all results.

    Args:
        asker: sends requests.
        smoke: what to ask.
        deployment: asked by name, whatever its weight; None asks as a caller does.
    """
    first = asker.ask(smoke.request, deployment)
    if first.status != 200:
        return first, [Result(name="the request as it is", passed=False, says=_told(first))]
    base = _number(first.body, smoke.value)
    if base is None:
        says = f"the answer has no number at {smoke.value}: {_told(first)}"
        return first, [Result(name="the request as it is", passed=False, says=says)]
    results = [Result(name="the request as it is", passed=True, says=f"{smoke.value} = {base}")]
    for check in smoke.checks:
        answer = asker.ask(smoke.changed(check), deployment)
        wrong = _refusal(answer, check) if check.expect == REFUSED else _comparison(answer, check, smoke.value, base)
        found = _number(answer.body, smoke.value)
        right = f"{answer.status}" if check.expect == REFUSED else f"{smoke.value} = {found}"
        results.append(Result(name=check.name, passed=not wrong, says=wrong or right))
    return first, results


def _refusal(answer: Answer, check: ModelCheck) -> str:
    if not 400 <= answer.status < 500:
        return f"want a refusal (status 4xx), got {_told(answer)}"
    if check.field and check.field not in json.dumps(answer.body):
        return f"the refusal has to name {check.field}, got {_told(answer)}"
    return ""


def _comparison(answer: Answer, check: ModelCheck, path: str, base: float) -> str:
    found = _number(answer.body, path) if answer.status == 200 else None
    if found is None:
        return f"want an answer with {path}, got {_told(answer)}"
    change = found - base
    bad = {SAME: abs(change) > _TOLERANCE, HIGHER: change < -_TOLERANCE, LOWER: change > _TOLERANCE, ANSWER: False}
    return f"want {path} {check.expect} than or as {base}, got {found}" if bad[check.expect] else ""


def _told(answer: Answer) -> str:
    return f"status {answer.status}: {json.dumps(answer.body)[:200]}"


def _number(body: Any, path: str) -> float | None:
    try:
        value = _lookup(body, path, "")
    except UsageError:
        return None
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _lookup(value: Any, path: str, where: str) -> Any:
    for part in _parts(path):
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            raise UsageError(f"{where}: {path!r} is not in the request") from None
    return value


def _parts(path: str) -> Iterator[str | int]:
    """``flights``, 0, ``day`` of ``flights[0].day``."""
    for name, index in re.findall(r"([^.\[\]]+)|\[(\d+)\]", path):
        yield name or int(index)
