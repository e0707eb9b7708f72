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
import select
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

WORD = "SANDBOX_KEEPER"  # in the keeper's environment and in no other: with its number, an identity
_LISTEN_FD = 3  # where a server that is handed its socket looks for it (systemd's convention)
_BACKLOG = 4096
SOCKET = "server.sock"
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
    status, reason = _wait(child, woken, spec["timeout"], spec["grace"])
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


def _wait(child: int, woken: int, timeout: float | None, grace: float) -> tuple[int, str]:
    """Wait for the end; a SIGTERM or the time limit asks the command to end, and forces it after `grace` seconds."""
    reason, deadline = "", None if timeout is None else time.monotonic() + timeout
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return status, reason
        left = None if deadline is None else deadline - time.monotonic()
        if left is not None and left <= 0:
            _signal(child, signal.SIGKILL if reason else signal.SIGTERM)
            deadline = None if reason else time.monotonic() + grace
            reason = reason or "timeout"
            continue
        ready, _, _ = select.select([woken], [], [], left)
        if ready and signal.SIGTERM in os.read(woken, 4096) and not reason:
            _signal(child, signal.SIGTERM)
            reason, deadline = "stopped", time.monotonic() + grace


def _signal(child: int, number: int) -> None:
    try:
        os.killpg(child, number)
    except (ProcessLookupError, PermissionError):
        return


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))  # -I leaves it out
    main(Path(sys.argv[1]))
