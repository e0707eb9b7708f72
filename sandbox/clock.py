"""Time and ids. Nothing else in the sandbox asks the machine for either, so a test can fix both."""

import random
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

_random: random.Random = random.SystemRandom()
_fixed: datetime | None = None


def now() -> datetime:
    """The current time in UTC."""
    return _fixed or datetime.now(UTC)


def timestamp(ago: timedelta = timedelta(0)) -> str:
    """The current time, or that of before, as ARM writes it: ``2026-11-21T07:00:00.123456Z``."""
    return (now() - ago).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def new_id() -> str:
    """A random UUID in its usual spelling."""
    return str(uuid.UUID(int=_random.getrandbits(128), version=4))


def new_hex(digits: int) -> str:
    """Random lower-case hexadecimal digits."""
    return f"{_random.getrandbits(4 * digits):0{digits}x}"


@contextmanager
def fixed(moment: datetime, seed: int = 0) -> Iterator[None]:
    """Time stands still and ids repeat inside the block; for tests."""
    global _random, _fixed
    before = (_random, _fixed)
    _random, _fixed = random.Random(seed), moment  # noqa: S311 - repeatable on purpose
    try:
        yield
    finally:
        _random, _fixed = before
