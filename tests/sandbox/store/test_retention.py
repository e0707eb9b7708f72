"""What happened is remembered for a stated time; what would grow for ever has an end."""

import asyncio
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sandbox import clock
from sandbox.store import retention
from sandbox.store.db import Store, Tx
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
