"""Runs ``python -m sandbox`` in forks of one warm process: a run costs its own work, not a second of imports.

Started as a program, it reads one JSON request a line and answers each with one JSON line:

    {"arguments": [...], "folder": ..., "home": ..., "out": FILE, "kill": N}
        -> {"code": exit code or minus the signal, "points": [labels passed], "out": text, "err": text}

With ``kill`` the run ends by SIGKILL at its Nth point. Points are before and after every commit of the engine's
journal, and before, during and after every request to Azure: wherever power can fail, as far as the engine can tell.
"""

import json
import os
import signal
import ssl
import sys
import tempfile
import threading
import traceback
from pathlib import Path
from typing import Any


class Points:
    """Counts the points that a run passes, and ends it at one of them."""

    def __init__(self, file: int, kill: int) -> None:
        self._file = file
        self._kill = kill
        self._count = 0
        self._guard = threading.Lock()

    def passed(self, label: str) -> None:
        """One more; the label is on its way to the parent before the end comes."""
        with self._guard:
            self._count += 1
            os.write(self._file, f"{label}\n".encode())
            if self._count == self._kill:
                os.kill(os.getpid(), signal.SIGKILL)
                signal.pause()


def _watch(points: Points) -> None:
    """Put the points where they are: the journal's commits, and what goes to Azure and comes back."""
    from sandbox.engine.journal import Journal

    write, send, receive = Journal._write, ssl.SSLSocket.sendall, ssl.SSLSocket.recv
    verbs: dict[int, str] = {}

    def commit(self: Journal, batch: list[Any]) -> None:
        points.passed("before a commit")
        write(self, batch)
        points.passed("after a commit")

    def request(self: ssl.SSLSocket, data: bytes, flags: int = 0) -> None:
        verbs[id(self)] = verb = data.split(b" ", 1)[0].decode()
        points.passed(f"before {verb}")
        send(self, data, flags)
        points.passed(f"during {verb}")

    def answer(self: ssl.SSLSocket, *amount: int) -> bytes:
        data = receive(self, *amount)
        points.passed(f"after {verbs[id(self)]}")
        return data

    Journal._write = commit  # type: ignore[method-assign]
    ssl.SSLSocket.sendall = request  # type: ignore[assignment,method-assign]
    ssl.SSLSocket.recv = answer  # type: ignore[assignment,method-assign]


def _child(asked: dict[str, Any], labels: int) -> int:
    for descriptor, name in ((1, "out"), (2, "err")):
        handle = os.open(f"{asked['out']}.{name}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(handle, descriptor)
    os.environ["SANDBOX_HOME"] = asked["home"]
    os.chdir(asked["folder"])
    from sandbox.__main__ import main

    if asked["kill"] is not None:
        _watch(Points(labels, asked["kill"]))
    try:
        return main(asked["arguments"])
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1


def _answer(asked: dict[str, Any]) -> dict[str, Any]:
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        _leave(asked, writing)
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8") as pipe:
        points = pipe.read().splitlines()  # ends when the run, and all that it started, has let go of it
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    said = {name: Path(f"{asked['out']}.{name}").read_text(encoding="utf-8") for name in ("out", "err")}
    return {"code": code, "points": points, **said}


def _leave(asked: dict[str, Any], labels: int) -> None:
    code = 70
    try:
        code = _child(asked, labels)
        sys.stdout.flush()
        sys.stderr.flush()
    except Exception:  # noqa: BLE001 - a crash of the product: the test shows it
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(code)


def serve() -> None:
    """Answer requests until standard input ends."""
    import sandbox.__main__
    import sandbox.engine.run
    import sandbox.stack  # noqa: F401 - every fork has it already
    from sandbox.arm.registry import Registry
    from sandbox.arm.schema import Schema

    with tempfile.TemporaryDirectory() as folder:
        Registry.find(Schema(Path(folder)))
    for line in sys.stdin:
        print(json.dumps(_answer(json.loads(line))), flush=True)


if __name__ == "__main__":
    serve()
