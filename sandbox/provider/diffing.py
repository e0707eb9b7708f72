"""Structural comparison of inputs, and the paths that name its parts."""

import re
from collections.abc import Callable, Iterator, Mapping

from sandbox.provider.base import Change, Kind
from sandbox.values import Json, Props, plain

_STEP = re.compile(r'\.?([^.\[\]]+)|\[(\d+)\]|\["((?:[^"\\]|\\.)*)"\]|(\[\*\])')
Path = tuple[str | int, ...]


def compare(old: Props, new: Props, replaces: Callable[[str], bool] = lambda _: False) -> dict[str, Change]:
    """What differs, by path. `replaces` is asked with paths without list indices.

    Secrecy is no difference; a null property equals an absent one. Keys that begin with two underscores are
    the provider's own notes.
    """
    changes: dict[str, Change] = {}
    _objects(plain(old), plain(new), "", "", False, replaces, changes)
    return changes


def _objects(
    old: Mapping[str, Json], new: Mapping[str, Json], path: str, bare: str, force: bool,
    replaces: Callable[[str], bool], into: dict[str, Change],
) -> None:  # fmt: skip
    for key in [*old, *(key for key in new if key not in old)]:
        if key.startswith("__") and not path:
            continue
        here, bare_here = _join(path, key), f"{bare}.{key}" if bare else key
        forced = force or replaces(bare_here)
        if key not in new:
            into[here] = Change(Kind.DELETE, forced)
        elif key not in old:
            into[here] = Change(Kind.ADD, forced)
        else:
            _values(old[key], new[key], here, bare_here, forced, replaces, into)


def _values(
    old: Json, new: Json, path: str, bare: str, force: bool, replaces: Callable[[str], bool], into: dict[str, Change]
) -> None:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        _objects(old, new, path, bare, force, replaces, into)
    elif isinstance(old, list) and isinstance(new, list):
        for index in range(max(len(old), len(new))):
            here, bare_here = f"{path}[{index}]", f"{bare}[]"
            if index >= len(new):
                into[here] = Change(Kind.DELETE, force)
            elif index >= len(old):
                into[here] = Change(Kind.ADD, force)
            else:
                _values(old[index], new[index], here, bare_here, force, replaces, into)
    elif old != new or isinstance(old, bool) != isinstance(new, bool):
        into[path] = Change(Kind.UPDATE, force)


def _join(path: str, key: str) -> str:
    if not re.fullmatch(r"[\w$-]+", key):
        return f'{path}["{key}"]'
    return f"{path}.{key}" if path else key


def parse(path: str) -> Path:
    """The steps of a property path; ``*`` and ``[*]`` stand for any one step.

    Raises:
        ValueError: the text is no property path.
    """
    steps: list[str | int] = []
    at = 0
    while at < len(path):
        found = _STEP.match(path, at)
        if found is None:
            raise ValueError(f"'{path}' is no property path; want for example tags.owner or rules[0][\"a.b\"]")
        name, index, quoted, star = found.groups()
        steps.append("*" if star else int(index) if index is not None else quoted if quoted is not None else name)
        at = found.end()
    return tuple(steps)


def matches(pattern: Path, path: Path) -> bool:
    """Whether `pattern` names `path` or something that encloses it, or lies inside it."""
    return all(step in ("*", other) for step, other in zip(pattern, path, strict=False))


def keep(new: Props, old: Props, paths: list[str]) -> Props:
    """`new` with the values of `old` at each path: what ``ignore_changes`` asks for."""
    result: Props = new
    for path in paths:
        result = _keep(result, old, parse(path))
    return result


_ABSENT = object()


def _keep(new: Json, old: Json, path: Path) -> Json:
    step, rest = path[0], path[1:]
    if isinstance(new, list) and isinstance(old, list):
        result = list(new)
        for index in _indices(step, min(len(new), len(old))):
            result[index] = _keep(new[index], old[index], rest) if rest else old[index]
        return result
    if not isinstance(new, Mapping) or not isinstance(old, Mapping):
        return new
    merged = dict(new)
    for key in {*new, *old} if step == "*" else {str(step)}:
        before, after = old.get(key, _ABSENT), new.get(key, _ABSENT)
        if rest and before is not _ABSENT and after is not _ABSENT:
            merged[key] = _keep(after, before, rest)
        elif rest:
            continue
        elif before is _ABSENT:
            merged.pop(key, None)
        else:
            merged[key] = before
    return merged


def _indices(step: str | int, length: int) -> Iterator[int]:
    if step == "*":
        yield from range(length)
    elif isinstance(step, int) and step < length:
        yield step
