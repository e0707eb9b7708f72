"""LightGBM as every model here uses it: the same rows, seed and parameters give the same bytes."""

import argparse
import shutil
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ml_jobs import arguments, libraries, step, tracking
from ml_jobs.arrays import Matrix, Numbers
from ml_jobs.serving import encoder

if TYPE_CHECKING:
    import lightgbm

NATIVE = "model.txt"

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
    """What a caller chooses; the names are LightGBM's own.

    Attributes:
        learning_rate: weight of each tree.
        num_leaves: leaves of a tree.
        num_iterations: number of trees.
        min_data_in_leaf: rows in a leaf, at least.
        feature_fraction: share of the features that each tree may use.
    """

    learning_rate: float
    num_leaves: int
    num_iterations: int
    min_data_in_leaf: int
    feature_fraction: float


class Directed(encoder.Encoding, Protocol):
    """An encoding that training can use."""

    @property
    def directions(self) -> tuple[int, ...]:
        """Which way each feature may move the probability (0: any)."""

    def save(self, path: Path) -> None:
        """Writes the encoding."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares ``--seed`` and an option for each parameter."""
    whole, real = arguments.whole, arguments.real
    parser.add_argument("--seed", type=whole(0, 2**31 - 1), required=True, help="0 to 2147483647")
    parser.add_argument("--learning-rate", type=real(0, 1), required=True, help="above 0, at most 1")
    parser.add_argument("--num-leaves", type=whole(2, 4096), required=True, help="2 to 4096")
    parser.add_argument("--num-iterations", type=whole(1, 10_000), required=True, help="1 to 10000")
    parser.add_argument("--min-data-in-leaf", type=whole(1, 1_000_000), required=True, help="1 to 1000000")
    parser.add_argument("--feature-fraction", type=real(0, 1), required=True, help="above 0, at most 1")


def parameters(given: argparse.Namespace) -> Parameters:
    """The parameters among parsed arguments."""
    return Parameters(**{field.name: getattr(given, field.name) for field in fields(Parameters)})


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """A model and what it was made with.

    Attributes:
        model: LightGBM's own.
        seed: of the fit.
        parameters: of the fit.
        rows: number of rows it learnt from.
        share: share of them that were positive.
    """

    model: "lightgbm.Booster"
    seed: int
    parameters: Parameters
    rows: int
    share: float


def fit(matrix: Matrix, labels: Numbers, encoding: Directed, seed: int, chosen: Parameters) -> Fitted:
    """Returns the fitted model."""
    tracking.begin()
    library = libraries.lightgbm()
    settings = {**_FIXED, **asdict(chosen), "seed": seed, "monotone_constraints": list(encoding.directions)}
    data = library.Dataset(matrix, labels, feature_name=list(encoding.features))
    model = library.train(settings, data)
    return Fitted(model=model, seed=seed, parameters=chosen, rows=len(labels), share=float(labels.mean()))


def save(fitted: Fitted, out: Path, encoding: Directed, code: Path) -> None:
    """Writes model.txt, the encoding it belongs to with its code, and training.json; logs the same."""
    out.mkdir(parents=True, exist_ok=True)
    (out / NATIVE).write_text(fitted.model.model_to_string(), encoding="utf-8")
    encoding.save(out / encoder.FITTED)
    shutil.copyfile(code, out / encoder.CODE)
    chosen = asdict(fitted.parameters)
    step.write_json(out / "training.json", {"seed": fitted.seed, "parameters": chosen, "rows": fitted.rows})
    tracking.log({"seed": fitted.seed, **chosen}, {"training_rows": fitted.rows, "training_share": fitted.share})
    print(f"{fitted.rows} rows, {len(encoding.features)} features, {fitted.model.num_trees()} trees")


def load(trained: Path) -> "lightgbm.Booster":
    """Reads the model that a training step wrote.

    Raises:
        step.StepError: there is none, or LightGBM cannot read it.
    """
    library = libraries.lightgbm()
    path = trained / NATIVE
    if not path.is_file():
        raise step.StepError(f"{path}: no such file; want the output folder of a training step")
    try:
        model: lightgbm.Booster = library.Booster(model_file=path)
    except library.basic.LightGBMError as error:
        raise step.StepError(f"{path}: {error}") from None
    return model
