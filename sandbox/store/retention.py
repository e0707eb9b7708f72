"""How long what happened is remembered. Resources and blobs stay until they are deleted; these would grow for ever."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from datetime import timedelta

from sandbox import clock
from sandbox.store.db import DiskFullError, Store, Tx

OPERATIONS = timedelta(hours=24)  # an operation that has ended can be polled for so long
ACTIVITY = timedelta(days=90)  # as long as Azure's activity log
ACTIVITY_ROWS = 100_000  # and no more than so many of its lines
LOG_BYTES = 10 * 1024 * 1024  # of gateway.log, and of the one before it

_EVERY_SECONDS = 3600.0
_AT_ONCE = 1000  # rows of a table: nobody waits long for that
log = logging.getLogger("sandbox.retention")


def forget(tx: Tx) -> bool:
    """Remove some of what is older than it is kept, the oldest first; returns whether more may be left."""
    ended = tx.run(
        "DELETE FROM operations WHERE id IN (SELECT id FROM operations WHERE ended < ? ORDER BY ended LIMIT ?)",
        (clock.timestamp(OPERATIONS), _AT_ONCE),
    )
    seen = tx.run(
        "DELETE FROM activity WHERE id IN (SELECT id FROM (SELECT id, at FROM activity ORDER BY id LIMIT ?) "
        "WHERE at < ? OR id <= (SELECT max(id) FROM activity) - ?)",
        (_AT_ONCE, clock.timestamp(ACTIVITY), ACTIVITY_ROWS),
    )
    return _AT_ONCE in (ended, seen)


async def keep_forgetting(store: Store, others: Iterable[Callable[[], Awaitable[None]]] = ()) -> None:
    """Forget now and once an hour, until it is cancelled; `others` forget what they know of."""
    while True:
        try:
            while await store.write(forget):
                await asyncio.sleep(0)
            for other in others:
                await other()
        except DiskFullError as full:
            log.warning("nothing was forgotten: %s", full)
        except Exception:
            log.exception("not all was forgotten that should be; tried again later")
        await asyncio.sleep(_EVERY_SECONDS)
