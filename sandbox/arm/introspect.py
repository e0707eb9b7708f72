"""The property types of one module, read from the installed provider package.

The package ships no schema file, but its classes carry every name, type, requirement and constant. What is
read here is kept as JSON (see ``schema.py``): importing a module costs a second that a server must not spend.
"""

import importlib
import importlib.util
import inspect
import re
import typing
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from types import ModuleType, NoneType
from typing import Any

from sandbox.arm.tokens import ENVELOPE, PATHS, RENAMED

PACKAGE = "pulumi_azure_native"
_CONSTANT = re.compile(r"Expected value is '([^']*)'")
_VERSION = re.compile(r"Uses Azure REST API version ([\w-]+?)\.(?:\s|$)")
_ALIAS = re.compile(r"/v(\d{4})(\d\d)(\d\d)(\w*):")
_PLAIN: dict[Any, str] = {str: "string", bool: "boolean", int: "integer", float: "number"}


class _Output:
    """Stands for ``pulumi.Output``, which the package names as text only."""

    def __class_getitem__(cls, _item: Any) -> type["_Output"]:
        return cls


def read_module(name: str) -> dict[str, Any]:
    """Resources and object types of ``pulumi_azure_native.<name>`` as JSON.

    Only resources that :data:`PATHS` places in ARM are read.
    """
    tokens = [token for token in PATHS if token.split(":")[1] == name]
    module = importlib.import_module(f"{PACKAGE}.{name}")
    reader = _Reader(module)
    resources = {token: reader.resource(getattr(module, token.split(":")[2])) for token in tokens}
    return {"resources": resources, "objects": reader.objects}


class _Reader:
    def __init__(self, module: ModuleType) -> None:
        self._renamed = RENAMED.get(module.__name__.rpartition(".")[2], {})
        enums, inputs, outputs = (_part(module, part) for part in ("_enums", "_inputs", "outputs"))
        self._answers = vars(outputs)
        self._scope = {
            **vars(enums),
            **vars(inputs),
            **self._answers,
            "outputs": outputs,
            "Output": _Output,
            "T": Any,
        }
        self.objects: dict[str, Any] = {}

    def resource(self, cls: type) -> dict[str, Any]:
        args = vars(importlib.import_module(cls.__module__))[f"{cls.__name__}Args"]
        renamed = self._renamed.get(cls.__name__, {})
        described = typing.get_overloads(_constructor(cls))
        version = _VERSION.search(described[0].__doc__ or "") if described else None
        if version is None:
            raise LookupError(f"{cls.__module__}: no API version in the description of {cls.__name__}")
        aliases = str(cls._internal_init.__code__.co_consts)  # type: ignore[attr-defined]
        older = {f"{y}-{m}-{d}{f'-{rest}' if rest else ''}" for y, m, d, rest in _ALIAS.findall(aliases)}
        return {
            "version": version[1],
            "versions": sorted(older | {version[1]}),
            "inputs": _placed(self._properties(args, renamed)),
            "outputs": _placed(self._properties(cls, renamed)),
        }

    def _properties(self, cls: type, renamed: Mapping[str, str]) -> dict[str, Any]:
        """Wire name -> {type, required, const, arm} of a class's properties."""
        found = {}
        required = {
            name for name, parameter in inspect.signature(_constructor(cls)).parameters.items()
            if parameter.kind is parameter.KEYWORD_ONLY and parameter.default is parameter.empty
        }  # fmt: skip
        for member in inspect.getmembers_static(cls, lambda value: isinstance(value, property)):
            python_name, getter = member[0], member[1].fget
            wire = getattr(getter, "_pulumi_name", None)
            if wire is None:
                continue
            entry: dict[str, Any] = {"type": self._type(self._hint(getter))}
            if python_name in required:
                entry["required"] = True
            if constant := _CONSTANT.search(getter.__doc__ or ""):
                entry["const"] = constant[1]
            if wire in renamed:
                entry["arm"] = renamed[wire]
            found[wire] = entry
        return found

    def _hint(self, getter: Any) -> Any:
        # Names of types are the same from module to module (SkuArgs), and typing remembers what such a name meant
        # before; local names of its own make it look again.
        hints = typing.get_type_hints(getter, self._scope, {})
        return hints["return"]

    def _type(self, hint: Any) -> Any:
        origin, parts = typing.get_origin(hint), typing.get_args(hint)
        if origin is typing.Union:
            return self._union([part for part in parts if not _is_wrapper(part)])
        if hint is _Output or hint is Any:
            return "any"
        if origin is not None and isinstance(origin, type):
            if issubclass(origin, Mapping):
                return {"map": self._type(parts[1])}
            if issubclass(origin, Sequence):
                return {"list": self._type(parts[0])}
            return self._type(parts[0])  # pulumi.Output[T]
        if hint in _PLAIN:
            return _PLAIN[hint]
        if isinstance(hint, type) and issubclass(hint, Enum):
            return {"enum": [member.value for member in hint]}
        if isinstance(hint, type):
            return {"object": self._object(hint)}
        return "any"

    def _union(self, parts: list[Any]) -> Any:
        kinds = [
            kind for index, kind in enumerate(map(self._type, parts)) if kind not in map(self._type, parts[:index])
        ]
        enums = [kind for kind in kinds if isinstance(kind, dict) and "enum" in kind]
        if len(kinds) == 2 and enums and "string" in kinds:
            # A string or one of these: ARM calls the list open, values may be added to it.
            return {**enums[0], "open": True}
        return kinds[0] if len(kinds) == 1 else {"oneOf": kinds}

    def _object(self, cls: type) -> str:
        name = cls.__name__
        if name not in self.objects:
            self.objects[name] = {}  # a type may contain itself
            base = re.sub(r"(Args|Response)$", "", name)
            self.objects[name] = self._properties(cls, self._renamed.get(base, {}))
            answer = self._answers.get(f"{base}Response")
            if name.endswith("Args") and answer is not None:
                # What answers have beside what may be sent is Azure's to set.
                sent = self.objects[name]
                shown = self._properties(answer, self._renamed.get(base, {}))
                self.objects[name] = _read_only(shown, sent) | sent
        return name


def _constructor(cls: type) -> Callable[..., None]:
    constructor: Callable[..., None] = vars(cls)["__init__"]
    return constructor


def _read_only(shown: dict[str, Any], sent: dict[str, Any]) -> dict[str, Any]:
    return {name: {**entry, "required": False, "readOnly": True} for name, entry in shown.items() if name not in sent}


def _placed(properties: dict[str, Any]) -> dict[str, Any]:
    """Say where ARM has each property of a resource; a type without a property `properties` is flattened."""
    if "properties" not in properties:
        for name, entry in properties.items():
            if name not in ENVELOPE and name != "azureApiVersion":
                entry.setdefault("arm", f"properties/{name}")
    return properties


def _part(module: ModuleType, name: str) -> ModuleType:
    """A submodule, or an empty one: a module without enums has no file for them."""
    full = f"{module.__name__}.{name}"
    return importlib.import_module(full) if importlib.util.find_spec(full) else ModuleType(full)


def _is_wrapper(hint: Any) -> bool:
    return hint is NoneType or hint is _Output or getattr(typing.get_origin(hint), "__name__", "") == "Awaitable"
