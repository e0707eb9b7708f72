"""Functions that expressions of ARM templates may call. Source: learn.microsoft.com, "ARM template functions"."""

import base64
import hashlib
import json
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from sandbox import clock
from sandbox.arm import access, ids
from sandbox.arm.errors import ArmError
from sandbox.arm.resource import show
from sandbox.constants import TENANT_ID

if TYPE_CHECKING:
    from sandbox.arm.template_reader import Scope


SIZE_LIMIT = 4 * 1024 * 1024  # characters of a value; of a whole template on Azure


def invalid(message: str) -> ArmError:
    """400 for a template that cannot be deployed."""
    return ArmError(400, "InvalidTemplate", f"Deployment template validation failed: {message}.")


def _concat(*parts: Any) -> Any:
    if parts and isinstance(parts[0], list):
        return [item for part in parts for item in part]
    return "".join(_text(part) for part in parts)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _small(size: int) -> None:
    """Refuse a text before it is made.

    Raises:
        ValueError: it would be too large.
    """
    if size > SIZE_LIMIT:
        raise ValueError(f"the value is larger than {SIZE_LIMIT} characters")


def _replace(text: str, old: str, new: str) -> str:
    _small(len(text) + text.count(old) * len(new))
    return text.replace(old, new)


def _join(values: list[str], sign: str) -> str:
    _small(len(values) * len(sign))
    return sign.join(values)


def _format(text: str, *values: Any) -> str:
    texts = [_text(value) for value in values]
    named = re.compile(r"\{(\d+)\}")
    _small(len(text) + sum(len(texts[int(number)]) for number in named.findall(text)))
    return named.sub(lambda found: texts[int(found[1])], text)


def _resource_id(scope: "Scope", *parts: str) -> str:
    cut = next(index for index, part in enumerate(parts) if "/" in part)
    _, _, subscription, _, group = scope.group.split("/")
    where = [subscription, group][: 2 - cut] + list(parts[:cut])
    return f"/subscriptions/{where[0]}/resourceGroups/{where[1]}/{provided(parts[cut], parts[cut + 1 :])}"


def provided(arm_type: str, names: tuple[str, ...] | list[str]) -> str:
    """``providers/NAMESPACE/TYPE/NAME...`` of a type and its names."""
    namespace, *types = arm_type.split("/")
    if len(types) != len(names):
        raise invalid(f"{arm_type} needs {len(types)} names, not {len(names)}: {', '.join(names)}")
    return "/".join(["providers", namespace, *(part for pair in zip(types, names, strict=True) for part in pair)])


def _subscription_resource_id(scope: "Scope", *parts: str) -> str:
    own = scope.group.split("/")[2]
    subscription, arm_type, *names = parts if "/" not in parts[0] else (own, *parts)
    return f"/subscriptions/{subscription}/{provided(arm_type, names)}"


def _reference(scope: "Scope", name: str, _: str = "", full: str = "") -> Any:
    """What a GET by the deployment's caller would show."""
    where = ids.parse(name)
    action = scope.view.registry.need(where).operation("read")
    access.require(scope.view.reader, scope.view.caller, action, where.text)
    shown = show(scope.view.need(name), scope.view)
    return shown if full.lower() == "full" else shown.get("properties") or {}


def _unique(*parts: str) -> str:
    digest = hashlib.sha256("|".join(parts).encode()).digest()
    return base64.b32encode(digest).decode().lower()[:13]


def _guid(*parts: str) -> str:
    digits = hashlib.sha256("|".join(parts).encode()).hexdigest()
    return f"{digits[:8]}-{digits[8:12]}-5{digits[13:16]}-8{digits[17:20]}-{digits[20:32]}"


def _union(*parts: Any) -> Any:
    if isinstance(parts[0], list):
        return list(
            {json.dumps(item, sort_keys=True): item for part in reversed(parts) for item in reversed(part)}.values()
        )[::-1]
    return {key: value for part in parts for key, value in part.items()}


def _contains(container: Any, item: Any) -> bool:
    if isinstance(container, Mapping):
        return str(item).lower() in (key.lower() for key in container)
    return item in container


def _equals(one: Any, other: Any) -> bool:
    if isinstance(one, str) and isinstance(other, str):
        return one.lower() == other.lower()
    return bool(one == other)


def _group(scope: "Scope") -> dict[str, Any]:
    me = scope.view.need(scope.group)
    return {"id": me.id.text, "name": me.name, "location": me.get("location"), "tags": me.get("tags", {})}


# Those that ask where the template is deployed; they take the scope first.
SCOPED: dict[str, Callable[..., Any]] = {
    "parameters": lambda scope, name: scope.parameter(name),
    "variables": lambda scope, name: scope.variable(name),
    "resourceid": _resource_id,
    "subscriptionresourceid": _subscription_resource_id,
    "reference": _reference,
    "subscription": lambda scope: {
        "subscriptionId": scope.group.split("/")[2], "id": "/".join(scope.group.split("/")[:3]),
        "tenantId": TENANT_ID, "displayName": "Sandbox",
    },
    "resourcegroup": _group,
}  # fmt: skip
PURE: dict[str, Callable[..., Any]] = {
    "concat": _concat,
    "uniquestring": _unique,
    "guid": _guid,
    "newguid": lambda: clock.new_id(),
    "utcnow": lambda _="": clock.timestamp(),
    "if": lambda condition, one, other: one if condition else other,
    "equals": _equals,
    "not": lambda value: not value,
    "and": lambda *values: all(values),
    "or": lambda *values: any(values),
    "empty": lambda value: not value,
    "json": lambda text: json.loads(text),
    "array": lambda value: value if isinstance(value, list) else [value],
    "createarray": lambda *values: list(values),
    "createobject": lambda *pairs: dict(zip(pairs[::2], pairs[1::2], strict=True)),
    "coalesce": lambda *values: next((value for value in values if value is not None), None),
    "contains": _contains,
    "union": _union,
    "length": lambda value: len(value),
    "first": lambda value: value[0],
    "last": lambda value: value[-1],
    "take": lambda value, count: value[:count],
    "skip": lambda value, count: value[count:],
    "substring": lambda text, start, count=None: text[start:][:count],
    "replace": _replace,
    "split": lambda text, sign: text.split(sign),
    "join": _join,
    "tolower": lambda text: text.lower(),
    "toupper": lambda text: text.upper(),
    "trim": lambda text: text.strip(),
    "startswith": lambda text, start: text.lower().startswith(start.lower()),
    "endswith": lambda text, end: text.lower().endswith(end.lower()),
    "string": lambda value: _text(value),
    "int": lambda value: int(value),
    "bool": lambda value: str(value).lower() in ("true", "1"),
    "format": _format,
    "true": lambda: True,
    "false": lambda: False,
    "null": lambda: None,
}
