"""A disk that is really full, at every write of the store and the engine in turn: see test_full_disk.py.

Started as a program, ``full_disk.py DISK STATE``, DISK being a small file system of its own: what is free on it grows
page by page until the work goes through. STATE is an archive of a state of an earlier version. Prints one JSON object:
name of the work to what went wrong with it, and to how often there was no room.
"""

import asyncio
import json
import os
import re
import shutil
import sys
import tarfile
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

from sandbox import doctor
from sandbox.__main__ import main as sandbox
from sandbox.engine.journal import Edit, Journal
from sandbox.engine.state import Resource
from sandbox.home import Home
from sandbox.store import snapshot
from sandbox.store.blob_rows import save_container
from sandbox.store.blobs import Blobs
from sandbox.store.bodies import IN_ROW
from sandbox.store.db import DiskFullError, Store
from sandbox.store.migrate import StateError, prepare
from sandbox.values import secret
from tests.robustness.conftest import Place

PAGE = 4096
ROOM_KIB = (0, 300, 700)  # of a first `up`: without even a log, without certificates, in the middle of its resources
HERE = ("account", "data")
LARGE = b"x" * (IN_ROW + 1024)
MADE = Resource(urn="urn:pulumi:dev::proj::fake:x:R::a", type="fake:x:R", custom=True, inputs={"p": secret("s" * 5000)})
Work = Callable[[Home], object]


def with_blobs(work: Callable[[Blobs], Awaitable[object]]) -> Work:
    """Work on blobs, as a gateway does that starts and stops."""

    async def run(home: Home) -> None:
        store = Store(home.database)
        blobs = Blobs(store, home.blobs)
        try:
            await blobs.start()
            await work(blobs)
        finally:
            await blobs.stop()
            await store.close()

    return lambda home: asyncio.run(run(home))


async def blocks(blobs: Blobs) -> None:
    """A blob of several blocks."""
    for block in ("AA==", "QQ=="):
        await blobs.stage(*HERE, "blocks", block, LARGE[: IN_ROW // 2 + PAGE])
    await blobs.commit(*HERE, "blocks", [("Latest", "AA=="), ("Latest", "QQ==")], {})


def engine(home: Home) -> None:
    """A resource is made."""
    journal = Journal.open(home, "dev", write=True)
    try:
        journal.end(journal.begin("create", MADE), Edit(put={(MADE.urn, 0): MADE}))
    finally:
        journal.close()


def before(home: Home) -> None:
    """What is there, and must stay: blobs, a resource, a good copy."""

    async def fill(blobs: Blobs) -> None:
        await blobs._store.write(lambda tx: save_container(tx, *HERE, {}))
        await blobs.put(*HERE, "small", b"small")
        await blobs.put(*HERE, "large", LARGE)

    home.make()
    with_blobs(fill)(home)
    journal = Journal.open(home, "dev", write=True)
    journal.end(None, Edit(put={("kept", 0): Resource(urn="kept", type="fake:x:R", custom=True)}))
    journal.close()
    snapshot.take(home)


def changed(work: Work) -> Work:
    """Work after something was written, so that there is something to copy."""

    def run(home: Home) -> None:
        os.utime(home.database)
        work(home)

    return run


WORK: dict[str, Work] = {
    "a small blob": with_blobs(lambda blobs: blobs.put(*HERE, "new", b"x" * 5000)),
    "a large blob": with_blobs(lambda blobs: blobs.put(*HERE, "new", LARGE)),
    "a large blob in place of another": with_blobs(lambda blobs: blobs.put(*HERE, "large", LARGE + LARGE[:PAGE])),
    "a blob of blocks": with_blobs(blocks),
    "the engine": engine,
    "a copy of the state": changed(snapshot.take),
    "a restore": snapshot.restore,
}


class Disk:
    """A small file system.

    Args:
        folder: where it is.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ballast = folder / "ballast"

    def leave(self, free: int) -> None:
        """Fill it up to so many bytes."""
        disk = os.statvfs(self._folder)
        with self._ballast.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, disk.f_bavail * disk.f_frsize - free)

    def clear(self) -> None:
        """Take the ballast away."""
        self._ballast.unlink(missing_ok=True)


def at_every_write(disk: Disk, home: Home, start: Path, work: Work, check: Callable[[Home], list[str]]) -> list[str]:
    """Do the work with more and more room; returns what was wrong, the number of refusals last."""
    wrong, refused = [], 0
    for pages in range(1000):
        shutil.rmtree(home.root, ignore_errors=True)
        shutil.copytree(start, home.root)
        for path in (home.root / "blobs.good").glob("*"):  # as they were: links to the same contents
            path.unlink()
            path.hardlink_to(home.blobs / path.name)
        disk.leave(pages * PAGE)
        done = False
        try:
            work(home)
            done = True
        except (StateError, DiskFullError) as error:
            refused += 1
            if str(home.root) not in str(error) or not re.search(r"\d+ (more )?bytes", str(error)):
                wrong.append(f"{pages} pages: {error}")
        except Exception as error:  # noqa: BLE001 - what a user would see as a stack trace
            wrong.append(f"{pages} pages: {error!r}")
        disk.clear()
        wrong += [f"{pages} pages: {each}" for each in check(home)]
        if done or len(wrong) > 5:
            break
    return [*wrong, str(refused)]


def intact(home: Home) -> list[str]:
    """What is not there any more, and what is there that should not be."""
    wrong = [path.name for path in home.root.iterdir() if path.name.endswith(".part") or path.name.startswith(".")]

    async def look(blobs: Blobs) -> None:
        names = {blob.name: blobs.get(*HERE, blob.name) for blob in blobs.walk(*HERE)}
        if names["small"] != b"small" or names["large"] not in (LARGE, LARGE + LARGE[:PAGE]):
            wrong.append("a blob is not what it was")
        rows = blobs._store.all("SELECT file FROM blobs UNION SELECT file FROM blocks")
        if left := {path.name for path in home.blobs.iterdir()} - {row["file"] for row in rows}:
            wrong.append(f"{len(left)} contents are nobody's")

    with_blobs(look)(home)
    if "kept" not in Journal.open(home, "dev", write=False).current:
        wrong.append("a resource is gone")
    return wrong


def restorable(home: Home) -> list[str]:
    """What is not there any more, now and after a restore."""
    wrong = intact(home)
    snapshot.restore(home)
    return wrong + intact(home)


def upgraded(home: Home) -> list[str]:
    """What is wrong with a state that was brought up to date, or was not."""
    left = [path.name for path in home.root.iterdir() if path.name.endswith(".part")]
    with suppress(KeyError):
        Journal.open(home, "dev", write=False).current["urn:pulumi:dev::small::pulumi:pulumi:Stack::small-dev"]
        return left
    return [*left, "the stack is gone"]


def first_up(disk: Disk, folder: Path, schema_cache: Path) -> list[str]:
    """Bring a stack up with more and more room, and once more with enough; returns as :func:`at_every_write`."""
    doctor.DISK_MIB, doctor.MEMORY_MIB = 0, 0  # or nothing would be begun
    wrong, refused = [], 0
    for kib in ROOM_KIB:
        place = Place(folder / f"up-{kib}", schema_cache)
        disk.leave(kib * 1024)
        code, said = command(place, "up")
        refused += code != 0
        if (
            code not in (0, 1)
            or "Traceback" in said
            or (code and not re.search(rf"{folder}\S*.*\d+ (more )?bytes", said))
        ):
            wrong.append(f"{kib} KiB: {said}")
        disk.clear()
        code, said = command(place, "up")
        if code:
            wrong.append(f"after {kib} KiB: {said}")
        place.close()
        shutil.rmtree(place.folder)
    return [*wrong, str(refused)]


def command(place: Place, verb: str) -> tuple[int, str]:
    """Run a command in a fork of this process; returns its exit code and what it said."""
    out = place.folder.parent.parent / "said"
    if (pid := os.fork()) == 0:
        file = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for stream in (1, 2):
            os.dup2(file, stream)
        os.environ["SANDBOX_HOME"] = str(place.home.root)
        os.chdir(place.folder)
        code = 70
        try:
            code = sandbox([verb])
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), out.read_text(encoding="utf-8")


def main(folder: Path, archive: Path) -> dict[str, list[str]]:
    """Do all of it."""
    disk, home, scratch = Disk(folder), Home(folder / "home"), folder.parent / "start"
    before(Home(scratch / "one"))
    cache = scratch / "cache"
    cache.mkdir()
    found = {"a first up": first_up(disk, folder, cache)}
    for name, work in WORK.items():
        check = restorable if work in (WORK["a copy of the state"], WORK["a restore"]) else intact
        found[name] = at_every_write(disk, home, scratch / "one", work, check)
    with tarfile.open(archive) as content:
        content.extractall(scratch / "old", filter="data")
    start = scratch / "old" / ".sandbox"
    return found | {"an upgrade": at_every_write(disk, home, start, lambda home: prepare(home.database), upgraded)}


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]))))
