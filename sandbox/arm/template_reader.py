"""Expressions of ARM templates: ``[concat('a', parameters('b'))]``, read and evaluated."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.arm.resource import View
from sandbox.arm.template_functions import PURE, SCOPED, SIZE_LIMIT, invalid

_TOKEN = re.compile(r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<number>-?\d+)|(?P<name>[A-Za-z_]\w*)|(?P<sign>[\[\](),.]))")

_LENGTH_LIMIT = 24_576  # characters of an expression, as on Azure
_DEPTH_LIMIT = 128  # values in values, calls in calls, and variables in variables
_NODE = 16  # what a number, or an entry of a list or object, counts for
_WORK = 16  # times the size of the largest value: all that a template's expressions may make
_FAULTS = (ArithmeticError, AttributeError, LookupError, RecursionError, StopIteration, TypeError, ValueError)


@dataclass
class Scope:
    """Where a template is deployed and what its expressions may name.

    Attributes:
        group: ARM id of the resource group.
        parameters: by lower-case name, evaluated when they are asked for.
        variables: as the template has them.
        view: what ``reference`` reads.
    """

    group: str
    parameters: dict[str, Any]
    variables: Mapping[str, Any]
    view: View
    _known: dict[str, Any] = field(default_factory=dict)
    _under_way: list[str] = field(default_factory=list)
    _depth: int = 0
    _made: int = 0

    def parameter(self, name: str) -> Any:
        """A parameter's value.

        Raises:
            ArmError: 400 for one that the template does not have, or that needs itself.
        """
        if name.lower() not in self.parameters:
            raise invalid(f"the template has no parameter '{name}'")
        return self._once(f"parameter '{name.lower()}'", self.parameters[name.lower()])

    def variable(self, name: str) -> Any:
        """A variable's value.

        Raises:
            KeyError: the template does not have it.
            ArmError: 400 for one that needs itself.
        """
        return self._once(f"variable '{name}'", self.variables[name])

    def _once(self, name: str, value: Any) -> Any:
        if name in self._under_way:
            way = [*self._under_way[self._under_way.index(name) :], name]
            raise invalid(f"circular reference: {' -> '.join(way)}")
        if name not in self._known:
            self._under_way.append(name)
            try:
                self._known[name] = self.evaluate(value)
            finally:
                self._under_way.pop()
        return self._known[name]

    def evaluate(self, value: Any) -> Any:
        """A JSON value with every expression in it replaced by what it stands for.

        Raises:
            ArmError: 400 InvalidTemplate, with the expression and what is wrong.
        """
        self.descend()
        try:
            return self._evaluate(value)
        finally:
            self.ascend()

    def descend(self) -> None:
        """One level further down.

        Raises:
            ArmError: 400 for one too many.
        """
        if self._depth >= _DEPTH_LIMIT:
            raise invalid(f"its expressions are nested deeper than {_DEPTH_LIMIT} levels")
        self._depth += 1

    def ascend(self) -> None:
        """One level up again."""
        self._depth -= 1

    def count(self, value: Any) -> None:
        """Count a value that an expression has made, as if nothing in it were shared.

        Raises:
            ArmError: 400 when it is, or all have become, too large or too deep.
        """
        size, layer = 0, [value]
        for _ in range(_DEPTH_LIMIT):
            size += sum(len(each) if isinstance(each, str) else _NODE * (1 + _entries(each)) for each in layer)
            if size > SIZE_LIMIT or self._made + size > _WORK * SIZE_LIMIT:
                raise invalid(f"a value, or all of them together, is larger than {SIZE_LIMIT} characters")
            layer = [item for each in layer for item in _items(each)]
            if not layer:
                self._made += size
                return
        raise invalid(f"a value is nested deeper than {_DEPTH_LIMIT} levels")

    def _evaluate(self, value: Any) -> Any:
        if isinstance(value, Mapping):
            return {self._key(key): self.evaluate(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.evaluate(item) for item in value]
        if not isinstance(value, str) or not value.startswith("[") or not value.endswith("]"):
            return value
        if value.startswith("[["):
            return value[1:]
        if len(value) > _LENGTH_LIMIT:
            raise invalid(f"'{value[:40]}…' has {len(value)} characters; an expression has up to {_LENGTH_LIMIT}")
        return _Reader(value[1:-1], self).whole()

    def _key(self, text: Any) -> str:
        key = self.evaluate(text)
        if not isinstance(key, str):
            raise invalid(f"'{text}' names a property, and is no text")
        return key


def _entries(value: Any) -> int:
    return len(value) if isinstance(value, Mapping | list) else 0


def _items(value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        return [*value.keys(), *value.values()]
    return value if isinstance(value, list) else []


class _Reader:
    """Evaluates one expression while it reads it; the branch of an ``if`` that is not taken is not evaluated."""

    def __init__(self, text: str, scope: Scope) -> None:
        self.text, self.scope = text, scope
        self.tokens = []
        position = 0
        while position < len(text.rstrip()):
            found = _TOKEN.match(text, position)
            if found is None:
                raise invalid(f"'{text}' cannot be read from '{text[position:]}' on")
            self.tokens.append((found.lastgroup or "", found[found.lastgroup or 0]))
            position = found.end()
        self.at = 0

    def whole(self) -> Any:
        """The value of the whole text."""
        value = self._expression(live=True)
        if self.at != len(self.tokens):
            raise invalid(f"'{self.text}' has more after its end")
        return value

    def _expression(self, *, live: bool) -> Any:
        self.scope.descend()
        try:
            return self._value(live=live)
        finally:
            self.scope.ascend()

    def _value(self, *, live: bool) -> Any:
        kind, text = self._take()
        if kind == "text":
            value: Any = text[1:-1].replace("''", "'")
        elif kind == "number":
            value = self._number(text)
        elif kind == "name":
            value = self._call(text, live=live)
        else:
            raise invalid(f"'{self.text}' has '{text}' where a value should be")
        while self._peek() in (".", "["):
            value = self._member(value, live=live)
        return value

    def _call(self, name: str, *, live: bool) -> Any:
        self._expect("(")
        arguments: list[Any] = []
        lazy = name.lower() == "if"
        while self._peek() != ")":
            taken = live and not (lazy and arguments and bool(arguments[0]) != (len(arguments) == 1))
            arguments.append(self._expression(live=taken))
            if self._peek() != ")":
                self._expect(",")
        self._expect(")")
        if not live:
            return None
        before = [self.scope] if name.lower() in SCOPED else []
        function = SCOPED.get(name.lower()) or PURE.get(name.lower())
        if function is None:
            raise invalid(f"'{self.text}' calls {name}(); the sandbox has: {', '.join(sorted(SCOPED | PURE))}")
        try:
            value = function(*before, *arguments)
        except _FAULTS as error:
            raise invalid(f"{name}() in '{self.text}': {error}") from error
        self.scope.count(value)
        return value

    def _member(self, value: Any, *, live: bool) -> Any:
        _, sign = self._take()
        key = self._take()[1] if sign == "." else self._expression(live=live)
        if sign == "[":
            self._expect("]")
        if not live:
            return None
        if isinstance(value, Mapping):
            for name, item in value.items():
                if name.lower() == str(key).lower():
                    return item
        elif isinstance(value, list) and isinstance(key, int) and 0 <= key < len(value):
            return value[key]
        raise invalid(f"'{self.text}' asks for '{key}', which is not there")

    def _number(self, text: str) -> int:
        try:
            return int(text)
        except ValueError as error:
            raise invalid(f"'{text[:40]}…' is no number that can be read") from error

    def _peek(self) -> str:
        return self.tokens[self.at][1] if self.at < len(self.tokens) else ""

    def _take(self) -> tuple[str, str]:
        if self.at >= len(self.tokens):
            raise invalid(f"'{self.text}' ends too early")
        self.at += 1
        return self.tokens[self.at - 1]

    def _expect(self, sign: str) -> None:
        if self._take()[1] != sign:
            raise invalid(f"'{self.text}' lacks '{sign}'")
