"""In which order resources are deleted: nothing goes while something that needs it is there."""

from collections.abc import Callable, Iterable

from sandbox.engine.journal import Key
from sandbox.engine.state import Resource

Waves = list[list[tuple[Key, Resource]]]


def waves(doomed: Iterable[tuple[Key, Resource]], renamed: Callable[[str], str] = lambda urn: urn) -> Waves:
    """Deletions in order, dependents first; those of one wave do not need each other."""
    left = dict(doomed)
    needs = {key: {renamed(urn) for urn in resource.needs()} for key, resource in left.items()}
    result: Waves = []
    while left:
        needed = {urn for key in left for urn in needs[key] if urn != renamed(key[0])}
        wave = [(key, resource) for key, resource in left.items() if renamed(key[0]) not in needed]
        if not wave:  # a cycle can only come from a damaged state; delete what is left rather than loop
            wave = list(left.items())
        result.append(wave)
        for key, _ in wave:
            del left[key]
    return result
