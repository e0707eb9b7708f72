"""Reads scoring requests: ``request.schema.json`` is the contract, this file is what enforces it.

Only the parts of JSON Schema that the file uses are implemented; an answer names the first field that is wrong. numpy
only, as the scoring server has nothing else.
"""

import json
import math
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from ml_jobs import features

_SCHEMA = Path(__file__).with_name("request.schema.json")


class BadRequest(Exception):  # noqa: N818 - the name of the HTTP status
    """The request does not keep the schema.

    Attributes:
        field: path of what is wrong, such as ``flights[0].carrier``.
        message: what is wrong with it and what is accepted.
    """

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message


class Reader:
    """Turns the text of a request into columns of raw fields."""

    def __init__(self) -> None:
        schema = json.loads(_SCHEMA.read_text(encoding="utf-8"))
        self._flights: dict[str, Any] = schema["properties"]["flights"]
        self._fields: dict[str, dict[str, Any]] = self._flights["items"]["properties"]

    def read(self, text: str) -> features.Columns:
        """Returns one array for each field.

        Raises:
            BadRequest: names the field, what it holds and what is accepted.
        """
        flights = self._rows(text)
        for number, flight in enumerate(flights):
            self._check_flight(f"flights[{number}]", flight)
        columns: dict[str, Any] = {
            name: np.array([math.nan if flight[name] is None else flight[name] for flight in flights], np.float64)
            for name in features.NUMBERS
        }
        return columns | {name: np.array([flight[name] for flight in flights]) for name in features.CATEGORIES}

    def _rows(self, text: str) -> list[Any]:
        if not text:
            raise BadRequest("body", "empty; want JSON, sent with the header Content-Type: application/json")
        try:
            body = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise BadRequest("body", f'not JSON ({error}); want {{"flights": [...]}}') from None
        if not isinstance(body, dict):
            raise BadRequest("body", f'{_name(body)}; want an object {{"flights": [...]}}')
        for name in body:
            if name != "flights":
                raise BadRequest(_shown(name), "unknown; the only field is flights")
        if "flights" not in body:
            raise BadRequest("flights", "missing; want a list of flights")
        flights = body["flights"]
        least, most = self._flights["minItems"], self._flights["maxItems"]
        if not isinstance(flights, list):
            raise BadRequest("flights", f"{_name(flights)}; want a list of flights")
        if not least <= len(flights) <= most:
            raise BadRequest("flights", f"{len(flights)} flights; want {least} to {most}")
        return flights

    def _check_flight(self, where: str, flight: Any) -> None:
        if not isinstance(flight, dict):
            raise BadRequest(where, f"{_name(flight)}; want an object")
        for name in flight:
            if name not in self._fields:
                raise BadRequest(f"{where}.{_shown(name)}", f"unknown; fields are {', '.join(self._fields)}")
        for name, rule in self._fields.items():
            if name not in flight:
                raise BadRequest(f"{where}.{name}", f"missing; want {_accepted(rule)}")
            problem = _problem(flight[name], rule)
            if problem:
                raise BadRequest(f"{where}.{name}", f"{problem}; want {_accepted(rule)}")
        try:
            date(flight["year"], flight["month"], flight["day"])
        except ValueError:
            day = f"{flight['year']}-{flight['month']:02}-{flight['day']:02}"
            raise BadRequest(f"{where}.day", f"{day} is no date; want a day of the month") from None


def _problem(value: Any, rule: Mapping[str, Any]) -> str:
    kinds = rule["type"] if isinstance(rule["type"], list) else [rule["type"]]
    if value is None:
        return "" if "null" in kinds else "null"
    if "string" in kinds:
        fits = isinstance(value, str) and rule["minLength"] <= len(value) <= rule["maxLength"]
        return "" if fits else _shown(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return _shown(value)
    if "integer" in kinds and not isinstance(value, int):
        return _shown(value)
    if not rule["minimum"] <= value <= rule["maximum"]:  # nan, which Python's JSON accepts, fails here too
        return _shown(value)
    return _shown(value) if rule.get("format") == "hhmm" and value % 100 > 59 else ""


def _accepted(rule: Mapping[str, Any]) -> str:
    kinds = rule["type"] if isinstance(rule["type"], list) else [rule["type"]]
    if "string" in kinds:
        bounds = f"string of {rule['minLength']} to {rule['maxLength']} characters"
    else:
        bounds = f"{kinds[0]} from {rule['minimum']} to {rule['maximum']}"
    bounds += ", as hours and minutes" if rule.get("format") == "hhmm" else ""
    return bounds + (" or null" if "null" in kinds else "")


def _shown(value: Any) -> str:
    text = json.dumps(value) if not isinstance(value, int) or isinstance(value, bool) else f"{value:.6g}"
    return text if len(text) <= 40 else text[:37] + "..."


def _name(value: Any) -> str:
    return {dict: "an object", list: "a list", str: "a string", type(None): "null"}.get(type(value), "a number")
