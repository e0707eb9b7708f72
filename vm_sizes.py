"""Virtual machine sizes a stack may name, and the closed families with their successors.

Azure gives no new capacity for the old families since July 2026 and switches some off for good; a preview that
says so saves a failed deployment. Source: azure-compute-docs, "retirements-and-capacity-restrictions" (2026-09).
"""

import difflib
import re


def _sizes(stem: str, *cores: int) -> set[str]:
    return {"Standard_" + stem.format(n) for n in cores}


SIZES: frozenset[str] = frozenset().union(
    *(
        _sizes(f"{family}{{}}{features}_{generation}", 2, 4, 8, 16, 32, 48, 64)
        for family in "DE"
        for features in ("s", "ds", "as", "ads")
        for generation in ("v5", "v6")
    ),
    _sizes("F{}as_v6", 2, 4, 8, 16, 32, 48, 64),
    _sizes("NC{}as_T4_v3", 4, 8, 16, 64),
    _sizes("NC{}ads_A100_v4", 24, 48, 96),
    _sizes("NC{}ads_H100_v5", 40),
    _sizes("ND{}isr_H100_v5", 96),
)

# Pattern of a closed family, what happened to it, and a size of the family that follows.
CLOSED: tuple[tuple[str, str, str], ...] = (
    (r"DS?\d+s?(_v[23])?", "no new capacity since July 2026", "Standard_D4ds_v5"),
    (r"E\d+s?_v3", "no new capacity since July 2026, retires 2029-11-15", "Standard_E4ds_v5"),
    (r"F\d+s?(_v2)?", "no new capacity since July 2026", "Standard_F4as_v6"),
    (r"B\d+l?m?s?", "no new capacity since July 2026", "Standard_D2ads_v5"),
    (r"A\d+m?_v2", "no new capacity since July 2026", "Standard_D2ads_v5"),
    (r"GS?\d+", "no new capacity since July 2026", "Standard_E32ds_v5"),
    (r"L\d+s(_v2)?", "no new capacity since July 2026", "Standard_E8ds_v5"),
    (r"NC\d+r?s?(_v[23])?", "retired 2025-09-30", "Standard_NC4as_T4_v3"),
    (r"NV\d+a?s?_v[34]", "retired 2026-09-30", "Standard_NC4as_T4_v3"),
    (r"NP\d+s", "no new reservations since 2026-04-02, retires 2027-05-31", "Standard_NC4as_T4_v3"),
)


def problem(size: str) -> str | None:
    """Returns what is wrong with a size and what to write instead, or None when it may be used."""
    if size in SIZES:
        return None
    for pattern, why, successor in CLOSED:
        if re.fullmatch(f"Standard_{pattern}", size):
            return f"{why}; its successor is {successor}"
    nearest = difflib.get_close_matches(size, sorted(SIZES), n=1, cutoff=0.0)[0]
    return f"unknown size; the nearest known one is {nearest}"
