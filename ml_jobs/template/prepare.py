"""Splits the wines into the rows of the training, the validation and the test part.

    python -m ml_jobs.template.prepare --data DATA --checks CHECKS --out PREPARED

The label ``first_cultivar`` is: grown from the first of the three. A wine's part follows from a digest of its own
measurements: half of them train, a quarter validates, a quarter tests. So a wine never changes sides when others are
added, and no later model is judged on what an earlier one was trained on.
"""

import argparse
from pathlib import Path

from ml_jobs import rows, step
from ml_jobs.template import features

LABEL = "first_cultivar"
FILE = "wine.parquet"
COLUMNS = (
    "alcohol", "malic_acid", "ash", "alcalinity_of_ash", "magnesium", "total_phenols", "flavanoids",
    "nonflavanoid_phenols", "proanthocyanins", "color_intensity", "hue", "od280_od315", "proline",
)  # fmt: skip

_DIGITS = {"train": "01234567", "validate": "89ab", "test": "cdef"}  # first digit of the digest, by part


def main() -> None:
    """Writes a parquet file for each part, encoding.json and prepared.json."""
    parser = argparse.ArgumentParser(prog=f"python -m {__package__}.prepare", description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="snapshot folder")
    parser.add_argument("--checks", type=Path, required=True, help="output folder of ml_jobs.check")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    given = parser.parse_args()
    prepare(given.data, given.checks, given.out)


def prepare(data: Path, checks: Path, out: Path) -> None:
    """Writes the rows of each part and fits the encoding on the first.

    Raises:
        step.StepError: the checks did not pass, or the data are missing.
    """
    if step.read_json(checks / "checks.json").get("passed") is not True:
        raise step.StepError(f"{checks / 'checks.json'}: the checks did not pass; want data that keep the contract")
    source = data / FILE
    if not source.is_file():
        raise step.StepError(f"{source}: no such file; want the folder that the snapshot wrote")
    import duckdb

    out.mkdir(parents=True, exist_ok=True)
    digest = f"md5(concat_ws(' ', {', '.join(COLUMNS)}))"
    with duckdb.connect() as connection:
        connection.execute("SET threads = 1")  # the order of rows, and with it the bytes, is the file's
        wines = connection.read_parquet(str(source))
        for part, digits in _DIGITS.items():
            found = wines.filter(f"contains('{digits}', {digest}[1])").project(f"*, cultivar = 1 AS {LABEL}")
            found.project("* EXCLUDE (cultivar)").write_parquet(str(out / f"{part}.parquet"), compression="zstd")
    for part, counted in rows.write_note(out, LABEL, {part: (part,) for part in rows.PARTS}).items():
        print(f"{part}: {counted['rows']} wines, {counted['positive']} of the first cultivar")
    columns, _ = rows.read(out, "train", features)
    features.fit(columns).save(out / "encoding.json")


if __name__ == "__main__":
    step.run(main)
