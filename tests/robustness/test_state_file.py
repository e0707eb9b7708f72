"""R6: a state file that is not what was written is noticed and named; one printed command brings the good one back."""

import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.robustness.conftest import Forks, Place

FLIPS, CUTS = 60, 40


@pytest.fixture(scope="module")
def stopped(module_place: Place, forks: Forks) -> Iterator[tuple[Place, Path]]:
    """A stack that is up and stopped, and a copy of its whole folder."""
    assert forks.run(module_place, "up").code == 0
    assert module_place.run("down").code == 0
    kept = module_place.folder / "kept"
    shutil.copytree(module_place.home.root, kept, symlinks=True)
    yield module_place, kept
    shutil.rmtree(kept)


@pytest.fixture
def sound(stopped: tuple[Place, Path]) -> Place:
    """The stack as it was stopped, whatever the test before did to it."""
    place, kept = stopped
    place.close()
    shutil.rmtree(place.home.root)
    shutil.copytree(kept, place.home.root, symlinks=True)
    return place


def noticed(place: Place, forks: Forks) -> str:
    """What `up` says about the state; nothing may come up."""
    done = forks.run(place, "up")
    assert done.code == 1, done.said
    assert done.out == ""
    assert str(place.home.database) in done.err
    assert not place.home.server.exists(), "a gateway was started on a damaged state"
    return done.err


@pytest.mark.parametrize("number", range(FLIPS))
def test_a_flipped_bit_is_noticed(sound: Place, forks: Forks, number: int) -> None:
    content = bytearray(sound.home.database.read_bytes())
    content[len(content) * number // FLIPS + number] ^= 1 << number % 8
    sound.home.database.write_bytes(content)
    assert "damaged" in noticed(sound, forks)


@pytest.mark.parametrize("number", range(CUTS))
def test_a_cut_file_is_noticed(sound: Place, forks: Forks, number: int) -> None:
    content = sound.home.database.read_bytes()
    sound.home.database.write_bytes(content[: len(content) * number // CUTS + number])
    assert "damaged" in noticed(sound, forks)


@pytest.mark.parametrize("content", [b"", b"not a database\n" * 100], ids=["emptied", "overwritten"])
@pytest.mark.parametrize("sealed", [True, False])
def test_the_printed_command_restores(sound: Place, forks: Forks, content: bytes, sealed: bool) -> None:
    sound.home.database.write_bytes(content)
    if not sealed:  # as after a crash: the gateway had no time to seal it
        (sound.home.root / "state.db.sum").unlink()
    said = noticed(sound, forks)
    restored = sound.printed_command(said)
    assert restored.code == 0, restored.said
    assert "the last good copy is back; the damaged file is kept as state.db.damaged" in restored.out
    assert (sound.home.root / "state.db.damaged").read_bytes() == content
    again = forks.run(sound, "up", "--json")
    assert (again.code, set(again.envelope["result"]["changes"])) == (0, {"same"}), again.said


@pytest.mark.parametrize("came_up", [True, False])
def test_who_only_reads_leaves_the_file_as_it_is(place: Place, forks: Forks, came_up: bool) -> None:
    place.gateway()
    assert not came_up or forks.run(place, "up").code == 0
    place.close()
    before = place.home.database.read_bytes()
    for verb in ("preview", "status", "doctor", "down", "preview", "status"):
        assert forks.run(place, verb).code == 0, verb
    assert place.home.database.read_bytes() == before
    assert forks.run(place, "up").code == 0


def test_a_newer_state_is_refused_and_left_alone(sound: Place, forks: Forks) -> None:
    with sqlite3.connect(sound.home.database) as connection:
        connection.execute("PRAGMA user_version=99")
    connection.close()
    (sound.home.root / "state.db.sum").unlink()  # the newer program would have sealed it itself
    before = sound.home.database.read_bytes()
    said = noticed(sound, forks)
    assert "written by a newer sandbox (version 99, this one reads up to" in said
    assert "update this checkout" in said
    assert sound.home.database.read_bytes() == before


def test_without_a_good_copy_it_says_so(sound: Place, forks: Forks) -> None:
    (sound.home.root / "state.db.good").unlink()
    sound.home.database.write_bytes(b"lost")
    restored = sound.printed_command(noticed(sound, forks))
    assert restored.code == 1
    assert "state.db.good: there is no good copy yet; start afresh with: make purge, then make up" in restored.err
    assert sound.home.database.read_bytes() == b"lost"


def test_a_damaged_good_copy_is_not_put_back(sound: Place, forks: Forks) -> None:
    good = sound.home.root / "state.db.good"
    content = bytearray(good.read_bytes())
    content[len(content) // 2] ^= 1
    good.write_bytes(content)
    sound.home.database.write_bytes(b"lost")
    restored = sound.printed_command(noticed(sound, forks))
    assert restored.code == 1
    assert "state.db.good: damaged as well; start afresh with: make purge, then make up" in restored.err
    assert sound.home.database.read_bytes() == b"lost"
