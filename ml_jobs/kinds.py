"""The kinds of data checks, each one pass of SQL over all rows of a table.

A kind is a function ``(rows, column, wanted) -> Finding``. ``KINDS`` lists them with the keys that an expectation may
have; ``contract.yaml`` explains the keys.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import duckdb

Wanted = Mapping[str, Any]
EXAMPLES = 5  # rows shown for a failed check


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What one check saw.

    Attributes:
        observed: values looked at, by name.
        broken: what is wrong, one text each; empty when the check passed.
        blame: rest of a SELECT (WHERE, ORDER BY) that finds the rows to show, and its parameters.
    """

    observed: dict[str, Any]
    broken: list[str]
    blame: tuple[str, list[Any]]


@dataclass(frozen=True, kw_only=True)
class Rows:
    """All rows of one table, loaded into duckdb under the name ``data``."""

    connection: "duckdb.DuckDBPyConnection"
    count: int
    month: str | None = None  # of the partition that they lie in

    def one(self, select: str, *parameters: Any) -> tuple[Any, ...]:
        """Returns the single row of an aggregate."""
        (row,) = self.connection.execute(f"SELECT {select} FROM data", list(parameters)).fetchall()  # noqa: S608
        return tuple(row)

    def many(self, select: str, rest: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Returns the first rows of a query."""
        query = f"SELECT {select} FROM data {rest} LIMIT {EXAMPLES}"  # noqa: S608 - the contract is code, reviewed
        return self.connection.execute(query, list(parameters)).fetchall()


def distinct(rows: Rows, column: str, wanted: Wanted) -> Finding:
    """Counts different values; optionally names the only ones allowed, or forbids repetition."""
    name = _quoted(column)
    count, known = rows.one(f"count(DISTINCT {name}), count({name})")
    observed: dict[str, Any] = {"distinct": count}
    broken = _outside("distinct", count, wanted)
    blame: tuple[str, list[Any]] = (f"ORDER BY count(*) OVER (PARTITION BY {name}), {name}", [])  # the rarest
    if wanted.get("unique") and count != known:
        broken.append(f"{known - count} rows repeat a value")
        blame = (f"QUALIFY count(*) OVER (PARTITION BY {name}) > 1 ORDER BY {name}", [])
    if "values" in wanted:
        foreign = f"WHERE {name} IS NOT NULL AND NOT list_contains(?, {name})"
        unexpected = [value for (value,) in rows.many(f"DISTINCT {name}", f"{foreign} ORDER BY 1", wanted["values"])]
        if unexpected:
            observed["unexpected"] = unexpected
            broken.append(f"unexpected {', '.join(map(str, unexpected))}")
            blame = (foreign, [wanted["values"]])
    return Finding(observed=observed, broken=broken, blame=blame)


def value_range(rows: Rows, column: str, wanted: Wanted) -> Finding:
    """Looks at the least and the greatest value."""
    number = _number(column)
    least, greatest = wanted.get("min", "-infinity"), wanted.get("max", "infinity")
    outside = f"{number} < ?::DOUBLE OR {number} > ?::DOUBLE"
    low, high, count = rows.one(f"min({number}), max({number}), count(*) FILTER ({outside})", least, greatest)
    broken = [f"{count} rows outside"] if count > wanted.get("outside", 0) else []
    if low is None:
        broken = ["no value"]
    return Finding(
        observed={"min": low, "max": high, "outside": count},
        broken=broken,
        blame=(f"WHERE {outside} ORDER BY abs({number}) DESC", [least, greatest]),
    )


def skew(rows: Rows, column: str, wanted: Wanted) -> Finding:
    """Looks at the lopsidedness of the distribution; the rows to blame lie furthest from the mean."""
    number = _number(column)
    (value,) = rows.one(f"skewness({number})")
    blame = f"WHERE {number} IS NOT NULL ORDER BY abs({number} - {_mean(number)}) DESC"
    return Finding(observed={"skew": _rounded(value)}, broken=_outside("skew", value, wanted), blame=(blame, []))


def most_common(rows: Rows, column: str, wanted: Wanted) -> Finding:
    """Looks at the most common value and its share of all rows."""
    name = _quoted(column)
    ranked = rows.many(f"{name}, count(*)", f"WHERE {name} IS NOT NULL GROUP BY 1 ORDER BY 2 DESC, 1")
    if not ranked:
        return Finding(observed={"value": None, "share": 0.0}, broken=["no value"], blame=("", []))
    value, count = ranked[0]
    share = count / rows.count
    limits = {key: wanted[f"{key}_share"] for key in ("min", "max") if f"{key}_share" in wanted}
    broken = _outside("share", share, limits)
    if value not in wanted.get("values", [value]):
        broken.append(f"most common is {value}")
    return Finding(
        observed={"value": value, "share": _rounded(share)}, broken=broken, blame=(f"WHERE {name} = ?", [value])
    )


def zeros_and_undefined(rows: Rows, column: str, wanted: Wanted) -> Finding:
    """Looks at the shares of rows that are zero, and that are null, nan, infinite or empty."""
    tests = {
        "zeros": f"coalesce({_number(column)} = 0, false)",
        "undefined": f"coalesce({_quoted(column)}::VARCHAR IN ('', 'nan', 'inf', '-inf'), true)",
    }
    shares = dict(zip(tests, rows.one(", ".join(f"avg(({test})::INT)" for test in tests.values())), strict=True))
    broken, guilty = [], []
    for test, share in shares.items():
        if test in wanted and share > wanted[test]:
            broken.append(f"{test} {_rounded(share)} of rows")
            guilty.append(tests[test])
    observed = {test: _rounded(share) for test, share in shares.items() if test in wanted}
    return Finding(observed=observed, broken=broken, blame=(f"WHERE {' OR '.join(guilty)}", []))


def correlation(rows: Rows, column: str, wanted: Wanted) -> Finding:
    """Looks at Pearson's correlation with another column; the rows to blame pull hardest the wrong way."""
    one, other = _number(column), _number(wanted["with"])
    (value,) = rows.one(f"corr({one}, {other})")
    pull = f"({one} - {_mean(one)}) * ({other} - {_mean(other)})"
    wants_positive = wanted.get("min", wanted.get("max", 0)) >= 0
    blame = f"WHERE {one} IS NOT NULL AND {other} IS NOT NULL ORDER BY {pull} {'ASC' if wants_positive else 'DESC'}"
    broken = _outside("correlation", value, wanted)
    return Finding(observed={"correlation": _rounded(value)}, broken=broken, blame=(blame, []))


def partition(rows: Rows, column: str, wanted: Wanted) -> Finding:
    """Demands the year or the month of the partition in every row: the folder's name alone proves nothing."""
    if rows.month is None:
        return Finding(observed={"partition": None}, broken=["the table has no partitions"], blame=("", []))
    number = _number(column)
    right = int(rows.month[:4] if wanted["part"] == "year" else rows.month[5:])
    foreign = f"{number} IS DISTINCT FROM ?::DOUBLE"
    low, high, count = rows.one(f"min({number}), max({number}), count(*) FILTER ({foreign})", right)
    broken = [f"{count} rows do not belong to partition {rows.month}"] if count else []
    return Finding(
        observed={"min": low, "max": high, "foreign": count}, broken=broken, blame=(f"WHERE {foreign}", [right])
    )


def local_time(rows: Rows, column: str, wanted: Wanted) -> Finding:
    """Holds a UTC timestamp against the local year, month, day and hour of its own row, which must be a date."""
    local = "TRY_CAST(printf('%04d-%02d-%02d %02d:00:00', year, month, day, hour::INTEGER) AS TIMESTAMP)"
    behind = f"date_diff('hour', {local}, TRY_CAST({_quoted(column)} AS TIMESTAMP))"
    wrong = f"NOT coalesce({behind} BETWEEN ? AND ?, false)"
    limits = [wanted["min"], wanted["max"]]
    low, high, count = rows.one(f"min({behind}), max({behind}), count(*) FILTER ({wrong})", *limits)
    broken = [f"{count} rows are not {limits[0]} to {limits[1]} hours ahead of their year, month, day and hour"]
    return Finding(
        observed={"min": low, "max": high, "outside": count},
        broken=broken if count else [],
        blame=(f"WHERE {wrong}", limits),
    )


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind as the contract knows it.

    Attributes:
        look: the check.
        keys: that an expectation may have.
        needs: keys that it must have.
        numeric: the columns it looks at hold numbers.
        columns: that it reads beside its own.
    """

    look: Callable[[Rows, str, Wanted], Finding]
    keys: frozenset[str]
    needs: frozenset[str] = frozenset()
    numeric: bool = True
    columns: tuple[str, ...] = ()


KINDS = {
    "distinct": Kind(look=distinct, keys=frozenset({"min", "max", "values", "unique"}), numeric=False),
    "range": Kind(look=value_range, keys=frozenset({"min", "max", "outside"})),
    "skew": Kind(look=skew, keys=frozenset({"min", "max"})),
    "most_common": Kind(look=most_common, keys=frozenset({"values", "min_share", "max_share"}), numeric=False),
    "zeros_and_undefined": Kind(look=zeros_and_undefined, keys=frozenset({"zeros", "undefined"}), numeric=False),
    "correlation": Kind(look=correlation, keys=frozenset({"with", "min", "max"}), needs=frozenset({"with"})),
    "partition": Kind(look=partition, keys=frozenset({"part"}), needs=frozenset({"part"})),
    "local_time": Kind(
        look=local_time,
        keys=frozenset({"min", "max"}),
        needs=frozenset({"min", "max"}),
        numeric=False,
        columns=("year", "month", "day", "hour"),
    ),
}


def _outside(name: str, value: float | None, wanted: Wanted) -> list[str]:
    if value is None or math.isnan(value):  # no rows, or a constant column
        return [f"{name} cannot be computed"]
    low, high = wanted.get("min", float("-inf")), wanted.get("max", float("inf"))
    return [] if low <= value <= high else [f"{name} {_rounded(value)}"]


def _rounded(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else round(value, 4)


def _mean(number: str) -> str:
    return f"(SELECT avg({number}) FROM data)"  # noqa: S608 - the contract is code, reviewed


def _quoted(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'


def _number(column: str) -> str:
    """Returns the column as a finite DOUBLE or null: one infinite value would make every aggregate undefined."""
    value = f"TRY_CAST({_quoted(column)} AS DOUBLE)"
    return f"(CASE WHEN isfinite({value}) THEN {value} END)"
