"""The project file and a stack's configuration, read and checked as the Pulumi CLI does.

Source: Pulumi's project file reference (``config`` block: type, items, default, value, secret).
"""

import difflib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from sandbox import yaml_error
from sandbox.provider.base import Naming

_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,), "integer": (int,), "boolean": (bool,), "array": (list,), "object": (dict,)
}  # fmt: skip
_AUTONAMING = "pulumi:autonaming"
_MODES = ("default", "verbatim", "disabled")


class _Loader(yaml.SafeLoader):
    """YAML as the Pulumi CLI reads it: `on`, `no` and dates are text."""


_Loader.yaml_implicit_resolvers = {
    first: [
        (tag, pattern)
        for tag, pattern in resolvers
        if tag not in ("tag:yaml.org,2002:bool", "tag:yaml.org,2002:timestamp")
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)


class ConfigError(Exception):
    """The project or the stack's configuration is wrong. One line a problem, each with its repair."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


@dataclass(frozen=True)
class Project:
    """What is needed to run a program for one stack.

    Attributes:
        name: the project's name, part of every URN.
        stack: the stack's name.
        folder: where Pulumi.yaml is; the program runs there.
        config: full key (``mlops:location``) to the text that ``pulumi.Config`` reads.
        secret_keys: full keys whose values are secret.
        naming: how resources without a physical name get one.
    """

    name: str
    stack: str
    folder: Path
    config: Mapping[str, str]
    secret_keys: tuple[str, ...]
    naming: Naming

    def of_package(self, package: str) -> dict[str, str]:
        """The configuration of a provider package, without its prefix."""
        prefix = f"{package}:"
        return {key.removeprefix(prefix): value for key, value in self.config.items() if key.startswith(prefix)}


def load(folder: Path, stack: str) -> Project:
    """Read ``Pulumi.yaml`` and ``Pulumi.<stack>.yaml``; neither is ever written.

    Raises:
        ConfigError: every problem, with file, key, value and what is accepted.
    """
    file = folder / f"Pulumi.{stack}.yaml"
    project = _mapping(folder / "Pulumi.yaml", "run the command in the folder that holds the program")
    name = project.get("name")
    if not isinstance(name, str) or not name:
        raise ConfigError([f"{folder / 'Pulumi.yaml'}: 'name' is missing; want the project's name"])
    others = ", ".join(sorted(other.name for other in folder.glob("Pulumi.*.yaml"))) or "none"
    values = _mapping(file, f"no stack '{stack}' here (stack files: {others})").get("config") or {}
    declared = project.get("config") or {}
    reader = _Reader(name, file)
    for block, where in ((declared, folder / "Pulumi.yaml"), (values, file)):
        if not isinstance(block, dict):
            raise ConfigError([f"{where}: 'config' is {_shape(block)}; want keys and values"])
    for key, entry in declared.items():
        reader.declare(str(key), entry)
    for key, value in values.items():
        reader.read(str(key), value)
    reader.complete()
    if reader.problems:
        raise ConfigError(reader.problems)
    config = {key: text for key, text in reader.values.items() if not key.startswith("pulumi:")}
    return Project(name, stack, folder, config, tuple(sorted(reader.secret)), reader.naming)


class _Reader:
    def __init__(self, project: str, file: Path) -> None:
        self._project = project
        self._file = file
        self._declared: dict[str, dict[str, Any]] = {}
        self._fixed: set[str] = set()
        self.values: dict[str, str] = {}
        self.secret: set[str] = set()
        self.naming = Naming()
        self.problems: list[str] = []

    def _full(self, key: str) -> str:
        return key if ":" in key else f"{self._project}:{key}"

    def declare(self, key: str, entry: object) -> None:
        """One key of the project's ``config`` block: a schema, or a plain value."""
        full = self._full(key)
        if not isinstance(entry, dict):
            self._set(full, entry)
            return
        if "value" in entry:
            self._set(full, entry["value"])
            return
        self._declared[full] = entry
        if entry.get("secret"):
            self.secret.add(full)
        if entry.get("type") is not None and entry["type"] not in _TYPES:
            self.problems.append(f"Pulumi.yaml: {full}: type '{entry['type']}'; want one of: {', '.join(_TYPES)}")

    def read(self, key: str, value: object) -> None:
        """One key of the stack's file."""
        full = self._full(key)
        if isinstance(value, dict) and set(value) == {"secure"}:
            self.problems.append(
                f"{self._file}: {full}: an encrypted value, which only Pulumi's own secrets provider can open; "
                "for the sandbox name another stack's file, with a plain value in it"
            )
            return
        self._set(full, value)

    def complete(self) -> None:
        """Fill in defaults; name what is missing."""
        for full, entry in self._declared.items():
            if full in self.values:
                continue
            if "default" in entry:
                self._set(full, entry["default"])
            elif full not in self._fixed:
                self.problems.append(
                    f"{self._file}: {full}: missing{self._misspelt(full)}; want {_wanted(entry)}; "
                    f"set it with: pulumi config set {full.removeprefix(self._project + ':')} VALUE"
                )

    def _misspelt(self, full: str) -> str:
        """The key that was perhaps meant to be this one: set, and nowhere declared."""
        undeclared = self.values.keys() - self._declared.keys()
        close = difflib.get_close_matches(full, sorted(undeclared), n=1)
        return f" ({close[0]} is set but not known; is it meant to be this one?)" if close else ""

    def _set(self, full: str, value: object) -> None:
        if full == _AUTONAMING:
            self._autonaming(value)
            return
        entry = self._declared.get(full)
        if entry and (wrong := _mismatch(value, entry)):
            self._fixed.add(full)
            self.problems.append(f"{self._file}: {full}: {wrong}; want {_wanted(entry)}")
            return
        self.values[full] = value if isinstance(value, str) else _text(value)

    def _autonaming(self, value: object) -> None:
        mode = value.get("mode") if isinstance(value, dict) else None
        if mode not in _MODES or (isinstance(value, dict) and set(value) != {"mode"}):
            self.problems.append(
                f"{_AUTONAMING}: {json.dumps(value)}; the sandbox knows {{mode: {' | '.join(_MODES)}}}"
            )
        else:
            self.naming = Naming(str(mode))


def _mapping(path: Path, hint: str) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        raise ConfigError([f"{path}: not found; {hint}"]) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([f"{path}: cannot be read: {error}"]) from error
    try:
        content = yaml.load(text, _Loader)  # noqa: S506 - a safe loader
    except yaml.YAMLError as error:
        line, reason = yaml_error.place(error)
        raise ConfigError([f"{path}{f':{line}' if line else ''}: not YAML: {reason}"]) from error
    except (ValueError, RecursionError) as error:
        raise ConfigError([f"{path}: not a value that YAML allows: {error}"]) from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigError([f"{path}: holds {_shape(content)}; want keys and values"])
    return content


def _mismatch(value: object, entry: Mapping[str, Any]) -> str:
    """What is wrong with a value, '' when it fits its declared type."""
    wanted = entry.get("type")
    types = _TYPES.get(str(wanted))
    if types is None:
        return ""
    if isinstance(value, str) and wanted in ("integer", "boolean"):
        # `pulumi config set` writes every value as text.
        pattern = r"-?\d+" if wanted == "integer" else "true|false"
        return "" if re.fullmatch(pattern, value) else f"{json.dumps(value)} is a string"
    if not isinstance(value, types) or (isinstance(value, bool) and wanted != "boolean"):
        return f"{json.dumps(value, default=str)} is {_shape(value)}"
    items = entry.get("items")
    if isinstance(value, list) and isinstance(items, dict):
        for index, item in enumerate(value):
            if wrong := _mismatch(item, items):
                return f"[{index}] {wrong}"
    return ""


def _wanted(entry: Mapping[str, Any]) -> str:
    wanted = entry.get("type", "string")
    items = entry.get("items")
    return f"array of {items.get('type', 'any')}" if wanted == "array" and isinstance(items, dict) else str(wanted)


def _shape(value: object) -> str:
    names = {str: "a string", bool: "a boolean", int: "an integer", float: "a number", list: "an array"}
    return "nothing" if value is None else names.get(type(value), "an object")


def _text(value: object) -> str:
    return json.dumps(value, default=str, separators=(",", ":"))
