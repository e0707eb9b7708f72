"""How long what happened is remembered. Resources and blobs stay until they are deleted; these would grow for ever."""

import asyncio
import logging
from collections.abc import Callable
from datetime import timedelta

from sandbox import clock
from sandbox.store.db import DiskFullError, Store, Tx

OPERATIONS = timedelta(hours=24)  # an operation that has ended can be polled for so long
ACTIVITY = timedelta(days=90)  # as long as Azure's activity log
ACTIVITY_ROWS = 100_000  # and no more than so many of its lines
LOG_BYTES = 10 * 1024 * 1024  # of gateway.log, and of the one before it

_EVERY_SECONDS = 3600.0
log = logging.getLogger("sandbox.retention")


def forget(tx: Tx) -> None:
    """Remove what is older than it is kept."""
    tx.run("DELETE FROM operations WHERE state <> 'InProgress' AND ended < ?", (clock.timestamp(OPERATIONS),))
    tx.run("DELETE FROM activity WHERE at < ?", (clock.timestamp(ACTIVITY),))
    tx.run("DELETE FROM activity WHERE id <= (SELECT max(id) FROM activity) - ?", (ACTIVITY_ROWS,))


async def keep_forgetting(store: Store, purge: Callable[[Tx], None]) -> None:
    """Forget, and purge what was deleted long ago, now and once an hour, until it is cancelled."""

    def work(tx: Tx) -> None:
        forget(tx)
        purge(tx)

    while True:
        try:
            await store.write(work)
        except DiskFullError as full:
            log.warning("nothing was forgotten: %s", full)
        await asyncio.sleep(_EVERY_SECONDS)
