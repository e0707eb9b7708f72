"""Property values as Pulumi's wire format writes them, and what their markers mean.

Values are plain JSON. Two markers ride along: a string that stands for "not known before the update", and an
object that says "what I hold is a secret". Source: the Pulumi resource protocol (``pulumi.runtime.rpc``).
"""

from collections.abc import Callable
from typing import Any

Json = Any
Props = dict[str, Json]

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
SIGNATURE = "4dabf18193072939515e22adb298388d"
SECRET_SIGNATURE = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - a public marker, no credential
OUTPUT_SIGNATURE = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
RESOURCE_SIGNATURE = "5cf8f73096256a8f31e491e813e4eb8e"
# The protocol has one marker for each type of value that is not known; senders may use any of them.
_UNKNOWNS = frozenset({
    UNKNOWN, "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7", "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
    "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2", "030794c1-ac77-496b-92df-f27374a8bd58",
    "e48ece36-62e2-4504-bad9-02848725956a", "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
})  # fmt: skip


def is_unknown(value: Json) -> bool:
    """Whether the value is not known before the update; what it holds is not looked at."""
    if isinstance(value, str):
        return value in _UNKNOWNS
    return isinstance(value, dict) and value.get(SIGNATURE) == OUTPUT_SIGNATURE and "value" not in value


def is_secret(value: Json) -> bool:
    """Whether the value itself is marked secret."""
    if not isinstance(value, dict):
        return False
    return value.get(SIGNATURE) == SECRET_SIGNATURE or (
        value.get(SIGNATURE) == OUTPUT_SIGNATURE and bool(value.get("secret"))
    )


def secret(value: Json) -> Json:
    """The value marked secret, once."""
    return value if is_secret(value) else {SIGNATURE: SECRET_SIGNATURE, "value": value}


def unwrap(value: Json) -> Json:
    """The value without markers around it; what it holds keeps its own."""
    while isinstance(value, dict) and value.get(SIGNATURE) in (SECRET_SIGNATURE, OUTPUT_SIGNATURE):
        value = value.get("value", UNKNOWN)
    return value


def plain(value: Json) -> Json:
    """The value without secret markers at any depth, nulls in objects left out."""
    value = unwrap(value)
    if isinstance(value, dict):
        if value.get(SIGNATURE) == RESOURCE_SIGNATURE:
            return value.get("id") or value.get("urn")
        return {key: plain(item) for key, item in value.items() if unwrap(item) is not None}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return UNKNOWN if is_unknown(value) else value


def any_value(value: Json, test: Callable[[Json], bool]) -> bool:
    """Whether `test` holds for the value or anything in it."""
    if test(value):
        return True
    if isinstance(value, dict):
        return any(any_value(item, test) for item in value.values())
    return isinstance(value, list) and any(any_value(item, test) for item in value)


def has_unknown(value: Json) -> bool:
    """Whether anything in the value is not known yet."""
    return any_value(value, is_unknown)


def keep_secrets(value: Json, like: Json) -> Json:
    """Mark in `value` what is marked secret at the same place in `like`."""
    if is_secret(like):
        return secret(value)
    value = unwrap(value) if is_secret(value) else value
    if isinstance(value, dict) and isinstance(like, dict):
        return {key: keep_secrets(item, like[key]) if key in like else item for key, item in value.items()}
    if isinstance(value, list) and isinstance(like, list) and len(value) == len(like):
        return [keep_secrets(item, other) for item, other in zip(value, like, strict=True)]
    return value


def masked(value: Json) -> Json:
    """The value with every secret's marker in place and its content gone."""
    if is_secret(value):
        return {SIGNATURE: SECRET_SIGNATURE}
    if isinstance(value, dict):
        return {key: masked(item) for key, item in value.items()}
    return [masked(item) for item in value] if isinstance(value, list) else value


def shown(value: Json) -> Json:
    """The value as people and files may read it: plain, with ``[secret]`` where a secret is, as Pulumi prints it."""
    if is_secret(value):
        return "[secret]"
    value = unwrap(value)
    if isinstance(value, dict):
        return {key: shown(item) for key, item in value.items()}
    return [shown(item) for item in value] if isinstance(value, list) else plain(value)
