"""`make up` in a fresh checkout with the environments installed: the first, the second, what then stays in memory."""

import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.stage import ROOT, BenchError, bare, folder, run, share
from bench.table import Row, verdict
from sandbox.home import Home

_FIRST_SECONDS, _SECOND_SECONDS, _REST_BYTES = 90, 20, 1e9
_SETTLE_SECONDS = 5


def rows() -> Iterator[Row]:
    """Seconds of both runs, and the memory of everything that runs afterwards."""
    with checkout(shared=(".venv", ".venv-serving", ".data")) as place:
        first = make(place)
        yield Row(
            what="make up, environments installed, to the answer", ours=f"{first:.0f} s",
            bar=f"under {_FIRST_SECONDS} s", verdict=verdict(first < _FIRST_SECONDS),
        )  # fmt: skip
        second = make(place, expected="0 changes")
        yield Row(
            what="make up again, 0 changes", ours=f"{second:.1f} s",
            bar=f"under {_SECOND_SECONDS} s", verdict=verdict(second < _SECOND_SECONDS),
        )  # fmt: skip
        time.sleep(_SETTLE_SECONDS)
        shares = at_rest(Home(place / ".sandbox"))
        yield Row(
            what="sandbox at rest with dev up, servers included",
            ours=f"{sum(shares) / 1e6:.0f} MB in {len(shares)} processes",
            bar=f"under {_REST_BYTES / 1e6:.0f} MB", verdict=verdict(0 < sum(shares) < _REST_BYTES),
        )  # fmt: skip


@contextmanager
def checkout(shared: tuple[str, ...] = ()) -> Iterator[Path]:
    """A clone of the last commit that shares folders with this one."""
    with folder() as place:
        run(["git", "clone", "--quiet", "--local", str(ROOT), str(place)], ROOT, bare(place))
        for name in shared:
            place.joinpath(name).symlink_to(ROOT / name)
        for lock in place.glob("*.lock"):
            os.utime(lock, (0, 0))  # older than the stamps of what is installed: make has nothing to do
        yield place


def make(place: Path, *targets: str, expected: str = "answered", **extra: str) -> float:
    """Seconds of `make up`, or of other targets.

    Raises:
        BenchError: it failed, or did not print what is expected.
    """
    kept = {name: value for name, value in bare(place, **extra).items() if name not in ("SANDBOX_HOME", "PYTHONPATH")}
    done = run(["make", *(targets or ("up",))], place, kept)
    if not re.search(expected, done.output):
        raise BenchError(f"{expected!r} is not in what make printed:\n{done.output[-3000:]}")
    return done.seconds


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
