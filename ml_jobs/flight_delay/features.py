"""Features of a flight: one encoding, used to train and to score, so that the two cannot drift apart.

``FIELDS`` are what is known at scheduled departure; nothing else reaches the model. This file is copied into the
model's folder and loaded from there, so it stands alone: numpy only, and no import of its neighbours.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

CATEGORIES = ("carrier", "origin", "dest")
NUMBERS = (
    "year", "month", "day", "sched_dep_time", "sched_arr_time", "distance", "humid", "wind_speed", "wind_gust",
    "precip", "pressure", "visib", "plane_year", "engines", "seats",
)  # fmt: skip
FIELDS = NUMBERS + CATEGORIES

# Each number that the model sees, with the direction in which it may move the probability (0: any). A month holds
# about 600 distinct hours of weather for 27,000 flights: without the known directions the trees learn single bad days
# by heart (area under the curve on the next month: 0.64 without, 0.66 with). Temperature, dew point and wind direction
# are left out for the same reason: they identify days.
DIRECTIONS = {
    "departure_minute": 0,
    "arrival_minute": 0,
    "weekday": 0,
    "distance": 0,
    "plane_age": 0,
    "engines": 0,
    "seats": 0,
    "humid": 1,
    "wind_speed": 1,
    "wind_gust": 1,
    "precip": 1,
    "pressure": -1,
    "visib": -1,
    "special_report": 1,
}

Columns = Mapping[str, NDArray[Any]]
Numbers = NDArray[np.float64]
Matrix = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Encoding:
    """How raw fields become numbers; fitted on the training month, stored beside the model.

    Attributes:
        fills: value of each number when it is missing: the training median.
        categories: values of each category seen in training, sorted; each is one feature, 1 for rows that have it.
    """

    fills: Mapping[str, float]
    categories: Mapping[str, tuple[str, ...]]

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the matrix columns, in order."""
        return tuple(DIRECTIONS) + tuple(f"{name}_{value}" for name in CATEGORIES for value in self.categories[name])

    @property
    def directions(self) -> tuple[int, ...]:
        """Direction of each matrix column, see ``DIRECTIONS``."""
        return tuple(DIRECTIONS.values()) + (0,) * (len(self.features) - len(DIRECTIONS))

    def encode(self, columns: Columns) -> Matrix:
        """Returns one row of features for each flight.

        float32 from here on, in training too: ONNX compares in float32, so both sides see the same values.
        """
        numbers = _numbers(columns)
        filled = [np.where(np.isnan(numbers[name]), self.fills[name], numbers[name]) for name in DIRECTIONS]
        ones = [columns[name][:, None] == np.array(self.categories[name]) for name in CATEGORIES]
        return np.hstack([np.stack(filled, axis=1), *ones]).astype(np.float32)

    def save(self, path: Path) -> None:
        """Writes the encoding as JSON."""
        text = json.dumps({"fills": self.fills, "categories": self.categories}, indent=2, sort_keys=True)
        path.write_text(text + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> "Encoding":
        """Reads what ``save`` wrote.

        Raises:
            ValueError: it was written by other code.
        """
        value = json.loads(path.read_text(encoding="utf-8"))
        fills, categories = value["fills"], value["categories"]
        other = (fills.keys() ^ DIRECTIONS.keys()) | (categories.keys() ^ set(CATEGORIES))
        if other:
            raise ValueError(f"made for other features; {', '.join(sorted(other))} are in one of the two only")
        return cls(fills=fills, categories={name: tuple(values) for name, values in categories.items()})


def fit(columns: Columns) -> Encoding:
    """Learns fill values and categories from the fields of the training month. No outcome takes part."""
    fills = {}
    for name, values in _numbers(columns).items():
        known = values[~np.isnan(values)]
        fills[name] = float(np.median(known)) if known.size else 0.0
    categories = {name: tuple(str(value) for value in np.unique(columns[name])) for name in CATEGORIES}
    return Encoding(fills=fills, categories=categories)


def check_row(row: Mapping[str, Any]) -> tuple[str, str] | None:
    """Says what no schema can: whether year, month and day are a date. The row keeps the schema."""
    try:
        date(row["year"], row["month"], row["day"])
    except ValueError:
        return "day", f"{row['year']}-{row['month']:02}-{row['day']:02} is no date; want a day of the month"
    return None


def _numbers(columns: Columns) -> dict[str, Numbers]:
    raw: dict[str, Numbers] = {name: columns[name].astype(np.float64) for name in NUMBERS}
    report = ~np.isnan(raw["visib"])  # a report always has a visibility: without one there was no report
    return {
        "departure_minute": _minute(raw["sched_dep_time"]),
        "arrival_minute": _minute(raw["sched_arr_time"]),
        "weekday": _weekday(raw["year"], raw["month"], raw["day"]),
        "distance": raw["distance"],
        "plane_age": raw["year"] - raw["plane_year"],
        "engines": raw["engines"],
        "seats": raw["seats"],
        "humid": raw["humid"],
        "wind_speed": raw["wind_speed"],
        "wind_gust": np.where(report & np.isnan(raw["wind_gust"]), 0.0, raw["wind_gust"]),  # reported only if gusty
        "precip": raw["precip"],
        "pressure": raw["pressure"],
        "visib": raw["visib"],
        # A report without pressure is a special one, issued between the hourly ones because the weather changes.
        "special_report": (report & np.isnan(raw["pressure"])).astype(np.float64),
    }


def _minute(hhmm: Numbers) -> Numbers:
    minute: Numbers = hhmm // 100 * 60 + hhmm % 100
    return minute


def _weekday(year: Numbers, month: Numbers, day: Numbers) -> Numbers:
    months = ((year - 1970) * 12 + month - 1).astype(np.int64).astype("datetime64[M]")
    days = months.astype("datetime64[D]").astype(np.int64) + day.astype(np.int64) - 1
    weekday: Numbers = ((days + 3) % 7).astype(np.float64)  # 0 is Monday: day 0, 1970-01-01, was a Thursday
    return weekday
