"""What of a resource is encrypted in the state: it is closed when its row is written, and opened when that is read.

So no rule sees the difference, and no copy of the state shows what it holds. Reads leave it out only where the kind
hides it as well.
"""

import copy
import json
from collections.abc import Iterator, Sequence
from typing import Any

from sandbox.arm.keys import seal, unseal
from sandbox.store.db import Reader

Body = dict[str, Any]


def closed(body: Body, paths: Sequence[str], key: str, reader: Reader) -> Body:
    """The body as it is written down.

    Args:
        body: stays as it is.
        paths: dotted; ``*`` stands for every name.
        key: of the resource: what is closed for one opens for no other.
        reader: the state.
    """
    if not any(value for path in paths for *_, value in _places(body, path.split("."))):
        return body
    body = copy.deepcopy(body)
    for path in paths:
        for holder, name, value in _places(body, path.split(".")):
            if value:
                holder[name] = seal(reader, json.dumps(value), key, path)
    return body


def opened(body: Body, paths: Sequence[str], key: str, reader: Reader) -> Body:
    """The same body, with what :func:`closed` closed; what an older sandbox wrote down open is left as it is."""
    for path in paths:
        for holder, name, value in _places(body, path.split(".")):
            if isinstance(value, str):
                holder[name] = json.loads(unseal(reader, value, key, path))
    return body


def _places(body: Any, path: list[str]) -> Iterator[tuple[Body, str, Any]]:
    """What encloses a value, its name there, and the value."""
    if not isinstance(body, dict):
        return
    name, *rest = path
    for each in list(body) if name == "*" else [name] if name in body else []:
        if rest:
            yield from _places(body[each], rest)
        else:
            yield body, each, body[each]
