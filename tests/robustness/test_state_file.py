"""R6: a state file that is not what was written is noticed and named; one printed command brings the good one back."""

import shutil
import sqlite3
import tarfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from sandbox.engine.journal import Journal
from sandbox.store.migrate import VERSION
from sandbox.values import secret
from tests.robustness.conftest import Forks, Place, Program
from tests.sandbox.conftest import Sandbox

FLIPS, CUTS = 60, 40
STATES = Path(__file__).with_name("states")  # one of each earlier version, made by `up` and a few blobs


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


def test_a_state_that_is_gone_is_noticed_and_restored(sound: Place, forks: Forks) -> None:
    sound.home.database.unlink()
    said = noticed(sound, forks)
    assert "state.db: gone" in said
    restored = sound.printed_command(said)
    assert restored.out.strip() == f"{sound.home.database}: the last good copy is back"
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


class Old(Program):
    """A stack that a sandbox of an earlier version left: the program, the state, and the contents beside it."""

    def __init__(self, archive: Path, folder: Path, schema_cache: Path) -> None:
        super().__init__(folder, folder / ".sandbox", schema_cache)
        with tarfile.open(archive) as content:
            content.extractall(folder, filter="data")
        self.version = int(archive.name.partition(".")[0])

    def versions(self) -> dict[str, int]:
        """Files of the state, and the version of each."""
        found = {}
        for path in (self.home.database, self.home.root / f"state.db.v{self.version}"):
            if path.exists():
                with closing(sqlite3.connect(path)) as connection:
                    found[path.name] = connection.execute("PRAGMA user_version").fetchone()[0]
        return found


@pytest.fixture(params=sorted(STATES.iterdir()), ids=lambda path: path.name.partition(".")[0])
def old(request: pytest.FixtureRequest, tmp_path: Path, schema_cache: Path) -> Iterator[Old]:
    """One of each version."""
    found = Old(request.param, tmp_path, schema_cache)
    yield found
    found.close()


def test_a_state_of_an_earlier_version_is_opened_and_loses_nothing(old: Old, forks: Forks) -> None:
    before = old.versions()
    doctor = forks.run(old, "doctor")
    assert old.version == VERSION or f"make up brings it to {VERSION} and keeps it as state.db.v" in doctor.out
    assert old.versions() == before == {"state.db": old.version}, "who only looks leaves it as it is"
    again = forks.run(old, "up", "--json")
    assert (again.code, set(again.envelope["result"]["changes"])) == (0, {"same"}), again.said
    assert old.versions() == {"state.db": VERSION} | ({f"state.db.v{old.version}": old.version})
    sandbox = Sandbox(old.home)
    token, url = sandbox.token("https://storage.azure.com"), "https://stdev1.blob.core.windows.net/data"
    assert sandbox.call("GET", f"{url}/small", token=token).body == b"small\n"
    assert sandbox.call("GET", f"{url}/folder/large", token=token).body == b"large\n" * 20_000
    sandbox.close()
    stack = Journal.open(old.home, "dev", write=False).current["urn:pulumi:dev::small::pulumi:pulumi:Stack::small-dev"]
    assert stack.outputs["secret"] == secret("ordinary"), "by the key of then"


def test_a_state_of_an_earlier_version_stays_what_it_is_without_room_for_a_copy(old: Old, forks: Forks) -> None:
    (old.home.root / f"state.db.v{old.version}.part").mkdir()
    before = old.home.database.read_bytes()
    done = forks.run(old, "up")
    assert done.code == 1
    assert "no copy of the state could be kept" in done.err
    assert old.home.database.read_bytes() == before


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
