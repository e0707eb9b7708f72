"""Trains the LightGBM model on the rows of the training month.

    python -m ml_jobs.train --prepared PREPARED --seed 13 --learning-rate 0.05 --num-leaves 31 \
        --num-iterations 150 --min-data-in-leaf 50 --feature-fraction 0.3 --out TRAINED

The same rows, seed and parameters give the same bytes, whatever the number of cores. Names of parameters are
LightGBM's own. The folder written holds model.txt, encoding.json and training.json.
"""

import argparse
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ml_jobs import features, libraries, prepare, step, tracking

if TYPE_CHECKING:
    import lightgbm

# Fixed, because LightGBM writes them into model.txt. Histograms by row in a fixed order: sums, and so splits, are the
# same for any number of threads. One thread, because LightGBM's threads wait for each other without sleeping: a month
# takes 1 s with one or two, but with two 15 s to 70 s while others use the cores.
_FIXED = {
    "objective": "binary",
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "lambda_l2": 1.0,
    "verbosity": -1,
}


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """What a caller chooses.

    Attributes:
        learning_rate: weight of each tree.
        num_leaves: leaves of a tree.
        num_iterations: number of trees.
        min_data_in_leaf: flights in a leaf, at least.
        feature_fraction: share of the features that each tree may use.
    """

    learning_rate: float
    num_leaves: int
    num_iterations: int
    min_data_in_leaf: int
    feature_fraction: float


def main() -> None:
    """Trains, writes the model and logs parameters and metrics."""
    parser = argparse.ArgumentParser(prog="python -m ml_jobs.train", description=__doc__.partition("\n")[0])
    parser.add_argument("--prepared", type=Path, required=True, help="output folder of ml_jobs.prepare")
    parser.add_argument("--seed", type=_whole(0, 2**31 - 1), required=True, help="0 to 2147483647")
    parser.add_argument("--learning-rate", type=_real(0, 1), required=True, help="above 0, at most 1")
    parser.add_argument("--num-leaves", type=_whole(2, 4096), required=True, help="2 to 4096")
    parser.add_argument("--num-iterations", type=_whole(1, 10_000), required=True, help="1 to 10000")
    parser.add_argument("--min-data-in-leaf", type=_whole(1, 1_000_000), required=True, help="1 to 1000000")
    parser.add_argument("--feature-fraction", type=_real(0, 1), required=True, help="above 0, at most 1")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    arguments = vars(parser.parse_args())
    prepared, seed, out = arguments.pop("prepared"), arguments.pop("seed"), arguments.pop("out")
    train(prepared, seed, Parameters(**arguments), out)


def train(prepared: Path, seed: int, parameters: Parameters, out: Path) -> None:
    """Fits the model and writes it with the encoding it belongs to."""
    columns, labels = prepare.labelled(prepared, "train")
    encoding = features.Encoding.load(prepared / "encoding.json")
    model = fit(encoding, encoding.encode(columns), labels, seed, parameters)
    out.mkdir(parents=True, exist_ok=True)
    (out / "model.txt").write_text(model.model_to_string(), encoding="utf-8")
    shutil.copyfile(prepared / "encoding.json", out / "encoding.json")
    step.write_json(out / "training.json", {"seed": seed, "parameters": asdict(parameters), "rows": len(labels)})
    tracking.log(
        {"seed": seed, **asdict(parameters)}, {"training_rows": len(labels), "training_late_share": labels.mean()}
    )
    print(f"{len(labels)} rows, {len(encoding.features)} features, {model.num_trees()} trees")


def fit(
    encoding: features.Encoding, matrix: features.Matrix, labels: features.Numbers, seed: int, parameters: Parameters
) -> "lightgbm.Booster":
    """Returns the fitted model."""
    library = libraries.lightgbm()
    settings = {
        **_FIXED,
        **asdict(parameters),
        "seed": seed,
        "monotone_constraints": list(encoding.directions),
    }
    data = library.Dataset(matrix, labels, feature_name=list(encoding.features))
    model: lightgbm.Booster = library.train(settings, data)
    return model


def load(trained: Path) -> "lightgbm.Booster":
    """Reads the model that this step wrote.

    Raises:
        step.StepError: there is none, or LightGBM cannot read it.
    """
    library = libraries.lightgbm()
    path = trained / "model.txt"
    if not path.is_file():
        raise step.StepError(f"{path}: no such file; want the output folder of ml_jobs.train")
    try:
        model: lightgbm.Booster = library.Booster(model_file=path)
    except library.basic.LightGBMError as error:
        raise step.StepError(f"{path}: {error}") from None
    return model


def _whole(least: int, most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not text.isdecimal() or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{text!r}: want a whole number from {least} to {most}")
        return int(text)

    return read


def _real(above: float, most: float) -> Callable[[str], float]:
    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = above
        if not above < value <= most:
            raise argparse.ArgumentTypeError(f"{text!r}: want a number above {above:g} and at most {most:g}")
        return value

    return read


if __name__ == "__main__":
    step.run(main)
