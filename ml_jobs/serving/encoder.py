"""The encoding that a model was trained with, loaded from the model's own folder.

``features.py`` and ``encoding.json`` travel with the model, so two models of one name may see other features, and the
scoring code holds nothing of either. A ``features.py`` needs nothing but numpy and offers:

    NUMBERS, CATEGORIES, FIELDS    names of the raw fields; FIELDS are both
    fit(columns)                   the encoding learnt from the training rows; ``save`` and ``load`` keep it
    encoding.encode(columns)       float32 matrix, one row a row; ``encoding.features`` names its columns
    check_row(row)                 optional: what no schema can say about a row, as (field, message), or None
"""

import importlib.machinery
import importlib.util
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, cast

from ml_jobs import step
from ml_jobs.arrays import Columns, Matrix

CODE = "features.py"
FITTED = "encoding.json"

RowCheck = Callable[[Mapping[str, Any]], tuple[str, str] | None]


class Fields(Protocol):
    """The raw fields that a model reads."""

    @property
    def NUMBERS(self) -> tuple[str, ...]:  # noqa: N802 - a module's constant
        """Fields that hold numbers."""

    @property
    def CATEGORIES(self) -> tuple[str, ...]:  # noqa: N802 - a module's constant
        """Fields that hold text."""


class Encoding(Protocol):
    """Raw fields to features, as learnt in training."""

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the matrix columns."""

    def encode(self, columns: Columns) -> Matrix:
        """Returns one row of features for each row."""


class Encoder:
    """What a model's folder says about its fields and features.

    Args:
        folder: holds features.py and encoding.json: a registered model, or the output of a training step.

    Raises:
        step.StepError: a file is missing or cannot be used; names it.
    """

    def __init__(self, folder: Path) -> None:
        module = _module(folder / CODE)
        self.fields = cast("Fields", module)
        self.check_row: RowCheck | None = getattr(module, "check_row", None)
        if not (folder / FITTED).is_file():
            raise step.StepError(f"{folder / FITTED}: no such file; want the folder of a trained or registered model")
        try:
            self.encoding: Encoding = module.Encoding.load(folder / FITTED)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise step.StepError(f"{folder / FITTED}: not what {CODE} beside it writes ({error})") from None


class _Loader(importlib.machinery.SourceFileLoader):
    def set_data(self, path: str, data: Any, *, _mode: int = 0o666) -> None:
        """Writes no bytecode: a model's folder keeps its bytes, and may be read-only."""


def _module(path: Path) -> Any:
    if not path.is_file():
        raise step.StepError(f"{path}: no such file; want the folder of a trained or registered model")
    # One name a file: champion and candidate are loaded side by side, and dataclasses look their module up by name.
    name = "features_of_" + "".join(letter if letter.isalnum() else f"_{ord(letter):x}_" for letter in str(path))
    loader = _Loader(name, str(path))
    module = importlib.util.module_from_spec(importlib.machinery.ModuleSpec(name, loader, origin=str(path)))
    sys.modules[name] = module
    try:
        loader.exec_module(module)
    except Exception as error:  # noqa: BLE001 - the model's own code; whatever it is, it is told with its file
        del sys.modules[name]
        raise step.StepError(f"{path}: cannot be imported ({type(error).__name__}: {error})") from None
    return module
