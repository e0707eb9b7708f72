"""Virtual machine sizes a stack may name: one list for clusters, one for managed online endpoints, and what leaves.

Sources, as of November 2026: clusters from learn.microsoft.com "Sizes for virtual machines"; endpoints from "Managed
online endpoints SKU list"; what leaves from azure-compute-docs "retirements-and-capacity-restrictions". The endpoints'
list has no size of the fifth generation, and most of what it has gets no new capacity: Dasv4 is the safe choice.
"""

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Literal

Use = Literal["cluster", "endpoint"]
AS_OF = date(2026, 11, 21)


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What is to be said about a size; neither, when it is fine.

    Attributes:
        problem: it cannot be used.
        warning: it can be used today, and not for ever or not by everybody.
    """

    problem: str | None = None
    warning: str | None = None


@dataclass(frozen=True, kw_only=True)
class Leaving:
    """A family on its way out.

    Attributes:
        pattern: its sizes, without ``Standard_``.
        successor: for each use, a size to take instead.
        retires: day from which nothing of it runs.
        closed: day from which new subscriptions cannot deploy it and nobody gets more quota.
    """

    pattern: str
    successor: dict[Use, str]
    retires: date | None = None
    closed: date | None = None


def _sizes(stem: str, *cores: int) -> Iterator[str]:
    return (f"Standard_{stem.format(n)}" for n in cores)


_REGULAR = (2, 4, 8, 16, 32, 48, 64)
_GPU = frozenset(
    (
        *_sizes("NC{}as_T4_v3", 4, 8, 16, 64),
        *_sizes("NC{}ads_A100_v4", 24, 48, 96),
        "Standard_NC40ads_H100_v5",
        "Standard_NC80adis_H100_v5",
        "Standard_ND96asr_v4",
        "Standard_ND96amsr_A100_v4",
        "Standard_ND96isr_H100_v5",
    )
)
_OLD_D = (*_sizes("D{}s_v3", *_REGULAR), *_sizes("DS{}_v2", 1, 2, 3, 4, 5))
_OLD_E = tuple(_sizes("E{}s_v3", *_REGULAR, 20))
_OLD_F = tuple(_sizes("F{}s_v2", *_REGULAR, 72))
_DASV4 = tuple(_sizes("D{}as_v4", *_REGULAR, 96))

SIZES: dict[Use, frozenset[str]] = {
    "cluster": _GPU
    | {
        size
        for family in "DE"
        for features in ("s", "ds", "as", "ads")
        for generation in ("v5", "v6")
        for size in _sizes(f"{family}{{}}{features}_{generation}", *_REGULAR)
    }
    | {*_sizes("F{}as_v6", *_REGULAR), *_DASV4, *_OLD_D, *_OLD_E, *_OLD_F},
    "endpoint": _GPU | {*_DASV4, *_sizes("DS{}_v2", 1, 2, 3, 4, 5), *_OLD_E, *_OLD_F},
}

_JULY = date(2026, 7, 1)
_GENERAL: dict[Use, str] = {"cluster": "Standard_D4ds_v5", "endpoint": "Standard_D4as_v4"}
_SMALL: dict[Use, str] = {"cluster": "Standard_D2ads_v5", "endpoint": "Standard_D2as_v4"}
_MEMORY: dict[Use, str] = {"cluster": "Standard_E4ds_v5", "endpoint": "Standard_D8as_v4"}
_COMPUTE: dict[Use, str] = {"cluster": "Standard_F4as_v6", "endpoint": "Standard_D4as_v4"}
_T4: dict[Use, str] = {"cluster": "Standard_NC4as_T4_v3", "endpoint": "Standard_NC4as_T4_v3"}
LEAVING: tuple[Leaving, ...] = (
    Leaving(pattern=r"D\d+s?_v3", successor=_GENERAL, closed=_JULY, retires=date(2029, 11, 15)),
    Leaving(pattern=r"DS?\d+(_v2)?", successor=_GENERAL, closed=_JULY),
    Leaving(pattern=r"E\d+s?_v3", successor=_MEMORY, closed=_JULY, retires=date(2029, 11, 15)),
    Leaving(pattern=r"F\d+s?(_v2)?", successor=_COMPUTE, closed=_JULY),
    Leaving(pattern=r"B\d+l?m?s?", successor=_SMALL, closed=_JULY),
    Leaving(pattern=r"A\d+m?_v2", successor=_SMALL, closed=_JULY),
    Leaving(pattern=r"GS?\d+|L\d+s(_v2)?", successor=_MEMORY, closed=_JULY),
    Leaving(pattern=r"NC\d+r?(s_v2)?|ND\d+r?s|NV\d+", successor=_T4, retires=date(2023, 8, 31)),
    Leaving(pattern=r"NC\d+r?s_v3", successor=_T4, retires=date(2025, 9, 30)),
    Leaving(pattern=r"NV\d+a?s_v[34]", successor=_T4, retires=date(2026, 9, 30)),
    Leaving(pattern=r"NP\d+s", successor=_T4, closed=date(2026, 4, 2), retires=date(2027, 5, 31)),
)


def judge(size: str, use: Use, today: date) -> Verdict:
    """Says whether a size may be used on a day: a warning before its end, a refusal after it."""
    leaving = next((each for each in LEAVING if re.fullmatch(f"Standard_(?:{each.pattern})", size)), None)
    if leaving and leaving.retires and today >= leaving.retires:
        return Verdict(problem=f"retired {leaving.retires}; its successor is {leaving.successor[use]}")
    if size not in SIZES[use]:
        return Verdict(problem=_unknown(size, use, leaving))
    if leaving is None:
        return Verdict()
    said = []
    if leaving.closed:
        since = "since" if today >= leaving.closed else "from"
        said.append(f"no new capacity {since} {leaving.closed}")
    if leaving.retires:
        said.append(f"retires {leaving.retires}")
    return Verdict(warning=f"{', '.join(said)}; its successor is {leaving.successor[use]}")


def _unknown(size: str, use: Use, leaving: Leaving | None) -> str:
    if leaving:
        return f"not a size of a {_SPOKEN[use]}; its successor is {leaving.successor[use]}"
    near = difflib.get_close_matches(size, sorted(SIZES[use]), n=1, cutoff=0.0)[0]
    other = next(each for each in SIZES if each != use)
    what = f"a size of a {_SPOKEN[other]}, not of a {_SPOKEN[use]}" if size in SIZES[other] else "unknown size"
    return f"{what}; the nearest known one is {near}"


_SPOKEN: dict[Use, str] = {"cluster": "cluster", "endpoint": "managed online endpoint"}
