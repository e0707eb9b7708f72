"""`make up` in a fresh checkout with nothing installed and empty caches: it downloads everything that is locked."""

from collections.abc import Iterator

from bench.clone import clone, make
from bench.stage import BenchError
from bench.table import Row, verdict

_SECONDS = 8 * 60


def rows() -> Iterator[Row]:
    """Minutes from the clone to the answer."""
    with clone(installed=False) as place:
        home = place / "home"
        home.mkdir()
        (place / ".git" / "info" / "exclude").write_text("home/\n", encoding="utf-8")
        seconds = make(place, "up", expected="answered", HOME=str(home), PIP_NO_CACHE_DIR="1")
        if not (place / ".venv").is_dir():
            raise BenchError("make up made no environment: something else than a fresh clone was measured")
        yield Row(
            what="fresh clone, empty caches, make up to the answer", ours=f"{seconds / 60:.1f} min",
            bar=f"under {_SECONDS / 60:.0f} min", verdict=verdict(seconds < _SECONDS),
        )  # fmt: skip
