"""``${{inputs.x}}`` and ``$[[optional parts]]`` in commands and paths."""

import re
from collections.abc import Mapping

_EXPRESSION = re.compile(r"\$\{\{\s*([^{}]+?)\s*\}\}")
_OPTIONAL = re.compile(r"\$\[\[(.*?)\]\]", re.DOTALL)


class ExpressionError(Exception):
    """An expression names what is not there. The message has it and what there is."""


def fill(text: str, values: Mapping[str, str]) -> str:
    """Put values in place of expressions.

    Args:
        text: may hold ``${{name}}``; a part ``$[[...]]`` falls away unless all that it names is there.
        values: dotted name to text, such as ``inputs.data``.

    Raises:
        ExpressionError: an expression outside an optional part names nothing.
    """

    def optional(match: re.Match[str]) -> str:
        return match[1] if all(name in values for name in names(match[1])) else ""

    def value(match: re.Match[str]) -> str:
        if match[1] not in values:
            raise ExpressionError(
                f"${{{{{match[1]}}}}} names nothing; there is: {', '.join(sorted(values)) or 'nothing'}"
            )
        return values[match[1]]

    return _EXPRESSION.sub(value, _OPTIONAL.sub(optional, text))


def names(text: str) -> list[str]:
    """Every name that the expressions of a text use, in order."""
    return _EXPRESSION.findall(text)


def only(text: object) -> str | None:
    """The name, when a text is one expression and nothing else."""
    found = _EXPRESSION.fullmatch(text.strip()) if isinstance(text, str) else None
    return found[1] if found else None
