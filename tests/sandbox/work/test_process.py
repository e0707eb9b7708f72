import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvloop

from sandbox.work import keeper, process
from tests.sandbox.work.test_cover import ALL, needs_namespaces

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]
ENVIRONMENT = {"PATH": os.environ["PATH"]}


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    process.clear(tmp_path)


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return uvloop.run(work)


async def begin(folder: Path, argv: list[str], **options: Any) -> process.Process:
    return await process.start(folder, argv, ENVIRONMENT, cwd=folder, log_file=folder / "log.txt", **options)


async def begin_covered(own: Path, argv: list[str], holds: tuple[str, ...] = ALL, **options: Any) -> process.Process:
    """Start a command that sees of the folder above its own nothing else."""
    own.mkdir()
    (own.parent / "port").write_text("50000")
    how = {"root": str(own.parent), "show": [str(own)], "copies": [], "holds": holds, "port": str(own.parent / "port")}
    return await begin(own, argv, cover=how, **options)


def until(condition: Callable[[], object], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.01)


def marked(folder: Path) -> list[int]:
    return [pid for pid, _ in process._marked(str(folder))]


def test_the_exit_code_and_the_output_are_kept(folder: Path) -> None:
    async def work() -> process.Exit:
        started = await begin(folder, [sys.executable, "-c", "print('said'); raise SystemExit(3)"])
        return await started.wait()

    assert run(work()) == process.Exit(3)
    assert (folder / "log.txt").read_text() == "said\n"


def test_a_command_that_is_not_there_ends_with_127_and_its_name(folder: Path) -> None:
    async def work() -> process.Exit:
        return await (await begin(folder, ["/no/such/command"])).wait()

    assert run(work()) == process.Exit(127)
    assert "/no/such/command" in (folder / "log.txt").read_text()


def test_the_command_sees_only_the_environment_it_is_given(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_CLIENT_SECRET", "canary")

    async def work() -> None:
        await (await begin(folder, [sys.executable, "-c", "import os; print(sorted(os.environ))"])).wait()

    run(work())
    assert "AZURE_CLIENT_SECRET" not in (folder / "log.txt").read_text()


def test_stop_asks_first_and_leaves_nothing(folder: Path) -> None:
    script = (
        "import signal, sys, time\nsignal.signal(15, lambda *_: sys.exit(7))\nprint('up', flush=True)\ntime.sleep(60)"
    )

    async def work() -> process.Exit:
        started = await begin(folder, [sys.executable, "-c", script])
        while "up" not in (folder / "log.txt").read_text():
            await asyncio.sleep(0.01)
        await started.stop()
        return await started.wait()

    assert run(work()) == process.Exit(7, "stopped")
    assert marked(folder) == []


def test_stop_forces_what_does_not_listen(folder: Path) -> None:
    script = "import signal, time\nsignal.signal(15, signal.SIG_IGN)\nprint('up', flush=True)\ntime.sleep(60)"

    async def work() -> process.Exit:
        started = await begin(folder, [sys.executable, "-c", script], grace=0.1)
        while "up" not in (folder / "log.txt").read_text():
            await asyncio.sleep(0.01)
        await started.stop()
        return await started.wait()

    assert run(work()) == process.Exit(-signal.SIGKILL, "stopped")
    assert marked(folder) == []


def test_the_time_limit_ends_the_command(folder: Path) -> None:
    async def work() -> process.Exit:
        return await (await begin(folder, SLEEP, timeout=0.2)).wait()

    assert run(work()) == process.Exit(-signal.SIGTERM, "timeout")


@needs_namespaces
@pytest.mark.parametrize("holds", [("files", "network"), ALL])
def test_a_covered_command_is_stopped_however_early_and_ends_with_its_keeper(
    folder: Path, holds: tuple[str, ...]
) -> None:
    async def work() -> None:
        for number in range(5):
            started = await begin_covered(folder / str(number), ["/bin/sleep", "60"], holds, grace=30)
            await asyncio.sleep(number * 0.01)
            await started.stop(grace=30)
            assert await started.wait() == process.Exit(-signal.SIGTERM, "stopped")
        for delay in (0, 0.3):
            killed = await begin_covered(folder / f"killed-{delay}", ["/bin/sleep", "60"], holds)
            await asyncio.sleep(delay)
            os.kill(killed.pid, signal.SIGKILL)
            assert await killed.wait() == process.Exit(None, "lost")

    run(work())
    until(lambda: marked(folder) == [])


def test_a_disk_that_gets_full_ends_the_command(folder: Path) -> None:
    async def work() -> process.Exit:
        return await (await begin(folder, SLEEP, floor=2**62)).wait()

    assert run(work()) == process.Exit(-signal.SIGTERM, "full")


def test_of_much_that_is_printed_the_end_is_kept(folder: Path) -> None:
    script = (
        "import sys, time\nfor number in range(70):\n    print(f'{number:03}' + 'x' * 1_000_000)\n"
        "sys.stdout.flush(); time.sleep(1.5); print('last')"
    )

    async def work() -> None:
        await (await begin(folder, [sys.executable, "-c", script])).wait()

    run(work())
    log = (folder / "log.txt").read_bytes()
    assert log.startswith(b"[more than 67108864 bytes were printed")
    assert log.endswith(b"last\n")
    assert keeper.LOG_BYTES // 5 < len(log) < keeper.LOG_BYTES // 3


@needs_namespaces
def test_what_a_command_may_use_is_bounded(folder: Path) -> None:
    async def work() -> None:
        bounds = ["/bin/bash", "-c", "ulimit -c; ulimit -u; cat /proc/self/oom_score_adj"]
        await (await begin_covered(folder / "own", bounds)).wait()

    run(work())
    core, processes, score = (folder / "own/log.txt").read_text().split()
    assert (core, score) == ("0", "500")
    assert int(processes) <= 4096


@needs_namespaces
def test_processes_that_multiply_end_with_their_command(folder: Path) -> None:
    bomb = "import os, time\nfor _ in range(6):\n    os.fork() or os.setsid()\ntime.sleep(60)"

    async def work() -> None:
        started = await begin_covered(folder / "own", [sys.executable, "-c", bomb])
        while len(marked(folder)) < 60:
            await asyncio.sleep(0.01)
        await started.stop()

    run(work())
    assert marked(folder) == []


def test_what_the_command_leaves_behind_goes_with_it(folder: Path) -> None:
    script = f"import subprocess; subprocess.Popen({SLEEP!r})"

    async def work() -> None:
        await (await begin(folder, [sys.executable, "-c", script])).wait()

    run(work())
    until(lambda: marked(folder) == [])


def test_stop_finds_a_descendant_that_left_the_session(folder: Path) -> None:
    script = (
        f"import subprocess, time; subprocess.Popen({SLEEP!r}, start_new_session=True)\n"
        "print('up', flush=True); time.sleep(60)"
    )

    async def work() -> None:
        started = await begin(folder, [sys.executable, "-c", script])
        while "up" not in (folder / "log.txt").read_text():
            await asyncio.sleep(0.01)
        assert len(marked(folder)) == 3
        await started.stop()

    run(work())
    assert marked(folder) == []


def test_a_killed_keeper_takes_its_command_along_and_is_reported_lost(folder: Path) -> None:
    async def work() -> process.Exit:
        started = await begin(folder, SLEEP)
        os.kill(started.pid, signal.SIGKILL)
        return await started.wait()

    assert run(work()) == process.Exit(None, "lost")
    until(lambda: marked(folder) == [])


def test_a_process_is_adopted_by_a_later_gateway(folder: Path) -> None:
    first = "import time\ntime.sleep(0.5)\nprint('done')\nraise SystemExit(4)"

    async def earlier() -> int:
        return (await begin(folder, [sys.executable, "-c", first])).pid

    async def later() -> process.Exit:
        adopted = process.adopt(folder)
        assert adopted is not None
        assert adopted.pid == pid
        return await adopted.wait()

    pid = run(earlier())
    assert run(later()) == process.Exit(4)


def test_a_process_that_ended_meanwhile_is_not_adopted_but_its_end_is_known(folder: Path) -> None:
    async def earlier() -> None:
        await begin(folder, [sys.executable, "-c", "raise SystemExit(5)"])

    async def later() -> process.Process | None:
        return process.adopt(folder)

    run(earlier())
    until(lambda: process.ended(folder))
    until(lambda: marked(folder) == [])
    assert run(later()) is None
    assert process.ended(folder) == process.Exit(5)


def test_a_recycled_number_is_neither_adopted_nor_killed(folder: Path) -> None:
    other = subprocess.Popen(SLEEP)
    try:
        keeper.write(folder / "process.json", {"pid": other.pid, "word": "another"})

        async def later() -> process.Process | None:
            return process.adopt(folder)

        assert run(later()) is None
        assert not process._send(folder, other.pid, signal.SIGKILL)
        assert process.clear(folder) == 0
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


@pytest.mark.parametrize("moment", ["before the record", "after the record"])
def test_a_gateway_killed_around_the_start_leaves_nothing_behind(folder: Path, moment: str) -> None:
    """The folder's mark finds what no file names."""
    waits = (
        "os.kill(os.getpid(), 9)"
        if moment == "before the record"
        else "await original(started); os.kill(os.getpid(), 9)"
    )
    script = f"""
import asyncio, os
from pathlib import Path
from sandbox.work import process
original = process._record
async def dies(started):
    {waits}
process._record = dies
folder = Path({str(folder)!r})
asyncio.run(process.start(folder, {SLEEP!r}, {{"PATH": os.environ["PATH"]}}, cwd=folder, log_file=folder / "log.txt"))
"""
    gateway = subprocess.run([sys.executable, "-c", script], check=False, cwd=Path(__file__).parents[3])
    assert gateway.returncode == -signal.SIGKILL
    assert marked(folder)
    process.clear(folder)
    assert marked(folder) == []


def test_clear_spares_what_is_kept(folder: Path) -> None:
    for name in ("kept", "other"):
        (folder / name).mkdir()

    async def work() -> None:
        await begin(folder / "kept", SLEEP)
        await begin(folder / "other", SLEEP)

    run(work())
    assert process.clear(folder, keep=[folder / "kept"]) >= 1
    assert marked(folder / "other") == []
    assert marked(folder / "kept")


def test_a_folder_is_not_mistaken_for_another_whose_name_begins_alike(folder: Path) -> None:
    for name in ("job", "job2"):
        (folder / name).mkdir()

    async def work() -> None:
        await begin(folder / "job2", SLEEP)

    run(work())
    assert process.clear(folder / "job") == 0
    assert marked(folder / "job2")


def test_a_server_is_handed_a_socket_that_only_its_owner_reaches(folder: Path) -> None:
    script = (
        "import os, socket\n"
        "assert (os.environ['LISTEN_FDS'], os.environ['LISTEN_PID']) == ('1', str(os.getpid()))\n"
        "server = socket.socket(fileno=3)\n"
        "client, _ = server.accept()\n"
        "client.sendall(b'hello'); client.close()"
    )

    async def work() -> None:
        started = await begin(folder, [sys.executable, "-c", script], listen=True)
        assert started.socket.is_socket()
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as client:
            client.connect(os.path.relpath(started.socket))
            assert client.recv(10) == b"hello"
        await started.wait()

    run(work())
