"""One table of measurements: what was measured, both sides, their ratio, the bar and whether it holds."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Verdict = Literal["holds", "missed", ""]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One measurement.

    Attributes:
        what: the subject, in the words of a reader who was not there.
        ours: our figure with its unit.
        other: the other side's figure, measured in the same run, with its name; '' where there is none.
        ratio: how the two compare; '' where there is nothing to compare.
        bar: what must hold; '' for a figure that is only shown.
        verdict: whether it does.
    """

    what: str
    ours: str
    other: str = ""
    ratio: str = ""
    bar: str = ""
    verdict: Verdict = ""


_HEADS = ("what", "measured", "beside", "ratio", "bar", "")


def verdict(good: bool) -> Verdict:
    """The verdict on a bar."""
    return "holds" if good else "missed"


def times(ratio: float) -> str:
    """A ratio as a reader expects it."""
    return f"{ratio:.2f}x"


def text(rows: Iterable[Row]) -> str:
    """The table for a terminal: columns aligned, no lines."""
    cells = [_HEADS, *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(_HEADS))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells
    )


def markdown(rows: Iterable[Row]) -> str:
    """The table for a page."""
    lines = [_HEADS, ("---",) * len(_HEADS), *(_cells(row) for row in rows)]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines)


def _cells(row: Row) -> tuple[str, ...]:
    return (row.what, row.ours, row.other, row.ratio, row.bar, row.verdict)
