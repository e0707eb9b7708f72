"""Judges the machine and the state before anything is made: every trouble at once, each with its repair.

``python -m sandbox.doctor`` needs the standard library only, and any Python 3: it is run where nothing is installed
yet. So what needs more is imported by the findings that are about it.
"""

from __future__ import annotations  # any Python 3 reads this file

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sandbox.console import EXIT_FAILED, EXIT_OK, Console
from sandbox.home import Home

DISK_MIB = 512
MEMORY_MIB = 1024
PYTHONS = ("3.13", "3.12", "3.11")
_CORE, _MODELS = Path("requirements.lock"), Path("requirements-models.lock")
_USABLE = "import sys, ensurepip, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))"


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
        lacks: it works, and something is not held; `up` says so too.
    """

    name: str
    ok: bool
    says: str
    lacks: bool = False


def main() -> int:
    """Say what is found; the exit code says whether all is well."""
    return report(examine(Home.find()), Console())


def report(findings: list[Finding], console: Console) -> int:
    """Write one line for each; returns the exit code."""
    for each in findings:
        mark = console.paint("note", "yellow") if each.lacks else console.paint("ok  ", "green")
        mark = mark if each.ok else console.paint("FAIL", "red")
        console.line(f"{mark}  {each.name:<9} {each.says}")
    return EXIT_OK if all(each.ok for each in findings) else EXIT_FAILED


def examine(home: Home) -> list[Finding]:
    """Look at everything; nothing is made or changed."""
    return list(_examine(home))


def _examine(home: Home) -> Iterator[Finding]:
    installed = sys.prefix != sys.base_prefix
    if installed:
        yield _own_python()
        yield from _packages(_CORE, Path(sys.prefix))
        yield from _packages(_MODELS, Path(".venv-models"))
    else:
        yield from _before_installing()
    folder = next(each for each in (home.root, *home.root.parents) if each.exists())
    yield judged(
        "folder",
        folder.is_dir() and os.access(folder, os.W_OK),
        str(folder),
        "no folder that can be written: set SANDBOX_HOME to one",
    )
    free = shutil.disk_usage(folder).free // 2**20
    yield judged(
        "disk", free >= DISK_MIB, f"{free} MiB free at {folder}", f"want {DISK_MIB}: free some, or set SANDBOX_HOME"
    )
    memory = _available_memory()
    yield judged("memory", memory >= MEMORY_MIB, f"{memory} MiB available", f"want {MEMORY_MIB}: end other programs")
    yield _loopback()
    if installed:
        from sandbox.holdings import examine_folder

        yield from examine_folder(home)


def judged(name: str, ok: bool, found: str, trouble: str) -> Finding:
    """What was found, and for a trouble also what is wanted."""
    return Finding(name, ok, found if ok else f"{found}; {trouble}")


def _own_python() -> Finding:
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    return judged("python", version in PYTHONS, version, f"want {' or '.join(PYTHONS)}: run: make install")


def _before_installing() -> Iterator[Finding]:
    """What the installation needs: a Python that can make environments, and files to fill them with."""
    names = [os.environ["PYTHON"]] if os.environ.get("PYTHON") else [f"python{each}" for each in PYTHONS]
    found = next((name for name in names if _succeeds([name, "-c", _USABLE], 20)), None)
    yield judged(
        "python", found is not None, found or f"none of {', '.join(names)} is here and has venv",
        "install one (for example: apt install python3 python3-venv), or say where one is: make PYTHON=/path/to/python",
    )  # fmt: skip
    yield Finding("packages", True, "not installed yet; make up does it")
    if found and (pin := next(iter(_locked(_CORE).items()), None)):
        with tempfile.TemporaryDirectory() as scratch:
            pip = [found, "-m", "pip", "--quiet", "--retries", "0", "--timeout", "5", "download", "--no-deps"]
            there = _succeeds([*pip, "--no-cache-dir", "--dest", scratch, "==".join(pin)], 30)
        yield judged(
            "index", there, f"pip gets {pin[0]}" if there else f"pip does not get {pin[0]}",
            "check the network; export PIP_INDEX_URL=... for an index of your own, or HTTPS_PROXY",
        )  # fmt: skip


def _succeeds(command: list[str], seconds: float) -> bool:
    try:
        done = subprocess.run(command, capture_output=True, check=False, timeout=seconds)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _packages(lock: Path, prefix: Path) -> Iterator[Finding]:
    if not lock.exists():
        return
    wanted, installed = _locked(lock), dict(_installed(prefix))
    wrong = [
        f"{name} {installed[name]} (want {version})" if name in installed else f"{name} missing (want {version})"
        for name, version in wanted.items()
        if installed.get(name) != version
    ]
    shown = ", ".join(wrong[:5]) + (f" and {len(wrong) - 5} more" if len(wrong) > 5 else "")
    yield judged("packages", not wrong, shown or f"{len(wanted)} as {lock} has them", "run: make install")


def _locked(lock: Path) -> dict[str, str]:
    """Names and versions of a lock file, without what only Windows needs."""
    if not lock.exists():
        return {}
    lines = re.findall(r"^([a-z0-9-]+)==([^\s;\\]+)(.*)$", lock.read_text(encoding="utf-8"), re.MULTILINE)
    return {name: version for name, version, rest in lines if "== 'win32'" not in rest}


def _installed(prefix: Path) -> Iterator[tuple[str, str]]:
    for folder in prefix.glob("lib/python*/site-packages/*.dist-info"):
        name, _, version = folder.name[: -len(".dist-info")].partition("-")
        yield re.sub(r"[-_.]+", "-", name).lower(), version


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


if __name__ == "__main__":
    sys.exit(main())
