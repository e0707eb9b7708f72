"""Values between Pulumi's shape and ARM's, by the types that ``introspect.py`` read."""

from collections.abc import Iterator, Mapping
from typing import Any

from sandbox.values import UNKNOWN, Json, has_unknown, is_secret, is_unknown, plain, unwrap


def place(body: dict[str, Json], path: str, value: Json) -> None:
    """Set the value at a path with slashes, making what encloses it."""
    *above, last = path.split("/")
    for step in above:
        body = body.setdefault(step, {})
    body[last] = value


def find(body: Mapping[str, Json], path: str) -> tuple[bool, Json]:
    """Whether there is a value at a path with slashes, and which."""
    here: Json = body
    for step in path.split("/"):
        if not isinstance(here, Mapping) or step not in here:
            return False, None
        here = here[step]
    return True, here


def to_arm(value: Json, kind: Any, objects: Mapping[str, Any], name: str = "") -> Json:
    """An input as ARM has it."""
    if name == "userAssignedIdentities" and isinstance(value, list):
        return {identity: {} for identity in value}  # Pulumi takes a list, ARM a map without values
    if isinstance(kind, dict) and not is_unknown(value):
        if "list" in kind and isinstance(value, list):
            return [to_arm(item, kind["list"], objects) for item in value]
        if "map" in kind and isinstance(value, Mapping):
            return {key: to_arm(item, kind["map"], objects) for key, item in value.items()}
        if properties := _object(value, kind, objects):
            body: dict[str, Json] = {}
            for key, item in value.items():
                entry = properties.get(key, {})
                place(body, entry.get("arm", key), to_arm(item, entry.get("type"), objects, key))
            return body
    return value


def from_arm(value: Json, kind: Any, objects: Mapping[str, Any]) -> Json:
    """A part of an answer as Pulumi has it."""
    if isinstance(kind, dict):
        if "list" in kind and isinstance(value, list):
            return [from_arm(item, kind["list"], objects) for item in value]
        if "map" in kind and isinstance(value, Mapping):
            return {key: from_arm(item, kind["map"], objects) for key, item in value.items()}
        if properties := _object(value, kind, objects):
            return dict(_named(value, properties, objects))
    return value


def _named(
    value: Mapping[str, Json], properties: Mapping[str, Any], objects: Mapping[str, Any]
) -> Iterator[tuple[str, Json]]:
    moved = {entry["arm"].split("/")[0] for entry in properties.values() if "arm" in entry}
    for key, entry in properties.items():
        found, item = find(value, entry.get("arm", key))
        if found and item is not None:
            yield key, from_arm(item, entry["type"], objects)
    for key, item in value.items():
        if key not in properties and key not in moved and item is not None:
            yield key, item


def _object(value: Json, kind: Mapping[str, Any], objects: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The properties of the object type that the value is of."""
    if not isinstance(value, Mapping):
        return None
    if "object" in kind:
        properties: Mapping[str, Any] = objects[kind["object"]]
        return properties
    for choice in kind.get("oneOf", ()):
        if isinstance(choice, dict) and "object" in choice:
            properties = objects[choice["object"]]
            if all(value.get(key) == entry["const"] for key, entry in properties.items() if "const" in entry):
                return properties
    return None


def foreseen(value: Json, kind: Any, objects: Mapping[str, Any], name: str = "") -> Json:
    """An input as the answer will show it; what Azure will add is not known."""
    clear = unwrap(value)
    if clear is None or is_unknown(clear):
        return UNKNOWN
    if name == "userAssignedIdentities" and isinstance(clear, list):
        return UNKNOWN if has_unknown(clear) else dict.fromkeys(plain(clear), UNKNOWN)
    if isinstance(kind, dict) and not is_secret(value):
        if "list" in kind and isinstance(clear, list):
            return [foreseen(item, kind["list"], objects) for item in clear]
        if "map" in kind and isinstance(clear, Mapping):
            return {key: foreseen(item, kind["map"], objects) for key, item in clear.items()}
        if properties := _object(clear, kind, objects):
            return {
                key: entry.get("const") or foreseen(clear.get(key), entry["type"], objects, key)
                for key, entry in properties.items()
            }
    return value
