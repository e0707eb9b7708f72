"""The data contract: holds for good data, and catches each kind of broken data."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ml_jobs import check, contract, kinds, step
from tests.ml_jobs.conftest import FLIGHT_DELAY, MONTHS, Broken, Finished

CONTRACT = FLIGHT_DELAY / "contract.yaml"
FLIGHTS = "month=2013-01/flights.parquet"
WEATHER = "month=2013-01/weather.parquet"


def failures(data: Path) -> list[dict[str, Any]]:
    report = check.check(data, ("2013-01",), CONTRACT)
    return [result for result in report["checks"] if not result["passed"]]


def test_every_month_keeps_the_contract(data: Path) -> None:
    report = check.check(data, MONTHS, CONTRACT)
    assert [result for result in report["checks"] if not result["passed"]] == []
    assert report["passed"]
    assert report["rows"] == {"flights": 336_776, "weather": 26_115, "planes": 3_322}


def test_the_contract_uses_every_kind() -> None:
    used = {expectation.kind for table in contract.load(CONTRACT) for expectation in table.expectations}
    assert used == set(kinds.KINDS)


@pytest.mark.parametrize(
    ("file", "select", "column", "kind", "observed"),
    [
        (FLIGHTS, "* REPLACE (if(day = 3 AND flight < 50, 'SWF', origin) AS origin)", "origin", "distinct",
         {"distinct": 4, "unexpected": ["SWF"]}),
        (FLIGHTS, "* REPLACE (if(origin = 'JFK', 'EWR', origin) AS origin)", "origin", "distinct", {"distinct": 2}),
        ("planes.parquet", "* REPLACE (if(tailnum = 'N102UW', 'N103US', tailnum) AS tailnum)", "tailnum", "distinct",
         {"distinct": 3321}),
        (FLIGHTS, "* REPLACE (if(flight = 15, 9999, arr_delay) AS arr_delay)", "arr_delay", "range",
         {"max": 9999.0}),
        (WEATHER, "* REPLACE (-humid AS humid)", "humid", "range", {"min": -100.0}),
        (FLIGHTS, "* REPLACE (if(distance > 2000, 4900, distance) AS distance)", "distance", "skew", {}),
        (FLIGHTS, "* REPLACE (if(day < 16, 'HA', carrier) AS carrier)", "carrier", "most_common", {"value": "HA"}),
        (FLIGHTS, "* REPLACE (if(day = 1, 0, distance) AS distance)", "distance", "zeros_and_undefined", {}),
        (FLIGHTS, "* REPLACE (if(day = 1, '', carrier) AS carrier)", "carrier", "zeros_and_undefined", {}),
        (WEATHER, "* REPLACE (if(day < 10, 'nan'::DOUBLE, visib) AS visib)", "visib", "zeros_and_undefined", {}),
        (FLIGHTS, "* REPLACE (lead(air_time, 1000) OVER () AS air_time)", "distance", "correlation", {}),
        (WEATHER, "* REPLACE (50.0::DOUBLE AS humid)", "humid", "correlation", {"correlation": None}),
        (FLIGHTS, "* REPLACE (if(flight = 15, 2014, year) AS year)", "year", "partition", {"max": 2014.0}),
        (FLIGHTS, "* REPLACE (if(flight = 15, 2, month) AS month)", "month", "partition", {"max": 2.0}),
        (FLIGHTS, "* REPLACE (if(day = 31, NULL, month) AS month)", "month", "partition", {"max": 1.0}),
        (WEATHER, "* REPLACE (2 AS month)", "month", "partition", {"foreign": 2226}),
        (FLIGHTS, "* REPLACE (if(day > 27, 27, day) AS day)", "day", "distinct", {"distinct": 27}),
        (FLIGHTS, "* REPLACE (if(flight = 15, 32, day) AS day)", "day", "range", {"max": 32.0}),
        (FLIGHTS, "* REPLACE (if(flight = 15, 32, day) AS day)", "time_hour", "local_time", {}),
        (FLIGHTS, "* REPLACE (if(flight = 15, time_hour + INTERVAL 31 DAY, time_hour) AS time_hour)", "time_hour",
         "local_time", {"max": 5 + 31 * 24}),
        (FLIGHTS, "* REPLACE (if(flight = 15, NULL, time_hour) AS time_hour)", "time_hour", "local_time", {}),
        (WEATHER, "* REPLACE (time_hour - INTERVAL 1 HOUR * day AS time_hour)", "time_hour", "local_time", {}),
    ],
    ids=lambda value: value if isinstance(value, str) and " " not in value and "/" not in value else "",
)  # fmt: skip
def test_broken_data_is_found_with_column_expectation_value_and_rows(
    broken: Broken, file: str, select: str, column: str, kind: str, observed: dict[str, Any]
) -> None:
    found = [
        result for result in failures(broken(file, select)) if (result["column"], result["kind"]) == (column, kind)
    ]
    assert len(found) == 1
    (result,) = found
    assert result["observed"].items() >= observed.items()
    assert result["expected"]
    assert result["broken"]
    assert 1 <= len(result["examples"]) <= 5
    assert all(column in example for example in result["examples"])


@pytest.mark.parametrize(
    ("select", "column", "guilty"),
    [
        ("* REPLACE (if(flight = 15, 9999, arr_delay) AS arr_delay)", "arr_delay", lambda row: row["flight"] == 15),
        ("* REPLACE (if(day = 3 AND flight < 50, 'SWF', origin) AS origin)", "origin",
         lambda row: row["origin"] == "SWF"),
        ("* REPLACE (if(day = 1, 0, distance) AS distance)", "distance", lambda row: row["distance"] == 0),
        ("* REPLACE (if(day < 16, 'HA', carrier) AS carrier)", "carrier", lambda row: row["carrier"] == "HA"),
        # Long flights that were in the air for a minute pull the correlation down; they are the ones to show.
        ("* REPLACE (if(distance > 2000, 20, air_time) AS air_time)", "distance",
         lambda row: row["distance"] > 2000 and row["air_time"] == 20),
    ],
    ids=["range", "distinct", "zeros", "most_common", "correlation"],
)  # fmt: skip
def test_the_rows_shown_are_the_guilty_ones(
    broken: Broken, select: str, column: str, guilty: Callable[[dict[str, Any]], bool]
) -> None:
    shown = [
        row for result in failures(broken(FLIGHTS, select)) for row in result["examples"] if result["column"] == column
    ]
    assert shown
    assert all(guilty(row) for row in shown)


def test_a_missing_column_is_a_failed_check(broken: Broken) -> None:
    found = failures(broken(FLIGHTS, "* EXCLUDE (air_time, dest)"))
    assert {(result["column"], result["broken"][0]) for result in found} == {
        ("distance", "column air_time is missing"),
        ("dest", "column dest is missing"),
    }


def test_text_in_place_of_numbers_is_a_failed_check(broken: Broken) -> None:
    found = failures(broken(FLIGHTS, "* REPLACE (distance::VARCHAR AS distance)"))
    assert {result["kind"] for result in found} == {"range", "skew", "correlation"}
    assert all(result["broken"] == ["column distance holds VARCHAR, want numbers"] for result in found)


def test_a_file_without_rows_is_a_failed_check(broken: Broken) -> None:
    (result,) = failures(broken(WEATHER, "* FROM (FROM data LIMIT 0) AS data --"))
    assert (result["table"], result["broken"]) == ("weather", ["has no rows"])


def test_missing_and_unreadable_files_are_failed_checks(broken: Broken) -> None:
    folder = broken(FLIGHTS, "*")
    (folder / WEATHER).unlink()
    (folder / "planes.parquet").write_bytes(b"not parquet")
    missing, unreadable = failures(folder)
    assert missing["broken"] == ["is missing"]
    assert unreadable["broken"][0].startswith("is not readable: ")


def test_the_program_fails_with_a_report_and_says_what_is_wrong(
    broken: Broken, step_program: Callable[..., Finished], tmp_path: Path
) -> None:
    folder = broken(FLIGHTS, "* REPLACE (if(flight = 15, 9999, arr_delay) AS arr_delay)")
    done = step_program(
        "-m", "ml_jobs.check", "--contract", "ml_jobs/flight_delay/contract.yaml", "--data", folder,
        "--months", "2013-01", "--out", tmp_path / "checks",
    )  # fmt: skip
    assert done.code == 1
    assert "FAILED range of flights.arr_delay in 2013-01: " in done.err
    assert "expected min=-120, max=1500, observed min=-70.0, max=9999.0" in done.err
    assert "flight=15, origin=" in done.err
    assert "Traceback" not in done.err
    report = json.loads((tmp_path / "checks" / "checks.json").read_text())
    assert report["passed"] is False


def test_a_january_under_february_s_name_is_found(data: Path, broken: Broken) -> None:
    folder = broken(FLIGHTS, "*")
    shutil.copy(folder / FLIGHTS, folder / "month=2013-02/flights.parquet")
    report = check.check(folder, ("2013-02",), CONTRACT)
    (found,) = [result for result in report["checks"] if not result["passed"]]
    assert (found["table"], found["column"], found["kind"]) == ("flights", "month", "partition")
    assert found["broken"] == ["27004 rows do not belong to partition 2013-02"]
    assert found["examples"][0]["month"] == 1


def test_a_table_by_month_needs_months(data: Path) -> None:
    with pytest.raises(step.StepError, match="--months: none; want the months of flights, weather to check"):
        check.check(data, (), CONTRACT)


def test_a_table_that_is_one_file_needs_none(data: Path, tmp_path: Path) -> None:
    (tmp_path / "contract.yaml").write_text(
        "planes: {path: planes.parquet, identify: [tailnum], columns: {seats: {range: {min: 1, max: 500}},"
        " year: {partition: {part: year}}}}"
    )
    found = check.check(data, (), tmp_path / "contract.yaml")["checks"]
    assert [(result["kind"], result["passed"], result["month"]) for result in found] == [
        ("range", True, None),
        ("partition", False, None),
    ]
    assert found[1]["broken"] == ["the table has no partitions"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "flights: {path: a, identify: [], columns: {x: {rnage: {min: 1}}}}",
            r"flights\.x: unknown rnage; accepted are",
        ),
        ("flights: {path: a, identify: [], columns: {x: {range: {low: 1}}}}", r"flights\.x\.range: unknown low; acc"),
        ("flights: {path: a, identify: [], columns: {x: {range: {}}}}", r"flights\.x\.range: want a mapping"),
        ("flights: {path: a, identify: [], columns: {x: {correlation: {min: 1}}}}", r"correlation: missing with"),
        ("flights: {path: a, columns: {}}", "flights: missing identify"),
        ("flights: 3", "flights: want a mapping"),
        ("[]", "want a mapping of tables"),
        ("a:\n  [", r"contract\.yaml:2: not YAML: expected the node content, but found"),
    ],
)
def test_a_wrong_contract_is_refused_where_it_is_wrong(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "contract.yaml").write_text(text)
    with pytest.raises(step.StepError, match=message):
        contract.load(tmp_path / "contract.yaml")
