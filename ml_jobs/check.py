"""Checks the data against the contract, over all rows; a failing check stops the pipeline.

    python -m ml_jobs.check --contract ml_jobs/flight_delay/contract.yaml --data .data/flights \
        --months 2013-01 --months 2013-02..2013-03 --out CHECKS

Every check is run, whatever the others say. The report checks.json is written either way; for a failed check it names
column, expectation, observed value and example rows, as the log does.
"""

import argparse
import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ml_jobs import contract, months, step
from ml_jobs.kinds import EXAMPLES, KINDS, Rows


def main() -> None:
    """Writes checks.json; exit code 1 when a check failed."""
    parser = argparse.ArgumentParser(prog="python -m ml_jobs.check", description=__doc__.partition("\n")[0])
    parser.add_argument("--contract", type=Path, required=True, help="the model's contract.yaml")
    parser.add_argument("--data", type=Path, required=True, help="snapshot folder")
    parser.add_argument(
        "--months", type=months.parse, action="append", default=[], help="month or range to check, again for each"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    arguments = parser.parse_args()
    wanted = tuple(sorted({month for part in arguments.months for month in part}))
    report = check(arguments.data, wanted, arguments.contract)
    step.write_json(arguments.out / "checks.json", report)
    failed = [result for result in report["checks"] if not result["passed"]]
    for result in failed:
        print(_describe(result), file=sys.stderr)
    print(report["summary"])
    if failed:
        sys.exit(1)


def check(data: Path, wanted: tuple[str, ...], contract_path: Path) -> dict[str, Any]:
    """Runs every check of the contract and returns the report.

    Raises:
        step.StepError: the contract itself is wrong, or has a table by month and no month was asked for.
    """
    tables = contract.load(contract_path)
    split = [table.name for table in tables if "{month}" in table.path]
    if split and not wanted:
        raise step.StepError(f"--months: none; want the months of {', '.join(split)} to check")
    results: list[dict[str, Any]] = []
    rows: dict[str, int] = {}
    for table in tables:
        for month in wanted if "{month}" in table.path else (None,):
            path = data / table.path.format(month=month)
            count, found = _check_file(path, table, month)
            rows[table.name] = rows.get(table.name, 0) + count
            results += [{"table": table.name, "month": month, **result} for result in found]
    passed = sum(result["passed"] for result in results)
    return {
        "contract": hashlib.sha256(contract_path.read_bytes()).hexdigest()[:12],
        "months": list(wanted),
        "rows": rows,
        "checks": results,
        "passed": passed == len(results),
        "summary": f"{passed} of {len(results)} checks passed on {sum(rows.values())} rows",
    }


def _check_file(path: Path, table: contract.Table, month: str | None) -> tuple[int, list[dict[str, Any]]]:
    import duckdb

    if not path.is_file():
        return 0, [_absent("file", {"file": path.name}, "is missing")]
    with duckdb.connect() as connection:
        try:
            connection.execute(
                "CREATE TABLE data AS SELECT * FROM read_parquet(?, hive_partitioning = false)", [str(path)]
            )
        except duckdb.Error as error:
            return 0, [_absent("file", {"file": path.name}, f"is not readable: {str(error).partition(chr(10))[0]}")]
        types = dict(
            connection.execute(
                "SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = 'data'"
            ).fetchall()
        )
        (count,) = connection.execute("SELECT count(*) FROM data").fetchall()[0]
        if count == 0:
            return 0, [_absent("rows", {"rows": 0}, "has no rows")]
        data = Rows(connection=connection, count=count, month=month)
        return count, [_judge(data, types, table, expectation) for expectation in table.expectations]


def _absent(kind: str, observed: dict[str, Any], broken: str) -> dict[str, Any]:
    return {
        "column": None, "kind": kind, "expected": {}, "observed": observed, "passed": False,
        "broken": [broken], "examples": [],
    }  # fmt: skip


def _judge(
    rows: Rows, types: dict[str, str], table: contract.Table, expectation: contract.Expectation
) -> dict[str, Any]:
    kind = KINDS[expectation.kind]
    result = {"column": expectation.column, "kind": expectation.kind, "expected": dict(expectation.wanted)}
    used = [expectation.column, *([expectation.wanted["with"]] if "with" in kind.needs else []), *kind.columns]
    for column in used:
        if column not in types:
            return {**_absent(expectation.kind, {column: "no such column"}, f"column {column} is missing"), **result}
        if kind.numeric and not _is_number(types[column]):
            broken = f"column {column} holds {types[column]}, want numbers"
            return {**_absent(expectation.kind, {column: types[column]}, broken), **result}
    finding = kind.look(rows, expectation.column, expectation.wanted)
    shown = [name for name in dict.fromkeys((*table.identify, *used)) if name in types]
    return {
        **result,
        "observed": {name: _plain(value) for name, value in finding.observed.items()},
        "passed": not finding.broken,
        "broken": finding.broken,
        "examples": list(_examples(rows, shown, finding.blame)) if finding.broken else [],
    }


def _examples(rows: Rows, shown: list[str], blame: tuple[str, list[Any]]) -> Iterator[dict[str, Any]]:
    rest, parameters = blame
    columns = ", ".join(f'"{name}"' for name in shown)
    for row in rows.many(columns, rest, *parameters):
        yield {name: _plain(value) for name, value in zip(shown, row, strict=True)}


def _is_number(sql_type: str) -> bool:
    return sql_type.startswith(("DECIMAL", "DOUBLE", "FLOAT")) or sql_type.endswith(("INT", "INTEGER"))


def _plain(value: Any) -> Any:
    """Returns the value as JSON can hold it: nan and times become text."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float) and value - value == 0:  # neither nan nor infinite
        return value
    return [_plain(item) for item in value] if isinstance(value, list) else str(value)


def _describe(result: dict[str, Any]) -> str:
    place = ".".join(str(result[name]) for name in ("table", "column") if result[name])
    month = f" in {result['month']}" if result["month"] else ""
    lines = [
        f"FAILED {result['kind']} of {place}{month}: {'; '.join(result['broken'])}",
        f"  expected {_inline(result['expected'])}, observed {_inline(result['observed'])}",
    ]
    lines += [f"  row {_inline(example)}" for example in result["examples"][:EXAMPLES]]
    return "\n".join(lines)


def _inline(values: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in values.items()) or "the file"


if __name__ == "__main__":
    step.run(main)
