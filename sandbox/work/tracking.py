"""MLflow on SQLite: a file a workspace, and one a job, in which its run is there before the job starts.

A job sees its own file only, and what it logged of its own run goes into the workspace's file when it has ended. The
tables are MLflow's own, made once by MLflow and copied. Rows of runs are written here with SQL, since importing MLflow
takes longer than most jobs' steps. A job may keep its file locked for seconds: each workspace has threads of its own
to wait in.
"""

import asyncio
import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote

from sandbox.work.process import StartError
from sandbox.work.runtimes import Runtime

if TYPE_CHECKING:
    from sandbox.work.workshop import Workshop

_OWN = "mlflow.db"
_NEEDS = ("mlflow-skinny", "sqlalchemy", "alembic")
_MAKE = (
    "import sys\n"
    "from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore\n"
    "SqlAlchemyStore('sqlite:///' + sys.argv[1], sys.argv[2])\n"
)
_LOGGED = ("metrics", "latest_metrics", "params", "tags")
_STATUS = {"Completed": "FINISHED", "Failed": "FAILED", "Canceled": "KILLED"}


_BUSY_SECONDS = 30.0
_THREADS = 4  # a workspace: enough for those that read beside one that writes
T = TypeVar("T")


class TrackingError(StartError):
    """MLflow's file cannot be used. The message names it and says why."""


@dataclass(frozen=True)
class Measured:
    """What a run has logged; the latest value of each metric."""

    metrics: dict[str, float]
    parameters: dict[str, str]
    tags: dict[str, str]


class Tracking:
    """The MLflow files of a sandbox.

    Args:
        shop: runs what makes the empty file.
        folder: where the files are; made if it is not there.
        cache: where the empty one is kept.
    """

    def __init__(self, shop: "Workshop", folder: Path, cache: Path) -> None:
        self._shop = shop
        self.folder = folder
        folder.mkdir(mode=0o700, exist_ok=True)
        self._cache = cache
        self._making = asyncio.Lock()
        self._copying = asyncio.Lock()
        self._warming: asyncio.Task[Path] | None = None
        self._threads: dict[str, ThreadPoolExecutor] = {}

    def file(self, workspace: str) -> Path:
        """The file of a workspace, by the workspace's id."""
        return self.folder / f"mlflow-{workspace}.db"

    @staticmethod
    def own(folder: Path) -> Path:
        """The file of the job that runs in a folder."""
        return folder / _OWN

    def warm(self) -> None:
        """Make the empty file now, in the background: that takes some seconds which the first job need not wait."""
        runtime = next((each for each in self._shop.runtimes.all if _has_mlflow(each)), None)
        if runtime is not None and self._warming is None:
            self._warming = asyncio.get_running_loop().create_task(self._empty(runtime))

    async def stop(self) -> None:
        """Give the making up, and all that waits for a file."""
        for threads in self._threads.values():
            threads.shutdown(wait=False, cancel_futures=True)
        if self._warming:
            self._warming.cancel()
            await asyncio.gather(self._warming, return_exceptions=True)

    async def prepare(self, workspace: str, runtime: Runtime, folder: Path) -> bool:
        """Make a workspace's file and that of the job in a folder; False for a runtime whose MLflow can use none."""
        if not _has_mlflow(runtime):
            return False
        async with self._copying:  # the second of two jobs must not take the file of the first away
            empty = await self._empty(runtime)
            if not self.file(workspace).exists():
                await asyncio.to_thread(_copy, empty, self.file(workspace))
        await asyncio.to_thread(_copy, empty, self.own(folder))
        return True

    async def _empty(self, runtime: Runtime) -> Path:
        """The file with no rows that MLflow makes; made once for each version of it.

        Raises:
            StartError: MLflow could not make it.
        """
        empty = self._cache / f"mlflow-{runtime.distributions[_NEEDS[0]]}.db"
        async with self._making:
            if empty.exists():
                return empty
            folder = self._shop.folder("tracking", empty.name)
            folder.mkdir(parents=True, exist_ok=True)
            part = folder / "empty.db"
            part.unlink(missing_ok=True)
            making = await self._shop.run(
                folder, [str(runtime.python), "-c", _MAKE, str(part), str(folder)],
                self._shop.environment(runtime, folder), folder, folder / "log.txt",
            )  # fmt: skip
            if (await making.wait()).code != 0:
                raise StartError(f"MLflow could not make its tables; see {folder / 'log.txt'}")
            await asyncio.to_thread(_copy, part, empty)
        return empty

    async def begin(self, workspace: str, experiment: str, run: str, folder: Path, parent: str = "") -> None:
        """Put a run into both files as running, so that MLflow finds it when the job starts in its folder.

        Raises:
            TrackingError: a file stays locked, or is damaged.
        """
        artifacts = folder / "artifacts"

        def write(rows: sqlite3.Connection) -> None:
            now = int(time.time() * 1000)
            rows.execute(
                "INSERT OR IGNORE INTO experiments (name, artifact_location, lifecycle_stage, creation_time, "
                "last_update_time) VALUES (?,?,'active',?,?)",
                (experiment, str(folder), now, now),
            )
            number = rows.execute("SELECT experiment_id FROM experiments WHERE name = ?", (experiment,)).fetchone()[0]
            rows.execute(
                "INSERT OR REPLACE INTO runs (run_uuid, name, source_type, source_name, entry_point_name, user_id, "
                "status, start_time, source_version, lifecycle_stage, artifact_uri, experiment_id) "
                "VALUES (?,?,'JOB','','','','RUNNING',?,'','active',?,?)",
                (run, run, now, str(artifacts), number),
            )
            tags = {"mlflow.runName": run, **({"mlflow.parentRunId": parent} if parent else {})}
            rows.executemany(
                "INSERT OR REPLACE INTO tags (key, value, run_uuid) VALUES (?,?,?)",
                [(key, value, run) for key, value in tags.items()],
            )

        await self._within(workspace, self.file(workspace), write)
        await self._within(workspace, self.own(folder), write)

    async def end(self, workspace: str, run: str, status: str, folder: Path) -> None:
        """Take what the job in a folder logged of its run, and mark that as ended with the job's final status.

        Raises:
            TrackingError: a file stays locked, or is damaged.
        """

        def write(rows: sqlite3.Connection) -> None:
            rows.execute(
                "UPDATE runs SET status = ?, end_time = ? WHERE run_uuid = ?",
                (_STATUS[status], int(time.time() * 1000), run),
            )

        if not self.file(workspace).exists():
            return
        await self._within(workspace, self.file(workspace), write)
        if not self.own(folder).is_file():
            return

        def take(rows: sqlite3.Connection) -> None:
            with _opened(self.own(folder), "ro") as logged:  # what the job made of it is not trusted
                for table in _LOGGED:
                    names = [column[1] for column in rows.execute(f"PRAGMA table_info({table})")]
                    listed, marks = ", ".join(names), ", ".join("?" * len(names))
                    rows.executemany(
                        f"INSERT OR REPLACE INTO {table} ({listed}) VALUES ({marks})",  # noqa: S608 - constants
                        logged.execute(f"SELECT {listed} FROM {table} WHERE run_uuid = ?", (run,)),  # noqa: S608
                    )

        try:
            await self._within(workspace, self.file(workspace), take)
        finally:
            self.own(folder).unlink(missing_ok=True)

    async def read(self, workspace: str, run: str, folder: Path) -> Measured:
        """What a run has logged so far, while its job runs in a folder or afterwards.

        Raises:
            TrackingError: the file stays locked, or is damaged.
        """

        def read(rows: sqlite3.Connection) -> Measured:
            metrics = rows.execute("SELECT key, value FROM latest_metrics WHERE run_uuid = ? AND NOT is_nan", (run,))
            parameters = rows.execute("SELECT key, value FROM params WHERE run_uuid = ?", (run,))
            tags = rows.execute("SELECT key, value FROM tags WHERE run_uuid = ?", (run,))
            return Measured(dict(metrics.fetchall()), dict(parameters.fetchall()), dict(tags.fetchall()))

        def read_own(rows: sqlite3.Connection) -> Measured:
            with suppress(sqlite3.Error):  # it has just been taken, or the job made something else of it
                if self.own(folder).is_file():
                    with _opened(self.own(folder), "ro") as logged:
                        return read(logged)
            return read(rows)

        exists = self.file(workspace).exists()
        return await self._within(workspace, self.file(workspace), read_own) if exists else Measured({}, {}, {})

    async def _within(self, workspace: str, file: Path, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` in a transaction on a file, in one of the workspace's threads."""

        def run() -> T:
            with _opened(file) as rows:
                return work(rows)

        if workspace not in self._threads:
            self._threads[workspace] = ThreadPoolExecutor(_THREADS, thread_name_prefix=f"mlflow-{workspace}")
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads[workspace], run)
        except sqlite3.Error as error:
            raise TrackingError(f"{file}: MLflow's file cannot be used ({error}); a job may keep it locked") from error


@contextmanager
def _opened(file: Path, mode: str = "rw") -> Iterator[sqlite3.Connection]:
    where = f"file:{quote(str(file))}?mode={mode}"
    with closing(sqlite3.connect(where, uri=True, timeout=_BUSY_SECONDS)) as rows, rows:
        yield rows


def _has_mlflow(runtime: Runtime) -> bool:
    installed = runtime.distributions
    return all(name in installed for name in _NEEDS)


def _copy(source: Path, target: Path) -> None:
    part = target.with_suffix(f".{os.getpid()}.part")
    shutil.copyfile(source, part)
    part.replace(target)
