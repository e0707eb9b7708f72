"""Numbers on a step's command line, each with its bounds. Made for argparse's ``type=``."""

import argparse
from collections.abc import Callable


def whole(least: int, most: int) -> Callable[[str], int]:
    """Reads a whole number; both bounds are accepted."""

    def read(text: str) -> int:
        if not text.isdecimal() or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{text!r}: want a whole number from {least} to {most}")
        return int(text)

    return read


def real(above: float, most: float) -> Callable[[str], float]:
    """Reads a number above the first bound and up to the second."""

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = above
        if not above < value <= most:
            raise argparse.ArgumentTypeError(f"{text!r}: want a number above {above:g} and at most {most:g}")
        return value

    return read
