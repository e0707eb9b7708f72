"""How one configuration value is judged: its type, what is accepted, and what to say when it is not.

`settings` declares which values exist; this file knows nothing about any single one of them.
"""

import dataclasses
import difflib
import re
from collections.abc import Callable, Iterable
from dataclasses import MISSING, dataclass
from pathlib import Path
from typing import Any

import vm_sizes


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One mistake: where, what was found, what is accepted, how to repair it."""

    key: str
    found: str
    accepted: str
    repair: str

    def __str__(self) -> str:
        return f"{self.key}: {self.found}; accepted: {self.accepted}; repair: {self.repair}"


@dataclass(frozen=True, kw_only=True)
class Rule:
    """Judges one value.

    Attributes:
        kind: type of the plain value, as YAML and JSON give it.
        accepted: completes "accepted: ...".
        complaint: what is wrong with a value of the right kind; None when it is fine.
        fields_of: dataclass that an object, or each object of a list, must fill.
    """

    kind: type[Any]
    accepted: str
    complaint: Callable[[Any], str | None] = lambda _: None
    fields_of: type[Any] | None = None


def setting(rule: Rule, *, default: Any = MISSING) -> Any:
    """Declares a dataclass field that is read by ``rule``."""
    return dataclasses.field(default=default, metadata={"rule": rule})


def text(pattern: str, accepted: str) -> Rule:
    """A string that matches the whole pattern."""
    return Rule(
        kind=str,
        accepted=accepted,
        complaint=lambda value: None if re.fullmatch(pattern, value) else "does not fit",
    )


def azure_name(limit: int = 32) -> Rule:
    """A name that people, jobs and Azure type: the strictest of Azure ML's name rules."""
    return text(
        r"(?=.{3," + str(limit) + r"}$)[a-z][a-z0-9]*(-[a-z0-9]+)*",
        f"3-{limit} lower case letters, digits and single hyphens, starting with a letter",
    )


def integer(low: int, high: int) -> Rule:
    """A whole number within two bounds, both included."""
    return Rule(
        kind=int,
        accepted=f"a whole number from {low} to {high}",
        complaint=lambda value: None if low <= value <= high else "out of range",
    )


def boolean() -> Rule:
    """True or false."""
    return Rule(kind=bool, accepted="true or false")


def choice(*values: str) -> Rule:
    """One of a few words."""
    return Rule(
        kind=str,
        accepted=" or ".join(values),
        complaint=lambda value: None if value in values else "not one of them",
    )


def texts(accepted: str) -> Rule:
    """A list of strings with at least one entry."""
    return Rule(
        kind=list,
        accepted=f"a list of {accepted}",
        complaint=lambda value: None if value and all(isinstance(v, str) for v in value) else "not such a list",
    )


def model_version() -> Rule:
    """An exact model version."""
    return text(r"[A-Za-z0-9][A-Za-z0-9._-]{0,29}", 'an exact version in quotes, such as "3"')


def vm_size() -> Rule:
    """A virtual machine size that Azure still sells."""
    return Rule(kind=str, accepted="a current size such as Standard_D4ds_v5", complaint=vm_sizes.problem)


def existing_file() -> Rule:
    """A file of the repository."""
    return Rule(
        kind=str,
        accepted="a file, relative to the project",
        complaint=lambda value: None if Path(value).is_file() else "no such file",
    )


def object_of(fields_of: type[Any]) -> Rule:
    """An object with exactly the fields of a dataclass."""
    return Rule(kind=dict, accepted=f"fields {names_of(fields_of)}", fields_of=fields_of)


def objects(fields_of: type[Any]) -> Rule:
    """A list of such objects, each with a name of its own."""
    return Rule(kind=list, accepted=f"a list of objects with fields {names_of(fields_of)}", fields_of=fields_of)


def names_of(fields_of: type[Any]) -> str:
    """Returns the field names of a dataclass as a reader may copy them."""
    return ", ".join(field.name for field in dataclasses.fields(fields_of))


@dataclass(frozen=True, kw_only=True)
class Reader:
    """Reads plain values into dataclasses and keeps every problem it meets.

    Attributes:
        file: stack file that a repair edits.
        problems: filled while reading.
    """

    file: str
    problems: list[Problem] = dataclasses.field(default_factory=list)

    def report(self, key: str, found: str, accepted: str, repair: str | None = None) -> None:
        """Adds a problem; without a repair of its own it points at the stack file."""
        self.problems.append(
            Problem(key=key, found=found, accepted=accepted, repair=repair or f"edit {key} in {self.file}")
        )

    def has_problem(self, key: str) -> bool:
        """Says whether a key or something inside it was reported."""
        return any(problem.key == key or problem.key.startswith((f"{key}[", f"{key}.")) for problem in self.problems)

    def value(self, key: str, raw: Any, rule: Rule) -> Any:
        """Returns the checked value; after a report, something of the same shape or None."""
        # bool is an int to Python, not to a reader of YAML
        if not isinstance(raw, rule.kind) or (rule.kind is int and isinstance(raw, bool)):
            self.report(key, f"{raw!r} is not a {_KINDS[rule.kind]}", rule.accepted)
            return None
        complaint = rule.complaint(raw)
        if complaint:
            self.report(key, f"{raw!r}: {complaint}", rule.accepted)
            return None
        if isinstance(raw, list):
            return self._list(key, raw, rule)
        if rule.fields_of and isinstance(raw, dict):
            return self.object(key, raw, rule.fields_of)
        return raw

    def object(self, key: str, raw: dict[str, Any], fields_of: type[Any]) -> Any:
        """Fills a dataclass from an object; unknown and missing fields are problems."""
        known = {field.name: field for field in dataclasses.fields(fields_of)}
        accepted = f"fields {', '.join(known)}"
        before = len(self.problems)
        for name in raw:
            if name not in known:
                self.report(f"{key}.{name}", f"unknown field{nearest(name, known)}", accepted)
        values = {}
        for name, field in known.items():
            if name in raw:
                values[name] = self.value(f"{key}.{name}", raw[name], field.metadata["rule"])
            elif field.default is MISSING:
                self.report(f"{key}.{name}", "missing", field.metadata["rule"].accepted)
        return fields_of(**values) if len(self.problems) == before else None

    def _list(self, key: str, raw: list[Any], rule: Rule) -> tuple[Any, ...]:
        if rule.fields_of is None:
            return tuple(raw)
        read = []
        for i, item in enumerate(raw):
            read.append(self.value(f"{key}[{i}]", item, object_of(rule.fields_of)))
        names = [item.get("name") for item in raw if isinstance(item, dict)]
        for name in sorted({n for n in names if isinstance(n, str) and names.count(n) > 1}):
            self.report(key, f"{name!r} stands twice", "a name of its own for each entry")
        return tuple(item for item in read if item is not None)


_KINDS = {str: "text", int: "whole number", bool: "true or false", list: "list", dict: "set of fields"}


def nearest(name: str, known: Iterable[str]) -> str:
    """Returns ``, did you mean ...`` when a known name is close, else nothing."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f", did you mean {close[0]}?" if close else ""
