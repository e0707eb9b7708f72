"""Joins flights, weather and planes into the rows of the training, the validation and the test month.

    python -m ml_jobs.flight_delay.prepare --data .data/flights --checks CHECKS --train-month 2013-01 \
        --validate-month 2013-02 --test-month 2013-03 --out PREPARED

Everything known at scheduled departure is kept, whether today's features use it or not:

- schedule, route and carrier: published weeks before;
- weather: the last report of the airport labelled with an earlier hour than the departure's. A report carries the hour
  in which it was made, so the one of the departure's own hour may be younger than the departure;
- aircraft: what the register says about the tail number assigned. A swap at the last minute is not known to the data.

The label ``late`` is: arrived 15 minutes late or more. Cancelled and diverted flights never arrived at their
destination, so they have no label (null): they take part in the encoding, which sees no outcome, and are left out of
training and evaluation. The model's answer is therefore "late, given that it arrives".
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ml_jobs import months, rows, step
from ml_jobs.flight_delay import features

if TYPE_CHECKING:
    import duckdb

LABEL = "late"
LATE_MINUTES = 15  # the definition of "on time" in the United States' airline statistics
MAX_WIND = 250  # miles per hour; the source has one report of 1048, which counts as not measured
REPORT_HOURS = 3  # a weather report older than this says nothing about the departure

_ROWS = f"""
WITH latest AS (
    SELECT flight.*, report.time_hour AS report_hour
    FROM flights AS flight
    ASOF LEFT JOIN weather AS report
        ON report.origin = flight.origin AND report.time_hour < flight.time_hour
)
SELECT
    flight.year, flight.month, flight.day, flight.time_hour, flight.hour, flight.minute,
    flight.sched_dep_time, flight.sched_arr_time, flight.carrier, flight.flight, flight.tailnum,
    flight.origin, flight.dest, flight.distance,
    report.temp, report.dewp, report.humid, report.wind_dir,
    CASE WHEN report.wind_speed <= {MAX_WIND} THEN report.wind_speed END AS wind_speed,
    report.wind_gust, report.precip, report.pressure, report.visib,
    plane.year AS plane_year, plane.type AS plane_type, plane.manufacturer, plane.model, plane.engines, plane.seats,
    plane.engine,
    flight.arr_delay >= {LATE_MINUTES} AS {LABEL}
FROM latest AS flight
LEFT JOIN weather AS report
    ON report.origin = flight.origin AND report.time_hour = flight.report_hour
    AND report.time_hour >= flight.time_hour - INTERVAL {REPORT_HOURS} HOUR
LEFT JOIN planes AS plane ON plane.tailnum = flight.tailnum
ORDER BY flight.time_hour, flight.sched_dep_time, flight.carrier, flight.flight, flight.origin, flight.dest,
    flight.tailnum
"""  # noqa: S608 - the numbers and the name above

Months = dict[str, tuple[str, ...]]  # by part


def main() -> None:
    """Writes a parquet file for each part, encoding.json and prepared.json."""
    parser = argparse.ArgumentParser(
        prog="python -m ml_jobs.flight_delay.prepare", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--data", type=Path, required=True, help="snapshot folder")
    parser.add_argument("--checks", type=Path, required=True, help="output folder of ml_jobs.check")
    parser.add_argument("--train-month", type=months.parse, required=True, help="month or range to train on")
    parser.add_argument("--validate-month", type=months.parse, required=True, help="month or range for the gates")
    parser.add_argument("--test-month", type=months.parse, required=True, help="month or range for the card's figures")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    given = parser.parse_args()
    prepare(given.data, given.checks, {part: getattr(given, f"{part}_month") for part in rows.PARTS}, given.out)


def prepare(data: Path, checks: Path, wanted: Months, out: Path) -> None:
    """Joins the rows of each part and fits the encoding on the first.

    Raises:
        step.StepError: a part is not after the one before it, the checks did not pass for it, a partition is missing
            or holds flights of other months.
    """
    for earlier, later in (("train", "validate"), ("validate", "test")):
        if wanted[later][0] <= wanted[earlier][-1]:
            raise step.StepError(
                f"{later}_month={wanted[later][0]}: not after {earlier}_month={wanted[earlier][-1]}; a model is judged "
                "on what comes later"
            )
    _demand_checked(checks, [month for part in rows.PARTS for month in wanted[part]])
    import duckdb

    out.mkdir(parents=True, exist_ok=True)
    for part in rows.PARTS:
        try:
            with duckdb.connect() as connection:
                _load(connection, data, wanted[part])
                connection.sql(_ROWS).write_parquet(str(out / f"{part}.parquet"), compression="zstd")
                _demand_one_row_each(connection, out / f"{part}.parquet")
                _demand_own_months(connection, part, wanted[part])
        except duckdb.Error as error:
            raise step.StepError(f"--data {data}: {error}") from None
    for part, counted in rows.write_note(out, LABEL, wanted).items():
        known = f"{counted['labelled']} arrived, {counted['positive']} of them late"
        print(f"{part}: {months.text(wanted[part])}: {counted['rows']} flights, {known}")
    columns, _ = rows.read(out, "train", features)
    features.fit(columns).save(out / "encoding.json")


def _load(connection: "duckdb.DuckDBPyConnection", data: Path, wanted: tuple[str, ...]) -> None:
    for table in ("flights", "weather"):
        paths = [data / f"month={month}" / f"{table}.parquet" for month in wanted]
        _view(connection, table, paths)
    _view(connection, "planes", [data / "planes.parquet"])


def _view(connection: "duckdb.DuckDBPyConnection", table: str, paths: list[Path]) -> None:
    for path in paths:
        if not path.is_file():
            raise step.StepError(f"{path}: no such file; want a snapshot that holds this month")
    connection.read_parquet([str(path) for path in paths], hive_partitioning=False).create_view(table, replace=True)


def _demand_one_row_each(connection: "duckdb.DuckDBPyConnection", written: Path) -> None:
    flights = connection.execute("SELECT count(*) FROM flights").fetchall()[0][0]
    joined = connection.execute("SELECT count(*) FROM read_parquet(?)", [str(written)]).fetchall()[0][0]
    if joined != flights:
        raise step.StepError(
            f"joined rows={joined}: want one for each of {flights} flights; planes.parquet repeats a tailnum or "
            "weather.parquet repeats an origin and time_hour"
        )


def _demand_own_months(connection: "duckdb.DuckDBPyConnection", part: str, wanted: tuple[str, ...]) -> None:
    """What keeps the parts apart are the flights' own dates, whatever the folders are called."""
    found = connection.execute(
        "SELECT strftime(make_date(year, month, day), '%Y-%m') AS own, min(make_date(year, month, day)), count(*) "
        "FROM flights GROUP BY own ORDER BY own"
    ).fetchall()
    for own, first, count in found:
        if own not in wanted:
            raise step.StepError(
                f"{part}_month={months.text(wanted)}: {count} flights are of {own} (the first of {first}), whatever "
                "the name of their folder; want a snapshot whose partitions hold their own month"
            )


def _demand_checked(checks: Path, wanted: list[str]) -> None:
    report = step.read_json(checks / "checks.json")
    unchecked = sorted(set(wanted) - set(report.get("months", ())))
    if unchecked:
        raise step.StepError(f"{checks / 'checks.json'}: does not cover {', '.join(unchecked)}; check these months too")
    if report.get("passed") is not True:
        raise step.StepError(f"{checks / 'checks.json'}: the checks did not pass; want data that keep the contract")


if __name__ == "__main__":
    step.run(main)
