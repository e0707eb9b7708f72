"""Scoring servers: each deployment's instances, watched, restarted when they die, replaced without a gap.

A deployment runs one *generation*: the instances of one content and one set of settings. A change starts the next
generation beside it, and takes its place when that is healthy; one that does not become healthy leaves the old in
place.
"""

import asyncio
import logging
import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.work import http1, keeper, paths, process
from sandbox.work.http1 import BrokenReplyError, Reply
from sandbox.work.process import Exit, Process

if TYPE_CHECKING:
    from sandbox.work.workshop import Workshop

log = logging.getLogger("sandbox.scoring")
_BACKOFF_SECONDS = (0.1, 0.5, 2.0, 5.0, 15.0, 30.0)
_STEADY_SECONDS = 60.0
_TAIL_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Probe:
    """When a server counts as ready, or as dead.

    Attributes:
        delay: seconds before the first question.
        period: seconds between two.
        timeout: seconds for an answer.
        failures: bad answers in a row that count.
    """

    delay: float
    period: float
    timeout: float
    failures: int

    @property
    def patience(self) -> float:
        """Seconds after which a server that never answered is given up."""
        return self.delay + self.period * self.failures


@dataclass(frozen=True)
class Serving:
    """How a deployment's instances are run.

    Attributes:
        digest: changes when content or settings do; the folder of the generation is called by it.
        argv: the server's command line.
        environment: its whole environment.
        cwd: where it runs.
        instances: how many run.
        ready: readiness probe.
        alive: liveness probe.
        concurrency: requests that one instance takes at a time.
        timeout: seconds that a request may take.
        note: a first line for the log.
    """

    digest: str
    argv: tuple[str, ...]
    environment: Mapping[str, str]
    cwd: Path
    instances: int
    ready: Probe
    alive: Probe
    concurrency: int
    timeout: float
    note: str


class UnhealthyError(Exception):
    """A server did not become ready. The message says why and has the end of its log."""


class OverloadedError(Exception):
    """More requests are under way than the deployment takes."""


class UnavailableError(Exception):
    """No instance of the deployment is up."""


@dataclass
class Instance:
    """One server."""

    folder: Path
    process: Process | None = None
    up: asyncio.Event = field(default_factory=asyncio.Event)
    busy: int = 0
    watcher: asyncio.Task[None] | None = None


class Generation:
    """The instances of one content and one set of settings."""

    def __init__(self, folder: Path, serving: Serving, shop: "Workshop") -> None:
        self.folder = folder
        self.serving = serving
        self._shop = shop
        self.instances = [Instance(folder / f"instance-{number}") for number in range(serving.instances)]

    def bring_back(self) -> None:
        """Adopt or start every instance in the background, as often as it takes."""
        for instance in self.instances:
            instance.watcher = asyncio.get_running_loop().create_task(self._watch(instance))

    async def start(self) -> None:
        """Adopt or start every instance and wait until all are ready; from then on they are watched.

        Raises:
            UnhealthyError: one did not become ready; then none is left running.
        """
        results = await asyncio.gather(*(self._up(each) for each in self.instances), return_exceptions=True)
        for error in results:
            if isinstance(error, BaseException):
                await self.stop()
                raise error
        self.bring_back()

    async def stop(self) -> None:
        """Stop every instance."""
        watchers = [instance.watcher for instance in self.instances if instance.watcher]
        for watcher in watchers:
            watcher.cancel()
        await asyncio.gather(*watchers, return_exceptions=True)
        running = [instance.process for instance in self.instances if instance.process and instance.process.running]
        await asyncio.gather(*(each.stop(grace=2.0) for each in running))
        await asyncio.to_thread(process.clear, self.folder)

    async def _up(self, instance: Instance) -> None:
        """Bring one instance to the point where it answers."""
        instance.folder.mkdir(parents=True, exist_ok=True)
        instance.process = await self._shop.adopt(instance.folder)
        if instance.process is None:
            await asyncio.to_thread(_begin_log, instance.folder / "server.log", self.serving.note)
            instance.process = await self._shop.run(
                instance.folder, self.serving.argv, self.serving.environment, self.serving.cwd,
                instance.folder / "server.log", show=self._shared(), listen=True,
            )  # fmt: skip
        running = instance.process
        ended = asyncio.ensure_future(running.wait())
        asked = asyncio.ensure_future(self._answers(running))
        try:
            await asyncio.wait({ended, asked}, return_when=asyncio.FIRST_COMPLETED)
            if asked.done() and asked.result():
                await asyncio.wait({ended}, timeout=1)  # a server that ends says more than a connection that breaks
            if ended.done():
                raise UnhealthyError(
                    f"the server ended {_how(ended.result())} before it was ready:\n{tail(instance.folder)}"
                )
            if why := asked.result():
                await running.stop(grace=1.0)
                raise UnhealthyError(f"the server did not become ready: {why}:\n{tail(instance.folder)}")
        finally:
            ended.cancel()
            asked.cancel()
        instance.up.set()

    def _shared(self) -> list[Path]:
        """What all instances see. The folder itself is none of it: they could put links in the place of each other."""
        return [each for each in self.folder.iterdir() if each.is_dir() and not each.name.startswith("instance-")]

    async def _answers(self, running: Process) -> str:
        """Wait for a good answer; returns why there was none. A starting server lets the question wait: one will do."""
        try:
            reply = await http1.request(running.socket, "GET", "/", timeout=self.serving.ready.patience)
        except TimeoutError:
            return f"no answer to GET / within {self.serving.ready.patience:g} s"
        except (OSError, BrokenReplyError) as error:
            return f"GET / failed: {error}"
        return "" if reply.status == 200 else f"GET / answered {reply.status}"

    async def _watch(self, instance: Instance) -> None:
        """Restart an instance whenever it dies or stops answering; slower each time, until it has been steady."""
        tries = 0
        while True:
            while not instance.up.is_set():
                await asyncio.sleep(_BACKOFF_SECONDS[min(tries, len(_BACKOFF_SECONDS) - 1)] if tries else 0)
                tries += 1
                try:
                    await self._up(instance)
                except (UnhealthyError, process.StartError, OSError) as error:
                    log.warning("%s: %s", instance.folder, error)
            begun = time.monotonic()
            why = await self._failure(instance)
            instance.up.clear()
            tries = 0 if time.monotonic() - begun > _STEADY_SECONDS else tries
            log.warning("%s: %s; restarting", instance.folder, why)
            await asyncio.to_thread(process.clear, instance.folder)

    async def _failure(self, instance: Instance) -> str:
        """Wait until an instance is no longer alive; returns why."""
        running, probe, bad = instance.process, self.serving.alive, 0
        if running is None:
            return "it never started"
        ended = asyncio.ensure_future(running.wait())
        try:
            await asyncio.wait({ended}, timeout=probe.delay)
            while not ended.done():
                try:
                    reply = await http1.request(running.socket, "GET", "/", timeout=probe.timeout)
                    bad = 0 if reply.status == 200 else bad + 1
                except (TimeoutError, OSError, BrokenReplyError):
                    bad += 1
                if bad >= probe.failures and not ended.done():
                    await running.stop(grace=1.0)
                    return f"{bad} liveness probes in a row failed"
                await asyncio.wait({ended}, timeout=probe.period)
            return f"it ended {_how(ended.result())}"
        finally:
            ended.cancel()


class Scoring:
    """Every deployment's servers, by the deployment's key."""

    def __init__(self, shop: "Workshop") -> None:
        self._shop = shop
        self._serving: dict[str, Generation] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    def folder(self, key: str, digest: str) -> Path:
        """The folder of a generation."""
        return self._shop.folder("deployments", key) / digest

    def bring_back(self, key: str, serving: Serving) -> None:
        """Put what an earlier gateway ran in its place again; it comes up in the background."""
        if key in self._serving:
            return  # a change that was cut off has been quicker
        self._serving[key] = Generation(self.folder(key, serving.digest), serving, self._shop)
        self._serving[key].bring_back()

    async def deploy(self, key: str, serving: Serving) -> None:
        """Bring a generation up and put it in the place of the one that runs.

        Raises:
            UnhealthyError: it did not become ready; what ran before still does.
        """
        async with self._locks.setdefault(key, asyncio.Lock()):
            old = self._serving.get(key)
            if old and old.serving.digest == serving.digest:
                return
            fresh = Generation(self.folder(key, serving.digest), serving, self._shop)
            await fresh.start()
            old = self._serving.get(key)  # it may have been brought back meanwhile
            self._serving[key] = fresh
            if old:
                await old.stop()
            for path in self._shop.folder("deployments", key).iterdir():
                if path != fresh.folder:
                    await asyncio.to_thread(process.clear, path)
                    await asyncio.to_thread(shutil.rmtree, path, True)

    async def remove(self, key: str) -> None:
        """Stop a deployment's servers and forget its files."""
        async with self._locks.setdefault(key, asyncio.Lock()):
            if old := self._serving.pop(key, None):
                await old.stop()
            folder = self._shop.folder("deployments", key)
            await asyncio.to_thread(process.clear, folder)
            await asyncio.to_thread(shutil.rmtree, folder, True)

    async def stop(self) -> None:
        """Stop all; the records stay, so the next start brings them back."""
        await asyncio.gather(*(each.stop() for each in self._serving.values()))
        self._serving.clear()

    def log_of(self, key: str, lines: int) -> str:
        """The end of a deployment's log, of the generation that runs or that failed last."""
        folder = self._shop.folder("deployments", key)
        found = self._serving[key].folder if key in self._serving else folder
        logs = sorted(found.rglob("server.log"), key=lambda path: path.stat().st_mtime)
        return tail(logs[-1].parent, lines) if logs else ""

    async def ask(self, key: str, method: str, path: str, headers: list[tuple[str, str]], body: bytes) -> Reply:
        """Put a request to the least busy instance of a deployment.

        Raises:
            UnavailableError: none is up, and none came up within the time that a request has.
            OverloadedError: too many requests are under way.
            TimeoutError: no answer in time.
            BrokenReplyError: the server died over it.
        """
        generation = self._serving.get(key)
        if generation is None:
            raise UnavailableError
        serving = generation.serving
        # Azure lets twice the concurrency in: what runs, and as much again that waits.
        if sum(each.busy for each in generation.instances) >= 2 * serving.concurrency * serving.instances:
            raise OverloadedError
        end = asyncio.get_running_loop().time() + serving.timeout
        instance = min(generation.instances, key=lambda each: (not each.up.is_set(), each.busy))
        instance.busy += 1
        try:
            while True:
                if not instance.up.is_set():
                    await _until(instance.up, end)
                left = end - asyncio.get_running_loop().time()
                try:
                    socket = instance.folder / keeper.SOCKET
                    return await http1.request(socket, method, path, headers, body, max(left, 0.001))
                except (ConnectionRefusedError, FileNotFoundError):
                    instance.up.clear()  # it died, and its watcher is about to learn of it
        finally:
            instance.busy -= 1


async def _until(up: asyncio.Event, end: float) -> None:
    try:
        async with asyncio.timeout_at(end):
            await up.wait()
    except TimeoutError as error:
        raise UnavailableError from error


def tail(folder: Path, lines: int = 30) -> str:
    """The end of a server's log."""
    try:
        with paths.opened(folder, "server.log") as file:
            file.seek(-min(_TAIL_BYTES, file.seek(0, os.SEEK_END)), os.SEEK_END)
            text = file.read().decode(errors="replace")
    except OSError:  # none, or the server put a link in its place
        return ""
    return "\n".join(text.splitlines()[-lines:])


def _begin_log(file: Path, line: str) -> None:
    with paths.opened(file.parent, file.name, "ab") as log_file:
        log_file.write(f"{line}\n".encode())


def _how(exit_: Exit) -> str:
    return "with nobody to see how" if exit_.code is None else f"with exit code {exit_.code}"
