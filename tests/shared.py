"""What takes long to make is made once for all workers of a test run."""

import fcntl
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest


def made_once(folders: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """A folder of this test run: whoever needs it first makes it, the others wait for it. Nobody writes to it.

    Args:
        folders: of this worker.
        name: what it is called.
        make: fills an empty folder, which may go to another path afterwards.
    """
    base = folders.getbasetemp()
    shared = (base.parent if base.name.startswith("popen-") else base) / name  # of a worker, or there is one only
    with shared.with_name(f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not shared.exists():
            part = shared.with_name(f"{name}.part")
            shutil.rmtree(part, ignore_errors=True)  # of a try that failed
            part.mkdir()
            make(part)
            part.rename(shared)
    return shared
