"""Durations as Azure ML writes them (ISO 8601)."""

import re

_PATTERN = re.compile(r"P(?=.)(?:(\d+)D)?(?:T(?=.)(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?")
_SECONDS = (86400, 3600, 60, 1)


def seconds_of(text: str) -> float:
    """Length of a duration such as ``PT30M`` in seconds.

    Raises:
        ValueError: the text is none; years and months have no fixed length and are not accepted.
    """
    found = _PATTERN.fullmatch(text)
    if found is None:
        raise ValueError(f"'{text}' is no ISO 8601 duration such as PT30M")
    return sum(float(part or 0) * length for part, length in zip(found.groups(), _SECONDS, strict=True))
