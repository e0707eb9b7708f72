"""Trains a small LightGBM model on the rows of the training part.

    python -m ml_jobs.template.train --prepared PREPARED --seed 13 --learning-rate 0.1 --num-leaves 7 \
        --num-iterations 60 --min-data-in-leaf 5 --feature-fraction 0.5 --out TRAINED

The same rows, seed and parameters give the same bytes. Names of parameters are LightGBM's own. The folder written holds
model.txt, encoding.json, features.py and training.json.
"""

import argparse
from pathlib import Path

from ml_jobs import boosting, rows, step
from ml_jobs.template import features


def main() -> None:
    """Trains, writes the model and logs parameters and metrics."""
    parser = argparse.ArgumentParser(prog=f"python -m {__package__}.train", description=__doc__.partition("\n")[0])
    parser.add_argument("--prepared", type=Path, required=True, help="output folder of the prepare step")
    boosting.add_arguments(parser)
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    given = parser.parse_args()
    train(given.prepared, given.seed, boosting.parameters(given), given.out)


def train(prepared: Path, seed: int, chosen: boosting.Parameters, out: Path) -> None:
    """Fits the model and writes it with the encoding it belongs to."""
    columns, labels = rows.labelled(prepared, "train", features)
    encoding = features.Encoding.load(prepared / "encoding.json")
    fitted = boosting.fit(encoding.encode(columns), labels, encoding, seed, chosen)
    boosting.save(fitted, out, encoding, Path(features.__file__))


if __name__ == "__main__":
    step.run(main)
