"""MLflow's file belongs to the jobs: while one of them keeps it locked, nobody but who needs that file waits."""

import asyncio
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from sandbox.work import tracking
from sandbox.work.runtimes import Runtime
from sandbox.work.tracking import Tracking, TrackingError

TABLES = """
CREATE TABLE experiments (experiment_id INTEGER PRIMARY KEY, name TEXT UNIQUE, artifact_location TEXT,
    lifecycle_stage TEXT, creation_time INTEGER, last_update_time INTEGER);
CREATE TABLE runs (run_uuid TEXT PRIMARY KEY, name TEXT, source_type TEXT, source_name TEXT, entry_point_name TEXT,
    user_id TEXT, status TEXT, start_time INTEGER, end_time INTEGER, source_version TEXT, lifecycle_stage TEXT,
    artifact_uri TEXT, experiment_id INTEGER);
CREATE TABLE tags (key TEXT, value TEXT, run_uuid TEXT, PRIMARY KEY (key, run_uuid));
CREATE TABLE params (key TEXT, value TEXT, run_uuid TEXT);
CREATE TABLE metrics (key TEXT, value REAL, run_uuid TEXT, is_nan INTEGER);
CREATE TABLE latest_metrics (key TEXT, value REAL, run_uuid TEXT, is_nan INTEGER);
"""
SECONDS = 1.5


@pytest.fixture
def mlflow(tmp_path: Path) -> Iterator[Tracking]:
    """The MLflow files of two workspaces; nothing of the workshop is asked."""
    shop: Any = None
    found = Tracking(shop, tmp_path, tmp_path)
    (tmp_path / "job").mkdir()
    for file in (found.file("one"), found.file("two"), found.own(tmp_path / "job")):
        with closing(sqlite3.connect(file)) as rows:
            rows.executescript(TABLES)
    yield found
    asyncio.run(found.stop())


def hold(mlflow: Tracking) -> sqlite3.Connection:
    """What a job does that logs much."""
    job = sqlite3.connect(mlflow.file("one"), isolation_level=None)
    job.execute("BEGIN EXCLUSIVE")
    return job


async def longest_pause(until: asyncio.Event, mlflow: Tracking) -> float:
    """The longest that another request waits: for the event loop, for a thread, or for another workspace's file."""
    longest = 0.0
    while not until.is_set():
        begun = time.perf_counter()
        await asyncio.sleep(0.005)
        await asyncio.to_thread(int)
        await mlflow.read("two", "run", mlflow.folder)
        longest = max(longest, time.perf_counter() - begun - 0.005)
    return longest


def test_a_job_that_keeps_its_lock_makes_nobody_else_wait(mlflow: Tracking, tmp_path: Path) -> None:
    async def work() -> None:
        await mlflow.begin("one", "exp", "run", tmp_path / "job")
        job, done = hold(mlflow), asyncio.Event()
        others = asyncio.create_task(longest_pause(done, mlflow))
        asked = [
            asyncio.create_task(each)
            for number in range(12)
            for each in (
                mlflow.read("one", "run", tmp_path),
                mlflow.begin("one", "exp", f"run{number}", tmp_path / "job"),
                mlflow.end("one", "run", "Completed", tmp_path / "none"),
            )
        ]
        await asyncio.sleep(SECONDS)
        assert not any(each.done() for each in asked)
        done.set()
        assert await others < SECONDS * 0.75  # some ms on a machine that is not busy; SECONDS if it were held
        job.execute("COMMIT")
        job.close()
        await asyncio.gather(*asked)

    asyncio.run(work())
    with closing(sqlite3.connect(mlflow.file("one"))) as rows:
        assert rows.execute("SELECT count(*), sum(status = 'FINISHED') FROM runs").fetchone() == (13, 1)


def test_a_file_that_stays_locked_is_named(mlflow: Tracking, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracking, "_BUSY_SECONDS", 0.05)

    async def work() -> None:
        with closing(hold(mlflow)):
            for each in (mlflow.read("one", "run", tmp_path), mlflow.begin("one", "exp", "run", tmp_path / "job")):
                with pytest.raises(TrackingError, match=r"mlflow-one\.db: .*locked"):
                    await each

    asyncio.run(work())


def test_two_jobs_that_begin_at_once_share_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = Runtime(tmp_path)
    monkeypatch.setattr(Runtime, "distributions", dict.fromkeys(tracking._NEEDS, "1"))
    with closing(sqlite3.connect(tmp_path / "mlflow-1.db")) as rows:
        rows.executescript(TABLES)
    copy, copied = tracking._copy, []

    def slow(source: Path, target: Path) -> None:
        copied.append(target)
        time.sleep(0.05)
        copy(source, target)

    monkeypatch.setattr(tracking, "_copy", slow)

    async def work() -> None:
        shop: Any = None
        mlflow = Tracking(shop, tmp_path / "files", tmp_path)

        async def job(name: str) -> None:
            (tmp_path / name).mkdir()
            assert await mlflow.prepare("new", runtime, tmp_path / name)
            await mlflow.begin("new", "exp", name, tmp_path / name, "")

        await asyncio.gather(job("first"), job("second"))
        await mlflow.stop()
        with closing(sqlite3.connect(mlflow.file("new"))) as rows:
            assert rows.execute("SELECT count(*) FROM runs").fetchone() == (2,)

    asyncio.run(work())
    assert [file.name for file in copied].count("mlflow-new.db") == 1


def test_what_a_job_logged_of_its_own_run_is_taken_and_nothing_else(mlflow: Tracking, tmp_path: Path) -> None:
    folder = tmp_path / "job"

    async def work() -> None:
        await mlflow.begin("one", "exp", "run", folder)
        with closing(sqlite3.connect(mlflow.own(folder))) as job, job:
            job.execute("INSERT INTO latest_metrics VALUES ('auc', 0.5, 'run', 0)")
            job.execute("INSERT INTO params VALUES ('depth', '3', 'run'), ('depth', '9', 'other')")
        assert (await mlflow.read("one", "run", folder)).metrics == {"auc": 0.5}
        await mlflow.end("one", "run", "Completed", folder)
        assert not mlflow.own(folder).exists()
        found = await mlflow.read("one", "run", folder)
        assert (found.metrics, found.parameters) == ({"auc": 0.5}, {"depth": "3"})
        assert (await mlflow.read("one", "other", folder)).parameters == {}

    asyncio.run(work())


@pytest.mark.parametrize("kind", ["text", "pipe", "link"])
def test_a_run_ends_whatever_the_job_put_in_the_place_of_its_file(mlflow: Tracking, tmp_path: Path, kind: str) -> None:
    own = mlflow.own(tmp_path / "job")

    async def work() -> None:
        await mlflow.begin("one", "exp", "run", tmp_path / "job")
        own.unlink()
        if kind == "text":
            own.write_text("no database")
            with pytest.raises(TrackingError, match=r"mlflow\.db|not a database"):
                await mlflow.end("one", "run", "Failed", tmp_path / "job")
        else:
            os.mkfifo(own) if kind == "pipe" else own.symlink_to(mlflow.file("two"))
            await mlflow.end("one", "run", "Failed", tmp_path / "job")

    asyncio.run(work())
    with closing(sqlite3.connect(mlflow.file("one"))) as rows:
        assert rows.execute("SELECT status FROM runs").fetchall() == [("FAILED",)]
