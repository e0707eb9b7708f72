"""Joins flights, weather and planes into the rows of the training and the held-out month.

    python -m ml_jobs.prepare --data .data/flights --checks CHECKS --train-month 2013-01 --validate-month 2013-02 \
        --out PREPARED

Only what is known at scheduled departure is kept (``features.FIELDS``):

- schedule, route and carrier: published weeks before;
- weather: the last report of the airport labelled with an earlier hour than the departure's. A report carries the hour
  in which it was made, so the one of the departure's own hour may be younger than the departure;
- aircraft: year, engines and seats of the tail number assigned. A swap at the last minute is not known to the data.

The label ``late`` is: arrived 15 minutes late or more. Cancelled and diverted flights never arrived at their
destination, so they have no label (null): they take part in the encoding, which sees no outcome, and are left out of
training and evaluation. The model's answer is therefore "late, given that it arrives".
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ml_jobs import features, months, step

if TYPE_CHECKING:
    import duckdb

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
    flight.year, flight.month, flight.day, flight.sched_dep_time, flight.sched_arr_time, flight.carrier,
    flight.origin, flight.dest, flight.distance,
    report.humid, CASE WHEN report.wind_speed <= {MAX_WIND} THEN report.wind_speed END AS wind_speed,
    report.wind_gust, report.precip, report.pressure, report.visib,
    plane.year AS plane_year, plane.engines, plane.seats,
    flight.arr_delay >= {LATE_MINUTES} AS late
FROM latest AS flight
LEFT JOIN weather AS report
    ON report.origin = flight.origin AND report.time_hour = flight.report_hour
    AND report.time_hour >= flight.time_hour - INTERVAL {REPORT_HOURS} HOUR
LEFT JOIN planes AS plane ON plane.tailnum = flight.tailnum
ORDER BY flight.time_hour, flight.sched_dep_time, flight.carrier, flight.flight, flight.origin, flight.dest,
    flight.tailnum
"""  # noqa: S608 - the three numbers above


def main() -> None:
    """Writes train.parquet, validate.parquet, encoding.json and prepared.json."""
    parser = argparse.ArgumentParser(prog="python -m ml_jobs.prepare", description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="snapshot folder")
    parser.add_argument("--checks", type=Path, required=True, help="output folder of ml_jobs.check")
    parser.add_argument("--train-month", type=months.parse, required=True, help="month or range to train on")
    parser.add_argument("--validate-month", type=months.parse, required=True, help="month or range held out")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    arguments = parser.parse_args()
    prepare(arguments.data, arguments.checks, arguments.train_month, arguments.validate_month, arguments.out)


def prepare(data: Path, checks: Path, train: tuple[str, ...], validate: tuple[str, ...], out: Path) -> None:
    """Joins the rows of both parts and fits the encoding on the first.

    Raises:
        step.StepError: the held-out months are not after the training months, the checks did not pass for them, or a
            partition is missing.
    """
    if validate[0] <= train[-1]:
        raise step.StepError(
            f"validate_month={validate[0]}: not after train_month={train[-1]}; a model is judged on what comes later"
        )
    _demand_checked(checks, train + validate)
    import duckdb

    out.mkdir(parents=True, exist_ok=True)
    note: dict[str, Any] = {"train_month": months.text(train), "validate_month": months.text(validate)}
    for part, wanted in (("train", train), ("validate", validate)):
        target = out / f"{part}.parquet"
        try:
            with duckdb.connect() as connection:
                _load(connection, data, wanted)
                connection.sql(_ROWS).write_parquet(str(target), compression="zstd")
                columns, labels = read(connection, target)
                _demand_one_row_each(connection, len(labels))
        except duckdb.Error as error:
            raise step.StepError(f"--data {data}: {error}") from None
        if part == "train":
            features.fit(columns).save(out / "encoding.json")
        late, known = int(np.nansum(labels)), int(np.sum(~np.isnan(labels)))
        note[part] = {"rows": len(labels), "labelled": known, "late": late}
        print(f"{part}: {months.text(wanted)}: {len(labels)} flights, {known} arrived, {late} of them late")
    step.write_json(out / "prepared.json", note)


def labelled(prepared: Path, part: str) -> tuple[features.Columns, NDArray[np.float64]]:
    """Reads the rows of one part that have a label; for the steps after this one."""
    import duckdb

    with duckdb.connect() as connection:
        columns, labels = read(connection, prepared / f"{part}.parquet")
    known = ~np.isnan(labels)
    return {name: values[known] for name, values in columns.items()}, labels[known]


def read(connection: "duckdb.DuckDBPyConnection", path: Path) -> tuple[features.Columns, NDArray[np.float64]]:
    """Reads all rows of a prepared file: fields as numpy columns, labels as 1, 0 or nan."""
    if not path.is_file():
        raise step.StepError(f"{path}: no such file; want the output folder of ml_jobs.prepare")
    table = connection.read_parquet(str(path)).project("* REPLACE (late::DOUBLE AS late)").fetchnumpy()
    columns: dict[str, NDArray[Any]] = {name: _filled(table[name]) for name in features.NUMBERS}
    columns |= {name: np.asarray(table[name], dtype=str) for name in features.CATEGORIES}
    return columns, _filled(table["late"])


def _filled(values: Any) -> NDArray[np.float64]:
    numbers: NDArray[np.float64] = np.ma.filled(np.ma.asarray(values).astype(np.float64), np.nan)
    return numbers


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


def _demand_one_row_each(connection: "duckdb.DuckDBPyConnection", rows: int) -> None:
    flights = connection.execute("SELECT count(*) FROM flights").fetchall()[0][0]
    if rows != flights:
        raise step.StepError(
            f"joined rows={rows}: want one for each of {flights} flights; planes.parquet repeats a tailnum or "
            "weather.parquet repeats an origin and time_hour"
        )


def _demand_checked(checks: Path, wanted: tuple[str, ...]) -> None:
    report = step.read_json(checks / "checks.json")
    unchecked = sorted(set(wanted) - set(report.get("months", ())))
    if unchecked:
        raise step.StepError(f"{checks / 'checks.json'}: does not cover {', '.join(unchecked)}; check these months too")
    if report.get("passed") is not True:
        raise step.StepError(f"{checks / 'checks.json'}: the checks did not pass; want data that keep the contract")


if __name__ == "__main__":
    step.run(main)
