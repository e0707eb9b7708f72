"""Pulumi's view of a resource and ARM's, and how one becomes the other.

The types come from the provider package once (``introspect.py``) and are kept below the sandbox's cache, so
that reading them back imports nothing of Pulumi.
"""

import hashlib
import importlib.metadata
import json
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from sandbox.arm import convert, tokens
from sandbox.arm.checks import Checker, Failure, Names
from sandbox.arm.tokens import GROUP, PATHS, QUERY
from sandbox.atomic import write_private
from sandbox.values import Json, Props, is_unknown, plain

__all__ = ["Failure", "Request", "ResourceType", "Schema", "UnknownTypeError"]

_PARAMETER = re.compile(r"{(\w+)}")
_IGNORED = frozenset({"id", "name", "type", "apiVersion", "etag", "eTag", "systemData"})


class UnknownTypeError(LookupError):
    """No resource type of this name is placed in ARM; the message says what to do."""


@dataclass(frozen=True)
class Request:
    """A resource as ARM is asked for it.

    Attributes:
        path: resource id, or None while a name in it is not known.
        api_version: the version that the types describe.
        body: what PUT sends.
    """

    path: str | None
    api_version: str
    body: dict[str, Json]


@dataclass(frozen=True)
class ResourceType:
    """One Pulumi resource type.

    Attributes:
        token: such as ``azure-native:storage:StorageAccount``.
        path: ARM path with ``{parameters}``.
        version: API version that the package uses.
        versions: every API version that the package has known for it.
        inputs: wire name to {type, required, const, arm}.
        outputs: the same for what Azure answers.
    """

    token: str
    path: str
    version: str
    versions: tuple[str, ...]
    inputs: Mapping[str, Any]
    outputs: Mapping[str, Any]

    @property
    def arm_type(self) -> str:
        """Namespace and type segments, without names."""
        return arm_type_of(self.path)

    @cached_property
    def parameters(self) -> tuple[str, ...]:
        """Inputs that stand in the path."""
        return tuple(name for name in _PARAMETER.findall(self.path) if name != "subscriptionId")

    @property
    def name_input(self) -> str | None:
        """The input that ends the path: the one that is named automatically when it is left out."""
        last = _PARAMETER.search(self.path.rpartition("/")[2])
        return last[1] if last else None

    def names_in(self, resource_id: str) -> dict[str, str]:
        """The values of the path's parameters in an id."""
        pattern = _PARAMETER.sub(lambda found: f"(?P<{found[1]}>.+?)", self.path.lstrip("/"))
        found = re.fullmatch(pattern, resource_id.lstrip("/"), re.IGNORECASE)
        return {name: found[name] for name in self.parameters} if found else {}


class Schema:
    """Resource types, read when they are first asked for.

    Args:
        cache: folder below which what was read from the package is kept.
    """

    def __init__(self, cache: Path) -> None:
        source = b"".join(Path(tokens.__file__).with_name(name).read_bytes() for name in ("introspect.py", "tokens.py"))
        version = importlib.metadata.version("pulumi_azure_native")
        self._folder = cache / f"schema-{version}-{hashlib.sha256(source).hexdigest()[:8]}"
        self._modules: dict[str, dict[str, Any]] = {}
        self._reading = threading.Lock()  # the package loads its modules lazily, which two threads must not do at once
        self._types: dict[str, ResourceType] = {}

    def resource(self, token: str) -> ResourceType:
        """The type that a Pulumi token names.

        Raises:
            UnknownTypeError: it is not among those the sandbox places in ARM.
        """
        if token not in self._types:
            if token not in PATHS:
                raise UnknownTypeError(
                    f"{token}: not one of the {len(PATHS)} types that sandbox/arm/tokens.py places in ARM; "
                    "a new one is a line there"
                )
            entry = self._module(token)["resources"][token]
            self._types[token] = ResourceType(
                token,
                PATHS[token],
                entry["version"],
                tuple(entry["versions"]),
                entry["inputs"],
                entry["outputs"],
            )
        return self._types[token]

    def of_arm_type(self, arm_type: str) -> ResourceType | None:
        """The type that an ARM type names, whatever its case, or None."""
        token = _BY_ARM_TYPE.get(arm_type.lower())
        return self.resource(token) if token else None

    def to_arm(self, token: str, inputs: Props, subscription: str) -> Request:
        """A resource's inputs as ARM's path and body; what is not known stays so in the body."""
        kind = self.resource(token)
        objects = self._module(token)["objects"]
        body: dict[str, Json] = {}
        for name, value in plain(inputs).items():
            entry = kind.inputs.get(name)
            if entry is None or name in kind.parameters or name in QUERY.get(token, ()):
                continue
            convert.place(body, entry.get("arm", name), convert.to_arm(value, entry["type"], objects, name))
        return Request(self.path(token, inputs, subscription), kind.version, body)

    def path(self, token: str, inputs: Props, subscription: str) -> str | None:
        """The resource's id, or None while a name in it is missing or not known."""
        kind = self.resource(token)
        values: dict[str, Any] = {"subscriptionId": subscription}
        for name in kind.parameters:
            value = plain(inputs.get(name))
            if value is None or value == "" or is_unknown(value):
                return None
            values[name] = str(value).strip("/")
        return kind.path.format(**values)

    def from_arm(self, token: str, answer: Mapping[str, Json]) -> Props:
        """A resource as ARM answers it, as Pulumi's outputs."""
        kind = self.resource(token)
        objects = self._module(token)["objects"]
        outputs: Props = {}
        for name, entry in kind.outputs.items():
            found, value = convert.find(answer, entry.get("arm", name))
            if found and value is not None:
                outputs[name] = convert.from_arm(value, entry["type"], objects)
        if "azureApiVersion" in kind.outputs:
            outputs["azureApiVersion"] = kind.version
        return outputs

    def foreseen(self, token: str, inputs: Props) -> Props:
        """The outputs as far as they are known before the resource is made: what was sent, at any depth."""
        kind = self.resource(token)
        objects = self._module(token)["objects"]
        return {
            name: convert.foreseen(inputs.get(name), entry["type"], objects, name)
            for name, entry in kind.outputs.items()
        }

    def check_inputs(self, token: str, inputs: Props) -> list[Failure]:
        """What is wrong with inputs: unknown, missing, of the wrong type, not among the accepted."""
        kind = self.resource(token)
        checker = Checker(self._module(token)["objects"], Names.PULUMI)
        return checker.properties("", inputs, kind.inputs, token.rpartition(":")[2])

    def check_body(self, arm_type: str, body: Mapping[str, Json]) -> list[Failure]:
        """What is wrong with an ARM body. A type that is not in the package passes.

        What only Azure sets fails with the rule ``read-only``: a caller can forgive it, as ARM mostly does.
        """
        kind = self.of_arm_type(arm_type)
        if kind is None:
            return []
        checker = Checker(self._module(kind.token)["objects"], Names.ARM)
        sent = {name: entry for name, entry in kind.inputs.items() if name not in kind.parameters}
        shown = {name: {**entry, "required": False, "readOnly": True} for name, entry in kind.outputs.items()}
        content = {key: value for key, value in body.items() if key not in _IGNORED}
        return checker.properties("", content, {**shown, **sent}, arm_type)

    def _module(self, token: str) -> dict[str, Any]:
        name = token.split(":")[1]
        if name not in self._modules:
            with self._reading:
                if name not in self._modules:
                    self._modules[name] = self._read(name)
        return self._modules[name]

    def _read(self, name: str) -> dict[str, Any]:
        path = self._folder / f"{name}.json"
        try:
            kept: dict[str, Any] = json.loads(path.read_bytes())
        except (FileNotFoundError, ValueError):
            from sandbox.arm.introspect import read_module  # imports Pulumi: only when nothing is kept yet

            kept = read_module(name)
            write_private(path, json.dumps(kept).encode())
        return kept


def arm_type_of(path: str) -> str:
    """``Namespace/type[/child]`` of a path or an id."""
    if path == GROUP:
        return "Microsoft.Resources/resourceGroups"
    namespace, *rest = path.rpartition("/providers/")[2].split("/")
    return "/".join([namespace, *rest[::2]])


_BY_ARM_TYPE = {arm_type_of(path).lower(): token for token, path in reversed(PATHS.items())}
