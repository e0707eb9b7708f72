"""Runs one command and writes down how it ended: ``python -I -S keeper.py FOLDER``.

A keeper outlives the gateway, so that a crash of the gateway loses neither a running job nor its exit code. It needs
nothing but the standard library and starts in about 20 ms. ``FOLDER/spec.json`` says what to run; the environment is
the command's own.

What it leaves in the folder, each file whole or not at all:
    process.json: {"pid", "word"} just before the command is started.
    server.sock: where a server listens; who may not enter the folder cannot ask it.
    exit.json: {"code", "reason"} when the command has ended; code is negative for a signal.
"""

import json
import os
import resource
import select
import signal
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

WORD = "SANDBOX_KEEPER"  # in the keeper's environment and in no other: with its number, an identity
_LISTEN_FD = 3  # where a server that is handed its socket looks for it (systemd's convention)
_BACKLOG = 4096
SOCKET = "server.sock"
LOG_BYTES = 64 * 1024 * 1024  # of what the command prints
_KEPT_BYTES = LOG_BYTES // 4  # its end, which stays when there is more
_LOOK_SECONDS = 1.0
_PROCESSES = 4096  # of one command, threads counted; what a machine of many cores needs many times
_OOM_SCORE = 500  # where memory ends, the command goes before the gateway
_SIGNALS = {signal.SIGCHLD, signal.SIGTERM}


def main(folder: Path) -> None:
    """Keep the command of a folder."""
    spec = json.loads((folder / "spec.json").read_bytes())
    word, woken = os.environ.pop(WORD, ""), _woken()
    listener = _listen(folder) if spec["listen"] else None
    # Before the command: one that may have begun is never begun again.
    write(folder / "process.json", {"pid": os.getpid(), "word": word})
    child = _spawn(spec, listener)
    if listener:
        listener.close()  # the server alone holds it: nobody is left waiting at a dead one
    status, reason = _wait(child, woken, spec, folder)
    _signal(child, signal.SIGKILL)  # what the command left in its process group goes with it
    write(folder / "exit.json", {"code": os.waitstatus_to_exitcode(status), "reason": reason})


def write(path: Path, content: object) -> None:
    """Put a JSON file there whole or not at all."""
    part = path.with_suffix(".part")
    part.unlink(missing_ok=True)  # a link, it may be: what it leads to is not ours
    with part.open("x", encoding="utf-8") as file:
        json.dump(content, file)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def _woken() -> int:
    """A descriptor that tells each signal by its number. They are held back until the command is there to get them."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing)
    for number in _SIGNALS:
        signal.signal(number, lambda _number, _frame: None)
    return reading


def _listen(folder: Path) -> socket.socket:
    """A socket in the folder. The server is handed it, and opens no port, which any user and any web page could ask."""
    os.chdir(folder)  # the address of a socket has room for about 100 characters
    Path(SOCKET).unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(SOCKET)
    listener.listen(_BACKLOG)
    return listener


def _spawn(spec: dict[str, Any], listener: socket.socket | None) -> int:
    from sandbox.work import cover, forward

    keeper, argv = os.getpid(), spec["argv"]
    ours, door = socket.socketpair()
    if child := os.fork():
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        door.close()
        with ours:
            _, handed, _, _ = socket.recv_fds(ours, 1, 1)
            ours.recv(1)  # nothing, when the command is about to begin: a signal that came before would miss it
        for descriptor in handed:
            forward.begin(socket.socket(fileno=descriptor), Path(spec["cover"]["port"]))
        return child
    try:
        os.setpgid(0, 0)
        cover.die_with(keeper)  # nobody else would know how it ends
        ours.close()
        if spec["cover"]:
            cover.cover(**spec["cover"], door=door)
        _bound(covered=bool(spec["cover"]))
        if listener:
            if listener.fileno() == _LISTEN_FD:
                os.set_inheritable(_LISTEN_FD, True)
            else:
                os.dup2(listener.fileno(), _LISTEN_FD)
            os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
        os.chdir(spec["cwd"])
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        os.execvpe(argv[0], argv, os.environ)  # noqa: S606 - no shell, and in the place of this process
    except BaseException as error:  # noqa: BLE001 - the child must never return into the parent's code
        os.write(2, f"{argv[0]}: {error}\n".encode())
    os._exit(127)


def _bound(*, covered: bool) -> None:
    """What the kernel limits for a user's own process."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if covered:  # else all processes of the user count
        most = resource.getrlimit(resource.RLIMIT_NPROC)[1]
        most = _PROCESSES if most == resource.RLIM_INFINITY else min(most, _PROCESSES)
        resource.setrlimit(resource.RLIMIT_NPROC, (most, most))
    with suppress(OSError):  # Linux only
        Path("/proc/self/oom_score_adj").write_text(str(_OOM_SCORE), encoding="ascii")


def _wait(child: int, woken: int, spec: dict[str, Any], folder: Path) -> tuple[int, str]:
    """Wait for the end. A SIGTERM, the time limit or a disk that gets full asks the command to end, and forces it
    after a while.
    """
    reason, timeout = "", spec["timeout"]
    deadline = None if timeout is None else time.monotonic() + timeout
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return status, reason
        left = _LOOK_SECONDS if deadline is None else deadline - time.monotonic()
        full = not reason and spec["floor"] and _free(folder) < spec["floor"]
        if left <= 0 or full:
            _signal(child, signal.SIGKILL if reason else signal.SIGTERM)
            deadline = None if reason else time.monotonic() + spec["grace"]
            reason = reason or ("full" if full else "timeout")
            continue
        ready, _, _ = select.select([woken], [], [], min(left, _LOOK_SECONDS))
        if ready and signal.SIGTERM in os.read(woken, 4096) and not reason:
            _signal(child, signal.SIGTERM)
            reason, deadline = "stopped", time.monotonic() + spec["grace"]
        _trim_log()


def _free(folder: Path) -> int:
    """Bytes that are left on the disk; without end when nobody can tell."""
    try:
        disk = os.statvfs(folder)
    except OSError:
        return sys.maxsize
    return disk.f_bavail * disk.f_frsize


def _trim_log() -> None:
    """Keep the end of what the command printed, when that is too much."""
    log = sys.stdout.fileno()
    if os.fstat(log).st_size <= LOG_BYTES:
        return
    with suppress(OSError), open("/dev/fd/1", "rb") as printed:  # noqa: PTH123 - not the path, which a job may change
        printed.seek(-_KEPT_BYTES, os.SEEK_END)
        end = printed.read()
        os.ftruncate(log, 0)
        os.write(log, f"[more than {LOG_BYTES} bytes were printed: the beginning is left out]\n".encode() + end)


def _signal(child: int, number: int) -> None:
    try:
        os.killpg(child, number)
    except (ProcessLookupError, PermissionError):
        return


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))  # -I leaves it out
    main(Path(sys.argv[1]))
