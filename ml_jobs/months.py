"""Months as the partitions of the data: ``2013-01``, or a range ``2013-01..2013-03`` with both ends in it."""

import argparse
import re

_MONTH = r"\d{4}-(?:0[1-9]|1[0-2])"
_RANGE = re.compile(rf"({_MONTH})(?:\.\.({_MONTH}))?")


def parse(text: str) -> tuple[str, ...]:
    """Returns the months of a month or range, in order. Made for argparse's ``type=``.

    Raises:
        argparse.ArgumentTypeError: names the text and the accepted forms.
    """
    match = _RANGE.fullmatch(text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r}: want a month such as 2013-01 or a range such as 2013-01..2013-03")
    first, last = match[1], match[2] or match[1]
    if last < first:
        raise argparse.ArgumentTypeError(f"{text!r}: the range ends before it starts; want {last}..{first}")
    return tuple(_from_number(number) for number in range(_to_number(first), _to_number(last) + 1))


def text(months: tuple[str, ...]) -> str:
    """Returns the text that ``parse`` turns into these months."""
    return months[0] if len(months) == 1 else f"{months[0]}..{months[-1]}"


def _to_number(month: str) -> int:
    return int(month[:4]) * 12 + int(month[5:]) - 1


def _from_number(number: int) -> str:
    return f"{number // 12:04d}-{number % 12 + 1:02d}"
