"""The encoding: one definition for training and scoring."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ml_jobs import rows
from ml_jobs.arrays import Columns
from ml_jobs.flight_delay import features
from ml_jobs.serving import request
from tests.ml_jobs.conftest import FLIGHT_DELAY

FLIGHT: dict[str, Any] = json.loads((FLIGHT_DELAY / "sample_request.json").read_text())["flights"][0]


def columns(**changed: Any) -> Columns:
    """The sample flight as columns of one row."""
    flight = {name: np.nan if value is None else value for name, value in (FLIGHT | changed).items()}
    return {
        name: np.array([value], str if name in features.CATEGORIES else np.float64) for name, value in flight.items()
    }


def encoded(**changed: Any) -> dict[str, float]:
    """The sample flight's features by name; the encoding was fitted on the unchanged one."""
    encoding = features.fit(columns())
    return dict(zip(encoding.features, encoding.encode(columns(**changed))[0].tolist(), strict=True))


def test_times_become_minutes() -> None:
    assert encoded(sched_dep_time=1545)["departure_minute"] == 15 * 60 + 45
    assert encoded(sched_arr_time=5)["arrival_minute"] == 5


@pytest.mark.parametrize("day", [date(1970, 1, 1), date(2013, 2, 4), date(2024, 2, 29), date(2099, 12, 31)])
def test_weekdays_are_those_of_the_calendar(day: date) -> None:
    assert encoded(year=day.year, month=day.month, day=day.day)["weekday"] == day.weekday()


def test_age_is_counted_from_the_year_of_the_flight() -> None:
    assert encoded(year=2013, plane_year=2003)["plane_age"] == 10


@pytest.mark.parametrize("field", ["humid", "wind_speed", "precip", "visib", "plane_year", "engines", "seats"])
def test_a_missing_number_becomes_the_training_median(field: str) -> None:
    assert encoded(**{field: None}) == encoded()


def test_no_gust_reported_means_no_gust() -> None:
    assert encoded(wind_gust=None)["wind_gust"] == 0


def test_no_report_at_all_means_the_usual_gust_and_no_special_report() -> None:
    nothing = dict.fromkeys(("humid", "wind_speed", "wind_gust", "precip", "pressure", "visib"))
    assert encoded(**nothing)["wind_gust"] == np.float32(FLIGHT["wind_gust"])
    assert encoded(**nothing)["special_report"] == 0


def test_a_report_without_pressure_is_a_special_one() -> None:
    assert encoded(pressure=None)["special_report"] == 1
    assert encoded()["special_report"] == 0


def test_a_category_never_seen_is_none_of_the_known_ones() -> None:
    assert encoded()["carrier_B6"] == 1
    assert encoded(carrier="XX")["carrier_B6"] == 0


def test_a_request_becomes_the_same_features_as_the_prepared_row(pipeline: dict[str, Path]) -> None:
    """Scoring and training cannot drift apart: every held-out flight, once from parquet and once through a request."""
    prepared = pipeline["prepare.prepared"]
    encoding = features.Encoding.load(prepared / "encoding.json")
    known, _ = rows.labelled(prepared, "validate", features)
    count = 5_000
    flights = []
    whole = {"plane_year", "engines", "seats", "year", "month", "day", "sched_dep_time", "sched_arr_time"}
    for number in range(count):
        flight: dict[str, Any] = {}
        for name in features.FIELDS:
            value = known[name][number]
            missing = name in features.NUMBERS and np.isnan(value)
            flight[name] = None if missing else int(value) if name in whole else value.item()
        flights.append(flight)
    schema = json.loads((FLIGHT_DELAY / "request.schema.json").read_text())
    scored = request.Reader(schema, features, features.check_row).read(json.dumps({"flights": flights}))
    trained = {name: values[:count] for name, values in known.items()}
    assert encoding.encode(scored).tobytes() == encoding.encode(trained).tobytes()


def test_an_encoding_survives_its_file(tmp_path: Path) -> None:
    encoding = features.fit(columns())
    encoding.save(tmp_path / "encoding.json")
    assert features.Encoding.load(tmp_path / "encoding.json") == encoding


@pytest.mark.parametrize("part", ["fills", "categories"])
def test_an_encoding_for_other_features_is_refused_and_the_feature_named(tmp_path: Path, part: str) -> None:
    features.fit(columns()).save(tmp_path / "encoding.json")
    value = json.loads((tmp_path / "encoding.json").read_text())
    value[part]["temperature"] = 1
    (tmp_path / "encoding.json").write_text(json.dumps(value))
    with pytest.raises(ValueError, match="made for other features; temperature"):
        features.Encoding.load(tmp_path / "encoding.json")


def test_every_direction_lies_on_the_feature_that_it_is_meant_for() -> None:
    """LightGBM takes directions by position: one feature more or less on one side would bend another's trees."""
    encoding = features.fit(columns())
    directions = dict(zip(encoding.features, encoding.directions, strict=True))
    bent = {name: direction for name, direction in directions.items() if direction}
    assert bent == {
        "humid": 1, "wind_speed": 1, "wind_gust": 1, "precip": 1, "pressure": -1, "visib": -1, "special_report": 1,
    }  # fmt: skip
    for name in ("humid", "wind_speed", "precip", "pressure", "visib"):  # the column of that name holds that field
        assert encoded(**{name: 7.5})[name] == 7.5, name


def test_the_file_stands_alone() -> None:
    """It is loaded from a model's folder, where none of its neighbours are."""
    imported = {line.split()[1].split(".")[0] for line in Path(features.__file__).read_text().splitlines()
                if line.startswith(("import ", "from "))}  # fmt: skip
    assert imported <= {"json", "collections", "dataclasses", "datetime", "pathlib", "typing", "numpy"}
