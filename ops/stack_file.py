"""Edits the deployments of a stack's configuration file and leaves every other byte, comments included, as it is.

    python -m ops.stack_file --base Pulumi.dev.yaml --config-file FILE

As a command it makes FILE a working copy of the base: the same configuration, with the deployments that FILE had. A
release can then write to FILE while the tracked file stays as it is.
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import yaml

from ops import command
from ops.command import UsageError

_KEY_END = ":deployments"


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """One entry of ``deployments``; the fields are those of ``settings.DeploymentSettings``."""

    name: str
    model: str
    version: str
    instance_type: str
    instance_count: int


class StackFile:
    """A ``Pulumi.<stack>.yaml``.

    Attributes:
        path: the file.
        deployments: its entries.

    Raises:
        UsageError: the file is missing, is not YAML, or has no list ``<project>:deployments`` of complete entries.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            raise UsageError(f"{path}: no such file") from None
        try:
            self._key, self._list = self._find(yaml.compose(self._text, Loader=yaml.SafeLoader))
            self.deployments = _deployments(self._text)
        except yaml.YAMLError as error:
            raise UsageError(f"{path}: not YAML", why=" ".join(str(error).split())) from None
        except TypeError as error:
            raise UsageError(
                f"{path}: an entry of deployments is not complete", why=str(error),
                repair="each has name, model, version, instance_type and instance_count",
            ) from None  # fmt: skip

    def with_deployment(self, wanted: Deployment) -> str:
        """The text with this deployment: its model and version changed in place, or an entry added at the end."""
        names = [deployment.name for deployment in self.deployments]
        if wanted.name in names:
            position = names.index(wanted.name)
            text = self._changed(self._list.value[position], wanted)
            expected = [*self.deployments[:position], wanted, *self.deployments[position + 1 :]]
        else:
            text = self._added(wanted)
            expected = [*self.deployments, wanted]
        return self._proven(text, expected)

    def with_deployments(self, wanted: list[Deployment]) -> str:
        """The text with these deployments and no other."""
        start, end = self._list.start_mark.index, self._list.end_mark.index
        if not self._list.flow_style:
            # A block list begins on the line after its key, and its end is where the next thing begins.
            start, end = self._key.end_mark.index + 1, self._line_end(self._list.value[-1])
        dash = " " * (self._key.start_mark.column + 2)
        block = "".join(f"\n{_entry(deployment, dash)}" for deployment in wanted) or " []"
        return self._proven(self._text[:start].rstrip(" ") + block + self._text[end:], wanted)

    def write(self, text: str) -> None:
        """Replaces the file in one step, so that a reader sees the old one or the new one."""
        replace(self.path, text)

    def _changed(self, entry: yaml.MappingNode, wanted: Deployment) -> str:
        values = {key.value: value for key, value in entry.value}
        written = {"model": wanted.model, "version": f'"{wanted.version}"'}
        if not written.keys() <= values.keys():  # merged in from elsewhere
            raise self._unsafe()
        text = self._text
        # The later one first: a changed length moves what stands behind it.
        for key in sorted(written, key=lambda key: -int(values[key].start_mark.index)):
            if str(values[key].value) != getattr(wanted, key):
                text = text[: values[key].start_mark.index] + written[key] + text[values[key].end_mark.index :]
        return text

    def _added(self, wanted: Deployment) -> str:
        if not self._list.value:
            return self.with_deployments([wanted])
        end = self._line_end(self._list.value[-1])
        return self._text[:end] + "\n" + _entry(wanted, " " * self._list.start_mark.column) + self._text[end:]

    def _line_end(self, entry: yaml.MappingNode) -> int:
        last = max(int(value.end_mark.index) for _, value in entry.value)
        end = self._text.find("\n", last)
        return len(self._text) if end < 0 else end

    def _proven(self, text: str, expected: list[Deployment]) -> str:
        try:
            proven = _deployments(text) == expected
        except (yaml.YAMLError, TypeError):
            proven = False
        if not proven:
            raise self._unsafe()
        return text

    def _unsafe(self) -> UsageError:
        return UsageError(
            f"{self.path}: deployments is written in a way that cannot be edited safely",
            repair="write it as a plain list, one `key: value` a line",
        )

    def _find(self, root: yaml.Node | None) -> tuple[yaml.ScalarNode, yaml.SequenceNode]:
        config = next((value for key, value in _pairs(root) if key.value == "config"), None)
        for key, value in _pairs(config):
            if key.value.endswith(_KEY_END) and isinstance(value, yaml.SequenceNode):
                return key, value
        raise UsageError(f"{self.path}: no list deployments", repair="add `<project>:deployments: []` below `config:`")


def replace(path: Path, text: str) -> None:
    """Writes a file in one step."""
    beside = path.with_name(f".{path.name}.new")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)


def follow(base: Path, copy: Path) -> None:
    """Makes ``copy`` say what ``base`` says, with the deployments it had."""
    kept = StackFile(copy).deployments if copy.exists() else []
    text = StackFile(base).with_deployments(kept)
    copy.parent.mkdir(parents=True, exist_ok=True)
    if not copy.exists() or copy.read_text(encoding="utf-8") != text:
        replace(copy, text)


def _entry(deployment: Deployment, dash: str) -> str:
    fields = {**vars(deployment), "version": f'"{deployment.version}"'}
    return f"{dash}- " + f"\n{dash}  ".join(f"{name}: {value}" for name, value in fields.items())


def _pairs(node: yaml.Node | None) -> list[tuple[yaml.ScalarNode, yaml.Node]]:
    return node.value if isinstance(node, yaml.MappingNode) else []


def _deployments(text: str) -> list[Deployment]:
    config = yaml.safe_load(text)["config"]
    return [Deployment(**entry) for entry in next(value for key, value in config.items() if key.endswith(_KEY_END))]


def _main(given: argparse.Namespace) -> dict[str, object]:
    follow(given.base, given.config_file)
    return {"config_file": str(given.config_file)}


def parser() -> argparse.ArgumentParser:
    """The arguments of this command."""
    made = command.bare_parser("stack_file", "Makes a working copy of a stack's configuration file.")
    made.add_argument("--base", type=Path, required=True, metavar="FILE", help="the tracked file")
    made.add_argument("--config-file", type=Path, required=True, metavar="FILE", help="the working copy")
    return made


if __name__ == "__main__":
    sys.exit(command.run(parser(), _main))
