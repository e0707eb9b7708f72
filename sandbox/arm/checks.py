"""Values against property types: each failure names the place, the value, and what is accepted."""

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from sandbox.values import Json, is_unknown, unwrap


@dataclass(frozen=True)
class Failure:
    """One thing that is wrong.

    Attributes:
        path: where, such as ``properties.scaleSettings.maxNodeCount``.
        rule: ``unknown-property``, ``missing-required``, ``wrong-type``, ``bad-enum`` or ``read-only``.
        reason: what was found and what is accepted.
    """

    path: str
    rule: str
    reason: str


class Names(Enum):
    """Whose property names a value uses."""

    PULUMI = "pulumi"
    ARM = "arm"


_WANTED: dict[str, tuple[tuple[type, ...], str]] = {
    "string": ((str,), "a string"),
    "boolean": ((bool,), "true or false"),
    "integer": ((int, float), "a whole number"),
    "number": ((int, float), "a number"),
}


class Checker:
    """Checks values of one module.

    Args:
        objects: the module's object types by name.
        names: whose names the values use.
    """

    def __init__(self, objects: Mapping[str, Any], names: Names) -> None:
        self._objects = objects
        self._names = names

    def properties(self, path: str, value: Mapping[str, Json], types: Mapping[str, Any], owner: str) -> list[Failure]:
        """Check an object's properties against their types; `owner` names the object in messages."""
        known = types if self._names is Names.PULUMI else _arm_names(types)
        failures = []
        for name, item in value.items():
            item = unwrap(item)
            here = f"{path}.{name}" if path else name
            if name not in known:
                if item is not None:
                    failures.append(Failure(here, "unknown-property", _unknown(name, known, owner)))
            elif known[name].get("readOnly") and item is not None:
                if self._names is Names.PULUMI:
                    failures.append(
                        Failure(here, "unknown-property", f"'{name}' of {owner} is set by Azure; leave it out")
                    )
                else:
                    failures.append(Failure(here, "read-only", f"'{name}' of {owner} is set by Azure"))
            else:
                failures += self._entry(here, item, known[name], owner)
        for name, entry in known.items():
            if entry.get("required") and unwrap(value.get(name)) is None:
                failures.append(
                    Failure(f"{path}.{name}" if path else name, "missing-required", f"{owner} needs '{name}'")
                )
        return failures

    def _entry(self, path: str, value: Json, entry: Mapping[str, Any], owner: str) -> list[Failure]:
        if value is None or is_unknown(value):
            return []
        if "nested" in entry:
            if isinstance(value, Mapping):
                return self.properties(path, value, entry["nested"], owner)
            return [_wrong(path, value, "an object")]
        if path.endswith("userAssignedIdentities") and self._names is Names.ARM:
            return [] if isinstance(value, Mapping) else [_wrong(path, value, "an object with identities as keys")]
        if "const" in entry and value != entry["const"]:
            return [Failure(path, "bad-enum", f"{_brief(value)}: only '{entry['const']}' is accepted")]
        return self._value(path, value, entry["type"])

    def _value(self, path: str, value: Json, kind: Any) -> list[Failure]:
        value = unwrap(value)
        if value is None or is_unknown(value) or kind == "any":
            return []
        if isinstance(kind, str):
            return _simple(path, value, kind)
        if "enum" in kind:
            return _enum(path, value, kind, strict=self._names is Names.PULUMI or not kind.get("open"))
        if "list" in kind:
            if not isinstance(value, list):
                return [_wrong(path, value, "a list")]
            return [found for i, item in enumerate(value) for found in self._value(f"{path}[{i}]", item, kind["list"])]
        if not isinstance(value, Mapping):
            choices = kind.get("oneOf", ())
            if any(not self._value(path, value, choice) for choice in choices):
                return []
            return [_wrong(path, value, "an object")]
        if "map" in kind:
            return [found for key, item in value.items() for found in self._value(f"{path}.{key}", item, kind["map"])]
        if "object" in kind:
            return self._object(path, value, kind["object"])
        return self._union(path, value, kind["oneOf"])

    def _object(self, path: str, value: Mapping[str, Json], name: str) -> list[Failure]:
        return self.properties(path, value, self._objects[name], name.removesuffix("Args").removesuffix("Response"))

    def _union(self, path: str, value: Mapping[str, Json], choices: list[Any]) -> list[Failure]:
        """One of several object types: the constant property decides, or else the first that fits."""
        names = [choice["object"] for choice in choices if isinstance(choice, dict) and "object" in choice]
        by_constant = {
            (key, entry["const"]): name
            for name in names
            for key, entry in self._objects[name].items()
            if "const" in entry
        }
        for (key, constant), name in by_constant.items():
            if unwrap(value.get(key)) == constant:
                return self._object(path, value, name)
        if keys := {key for key, _ in by_constant}:
            key = min(keys, key=lambda candidate: (candidate not in value, candidate))
            given = unwrap(value.get(key))
            if is_unknown(given):
                return []
            accepted = ", ".join(sorted({constant for known, constant in by_constant if known == key}))
            return [Failure(f"{path}.{key}", "bad-enum", f"{_brief(given)} is not one of: {accepted}")]
        attempts = [self._value(path, value, choice) for choice in choices]
        return min(attempts, key=len)


def _simple(path: str, value: Json, kind: str) -> list[Failure]:
    types, wanted = _WANTED[kind]
    fits = isinstance(value, types) and (kind == "boolean" or not isinstance(value, bool))
    if fits and kind == "integer" and not float(value).is_integer():
        fits = False
    return [] if fits else [_wrong(path, value, wanted)]


def _enum(path: str, value: Json, kind: Mapping[str, Any], *, strict: bool) -> list[Failure]:
    accepted = kind["enum"]
    if isinstance(value, str):
        # ARM compares such values without case.
        if not strict or value.lower() in {str(known).lower() for known in accepted}:
            return []
    elif not isinstance(value, bool) and value in accepted:
        return []
    near = difflib.get_close_matches(str(value), map(str, accepted), 1)
    hint = f"; did you mean '{near[0]}'?" if near else ""
    return [Failure(path, "bad-enum", f"{_brief(value)} is not one of: {', '.join(map(str, accepted))}{hint}")]


def _wrong(path: str, value: Json, wanted: str) -> Failure:
    return Failure(path, "wrong-type", f"{_brief(value)} is {_kind(value)}; want {wanted}")


def _kind(value: Json) -> str:
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, str):
        return "a string"
    if isinstance(value, int | float):
        return "a number"
    return "a list" if isinstance(value, list) else "an object" if isinstance(value, Mapping) else "nothing"


def _brief(value: Json) -> str:
    text = f"'{value}'" if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _unknown(name: str, known: Mapping[str, Any], owner: str) -> str:
    settable = [other for other, entry in known.items() if not entry.get("readOnly")]
    by_lower = {other.lower().replace("_", ""): other for other in settable}
    near = by_lower.get(name.lower().replace("_", "")) or next(iter(difflib.get_close_matches(name, settable, 1)), None)
    return f"no '{name}' in {owner}" + (f"; did you mean '{near}'?" if near else "")


def _arm_names(types: Mapping[str, Any]) -> dict[str, Any]:
    """The same types by ARM's names; what Pulumi lifted out of an object goes back into it."""
    renamed: dict[str, Any] = {}
    for name, entry in types.items():
        first, _, rest = entry.get("arm", name).partition("/")
        if not rest:
            renamed[first] = {key: value for key, value in entry.items() if key != "arm"}
            continue
        inner = {**entry, "arm": rest}
        if "nested" not in renamed.get(first, {}):
            renamed[first] = {"nested": {}}
        renamed[first]["nested"][name] = inner
    return renamed
