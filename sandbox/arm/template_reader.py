"""Expressions of ARM templates: ``[concat('a', parameters('b'))]``, read and evaluated."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.arm.resource import View
from sandbox.arm.template_functions import PURE, SCOPED, invalid

_TOKEN = re.compile(r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<number>-?\d+)|(?P<name>[A-Za-z_]\w*)|(?P<sign>[\[\](),.]))")


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

    def parameter(self, name: str) -> Any:
        """A parameter's value.

        Raises:
            ArmError: 400 for one that the template does not have.
        """
        if name.lower() not in self.parameters:
            raise invalid(f"the template has no parameter '{name}'")
        return self.evaluate(self.parameters[name.lower()])

    def evaluate(self, value: Any) -> Any:
        """A JSON value with every expression in it replaced by what it stands for.

        Raises:
            ArmError: 400 InvalidTemplate, with the expression and what is wrong.
        """
        if isinstance(value, Mapping):
            return {self.evaluate(key): self.evaluate(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.evaluate(item) for item in value]
        if not isinstance(value, str) or not value.startswith("[") or not value.endswith("]"):
            return value
        if value.startswith("[["):
            return value[1:]
        return _Reader(value[1:-1], self).whole()


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
        kind, text = self._take()
        if kind == "text":
            value: Any = text[1:-1].replace("''", "'")
        elif kind == "number":
            value = int(text)
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
            return function(*before, *arguments)
        except (TypeError, ValueError, LookupError, StopIteration) as error:
            raise invalid(f"{name}() in '{self.text}': {error}") from error

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
        elif isinstance(value, list) and isinstance(key, int) and key < len(value):
            return value[key]
        raise invalid(f"'{self.text}' asks for '{key}', which is not there")

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
