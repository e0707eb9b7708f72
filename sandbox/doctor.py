"""Judges the machine and the state before anything is made: every trouble at once, each with its repair."""

import importlib.metadata
import os
import re
import shutil
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sandbox.home import Home
from sandbox.launch import running
from sandbox.store.migrate import StateError, prepare

DISK_MIB = 512
MEMORY_MIB = 1024


class NotReadyError(Exception):
    """Nothing was begun, for all these reasons. Each names what was found, what is wanted and the repair."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        name: what.
        ok: whether it is as it must be.
        says: what was found; for a trouble also what is accepted and the repair.
    """

    name: str
    ok: bool
    says: str


def examine(home: Home) -> list[Finding]:
    """Look at everything; nothing is made or changed."""
    return list(_examine(home))


def _examine(home: Home) -> Iterator[Finding]:
    version = sys.version_info
    yield _finding(
        "python", (version.major, version.minor) == (3, 11), f"{version.major}.{version.minor}",
        "want 3.11: remove .venv, then make up PYTHON=python3.11",
    )  # fmt: skip
    yield from _packages(Path("requirements.lock"))
    folder = next(each for each in (home.root, *home.root.parents) if each.exists())
    yield _finding(
        "folder",
        folder.is_dir() and os.access(folder, os.W_OK),
        str(folder),
        "no folder that can be written: set SANDBOX_HOME to one",
    )
    free = shutil.disk_usage(folder).free // 2**20
    yield _finding(
        "disk", free >= DISK_MIB, f"{free} MiB free at {folder}", f"want {DISK_MIB}: free some, or set SANDBOX_HOME"
    )
    memory = _available_memory()
    yield _finding("memory", memory >= MEMORY_MIB, f"{memory} MiB available", f"want {MEMORY_MIB}: end other programs")
    yield _loopback()
    yield _state(home)
    yield _server(home)


def _finding(name: str, ok: bool, found: str, trouble: str) -> Finding:
    return Finding(name, ok, found if ok else f"{found}; {trouble}")


def _packages(lock: Path) -> Iterator[Finding]:
    if not lock.exists():
        return
    wanted = dict(re.findall(r"^([a-z0-9-]+)==([^\s\\]+)", lock.read_text(encoding="utf-8"), re.MULTILINE))
    wrong = []
    for name, version in wanted.items():
        try:
            if importlib.metadata.version(name) != version:
                wrong.append(f"{name} {importlib.metadata.version(name)} (want {version})")
        except importlib.metadata.PackageNotFoundError:
            wrong.append(f"{name} missing (want {version})")
    shown = ", ".join(wrong[:5]) + (f" and {len(wrong) - 5} more" if len(wrong) > 5 else "")
    yield _finding("packages", not wrong, shown or f"{len(wanted)} as locked", "run: make install")


def _available_memory() -> int:
    try:
        text = Path("/proc/meminfo").read_text(encoding="utf-8")
        return int(re.findall(r"MemAvailable:\s+(\d+)", text)[0]) // 1024
    except (OSError, IndexError):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20


def _loopback() -> Finding:
    try:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            probe.listen()
            socket.create_connection(probe.getsockname(), timeout=1).close()
    except OSError as error:
        return Finding("loopback", False, f"127.0.0.1 cannot be served ({error.strerror}): allow loopback sockets")
    return Finding("loopback", True, "127.0.0.1 has free ports")


def _state(home: Home) -> Finding:
    if not home.database.exists():
        return Finding("state", True, "none yet")
    try:
        prepare(home.database)
    except StateError as error:
        return Finding("state", False, str(error))
    return Finding("state", True, f"{home.database} is sound")


def _server(home: Home) -> Finding:
    if found := running(home):
        return Finding("gateway", True, f"answers on 127.0.0.1:{found.port} since {found.since}")
    return Finding("gateway", True, "not running; make up starts it")
