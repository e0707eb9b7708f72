"""Real processes: started, waited for, adopted after a restart of the gateway, stopped.

Each runs under a keeper (keeper.py) in a session of its own and in a folder of its own. A crash of the gateway leaves
them running; the next start adopts those that something still wants and clears the others away. Three facts make
that safe:

- The folder is in the environment of the keeper and of all that it starts, so a process is found even if the gateway
  died before it could write down its number.
- A keeper is known by its number and by a word that only its own environment holds: a number that the system has given
  to somebody else is never killed.
- The keeper, not the gateway, writes down how the command ended.
"""

import asyncio
import contextlib
import json
import logging
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from sandbox.work import keeper, paths

log = logging.getLogger("sandbox.work")

MARK = "SANDBOX_PROCESS"
GRACE_SECONDS = 5.0
_START_SECONDS = 10.0


@dataclass(frozen=True)
class Exit:
    """How a command ended.

    Attributes:
        code: exit code, negative for a signal; None when nobody saw the end.
        reason: ``stopped``, ``timeout``, ``full`` (the disk), ``lost`` (its keeper was killed) or '' when it ended by
            itself.
    """

    code: int | None
    reason: str = ""


class StartError(Exception):
    """A process did not start. The message says which, why and where its log is."""


class Process:
    """A command that runs, or ran, in a folder."""

    def __init__(self, folder: Path, pid: int) -> None:
        self.folder = folder
        self.pid = pid
        self._ended = asyncio.Event()
        self._watch()

    @property
    def socket(self) -> Path:
        """Where it listens, if it was started to."""
        return self.folder / keeper.SOCKET

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return not self._ended.is_set()

    async def wait(self) -> Exit:
        """How it ended, once it has."""
        await self._ended.wait()
        return ended(self.folder) or Exit(None, "lost")

    async def stop(self, grace: float = GRACE_SECONDS) -> None:
        """Ask it to end, force it after `grace` seconds, return when it is gone."""
        _send(self.folder, self.pid, signal.SIGTERM)
        try:
            # The keeper forces the command after its own grace; one that does not answer is killed here.
            await asyncio.wait_for(self._ended.wait(), grace + 2)
        except TimeoutError:
            _send(self.folder, self.pid, signal.SIGKILL)
            await self._ended.wait()
        await asyncio.to_thread(clear, self.folder)

    def _watch(self) -> None:
        """Wait for its end in a thread: a keeper that was adopted is nobody's child here, and sends no signal."""
        loop = asyncio.get_running_loop()

        def wait() -> None:
            with contextlib.suppress(psutil.NoSuchProcess):
                psutil.Process(self.pid).wait()
            with contextlib.suppress(RuntimeError):  # the loop ended before it
                loop.call_soon_threadsafe(self._ended.set)

        threading.Thread(target=wait, name=f"end of {self.pid}", daemon=True).start()


async def start(
    folder: Path, argv: Sequence[str], environment: Mapping[str, str], *, cwd: Path, log_file: Path,
    listen: bool = False, timeout: float | None = None, grace: float = GRACE_SECONDS,
    cover: Mapping[str, Any] | None = None, floor: int = 0,
) -> Process:  # fmt: skip
    """Start a command under a keeper; with `listen` it is handed a socket in the folder.

    `cover` has the arguments of :func:`sandbox.work.cover.cover` but the last, where the command is to be covered. With
    `floor` the command is ended when less than so many bytes are left on the folder's disk.

    Raises:
        StartError: the keeper did not come up.
    """
    for name in ("process.json", "exit.json"):
        (folder / name).unlink(missing_ok=True)
    keeper.write(
        folder / "spec.json",
        {
            "argv": list(argv),
            "cwd": str(cwd),
            "listen": listen,
            "timeout": timeout,
            "grace": grace,
            "cover": cover,
            "floor": floor,
        },
    )
    with paths.opened(log_file.parent, log_file.name, "ab") as out:
        child = subprocess.Popen(
            [sys.executable, "-I", "-S", keeper.__file__, str(folder)],
            stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True, cwd="/",
            env={**environment, MARK: str(folder), keeper.WORD: secrets.token_hex(16)},
        )  # fmt: skip
    started = Process(folder, child.pid)
    child.returncode = 0  # its end is watched here: Popen must not warn about it, nor wait for it
    await _record(started)
    return started


def adopt(folder: Path) -> Process | None:
    """The process that an earlier gateway started in a folder, if it still runs."""
    record = _read(folder / "process.json")
    if record is None or ended(folder) or not _is(record["pid"], record["word"]):
        return None
    return Process(folder, record["pid"])


def ended(folder: Path) -> Exit | None:
    """How the command of a folder ended; None while it has not, or when it never started."""
    record = _read(folder / "exit.json")
    return Exit(record["code"], record["reason"]) if record else None


def began(folder: Path) -> bool:
    """Whether the command of a folder was ever started."""
    return (folder / "process.json").exists()


def clear(root: Path, keep: Sequence[Path] = ()) -> int:
    """Kill every process that was started in or below a folder, but not in or below those to keep."""
    killed, kept = 0, {str(folder) for folder in keep}
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        found = [(pid, mark) for pid, mark in _marked(str(root)) if not kept & {mark, *map(str, Path(mark).parents)}]
        if not found:
            return killed
        for pid, mark in found:
            killed += _send(Path(mark), pid, signal.SIGKILL)
            _reap(pid)
    raise StartError(f"processes {[pid for pid, _ in found]} of {root} do not die; stop them by hand")


async def _record(started: Process) -> None:
    """Wait for what the keeper writes when it runs: within milliseconds, so the folder is looked at, not watched."""
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if _read(started.folder / "process.json"):
            return
        if not started.running and not (started.folder / "process.json").exists():
            raise StartError(f"the keeper of {started.folder} ended at once; see the log in that folder")
        await asyncio.sleep(0.005)
    await started.stop()
    raise StartError(f"the keeper of {started.folder} did not come up within {_START_SECONDS:.0f} s")


def _read(path: Path) -> dict[str, Any] | None:
    try:
        content: dict[str, Any] = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    return content


def _is(pid: int, word: str) -> bool:
    return _environment(pid).get(keeper.WORD) == word


def _marked(root: str) -> Iterator[tuple[int, str]]:
    """Every living process whose environment says that it was started in or below a folder."""
    for pid in psutil.pids():
        mark = _environment(pid).get(MARK, "")
        if (mark == root or mark.startswith(f"{root}/")) and pid != os.getpid():
            yield pid, mark


def _environment(pid: int) -> dict[str, str]:
    """What a process was started with; nothing of one that has ended or is not ours."""
    try:
        found: dict[str, str] = psutil.Process(pid).environ()
    except (psutil.Error, OSError):
        return {}
    return found


def _send(folder: Path, pid: int, number: signal.Signals) -> bool:
    """Signal a process if it is one of the folder's; psutil sends nothing to a number that was given away meanwhile."""
    try:
        process = psutil.Process(pid)
        if process.environ().get(MARK) != str(folder):
            return False
        process.send_signal(number)
    except (psutil.Error, OSError):
        return False
    return True


def _reap(pid: int) -> None:
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return  # adopted: its new parent reaps it
