"""Everything real that the sandbox runs: processes, the Pythons they run in, jobs, MLflow, scoring servers."""

import asyncio
import hashlib
import logging
from collections.abc import Coroutine, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sandbox.work import cover, process
from sandbox.work.jobs import Jobs
from sandbox.work.process import Process
from sandbox.work.runtimes import Runtime, Runtimes
from sandbox.work.scoring import Scoring
from sandbox.work.tracking import Tracking

if TYPE_CHECKING:
    from sandbox.arm.azure import Azure

log = logging.getLogger("sandbox.work")


class Workshop:
    """All processes of the sandbox.

    Attributes:
        runtimes: the Pythons on this machine.
        jobs: jobs under way.
        tracking: MLflow's files.
        scoring: servers of deployments.
    """

    def __init__(self, azure: "Azure") -> None:
        self._azure = azure
        self._home = azure.home
        self._processes: dict[Path, Process] = {}
        self._returning: dict[str, asyncio.Task[None]] = {}
        self._holds: list[str] | None = None
        self.runtimes = Runtimes(azure.home.root)
        self.jobs = Jobs()
        self.tracking = Tracking(self, azure.home.root / "mlflow", azure.home.cache)
        self.scoring = Scoring(self)

    def folder(self, area: str, key: str) -> Path:
        """The working folder of a resource: its name, made unique by its id."""
        return self._home.work / area / f"{key.rsplit('/', 1)[-1][:80]}-{hashlib.sha256(key.encode()).hexdigest()[:12]}"

    def environment(self, runtime: Runtime, folder: Path) -> dict[str, str]:
        """What every process is given: nothing of the gateway's own environment, and no way off this machine.

        Requests to Azure's hosts reach the gateway; it refuses all others.
        """
        proxy = f"http://127.0.0.1:{self._home.port.read_text(encoding='utf-8')}"
        bundle = str(self._home.ca_bundle)
        home, temporary = folder / "home", folder / "tmp"
        for each in (home, temporary):
            each.mkdir(parents=True, exist_ok=True)
        return {
            "PATH": f"{runtime.folder / 'bin'}:/usr/local/bin:/usr/bin:/bin", "VIRTUAL_ENV": str(runtime.folder),
            "HOME": str(home), "TMPDIR": str(temporary), "LANG": "C.UTF-8", "PYTHONUNBUFFERED": "1",
            "HTTPS_PROXY": proxy, "HTTP_PROXY": proxy, "NO_PROXY": "127.0.0.1,localhost",
            "https_proxy": proxy, "http_proxy": proxy, "no_proxy": "127.0.0.1,localhost",
            "REQUESTS_CA_BUNDLE": bundle, "SSL_CERT_FILE": bundle, "CURL_CA_BUNDLE": bundle,
            "DO_NOT_TRACK": "1", "MLFLOW_DISABLE_TELEMETRY": "true", "AZURE_CORE_COLLECT_TELEMETRY": "false",
            "ORT_DISABLE_TELEMETRY": "1",
        }  # fmt: skip

    async def run(
        self, folder: Path, argv: Sequence[str], environment: Mapping[str, str], cwd: Path, log_file: Path, *,
        show: Sequence[Path] = (), **how: Any,
    ) -> Process:  # fmt: skip
        """Start a process that belongs to a folder; see :func:`sandbox.work.process.start`.

        Of the sandbox's own files it sees that folder, and those of `show`.
        """
        if self._holds is None:
            refused = await asyncio.to_thread(cover.troubles)
            self._holds = [each for each in cover.HOLDS if each not in refused]
        covered = {
            "root": str(self._home.root), "show": [str(folder), *map(str, show)],
            "copies": [str(self._home.ca_bundle)], "holds": self._holds, "port": str(self._home.port),
        }  # fmt: skip
        started = await process.start(
            folder, argv, environment, cwd=cwd, log_file=log_file, cover=covered if self._holds else None, **how
        )
        self._processes[folder] = started
        return started

    async def adopt(self, folder: Path) -> Process | None:
        """The process that runs in a folder, started by this gateway or an earlier one.

        One that was started but never recorded is cleared away: nobody knows how far it came.
        """
        here = self._processes.get(folder)
        if here is not None and here.running:
            return here
        if adopted := process.adopt(folder):
            self._processes[folder] = adopted
            return adopted
        await asyncio.to_thread(process.clear, folder)
        return None

    def again(self, key: str, work: Coroutine[Any, Any, None]) -> None:
        """Bring something back in the background; what fails is told in the log."""
        task = asyncio.get_running_loop().create_task(work)
        self._returning[key] = task
        task.add_done_callback(lambda done: self._returned(key, done))

    def _returned(self, key: str, task: asyncio.Task[None]) -> None:
        self._returning.pop(key, None)
        if not task.cancelled() and (error := task.exception()):
            log.error("%s could not be brought back: %s", key, error)

    async def settle(self) -> None:
        """After the start: clear away processes of resources that are gone; the others look after their own."""
        keys = [row["key"] for row in self._azure.reader.all("SELECT key FROM resources")]
        keep = [self.folder(area, key) for area in ("jobs", "deployments") for key in keys]
        await asyncio.to_thread(process.clear, self._home.work, keep)

    async def stop_all(self) -> None:
        """Stop every process."""
        for task in self._returning.values():
            task.cancel()
        await self.jobs.stop()
        await self.scoring.stop()
        await self.tracking.stop()
        await asyncio.gather(*(each.stop() for each in self._processes.values() if each.running))
        await asyncio.to_thread(process.clear, self._home.work)
