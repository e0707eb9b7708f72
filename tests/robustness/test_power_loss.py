"""R2 and R6: after a power cut at any moment everything that was acknowledged is there, the old or the new, and sound.

A kill keeps what the system has in memory. Here only what was synced is sure to stay: see power.py.
"""

import asyncio
import hashlib
import random
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from sandbox.engine.journal import Journal
from sandbox.home import Home
from sandbox.store import snapshot
from sandbox.store.blobs import Blobs
from sandbox.store.db import Store
from tests.robustness import power
from tests.robustness.conftest import ROOT, clean
from tests.robustness.store_load import HERE, URN

CUTS = 8  # of 14,000 moments at random, and right after something of a kind was acknowledged


@dataclass
class Said:
    """What was acknowledged by some moment.

    Attributes:
        has: name of a blob, or URN, to what it is; None once it was deleted.
        may: what it may be as well: it was under way.
        copied: what the last good copy holds; none before there is one.
        returns: whether the copy is on its way back, or the state of before.
    """

    has: dict[str, str | None] = field(default_factory=dict)
    may: dict[str, str | None] = field(default_factory=dict)
    copied: dict[str, str | None] | None = None
    returns: bool = False

    def hear(self, record: power.Record) -> None:
        """Go on by one record."""
        kind, name, what, _ = record
        if kind == "wants":
            self.may[name] = what
        elif kind == "has":
            self.has[name] = self.may.pop(name)
        elif kind == "copied":
            self.copied = dict(self.has)
        elif kind == "restoring":
            self.returns = True
        elif kind == "restored":
            self.has, self.returns = dict(self.copied or {}), False

    def lost(self, found: dict[str, str]) -> list[str]:
        """Names that are not what they must be."""
        ways = (
            [self.has, self.copied or {}, {urn: self.has[urn] for urn in self.has if urn.startswith(URN)}]
            if self.returns
            else [self.has]
        )
        return min(
            (
                [
                    name for name in {*way, *self.may}
                    if found.get(name) != way.get(name) and found.get(name) != self.may.get(name, way.get(name))
                ]
                for way in ways
            ),
            key=len,
        )  # fmt: skip


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The log of a state's life under load."""
    folder = tmp_path_factory.mktemp("power")
    (folder / "disk").mkdir()
    load = [sys.executable, "-m", "tests.robustness.store_load", str(folder / "disk"), str(folder / "log")]
    subprocess.run(load, cwd=ROOT, env=clean(), check=True, timeout=60)
    return folder / "log"


def test_a_power_cut_at_any_moment_loses_nothing(
    recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sandbox.atomic.sync_folder", str)  # what is looked at here is thrown away
    dice = random.Random(20261121)  # noqa: S311 - repeatable
    records = [record for _, record in power.read(recording)]
    kinds: dict[str, list[int]] = {}
    for number, (kind, name, target, _) in enumerate(records):
        kinds.setdefault("a row" if kind == "has" and name.startswith(URN) else kind, []).append(number)
        if (kind, target) == ("rename", "home/state.db"):
            kinds["back"] = [number] * CUTS
    # What is synced counts when it was acknowledged; what is not may be there all the same in between.
    sure = [kinds["a row"][0], *dice.sample(kinds["a row"], CUTS), *dice.sample(kinds["has"], CUTS)]
    between = [*kinds["rename"], *kinds["back"], *dice.sample(range(len(records)), CUTS)]
    disk, said, lost = power.Disk(), Said(), []
    for number, record in enumerate(records):
        disk.apply(record)
        said.hear(record)
        ways = [None] * sure.count(number) + [dice] * between.count(number)
        for way, chance in enumerate(ways):
            place = tmp_path / f"{number}-{way}"
            disk.cut(place, chance)
            lost += [f"{number}: {each}" for each in examine(Home(place / "home"), said)]
    assert lost == []
    assert said.copied


def examine(home: Home, said: Said) -> list[str]:
    """What is wrong with what a power cut left."""
    if said.returns and not home.database.exists():
        snapshot.restore(home)
    lost = said.lost(found(home)) if said.has or home.database.exists() else []
    if said.copied:
        snapshot.restore(home)
        found(home)  # every content is whole
    return lost


def found(home: Home) -> dict[str, str]:
    """What a gateway and an engine that come up find: digests of blobs by name, ids of resources by URN."""

    async def blobs() -> dict[str, str]:
        store = Store(home.database)
        blobs = Blobs(store, home.blobs)
        await blobs.start()
        try:
            if blobs.container(*HERE) is None:
                return {}
            return {
                blob.name: hashlib.sha256(blobs.get(*HERE, blob.name)).hexdigest()
                for blob in blobs.walk(*HERE) if not blob.name.endswith("-source")
            }  # fmt: skip
        finally:
            await blobs.stop()
            await store.close()

    journal = Journal.open(home, "dev", write=False)
    return asyncio.run(blobs()) | {urn: each.id for urn, each in journal.current.items() if urn.startswith(URN)}
