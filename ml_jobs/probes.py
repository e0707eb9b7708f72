"""Questions that travel with a model: what a deployment of it is asked before and while it gets traffic.

They are rows of the test part, one a request, spread evenly over it. Where that has fewer than ``COUNT`` rows that keep
the request's schema, further ones are mixed: each field is taken from a row drawn at random, so every value is one that
occurs, though never with these neighbours. The same rows give the same questions.
"""

import json
import math
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ml_jobs import rows, step
from ml_jobs.serving.request import BadRequest, Reader

COUNT = 200
_TRIES = 100  # for each mixed row; a schema that refuses so many forbids mixing
_SEED = 13

Row = dict[str, Any]


def requests(prepared: Path, reader: Reader) -> tuple[list[dict[str, list[Row]]], int]:
    """Returns the questions, and how many of them are mixed.

    Raises:
        step.StepError: no row of the test part keeps the schema, or mixed rows do not.
    """
    kept = [row for row in _rows(prepared, reader.rules) if _is_valid(reader, row)]
    if not kept:
        raise step.StepError(
            f"{prepared / 'test.parquet'}: no row keeps request.schema.json; want rows that can be asked"
        )
    own = [kept[number * len(kept) // COUNT] for number in range(COUNT)] if len(kept) >= COUNT else kept
    mixed = _mixed(reader, kept, COUNT - len(own))
    return [{reader.rows_name: [row]} for row in own + mixed], len(mixed)


def _rows(prepared: Path, rules: Mapping[str, Mapping[str, Any]]) -> list[Row]:
    """Some rows of the test part, evenly spread: more than are asked for, as not all may keep the schema."""
    import duckdb

    label = rows.note(prepared)["label"]
    names = ", ".join(f'"{name}"' for name in rules)
    with duckdb.connect() as connection:
        known = connection.read_parquet(str(prepared / "test.parquet")).filter(f'"{label}" IS NOT NULL')
        every = max(1, len(known) // (3 * COUNT))
        found = known.project(f"{names}, row_number() OVER () AS position").filter(f"position % {every} = 0")
        values = found.project(names).fetchall()
    return [{name: _plain(value, rules[name]) for name, value in zip(rules, row, strict=True)} for row in values]


def _plain(value: Any, rule: Mapping[str, Any]) -> Any:
    if isinstance(value, float) and math.isnan(value):
        return None
    return int(value) if isinstance(value, float) and "integer" in rule["type"] and value.is_integer() else value


def _is_valid(reader: Reader, row: Row) -> bool:
    try:
        reader.read(json.dumps({reader.rows_name: [row]}))
    except BadRequest:
        return False
    return True


def _mixed(reader: Reader, kept: list[Row], wanted: int) -> list[Row]:
    draw = random.Random(_SEED)  # noqa: S311 - chance that can be repeated is the point
    made: list[Row] = []
    for _ in range(wanted * _TRIES):
        if len(made) == wanted:
            break
        row = {name: draw.choice(kept)[name] for name in reader.rules}
        if _is_valid(reader, row):
            made.append(row)
    if len(made) < wanted:
        raise step.StepError(
            f"probes: {len(kept)} rows of the test part keep the schema and mixed ones do not; want {COUNT}"
        )
    return made
