"""`make up` in a fresh checkout with the environments installed: the first, the second, what then stays in memory."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

from bench.clone import clone, make, told
from bench.stage import share
from bench.table import Row, verdict
from sandbox.home import Home

_FIRST_SECONDS, _SECOND_SECONDS, _RELEASE_SECONDS, _REST_BYTES = 90, 20, 5, 1e9
_TWO_SECONDS = 90
_ROUNDS = 3
_SETTLE_SECONDS = 5
_PYTHON = ".venv/bin/python"
_UP = f"{_PYTHON} -m sandbox up --stack dev --outputs .sandbox/outputs/dev.json"
_RELEASE = (
    _PYTHON, "-m", "sandbox", "run", "--",
    _PYTHON, "-m", "ops.release", "--outputs", ".sandbox/outputs/dev.json", "--apply", _UP,
)  # fmt: skip


def rows() -> Iterator[Row]:
    """Seconds of both runs and of a release with nothing to do, and the memory of everything that runs afterwards."""
    with clone(installed=True) as place:
        first = make(place, "up", expected="answered")
        yield _row("make up, environments installed, to the answer", first, _FIRST_SECONDS)
        second = make(place, "up", expected="0 changes")
        yield _row("make up again, 0 changes", second, _SECOND_SECONDS)
        # Other work on the machine only ever adds.
        release = min(told(_RELEASE, place, expected="= live").seconds for _ in range(_ROUNDS))
        yield _row("a release of an unchanged model", release, _RELEASE_SECONDS)
        time.sleep(_SETTLE_SECONDS)
        shares = at_rest(Home(place / ".sandbox"))
        yield Row(
            what="sandbox at rest with dev up, servers included",
            ours=f"{sum(shares) / 1e6:.0f} MB in {len(shares)} processes",
            bar=f"under {_REST_BYTES / 1e6:.0f} MB", verdict=verdict(0 < sum(shares) < _REST_BYTES),
        )  # fmt: skip
    with clone(installed=True) as place:
        both = make(place, "model", "NAME=wine", expected="written")
        both += make(place, "up", expected="answered")
        yield _row("make model NAME=wine && make up, both models to their answers", both, _TWO_SECONDS)


def _row(what: str, seconds: float, bar: float) -> Row:
    return Row(what=what, ours=f"{seconds:.1f} s", bar=f"under {bar:.0f} s", verdict=verdict(seconds < bar))


def at_rest(home: Home) -> list[int]:
    """Memory of each process that belongs to a sandbox, what they share divided among them."""
    found = []
    for entry in os.scandir("/proc"):
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                environment = Path(entry.path, "environ").read_bytes()
            except OSError:
                continue
            if str(home.root).encode() in environment:
                found.append(share(int(entry.name)))
    return found
