"""Reads scoring requests: ``request.schema.json`` of the model is the contract, this file is what enforces it.

Only the parts of JSON Schema that such a file uses are implemented: one list of objects, each field with a type,
bounds and perhaps the format ``hhmm``. An answer names the first field that is wrong. numpy only, as the scoring
server has nothing else.
"""

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from ml_jobs.arrays import Columns
from ml_jobs.serving.encoder import Fields, RowCheck

SCHEMA = "request.schema.json"


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
    """Turns the text of a request into columns of raw fields.

    Args:
        schema: the model's ``request.schema.json``.
        fields: those that the model reads.
        check_row: says what the schema cannot, see ``encoder``.

    Attributes:
        rows_name: name of the list that a request holds.
        rules: what the schema says about each field of a row.
    """

    def __init__(self, schema: Mapping[str, Any], fields: Fields, check_row: RowCheck | None) -> None:
        ((self.rows_name, self._list),) = schema["properties"].items()
        self.rules: dict[str, dict[str, Any]] = self._list["items"]["properties"]
        self._fields = fields
        self._check_more = check_row

    def read(self, text: str) -> Columns:
        """Returns one array for each field.

        Raises:
            BadRequest: names the field, what it holds and what is accepted.
        """
        rows = self._rows(text)
        for number, row in enumerate(rows):
            self._check_row(f"{self.rows_name}[{number}]", row)
        columns: dict[str, Any] = {
            name: np.array([math.nan if row[name] is None else row[name] for row in rows], np.float64)
            for name in self._fields.NUMBERS
        }
        return columns | {name: np.array([row[name] for row in rows]) for name in self._fields.CATEGORIES}

    def _rows(self, text: str) -> list[Any]:
        name = self.rows_name
        if not text:
            raise BadRequest("body", "empty; want JSON, sent with the header Content-Type: application/json")
        try:
            body = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise BadRequest("body", f'not JSON ({error}); want {{"{name}": [...]}}') from None
        if not isinstance(body, dict):
            raise BadRequest("body", f'{_kind(body)}; want an object {{"{name}": [...]}}')
        for key in body:
            if key != name:
                raise BadRequest(_shown(key), f"unknown; the only field is {name}")
        if name not in body:
            raise BadRequest(name, f"missing; want a list of {name}")
        rows = body[name]
        least, most = self._list["minItems"], self._list["maxItems"]
        if not isinstance(rows, list):
            raise BadRequest(name, f"{_kind(rows)}; want a list of {name}")
        if not least <= len(rows) <= most:
            raise BadRequest(name, f"{len(rows)} {name}; want {least} to {most}")
        return rows

    def _check_row(self, where: str, row: Any) -> None:
        if not isinstance(row, dict):
            raise BadRequest(where, f"{_kind(row)}; want an object")
        for name in row:
            if name not in self.rules:
                raise BadRequest(f"{where}.{_shown(name)}", f"unknown; fields are {', '.join(self.rules)}")
        for name, rule in self.rules.items():
            if name not in row:
                raise BadRequest(f"{where}.{name}", f"missing; want {_accepted(rule)}")
            problem = _problem(row[name], rule)
            if problem:
                raise BadRequest(f"{where}.{name}", f"{problem}; want {_accepted(rule)}")
        more = self._check_more(row) if self._check_more else None
        if more is not None:
            raise BadRequest(f"{where}.{more[0]}", more[1])


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


def _kind(value: Any) -> str:
    return {dict: "an object", list: "a list", str: "a string", type(None): "null"}.get(type(value), "a number")
