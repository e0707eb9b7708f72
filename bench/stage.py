"""Where measurements happen: folders and sandboxes of their own, commands with their time and memory."""

import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sandbox import launch
from sandbox.home import Home

ROOT = Path(__file__).parent.parent
_SAMPLE_SECONDS = 0.05
_FOREIGN = ("AZURE_", "ARM_", "SANDBOX_", "PULUMI_", "PYTHON", "MLOPS_", "MAKE", "MFLAGS")


class BenchError(Exception):
    """A measurement could not be made; the message has the end of what its command printed."""


@dataclass(frozen=True)
class Run:
    """A command that ended well.

    Attributes:
        seconds: wall time.
        memory: largest sum over its processes of their share of memory (PSS), in bytes.
        output: standard output.
        progress: standard error.
    """

    seconds: float
    memory: int
    output: str
    progress: str


def run(command: Sequence[str], folder: Path, environment: Mapping[str, str], *, memory: bool = False) -> Run:
    """Run a command to its end. Watching its memory costs time: a run gives one figure or the other.

    Raises:
        BenchError: it failed.
    """
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
        begun = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, env=dict(environment), stdout=out, stderr=errors)
        peak = _Peak(process.pid) if memory else None
        code = process.wait()
        seconds = time.perf_counter() - begun
        found = peak.end() if peak else 0
        out.seek(0)
        errors.seek(0)
        output, complaint = out.read(), errors.read()
    if code != 0:
        raise BenchError(f"{' '.join(command)} ended with {code}:\n{(output + complaint)[-3000:]}")
    return Run(seconds, found, output, complaint)


def sandbox_command(*arguments: str) -> list[str]:
    """``python -m sandbox`` with arguments."""
    return [sys.executable, "-m", "sandbox", *arguments]


def bare(home: Path, **extra: str) -> dict[str, str]:
    """This environment without anything that makes a client local, signs it in, or changes Python or `make`."""
    kept = {name: value for name, value in launch.local_free(os.environ).items() if not name.startswith(_FOREIGN)}
    return {**kept, "PYTHONPATH": str(ROOT), "SANDBOX_HOME": str(home), **extra}


@contextmanager
def folder() -> Iterator[Path]:
    """An empty folder that goes afterwards, with the sandbox in it if there is one."""
    path = Path(tempfile.mkdtemp(prefix="bench-"))
    try:
        yield path
    finally:
        launch.stop(Home(path / ".sandbox"))
        shutil.rmtree(path)


def share(pid: int) -> int:
    """Memory of one process in bytes, what it shares with others divided among them; 0 when it is gone."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("Pss:")), 0)


def family(root: int) -> list[int]:
    """A process and all that descend from it."""
    children: dict[int, list[int]] = {}
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                stat = Path(entry.path, "stat").read_text(encoding="utf-8", errors="replace")
            except OSError:
                continue
            children.setdefault(int(stat.rpartition(")")[2].split()[1]), []).append(int(entry.name))
    found = [root]
    for pid in found:
        found += children.get(pid, [])
    return found


class _Peak:
    """Watches a process and its descendants from a thread."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._highest = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def end(self) -> int:
        """Stop watching; the largest sum that was seen."""
        self._over.set()
        self._thread.join()
        return self._highest

    def _watch(self) -> None:
        while not self._over.wait(_SAMPLE_SECONDS):
            self._highest = max(self._highest, sum(share(pid) for pid in family(self._pid)))
