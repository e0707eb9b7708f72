"""How one configured value is judged: its type, what is accepted, and what to say when it is not.

`settings`, `model_file` and `live_file` declare which values exist; this file knows nothing about any single one.
"""

import dataclasses
import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, dataclass
from pathlib import Path
from typing import Any

from yaml_lines import Document, Where

_PAGE = "docs/reference/configuration.md"  # lists what would be too long for one line


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One mistake: where, what was found, what is accepted, how to repair it.

    Attributes:
        file: file that the mistake stands in.
        line: its line, counted from 1; 0 when the file has none for it.
        key: the value's place in the file, such as ``clusters[0].vm_size``.
        found: completes "KEY: ...".
        accepted: completes "accepted: ...".
        repair: completes "repair: ...".
    """

    file: str
    line: int
    key: str
    found: str
    accepted: str
    repair: str

    def __str__(self) -> str:
        at = f"{self.file}:{self.line}" if self.line else self.file
        return f"{at}: {self.key}: {self.found}; accepted: {self.accepted}; repair: {self.repair}"


class ProblemsError(ValueError):
    """A file has mistakes, one a line.

    Attributes:
        problems: each with its line and its repair.
    """

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


@dataclass(frozen=True, kw_only=True)
class Rule:
    """Judges one value.

    Attributes:
        kind: type of the plain value, as YAML and JSON give it.
        accepted: completes "accepted: ...".
        complaint: what is wrong with a value of the right kind; None when it is fine.
        fields_of: dataclass that an object, or each object of a list or mapping, must fill.
        schema: what an editor is told beyond the kind, in words of JSON Schema.
    """

    kind: type[Any]
    accepted: str
    complaint: Callable[[Any], str | None] = lambda _: None
    fields_of: type[Any] | None = None
    mapping: bool = False
    schema: Mapping[str, Any] = dataclasses.field(default_factory=dict)


def setting(rule: Rule, *, default: Any = MISSING) -> Any:
    """Declares a dataclass field that is read by ``rule``."""
    return dataclasses.field(default=default, metadata={"rule": rule})


def text(pattern: str, accepted: str) -> Rule:
    """A string that matches the whole pattern."""
    return Rule(
        kind=str,
        accepted=accepted,
        complaint=lambda value: None if re.fullmatch(pattern, value, re.DOTALL) else "does not fit",
        schema={"pattern": f"^({pattern})$"},
    )


def words(accepted: str) -> Rule:
    """Any text that is not empty."""
    return text(r".+", accepted)


def azure_name(limit: int = 32) -> Rule:
    """A name that people, jobs and Azure type: the strictest of Azure ML's name rules."""
    return text(
        r"(?=.{3," + str(limit) + r"}$)[a-z][a-z0-9]*(-[a-z0-9]+)*",
        f"3-{limit} lower case letters, digits and single hyphens, starting with a letter",
    )


def guid() -> Rule:
    """An id of Azure or Entra."""
    return text(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "a GUID in lower case")


def integer(low: int, high: int) -> Rule:
    """A whole number within two bounds, both included."""
    return Rule(
        kind=int,
        accepted=f"a whole number from {low} to {high}",
        complaint=lambda value: None if low <= value <= high else "out of range",
        schema={"minimum": low, "maximum": high},
    )


def boolean() -> Rule:
    """True or false."""
    return Rule(kind=bool, accepted="true or false")


def choice(*values: str) -> Rule:
    """One of a few words."""
    return Rule(
        kind=str,
        accepted=" or ".join(values) if len(values) < 6 else f"one of {len(values)} values, listed in {_PAGE}",
        complaint=lambda value: None if value in values else f"not one of them{nearest(value, values, most=2)}",
        schema={"enum": list(values)},
    )


def texts(accepted: str, pattern: str = r".+", *, least: int = 1) -> Rule:
    """A list of strings that match a pattern."""

    def complaint(value: list[Any]) -> str | None:
        good = len(value) >= least and all(isinstance(v, str) and re.fullmatch(pattern, v) for v in value)
        return None if good else "not such a list"

    return Rule(
        kind=list,
        accepted=f"a list of {accepted}",
        complaint=complaint,
        schema={"items": {"type": "string", "pattern": f"^({pattern})$"}, "minItems": least},
    )


def plain_values(accepted: str) -> Rule:
    """A mapping of names to texts, numbers and truth values."""

    def complaint(value: dict[Any, Any]) -> str | None:
        wrong = [key for key, each in value.items() if not isinstance(each, str | int | float)]
        return f"{', '.join(map(str, wrong))}: not a plain value" if wrong else None

    return Rule(
        kind=dict,
        accepted=accepted,
        complaint=complaint,
        schema={"additionalProperties": {"type": ["string", "number", "boolean"]}},
    )


def anything(kind: type[Any], accepted: str) -> Rule:
    """A list or mapping that another reader judges."""
    return Rule(kind=kind, accepted=accepted)


def object_of(fields_of: type[Any]) -> Rule:
    """An object with exactly the fields of a dataclass."""
    return Rule(kind=dict, accepted=f"fields {names_of(fields_of)}", fields_of=fields_of)


def objects(fields_of: type[Any]) -> Rule:
    """A list of such objects, each with a name of its own."""
    return Rule(kind=list, accepted=f"a list of objects with fields {names_of(fields_of)}", fields_of=fields_of)


def mapping_of(fields_of: type[Any]) -> Rule:
    """A mapping of names to such objects."""
    accepted = f"names, each with fields {names_of(fields_of)}"
    return Rule(kind=dict, accepted=accepted, fields_of=fields_of, mapping=True)


def names_of(fields_of: type[Any]) -> str:
    """Returns the field names of a dataclass as a reader may copy them."""
    return ", ".join(field.name for field in dataclasses.fields(fields_of) if "rule" in field.metadata)


@dataclass(frozen=True, kw_only=True)
class Reader:
    """Reads plain values into dataclasses and keeps every problem it meets.

    Attributes:
        file: file that a repair edits.
        lines: where in it each value stands.
        problems: filled while reading; several readers may share one list.
        right: what was read without a problem, by its place: rules between values judge it, whatever else is wrong.
    """

    file: str
    lines: Mapping[Where, int] = dataclasses.field(default_factory=dict)
    problems: list[Problem] = dataclasses.field(default_factory=list)
    right: dict[Where, Any] = dataclasses.field(default_factory=dict)

    @classmethod
    def of(cls, document: Document, problems: list[Problem]) -> "Reader":
        """A reader of one file; keys that the file repeats are problems already."""
        reader = cls(file=document.file.as_posix(), lines=document.lines, problems=problems)
        for where, line, first in document.repeated:
            found = f"stands twice, first in line {first}"
            reader._add(line, where, found, "each key once", f"remove one of them in {reader.file}")
        return reader

    def report(self, where: Where, found: str, accepted: str, repair: str | None = None) -> None:
        """Adds a problem; without a repair of its own it points at the file."""
        self._add(self.line(where), where, found, accepted, repair or f"edit {spelled(where)} in {self.file}")

    def _add(self, line: int, where: Where, found: str, accepted: str, repair: str) -> None:
        self.problems.append(
            Problem(file=self.file, line=line, key=spelled(where), found=found, accepted=accepted, repair=repair)
        )

    def line(self, where: Where) -> int:
        """Line of a value; of what should hold it when it is missing; 0 when nothing is known."""
        while where and where not in self.lines:
            where = where[:-1]
        return self.lines.get(where, 0)

    def value(self, where: Where, raw: Any, rule: Rule) -> Any:
        """Returns the checked value; after a report, something of the same shape or None."""
        before = len(self.problems)
        read = self._value(where, raw, rule)
        if len(self.problems) == before:
            self.right[where] = read
        return read

    def _value(self, where: Where, raw: Any, rule: Rule) -> Any:
        # bool is an int to Python, not to a reader of YAML
        if not isinstance(raw, rule.kind) or (rule.kind is int and isinstance(raw, bool)):
            self.report(where, f"{raw!r} is not a {_KINDS[rule.kind]}", rule.accepted)
            return None
        complaint = rule.complaint(raw)
        if complaint:
            self.report(where, f"{raw!r}: {complaint}", rule.accepted)
            return None
        if rule.fields_of and isinstance(raw, list):
            return self._list(where, raw, rule.fields_of)
        if rule.fields_of and rule.mapping:
            read = {str(name): self.object((*where, str(name)), item, rule.fields_of) for name, item in raw.items()}
            return {name: item for name, item in read.items() if item is not None}
        if rule.fields_of:
            return self.object(where, raw, rule.fields_of)
        return tuple(raw) if isinstance(raw, list) else raw

    def object(self, where: Where, raw: Any, fields_of: type[Any]) -> Any:
        """Fills a dataclass from an object; unknown and missing fields are problems."""
        known = {field.name: field for field in dataclasses.fields(fields_of) if "rule" in field.metadata}
        accepted = f"fields {', '.join(known)}"
        if not isinstance(raw, dict):
            self.report(where, f"{raw!r} is not a {_KINDS[dict]}", accepted)
            return None
        before = len(self.problems)
        for name in raw:
            if name not in known:
                self.report((*where, str(name)), f"unknown field{nearest(str(name), known)}", accepted)
        values = {}
        for name, field in known.items():
            if name in raw:
                values[name] = self.value((*where, name), raw[name], field.metadata["rule"])
            elif field.default is MISSING:
                self.report((*where, name), "missing", field.metadata["rule"].accepted)
        if len(self.problems) > before:
            return None
        self.right[where] = fields_of(**values)
        return self.right[where]

    def _list(self, where: Where, raw: list[Any], fields_of: type[Any]) -> tuple[Any, ...]:
        read = [self.object((*where, i), item, fields_of) for i, item in enumerate(raw)]
        first: dict[str, int] = {}
        for i, item in enumerate(raw):
            name = item.get("name") if isinstance(item, dict) else None
            if isinstance(name, str) and name in first:
                found = f"{name!r} stands twice, first in {spelled((*where, first[name]))}"
                self.report((*where, i, "name"), found, "a name of its own for each entry")
            elif isinstance(name, str):
                first[name] = i
        return tuple(item for item in read if item is not None)


_KINDS = {str: "text", int: "whole number", bool: "true or false", list: "list", dict: "set of fields"}


def spelled(where: Where) -> str:
    """A place as people write it: ``clusters[0].vm_size``."""
    out = ""
    for part in where:
        out += f"[{part}]" if isinstance(part, int) else f".{part}" if out else part
    return out


def nearest(name: str, known: Iterable[str], most: int = 1) -> str:
    """Returns ``, did you mean ...`` when known names are close, else nothing."""
    close = difflib.get_close_matches(name, list(known), n=most)
    return f", did you mean {' or '.join(close)}?" if close else ""


def existing_file(reader: Reader, where: Where, path: Path) -> None:
    """Reports a path that is no file."""
    if not path.is_file():
        reader.report(where, f"{path.as_posix()!r}: no such file", "an existing file")
