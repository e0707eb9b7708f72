"""What happened is remembered for a stated time; what would grow for ever has an end."""

import asyncio
import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sandbox import clock
from sandbox.arm.azure import Azure
from sandbox.arm.registry import Registry
from sandbox.arm.schema import Schema
from sandbox.home import Home
from sandbox.store import retention
from sandbox.store.blob_rows import save_container
from sandbox.store.db import Store, Tx
from sandbox.types.ml import job_logs
from sandbox.types.ml.asset import ML
from tests.sandbox.conftest import SUBSCRIPTION, Sandbox

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
OPERATION = "INSERT INTO operations VALUES (?,'k','create',1,?,NULL,NULL,'s','westeurope',0,'now',?,?)"
ACTIVITY = "INSERT INTO activity (at, caller, action, key, status, correlation) VALUES (?,'c','a','k',200,'x')"


def test_only_what_is_old_is_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "ACTIVITY_ROWS", 3)

    def at(**ago: int) -> str:
        return clock.timestamp(timedelta(**ago))

    def fill(tx: Tx) -> None:
        for name, state, ended in (
            ("old", "Succeeded", at(hours=25)), ("failed", "Failed", at(days=9)), ("new", "Succeeded", at(hours=23)),
            ("going", "InProgress", None),
        ):  # fmt: skip
            tx.run(OPERATION, (name, state, at(days=20), ended))
        for days in (100, 91, 89, 5, 4, 3):
            tx.run(ACTIVITY, (at(days=days),))

    async def work() -> None:
        store = Store(tmp_path / "state.db")
        with clock.fixed(NOW):
            await store.write(fill)
            await store.write(retention.forget)
            assert [row["id"] for row in store.all("SELECT id FROM operations ORDER BY id")] == ["going", "new"]
            assert [row["at"] for row in store.all("SELECT at FROM activity")] == [at(days=days) for days in (5, 4, 3)]
        await store.close()

    asyncio.run(work())


def test_much_is_forgotten_a_little_at_a_time(tmp_path: Path) -> None:
    """Nobody waits for the whole of it."""

    async def work() -> None:
        store = Store(tmp_path / "state.db")
        with clock.fixed(NOW):
            old = clock.timestamp(timedelta(days=100))
            rows = [(f"operation{number}", "Succeeded", old, old) for number in range(2500)]
            await store.write(lambda tx: [tx.run(OPERATION, row) for row in rows])
            await store.write(lambda tx: [tx.run(ACTIVITY, (old,)) for _ in range(1500)])
            turns = 1
            while await store.write(retention.forget):
                turns += 1
        assert turns == 3
        for query in ("SELECT count(*) FROM operations", "SELECT count(*) FROM activity"):
            assert [*store.all(query)[0]] == [0]
        await store.close()

    asyncio.run(work())


def test_logs_of_jobs_that_are_gone_are_forgotten(tmp_path: Path, schema_cache: Path) -> None:
    async def work() -> None:
        home = Home(tmp_path)
        store = Store(home.database)
        azure = Azure(store, Registry.find(Schema(schema_cache)), home)
        await azure.blobs.start()
        await store.write(lambda tx: save_container(tx, "account", "azureml", {}))
        kind = f"{ML}/workspaces/jobs".lower()
        row = (f"/w/{kind}/alive", f"/W/{kind}/Alive", kind, "/w", "Alive", "{}", "Succeeded", "", 1, "", "", "", 1)
        await store.write(lambda tx: tx.run("INSERT INTO resources VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)", row))
        kept = [{"key": f"/v/{kind}/asleep", "kind": kind}]
        aside = ("/v", "workspace", "westeurope", "v", clock.timestamp(), json.dumps(kept))
        await store.write(lambda tx: tx.run("INSERT INTO deleted VALUES (?,?,?,?,?,?)", aside))
        names = [
            f"ExperimentRun/dcid.{job}/{what}" for job in ("Alive", "asleep", "gone")
            for what in ("user_logs/std_log.txt", "outputs/model.onnx")
        ]  # fmt: skip
        with clock.fixed(NOW):
            for name in (*names, "user_logs/std_log.txt"):
                await azure.blobs.put("account", "azureml", name, b"x")
        for days, left in ((89, names), (91, [name for name in names if "gone/user_logs" not in name])):
            with clock.fixed(NOW + timedelta(days=days)):
                await job_logs.forget(azure)
            found = [blob.name for blob in azure.blobs.walk("account", "azureml")]
            assert found == sorted([*left, "user_logs/std_log.txt"])
        await azure.blobs.stop()
        await store.close()

    asyncio.run(work())


def test_a_gateway_forgets_when_it_starts_and_identities_go_with_their_resources(fresh_sandbox: Sandbox) -> None:
    account = f"{fresh_sandbox.group('g')}/providers/Microsoft.Storage/storageAccounts/keepsnone"
    body = {"location": "westeurope", "kind": "StorageV2", "sku": {"name": "Standard_LRS"}}

    def principals() -> int:
        with closing(sqlite3.connect(fresh_sandbox.home.database)) as rows:
            found = rows.execute("SELECT count(*) FROM principals WHERE resource = ?", (account.lower(),)).fetchone()
        return int(found[0])

    for kind, left in (("SystemAssigned", 1), ("SystemAssigned", 1), ("None", 0), ("SystemAssigned", 1)):
        assert fresh_sandbox.call("PUT", account, {**body, "identity": {"type": kind}}).status == 200
        assert principals() == left
    assert fresh_sandbox.call("DELETE", account).status == 200
    assert principals() == 0

    where = f"{SUBSCRIPTION}/providers/Microsoft.Storage/locations/westeurope/operationsStatus"
    with closing(sqlite3.connect(fresh_sandbox.home.database, timeout=30)) as rows, rows:
        for name, hours in (("old", 25), ("new", 1)):
            row = (name, "Succeeded", clock.timestamp(timedelta(days=2)), clock.timestamp(timedelta(hours=hours)))
            insert = OPERATION.replace("'s'", f"'{SUBSCRIPTION}/providers/Microsoft.Storage'")
            rows.execute(insert.replace("'k'", f"'{account.lower()}'"), row)
    fresh_sandbox.restart()
    assert fresh_sandbox.call("GET", f"{where}/new").status == 200
    assert fresh_sandbox.call("GET", f"{where}/old").status == 404


def test_the_gateways_log_begins_anew_before_it_is_too_long(tmp_path: Path) -> None:
    script = (
        "import logging, sys; from pathlib import Path; from sandbox import server; server.LOG_BYTES = 2000; "
        "server._log_to(Path(sys.argv[1])); [logging.warning('line %d', number) for number in range(200)]"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "gateway.log")], check=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["gateway.log", "gateway.log.1"]
    assert all(path.stat().st_size <= 2000 for path in tmp_path.iterdir())
    assert "line 199" in (tmp_path / "gateway.log").read_text(encoding="utf-8")
