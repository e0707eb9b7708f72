"""Preparing: rows joined from what is known at scheduled departure, and from nothing else."""

import json
import shutil
from pathlib import Path

import duckdb
import numpy as np
import pytest

from ml_jobs import rows, step
from ml_jobs.arrays import Columns, Numbers
from ml_jobs.flight_delay import features, prepare
from tests.ml_jobs.conftest import Broken

WANTED: prepare.Months = {"train": ("2013-01",), "validate": ("2013-02",), "test": ("2013-03",)}
FLIGHTS = "month=2013-01/flights.parquet"
WEATHER = "month=2013-01/weather.parquet"
# Everything that is known only once the flight has left, and the label's source.
OUTCOMES = ("dep_time", "dep_delay", "arr_time", "arr_delay", "air_time")


@pytest.fixture
def checks(tmp_path: Path) -> Path:
    step.write_json(tmp_path / "checks" / "checks.json", {"passed": True, "months": ["2013-01", "2013-02", "2013-03"]})
    return tmp_path / "checks"


def read(prepared: Path) -> tuple[Columns, Numbers]:
    return rows.read(prepared, "train", features)


def kept(prepared: Path) -> list[tuple[object, ...]]:
    """All that is kept of the training rows, but for the label."""
    with duckdb.connect() as connection:
        return connection.read_parquet(str(prepared / "train.parquet")).project("* EXCLUDE (late)").fetchall()


@pytest.fixture
def before(data: Path, checks: Path, tmp_path: Path) -> Path:
    prepare.prepare(data, checks, WANTED, tmp_path / "before")
    return tmp_path / "before"


def after(data: Path, checks: Path, tmp_path: Path) -> Path:
    prepare.prepare(data, checks, WANTED, tmp_path / "after")
    return tmp_path / "after"


@pytest.mark.parametrize(
    "select",
    [
        "* REPLACE (" + ", ".join(f"(random() * 2000 - 100)::INT AS {name}" for name in OUTCOMES) + ")",
        "* REPLACE (" + ", ".join(f"if(day % 2 = 0, NULL, {name}) AS {name}" for name in OUTCOMES) + ")",
        f"* EXCLUDE ({', '.join(name for name in OUTCOMES if name != 'arr_delay')})",
    ],
    ids=["random", "unknown", "absent"],
)
def test_no_feature_depends_on_an_outcome(
    broken: Broken, before: Path, checks: Path, tmp_path: Path, select: str
) -> None:
    changed = after(broken(FLIGHTS, select), checks, tmp_path)
    assert (changed / "encoding.json").read_bytes() == (before / "encoding.json").read_bytes()
    assert kept(changed) == kept(before)


def test_a_part_without_both_outcomes_is_refused(broken: Broken, checks: Path, tmp_path: Path) -> None:
    with pytest.raises(step.StepError, match="train: 0 of 27004 labelled rows are late; want some that are and some"):
        after(broken(FLIGHTS, "* REPLACE (least(arr_delay, 0) AS arr_delay)"), checks, tmp_path)


def test_the_label_does_depend_on_the_outcome(broken: Broken, before: Path, checks: Path, tmp_path: Path) -> None:
    """Else the leakage test above would pass on a join that loses the flights."""
    changed = after(broken(FLIGHTS, "* REPLACE (-arr_delay AS arr_delay)"), checks, tmp_path)
    assert not np.array_equal(read(changed)[1], read(before)[1], equal_nan=True)


def test_weather_reported_in_the_hour_of_departure_or_later_is_not_seen(
    broken: Broken, before: Path, checks: Path, tmp_path: Path
) -> None:
    noon = "time_hour >= '2013-01-10 17:00:00'"  # 12:00 in New York
    folder = broken(WEATHER, f"* REPLACE (if({noon}, 99.0, wind_speed) AS wind_speed)")
    changed, _ = read(after(folder, checks, tmp_path))
    unchanged, _ = read(before)
    hour, day = changed["sched_dep_time"] // 100, changed["day"]
    until_noon = (day < 10) | ((day == 10) & (hour <= 12))
    assert np.array_equal(changed["wind_speed"][until_noon], unchanged["wind_speed"][until_noon], equal_nan=True)
    assert (changed["wind_speed"][~until_noon] == 99).all()  # and from the next hour on it is


def test_a_report_older_than_three_hours_is_not_used(broken: Broken, checks: Path, tmp_path: Path) -> None:
    folder = broken(WEATHER, "* FROM data WHERE time_hour < '2013-01-10 17:00:00' OR time_hour > '2013-01-12' --")
    columns, _ = read(after(folder, checks, tmp_path))
    tenth = columns["day"] == 10
    hour = columns["sched_dep_time"] // 100
    assert not np.isnan(columns["visib"][tenth & (hour <= 14)]).any()  # last report 11:00
    assert np.isnan(columns["visib"][tenth & (hour >= 15)]).all()


def test_late_is_fifteen_minutes_and_a_flight_that_never_arrived_has_no_label(
    broken: Broken, checks: Path, tmp_path: Path
) -> None:
    folder = broken(
        FLIGHTS, "* REPLACE (CASE day WHEN 1 THEN 14 WHEN 2 THEN 15 WHEN 3 THEN NULL ELSE -5 END AS arr_delay)"
    )
    prepared = after(folder, checks, tmp_path)
    columns, labels = read(prepared)
    assert (labels[columns["day"] == 1] == 0).all()
    assert (labels[columns["day"] == 2] == 1).all()
    assert np.isnan(labels[columns["day"] == 3]).all()
    found, known = rows.labelled(prepared, "train", features)
    assert len(known) == np.sum(columns["day"] != 3) == len(found["day"])
    note = json.loads((prepared / "prepared.json").read_text())
    assert note["label"] == "late"
    assert note["parts"]["train"] == {
        "partitions": ["2013-01"], "rows": len(labels), "labelled": len(known),
        "positive": int(np.sum(columns["day"] == 2)),
    }  # fmt: skip


def test_impossible_wind_counts_as_not_measured(broken: Broken, checks: Path, tmp_path: Path) -> None:
    folder = broken(WEATHER, "* REPLACE (if(day = 12, 1048.0, 250.0) AS wind_speed)")
    columns, _ = read(after(folder, checks, tmp_path))
    assert np.isnan(columns["wind_speed"][columns["day"] == 12]).all()
    assert (columns["wind_speed"][columns["day"] == 11] == 250).all()


def test_every_flight_is_one_row_and_the_same_data_give_the_same_bytes(
    data: Path, before: Path, checks: Path, tmp_path: Path
) -> None:
    again = after(data, checks, tmp_path)
    assert len(read(before)[1]) == 27_004
    for path in before.iterdir():
        assert path.read_bytes() == (again / path.name).read_bytes()


def test_aircraft_twice_in_the_register_are_refused(broken: Broken, checks: Path, tmp_path: Path) -> None:
    folder = broken("planes.parquet", "* FROM data UNION ALL SELECT * FROM data --")
    with pytest.raises(step.StepError, match=r"want one for each of 27004 flights; planes\.parquet repeats a tailnum"):
        after(folder, checks, tmp_path)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"train": ("2013-02",), "validate": ("2013-01",)}, "validate_month=2013-01: not after train_month=2013-02"),
        ({"validate": ("2013-01",)}, "validate_month=2013-01: not after train_month=2013-01"),
        ({"train": ("2013-01", "2013-02")}, "validate_month=2013-02: not after train_month=2013-02"),
        ({"test": ("2013-02",)}, "test_month=2013-02: not after validate_month=2013-02"),
    ],
)
def test_a_part_that_is_not_later_is_refused(
    data: Path, checks: Path, tmp_path: Path, changed: dict[str, tuple[str, ...]], message: str
) -> None:
    with pytest.raises(step.StepError, match=message):
        prepare.prepare(data, checks, WANTED | changed, tmp_path / "out")


def test_flights_of_the_training_month_under_a_later_month_s_name_are_refused(
    broken: Broken, checks: Path, tmp_path: Path
) -> None:
    folder = broken(FLIGHTS, "*")
    shutil.copy(folder / FLIGHTS, folder / "month=2013-03" / "flights.parquet")
    with pytest.raises(
        step.StepError, match=r"test_month=2013-03: 27004 flights are of 2013-01 \(the first of 2013-01"
    ):
        after(folder, checks, tmp_path)


def test_what_no_feature_reads_today_is_kept_for_those_of_tomorrow(before: Path) -> None:
    with duckdb.connect() as connection:
        columns = connection.read_parquet(str(before / "train.parquet")).columns
    assert {"temp", "dewp", "wind_dir", "plane_type", "manufacturer", "engine", "tailnum"} <= set(columns)
    assert not set(OUTCOMES) & set(columns)


@pytest.mark.parametrize(
    ("report", "message"),
    [
        ({"passed": False, "months": ["2013-01", "2013-02", "2013-03"]}, "the checks did not pass"),
        ({"passed": True, "months": ["2013-01", "2013-03"]}, "does not cover 2013-02;"),
        ({}, "does not cover 2013-01, 2013-02, 2013-03"),
    ],
)
def test_data_that_were_not_checked_are_refused(
    data: Path, tmp_path: Path, report: dict[str, object], message: str
) -> None:
    step.write_json(tmp_path / "checks.json", report)
    with pytest.raises(step.StepError, match=message):
        prepare.prepare(data, tmp_path, WANTED, tmp_path / "out")


def test_a_missing_partition_is_named(data: Path, tmp_path: Path) -> None:
    step.write_json(tmp_path / "checks.json", {"passed": True, "months": ["2013-11", "2013-12", "2014-01"]})
    wanted: prepare.Months = {"train": ("2013-11",), "validate": ("2013-12",), "test": ("2014-01",)}
    with pytest.raises(step.StepError, match=r"month=2014-01/flights\.parquet: no such file"):
        prepare.prepare(data, tmp_path, wanted, tmp_path / "out")


def test_a_missing_column_is_named_without_a_stack_trace(broken: Broken, checks: Path, tmp_path: Path) -> None:
    with pytest.raises(step.StepError, match="tailnum"):
        after(broken(FLIGHTS, "* EXCLUDE (tailnum)"), checks, tmp_path)


def test_a_missing_report_is_named(data: Path, tmp_path: Path) -> None:
    with pytest.raises(step.StepError, match=r"checks\.json: no such file; want the output folder of an earlier step"):
        prepare.prepare(data, tmp_path, WANTED, tmp_path / "out")
