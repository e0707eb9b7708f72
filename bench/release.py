"""Releases while callers ask 200 times a second: the rate that was kept, and requests that failed."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.clone import alone, clone, make, told
from bench.table import Row, verdict

_RATE = 200  # requests a second
_KEPT = 0.95  # of the rate; less, and the machine was too slow for the question
_MODEL = "flight-delay"
_PYTHON = ".venv/bin/python"
_OUTPUTS = ".sandbox/outputs/dev.json"
_UP = f"{_PYTHON} -m sandbox up --stack dev --outputs {_OUTPUTS}"
_LOCAL = f"{_PYTHON} -m sandbox run -- {_PYTHON} -m ops"
_ABOUT = f"--outputs {_OUTPUTS} --model {_MODEL}"
_RELEASE = f"{_LOCAL}.release {_ABOUT} --apply '{_UP}'"
_SCRIPT = "ml_jobs/serving/score.py"
_ANSWER = "        return _loaded[0].answer(raw_data)\n"
_ERRORS = f"""\
        _loaded.append(_loaded[0])
        if len(_loaded) > 20 and len(_loaded) % 5 == 0:
            raise RuntimeError("boom")
{_ANSWER}"""


def rows() -> Iterator[Row]:
    """A row for each thing that happens to an endpoint meanwhile."""
    with clone(installed=True) as place:
        make(place, "up", expected="answered")
        endpoint = json.loads((place / _OUTPUTS).read_text(encoding="utf-8"))["models"][_MODEL]["scoringUri"]
        key = _run(place, f"{_LOCAL}.endpoint {_ABOUT} --key", "").strip()

        def measured(what: str, command: str, expected: str) -> Row:
            with _called(place, endpoint, key) as counts:
                _run(place, command, expected)
            return Row(
                what=f"{_RATE} requests a second during {what}",
                ours=f"{counts['rate']:.0f}/s, {counts['failed']} of {counts['sent']} failed; "
                f"p50 {counts['p50_ms']:.0f} ms, p99 {counts['p99_ms']:.0f} ms",
                bar=f"{_RATE}/s, none fails",
                verdict=verdict(counts["rate"] >= _KEPT * _RATE and not counts["failed"]),
            )

        _change(place, _SCRIPT, _ANSWER, f"{_ANSWER}    # another one\n")
        yield measured("an up and a release that goes live", f"{_UP} && {_RELEASE}", r"rollout +v1-\w+ 100 %")
        yield measured("a rollback", f"{_LOCAL}.rollback {_ABOUT} --reason 'callers complain'", r"\b100 %")
        _change(place, "Pulumi.dev.yaml", "ml-platform@example.com", "others@example.com")
        yield measured("an up that changes the endpoint's owner", _UP, r"\d+ updated")
        _change(place, _SCRIPT, _ANSWER, _ERRORS)
        _run(place, f"{_LOCAL}.rollback {_ABOUT} --lift", "")
        yield measured("a release that is refused", f"{_UP} && ! {_RELEASE} 2>&1", r"error: deployment \S+ at \d+ %")


@contextmanager
def _called(place: Path, endpoint: str, key: str) -> Iterator[dict[str, Any]]:
    """Calls as long as the block lasts; the counts are in the dictionary afterwards."""
    body = f"ml_jobs/{_MODEL.replace('-', '_')}/sample_request.json"
    process = subprocess.Popen(
        [_PYTHON, "-m", "sandbox", "run", "--", _PYTHON, "bench/caller.py", endpoint, str(_RATE), body],
        cwd=place, env=alone(place), text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    counts: dict[str, Any] = {}
    try:
        if process.stdin:
            process.stdin.write(f"{key}\n")
            process.stdin.flush()
        yield counts
    finally:
        out, _ = process.communicate()
    counts |= json.loads(out)


def _run(place: Path, command: str, expected: str) -> str:
    return told(["bash", "-c", command], place, expected).output


def _change(place: Path, name: str, old: str, new: str) -> None:
    path = place / name
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace(old, new), encoding="utf-8")
