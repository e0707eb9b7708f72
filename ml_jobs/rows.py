"""Prepared rows: what a model's own ``prepare`` leaves behind, and how the later steps read it.

A prepared folder holds one parquet file a part and ``prepared.json``::

    {"label": "late", "parts": {"train": {"partitions": ["2013-01"], "rows": 9, "labelled": 8, "positive": 2}, ...}}

``train`` is what a model learns from, ``validate`` what gates judge it on, ``test`` what nobody looks at before: the
card's figures come from it. A file keeps every raw column known when a question is asked, not only those that today's
features use, so that features may come and go while a champion still finds what it reads. Its label is true, false,
or null where no outcome is known.
"""

from pathlib import Path
from typing import Any

import numpy as np

from ml_jobs import step
from ml_jobs.arrays import Columns, Numbers
from ml_jobs.serving.encoder import Fields

PARTS = ("train", "validate", "test")
NOTE = "prepared.json"
_LABEL = " label"  # the blank: no field is called so


def note(prepared: Path) -> dict[str, Any]:
    """Reads ``prepared.json``."""
    return step.read_json(prepared / NOTE)


def write_note(prepared: Path, label: str, partitions: dict[str, tuple[str, ...]]) -> dict[str, Any]:
    """Counts what each part holds, writes ``prepared.json`` and returns its parts.

    Raises:
        step.StepError: a part lacks one of the two outcomes: nothing can be learnt from it or judged on it.
    """
    import duckdb

    parts: dict[str, dict[str, Any]] = {}
    with duckdb.connect() as connection:
        for part in PARTS:
            counts = connection.execute(
                f'SELECT count(*), count("{label}"), count(*) FILTER ("{label}") FROM read_parquet(?)',  # noqa: S608
                [str(prepared / f"{part}.parquet")],
            ).fetchall()[0]
            count, labelled_rows, positive = counts
            if not 0 < positive < labelled_rows:
                raise step.StepError(
                    f"{part}: {positive} of {labelled_rows} labelled rows are {label}; want some that are and some not"
                )
            parts[part] = {
                "partitions": list(partitions[part]), "rows": count, "labelled": labelled_rows, "positive": positive,
            }  # fmt: skip
    step.write_json(prepared / NOTE, {"label": label, "parts": parts})
    return parts


def labelled(prepared: Path, part: str, fields: Fields) -> tuple[Columns, Numbers]:
    """Reads the rows of one part that have a label."""
    columns, labels = read(prepared, part, fields)
    known = ~np.isnan(labels)
    return {name: values[known] for name, values in columns.items()}, labels[known]


def read(prepared: Path, part: str, fields: Fields) -> tuple[Columns, Numbers]:
    """Reads all rows of one part: fields as numpy columns, labels as 1, 0 or nan.

    Raises:
        step.StepError: the file is missing, or keeps no column of that name.
    """
    import duckdb

    path, label = prepared / f"{part}.parquet", note(prepared)["label"]
    if not path.is_file():
        raise step.StepError(f"{path}: no such file; want the output folder of a prepare step")
    with duckdb.connect() as connection:
        kept = connection.read_parquet(str(path))
        lost = [name for name in (*fields.NUMBERS, *fields.CATEGORIES) if name not in kept.columns]
        if lost:
            raise step.StepError(f"{path}: has no column {', '.join(lost)}; want all that a model's features read")
        names = ", ".join(f'"{name}"' for name in (*fields.NUMBERS, *fields.CATEGORIES))
        table = kept.project(f'{names}, "{label}"::DOUBLE AS "{_LABEL}"').fetchnumpy()
    columns: dict[str, Any] = {name: _filled(table[name]) for name in fields.NUMBERS}
    columns |= {name: np.asarray(table[name], dtype=str) for name in fields.CATEGORIES}
    return columns, _filled(table[_LABEL])


def _filled(values: Any) -> Numbers:
    numbers: Numbers = np.ma.filled(np.ma.asarray(values).astype(np.float64), np.nan)
    return numbers
