"""A state file of an earlier version becomes one of this version, and is as if it had always been one."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from sandbox.store import seal
from sandbox.store.migrate import VERSION, StateError, prepare

ML = "microsoft.machinelearningservices/workspaces"
WS = "/subscriptions/s/resourcegroups/g/providers/microsoft.machinelearningservices/workspaces/w"
MODEL = f"{WS}/models/m/versions/1"


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A state of version 1 with jobs, a deployment and a schedule."""
    path = tmp_path / "state.db"
    with closing(sqlite3.connect(path)) as rows:
        rows.executescript(Path(__file__).with_name("version-1.sql").read_text(encoding="utf-8"))
        for kind, name, properties in (
            ("jobs", "over", {"status": "Completed", "codeId": MODEL}),
            ("jobs", "runs", {"status": "Running", "inputs": {"model": {"uri": f"azureml:{MODEL.upper()}"}}}),
            ("onlineendpoints/deployments", "blue", {"model": "azureml://registries/R/models/m/versions/2"}),
            ("schedules", "nightly", {"action": {"jobDefinition": {"componentId": MODEL}}}),
            ("computes", "cpu", {"note": MODEL}),
        ):
            key = f"{WS}/{kind}/{name}"
            row = (key, key, f"{ML}/{kind}", WS, name, json.dumps({"properties": properties}), "Succeeded", "", 1)
            rows.execute("INSERT INTO resources VALUES (?,?,?,?,?,?,?,?,?,'2026','2026','')", row)
        rows.execute("PRAGMA user_version=1")
        rows.commit()
    return path


def shape(path: Path) -> dict[str, Any]:
    """Tables with their columns, and indices with what they are over."""
    with closing(sqlite3.connect(path)) as rows:
        found = rows.execute("SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite%'").fetchall()
        return {
            name: rows.execute(f"PRAGMA table_info({name})").fetchall() if kind == "table" else sql
            for kind, name, sql in found
        } | {"version": rows.execute("PRAGMA user_version").fetchone()}


def test_it_has_the_shape_of_a_new_one(old: Path, tmp_path: Path) -> None:
    prepare(old)
    prepare(tmp_path / "new.db")
    assert shape(old) == shape(tmp_path / "new.db")
    assert shape(old)["version"] == (VERSION,)


def test_what_rests_and_who_needs_what_is_known(old: Path) -> None:
    prepare(old)
    with closing(sqlite3.connect(old)) as rows:
        resting = rows.execute("SELECT name FROM resources WHERE resting = 1").fetchall()
        uses = rows.execute("SELECT target, user FROM uses ORDER BY user").fetchall()
    assert resting == [("over",)]
    assert uses == [
        (MODEL, f"{WS}/jobs/runs"),
        ("azureml://registries/r/models/m/versions/2", f"{WS}/onlineendpoints/deployments/blue"),
        (MODEL, f"{WS}/schedules/nightly"),
    ]


def test_it_stays_as_it_is_while_a_sandbox_of_before_has_it_open(old: Path) -> None:
    before = shape(old)
    with seal.lift(old), pytest.raises(StateError, match=r"earlier version .*make down"):
        prepare(old)
    assert shape(old) == before
    prepare(old)
