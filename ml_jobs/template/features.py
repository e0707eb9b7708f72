"""Features of a wine: its measurements as they are.

This file is copied into the model's folder and loaded from there, so it stands alone: numpy only, and no import of its
neighbours.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Each measurement, with the direction in which it may move the probability (0: any).
DIRECTIONS = {
    "alcohol": 1,
    "malic_acid": 0,
    "ash": 0,
    "alcalinity_of_ash": 0,
    "magnesium": 0,
    "total_phenols": 0,
    "flavanoids": 0,
    "nonflavanoid_phenols": 0,
    "proanthocyanins": 0,
    "color_intensity": 0,
    "hue": 0,
    "od280_od315": 0,
    "proline": 1,
}
NUMBERS = tuple(DIRECTIONS)
CATEGORIES: tuple[str, ...] = ()
FIELDS = NUMBERS + CATEGORIES

Columns = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, kw_only=True)
class Encoding:
    """How raw fields become numbers; fitted on the training part, stored beside the model.

    Attributes:
        fills: value of each measurement when it is missing: the training median.
    """

    fills: Mapping[str, float]

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the matrix columns, in order."""
        return NUMBERS

    @property
    def directions(self) -> tuple[int, ...]:
        """Direction of each matrix column, see ``DIRECTIONS``."""
        return tuple(DIRECTIONS.values())

    def encode(self, columns: Columns) -> NDArray[np.float32]:
        """Returns one row of features for each wine; float32 from here on, as ONNX compares in it."""
        filled = [np.where(np.isnan(columns[name]), self.fills[name], columns[name]) for name in NUMBERS]
        return np.stack(filled, axis=1).astype(np.float32)

    def save(self, path: Path) -> None:
        """Writes the encoding as JSON."""
        path.write_text(json.dumps({"fills": self.fills}, indent=2, sort_keys=True) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> "Encoding":
        """Reads what ``save`` wrote.

        Raises:
            ValueError: it was written by other code.
        """
        fills = json.loads(path.read_text(encoding="utf-8"))["fills"]
        if other := fills.keys() ^ set(NUMBERS):
            raise ValueError(f"made for other features; {', '.join(sorted(other))} are in one of the two only")
        return cls(fills=fills)


def fit(columns: Columns) -> Encoding:
    """Learns the fill values from the training part."""
    return Encoding(fills={name: float(np.nanmedian(columns[name])) for name in NUMBERS})
