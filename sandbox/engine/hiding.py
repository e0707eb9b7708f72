"""Takes secrets of a stack's configuration out of what is told and logged, as the Pulumi CLI does."""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import quote, quote_plus

from sandbox.engine.events import Diagnostic, Emit, Event, StepDone

_SHORTEST = 3  # shorter ones stay, as with the CLI: half of each text would go with them


class Hiding:
    """Knows the secrets of one run.

    Args:
        secrets: values of the configuration; of JSON, the texts in it as well.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        spelled = {form for text in secrets for each in _texts(text) for form in _spellings(each)}
        longest_first = sorted((each for each in spelled if len(each) >= _SHORTEST), key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def hide(self, text: str) -> str:
        """The text with ``[secret]`` in the place of each."""
        return self._pattern.sub("[secret]", text) if self._pattern else text

    def around(self, emit: Emit) -> Emit:
        """The same, told without them."""

        def tell(event: Event) -> None:
            if isinstance(event, Diagnostic):
                event = replace(event, message=self.hide(event.message))
            elif isinstance(event, StepDone) and event.error:
                event = replace(event, error=self.hide(event.error))
            emit(event)

        return tell


def _texts(text: str) -> Iterator[str]:
    yield text
    try:
        yield from _inside(json.loads(text))
    except ValueError:
        return


def _inside(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _inside(each)


def _spellings(text: str) -> set[str]:
    """The text as it is, in a URL, and in quotes, which may stand in quotes themselves."""
    found = {text, quote(text), quote(text, safe=""), quote_plus(text)}
    for _ in range(2):
        found |= {escaped for each in found for escaped in (repr(each)[1:-1], json.dumps(each)[1:-1])}
    return found
