"""While one client keeps the sandbox busy, nobody else waits for it."""

import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from functools import partial

import pytest

from sandbox import clock
from sandbox.constants import OBJECT_ID
from sandbox.store import snapshot
from tests.sandbox.conftest import Sandbox
from tests.sandbox.work.test_tracking import TABLES
from tests.sandbox.world import ML, World

LOCKED = 1.5  # seconds
SLACK = 0.05  # seconds that others may wait longer than usual on a machine that does nothing else
BUSY = 6  # times as long on one that does


@pytest.fixture(scope="module")
def world(sandbox: Sandbox) -> World:
    """A workspace with a job that is over and logged to MLflow, and a state of some 20 MB."""
    found = World(sandbox)
    properties = {"jobType": "Command", "command": "true", "status": "Completed", "experimentName": "e", "tags": {}}
    body, now = json.dumps({"properties": properties, "filler": "x" * 6000}), clock.timestamp()
    rows = [
        (f"{found.ws}/jobs/{name}".lower(), f"{found.ws}/jobs/{name}", f"{ML}/workspaces/jobs".lower(),
         found.ws.lower(), name, body, "Succeeded", "", 1, now, now, OBJECT_ID, 1)
        for name in ("logged", *(f"job{number}" for number in range(3000)))
    ]  # fmt: skip
    with closing(sqlite3.connect(sandbox.home.database, timeout=30)) as state, state:
        state.executemany("INSERT INTO resources VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)", rows)
    with closing(sqlite3.connect(mlflow_of(found))) as tables:
        tables.executescript(TABLES)
    return found


def mlflow_of(world: World) -> str:
    which = world.sandbox.call("GET", world.ws).body["properties"]["workspaceId"]
    return str(world.sandbox.home.root / "mlflow" / f"mlflow-{which}.db")


@contextmanager
def locked(world: World) -> Iterator[None]:
    """A job logs much, and others ask for what it has logged."""
    with closing(sqlite3.connect(mlflow_of(world), isolation_level=None)) as job:
        job.execute("BEGIN EXCLUSIVE")
        asking = [threading.Thread(target=world.history, args=(f"{world.ws}/jobs/logged",)) for _ in range(12)]
        for each in asking:
            each.start()
        yield
        assert all(each.is_alive() for each in asking), "who asks for what is locked waits"
        job.execute("COMMIT")
    for each in asking:
        each.join()


@contextmanager
def copied(world: World) -> Iterator[None]:
    """An `up` ends: it takes the copy that `restore` puts back."""
    taking = threading.Thread(target=snapshot.take, args=(world.sandbox.home,))
    taking.start()
    yield
    taking.join()


def waits(work: Callable[[], object], seconds: float) -> list[float]:
    """How long each of some requests takes, one after the other, the longest last."""
    found, over = [], time.perf_counter() + seconds
    while (begun := time.perf_counter()) < over:
        work()
        found.append(time.perf_counter() - begun)
    return sorted(found)


@pytest.mark.parametrize("busy", [locked, copied])
def test_nobody_else_waits(world: World, busy: Callable[[World], AbstractContextManager[None]]) -> None:
    get = partial(world.sandbox.call, "GET", world.ws)
    usual = waits(get, 0.5)
    with busy(world):
        meanwhile = waits(get, LOCKED)
    assert meanwhile[len(meanwhile) // 2] < usual[len(usual) // 2] + SLACK
    assert meanwhile[-1] < max(usual[-1], SLACK) * BUSY
    assert sum(each > usual[-1] + SLACK for each in meanwhile) <= len(meanwhile) // 20
