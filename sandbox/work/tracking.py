"""MLflow on SQLite: one file a workspace, in which a job's run is there before the job starts.

The tables are MLflow's own, made once by MLflow and copied for each workspace. Rows of runs are written here with
SQL, since importing MLflow takes longer than most jobs' steps.
"""

import asyncio
import os
import shutil
import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.work.process import StartError
from sandbox.work.runtimes import Runtime

if TYPE_CHECKING:
    from sandbox.work.workshop import Workshop

_NEEDS = ("mlflow-skinny", "sqlalchemy", "alembic")
_MAKE = (
    "import sys\n"
    "from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore\n"
    "SqlAlchemyStore('sqlite:///' + sys.argv[1], sys.argv[2])\n"
)
_STATUS = {"Completed": "FINISHED", "Failed": "FAILED", "Canceled": "KILLED"}


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
        folder: where the files are.
        cache: where the empty one is kept.
    """

    def __init__(self, shop: "Workshop", folder: Path, cache: Path) -> None:
        self._shop = shop
        self._folder = folder
        self._cache = cache
        self._making = asyncio.Lock()
        self._warming: asyncio.Task[Path] | None = None

    def file(self, workspace: str) -> Path:
        """The file of a workspace, by the workspace's id."""
        return self._folder / f"mlflow-{workspace}.db"

    def warm(self) -> None:
        """Make the empty file now, in the background: that takes some seconds which the first job need not wait."""
        runtime = next((each for each in self._shop.runtimes.all if _has_mlflow(each)), None)
        if runtime is not None and self._warming is None:
            self._warming = asyncio.get_running_loop().create_task(self._empty(runtime))

    async def stop(self) -> None:
        """Give the making up."""
        if self._warming:
            self._warming.cancel()
            await asyncio.gather(self._warming, return_exceptions=True)

    async def prepare(self, workspace: str, runtime: Runtime) -> bool:
        """Make the file of a workspace; False when the runtime has no MLflow that can use one."""
        if not _has_mlflow(runtime):
            return False
        if not self.file(workspace).exists():
            empty = await self._empty(runtime)
            self._folder.mkdir(parents=True, exist_ok=True)
            await asyncio.to_thread(_copy, empty, self.file(workspace))
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

    def begin(self, workspace: str, experiment: str, run: str, artifacts: Path, parent: str = "") -> None:
        """Put a run there as running, so that MLflow finds it when the job starts."""
        now = int(time.time() * 1000)
        with closing(self._open(workspace)) as rows, rows:
            rows.execute(
                "INSERT OR IGNORE INTO experiments (name, artifact_location, lifecycle_stage, creation_time, "
                "last_update_time) VALUES (?,?,'active',?,?)",
                (experiment, str(artifacts.parent), now, now),
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

    def end(self, workspace: str, run: str, status: str) -> None:
        """Mark a run as ended, with a job's final status."""
        if not self.file(workspace).exists():
            return
        with closing(self._open(workspace)) as rows, rows:
            rows.execute(
                "UPDATE runs SET status = ?, end_time = ? WHERE run_uuid = ?",
                (_STATUS[status], int(time.time() * 1000), run),
            )

    def read(self, workspace: str, run: str) -> Measured:
        """What a run has logged so far."""
        if not self.file(workspace).exists():
            return Measured({}, {}, {})
        with closing(self._open(workspace)) as rows:
            metrics = rows.execute("SELECT key, value FROM latest_metrics WHERE run_uuid = ? AND NOT is_nan", (run,))
            parameters = rows.execute("SELECT key, value FROM params WHERE run_uuid = ?", (run,))
            tags = rows.execute("SELECT key, value FROM tags WHERE run_uuid = ?", (run,))
            return Measured(dict(metrics.fetchall()), dict(parameters.fetchall()), dict(tags.fetchall()))

    def _open(self, workspace: str) -> sqlite3.Connection:
        return sqlite3.connect(self.file(workspace), timeout=30)


def _has_mlflow(runtime: Runtime) -> bool:
    installed = runtime.distributions
    return all(name in installed for name in _NEEDS)


def _copy(source: Path, target: Path) -> None:
    part = target.with_suffix(f".{os.getpid()}.part")
    shutil.copyfile(source, part)
    part.replace(target)
