"""Sixteen writers on the state at once, everything they do recorded; see power.py.

Started as a program, ``store_load.py DISK LOG``. In the log, ``wants`` and ``has`` say what each writer is about to
write under a name, and that it was acknowledged; ``copied`` that the last good copy holds all that was acknowledged
by then; ``restoring`` and ``restored`` stand around its return.
"""

import asyncio
import hashlib
import os
import random
import sqlite3
import sys
import threading
from contextlib import closing
from pathlib import Path

from sandbox.engine.journal import Edit, Journal
from sandbox.engine.state import Resource
from sandbox.home import Home
from sandbox.store import seal, snapshot
from sandbox.store.blob_rows import save_container
from sandbox.store.blobs import Blobs
from sandbox.store.bodies import IN_ROW
from sandbox.store.db import Store
from sandbox.values import secret
from tests.robustness.power import Recorder

WRITERS, WRITES, ROUNDS = 16, 12, 2
HERE = ("account", "data")
URN = "urn:pulumi:dev::proj::fake:x:R::"
SIZES = (100, 5000, IN_ROW + 1, 150_000)


class Load:
    """Writers, and what they noted."""

    def __init__(self, home: Home, recorder: Recorder, dice: random.Random) -> None:
        self.home = home
        self.recorder = recorder
        self.dice = dice

    def run(self) -> None:
        """A state from its first byte to one that was restored."""
        self.home.make()
        for number in range(ROUNDS):
            asyncio.run(self._round(number))
            self._engine(number)
            snapshot.take(self.home)
        self.recorder.note("copied")
        asyncio.run(self._round(ROUNDS))
        self.recorder.note("restoring")
        seal.lift(self.home.database).close()
        with closing(sqlite3.connect(self.home.database, isolation_level=None)) as left:
            left.execute("DELETE FROM blobs")  # in a log that nobody brings into the file, as after a kill
            snapshot.restore(self.home)
        self.recorder.note("restored")
        asyncio.run(self._round(ROUNDS + 1))

    async def _round(self, number: int) -> None:
        """A gateway comes up, and goes, and an engine with it."""
        store = Store(self.home.database)
        blobs = Blobs(store, self.home.blobs)
        await blobs.start()
        await store.write(lambda tx: save_container(tx, *HERE, {}))
        engine = threading.Thread(target=self._engine, args=(number,))
        engine.start()
        await asyncio.gather(*(self._writer(blobs, f"w{each}", number) for each in range(WRITERS)))
        while engine.is_alive():
            await asyncio.sleep(0.005)
        await blobs.stop()
        await store.close()

    async def _writer(self, blobs: Blobs, name: str, number: int) -> None:
        for turn in range(WRITES):
            blob, content = f"{name}-{turn % 4}", os.urandom(self.dice.choice(SIZES))
            digest = hashlib.sha256(content).hexdigest()
            what = self.dice.choice(("put", "put", "blocks", "copy", "delete"))
            there = blobs.head(*HERE, blob)
            if what == "delete" and there:
                self.recorder.note("wants", blob, None)
                await blobs.delete(*HERE, blob)
                self.recorder.note("has", blob, None)
                continue
            self.recorder.note("wants", blob, digest)
            if what == "blocks":
                half = len(content) // 2
                await blobs.stage(*HERE, blob, "AA==", content[:half])
                await blobs.stage(*HERE, blob, "QQ==", content[half:])
                await blobs.commit(*HERE, blob, [("Latest", "AA=="), ("Latest", "QQ==")], {})
            elif what == "copy":
                source = await blobs.put(*HERE, f"{name}-source", content)
                await blobs.copy(source, *HERE, blob, source.headers)
            else:
                await blobs.put(*HERE, blob, content)
            self.recorder.note("has", blob, digest)

    def _engine(self, number: int) -> None:
        journal = Journal.open(self.home, "dev", write=True)
        for turn in range(WRITES):
            urn, value = f"{URN}{turn}", f"{number}"
            resource = Resource(urn=urn, type="fake:x:R", custom=True, id=value, inputs={"secret": secret(value)})
            self.recorder.note("wants", urn, value)
            intent = journal.begin("update" if urn in journal.current else "create", resource)
            journal.end(intent, Edit(put={(urn, 0): resource}))
            self.recorder.note("has", urn, value)
        journal.close()
        if number < ROUNDS:
            snapshot.take(self.home)


if __name__ == "__main__":
    disk = Path(sys.argv[1]).resolve()
    sys.setswitchinterval(0.001)
    Load(Home(disk / "home"), Recorder(disk, Path(sys.argv[2])), random.Random(20261121)).run()  # noqa: S311
