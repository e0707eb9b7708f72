"""One run at a time over a stack; a dead owner is no owner."""

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sandbox import clock
from sandbox.home import Home

_PATIENCE_SECONDS = 2.0


class StackLockedError(Exception):
    """Another run holds the stack. The message says who and since when."""


@contextmanager
def hold(home: Home, stack: str, mode: str) -> Iterator[None]:
    """Hold a stack for the length of the block. The kernel lets go of it when the process dies, however it dies.

    Raises:
        StackLockedError: another process has it.
    """
    path = home.root / "locks" / f"{stack}.lock"
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StackLockedError(f"stack '{stack}' is held by {_owner(path)}; wait for it, or stop it") from None
        owner = {"pid": os.getpid(), "since": clock.timestamp(), "mode": mode}
        os.ftruncate(handle, 0)
        os.pwrite(handle, json.dumps(owner).encode(), 0)
        yield
    finally:
        os.close(handle)


def _owner(path: Path) -> str:
    """Who holds the lock, in words. The owner may be writing its name right now."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        try:
            owner = json.loads(path.read_text(encoding="utf-8"))
            return f"process {owner['pid']} ({owner['mode']}) since {owner['since']}"
        except (ValueError, KeyError, TypeError, OSError):
            time.sleep(0.01)
    return "another process"
