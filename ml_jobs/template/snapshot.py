"""Snapshot of the wines: one parquet file, the content of the data asset.

    python -m ml_jobs.template.snapshot

Runs on the machine of whoever applies the stack, not in Azure ML. The same source gives the same bytes, and a run that
would change nothing writes nothing.
"""

import argparse
import importlib.util
import tempfile
from pathlib import Path

from ml_jobs import step
from ml_jobs.template.prepare import COLUMNS, FILE


def main() -> None:
    """Writes the snapshot and prints its path and rows."""
    parser = argparse.ArgumentParser(prog=f"python -m {__package__}.snapshot", description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path(".data/template"), help="folder to write")
    out = parser.parse_args().out
    print(f"path: {out.as_posix()}")
    print(f"rows: {snapshot(out)}")


def snapshot(out: Path) -> int:
    """Makes ``out`` hold the wines and returns how many there are.

    Raises:
        step.StepError: scikit-learn is not installed.
    """
    import duckdb

    out.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as connection, tempfile.TemporaryDirectory() as scratch:
        connection.execute("SET threads = 1")  # row groups, so bytes, would depend on the number of cores
        # Written out: the source's header holds counts and not names.
        types = dict.fromkeys(COLUMNS, "DOUBLE") | {"cultivar": "INTEGER"}
        wines = connection.read_csv(str(_source()), header=False, skiprows=1, columns=types)
        built = Path(scratch) / FILE
        wines.project("* REPLACE (cultivar + 1 AS cultivar)").write_parquet(str(built), compression="zstd")
        if not (out / FILE).is_file() or (out / FILE).read_bytes() != built.read_bytes():
            (out / FILE).write_bytes(built.read_bytes())
        return len(connection.read_parquet(str(built)))


def _source() -> Path:
    # By path: importing scikit-learn takes seconds.
    spec = importlib.util.find_spec("sklearn")
    if spec is None or spec.origin is None:
        raise step.StepError("package scikit-learn is not installed; run: make install")
    return Path(spec.origin).parent / "datasets" / "data" / "wine_data.csv"


if __name__ == "__main__":
    step.run(main)
