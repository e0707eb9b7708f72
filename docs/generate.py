# ruff: noqa: INP001 - a program beside pages, not a package
"""Writes the reference pages and the editor's schemas from the code: ``python docs/generate.py`` (``make docs``).

A page that is not what this writes fails ``make check``.
"""

import argparse
import ast
import importlib
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import schemas  # noqa: E402 - the project's root comes first
from sandbox.__main__ import parser as sandbox_parser  # noqa: E402
from sandbox.arm.registry import Registry  # noqa: E402
from sandbox.arm.schema import Schema  # noqa: E402
from sandbox.evidence import page as resources  # noqa: E402
from sandbox.home import Home  # noqa: E402

REFERENCE = ROOT / "docs" / "reference"


def pages() -> dict[str, str]:
    """File name to text of every generated page."""
    evidence = json.loads((REFERENCE / "evidence.json").read_text(encoding="utf-8"))
    registry = Registry.find(Schema(Home.find().cache))
    return {
        "resources.md": resources(registry, evidence),
        "configuration.md": schemas.page(),
        "commands.md": commands(models()),
    }


def models() -> list[str]:
    """Folders of the models that are in the tree."""
    return sorted(path.parent.name for path in (ROOT / "ml_jobs").glob("*/model.yaml"))


def commands(of: Iterable[str]) -> str:
    """The page of every command that somebody types, or a pipeline runs.

    Args:
        of: folders of the models whose own steps are listed.
    """
    head = ("# Commands", "", "Generated from the programs; do not edit.", "")
    return "\n".join([*head, *_make(), *_sandbox(), *_ops(), *_jobs(of)]).rstrip() + "\n"


def _make() -> Iterator[str]:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    lines = [line.split("'")[1] for line in text.splitlines() if line.startswith("\t@echo 'make ")]
    yield from ("## make", "", "```text", *lines, "```", "")


def _sandbox() -> Iterator[str]:
    yield from ("## python -m sandbox", "", "Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 another")
    yield from ("run holds the stack, 130 interrupted.", "")
    for action in sandbox_parser()._actions:  # noqa: SLF001 - argparse has no other way to list verbs
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            for name, verb in action.choices.items():
                yield from (f"### {name}", "", "```text", verb.description or "", *_options(verb), "```", "")
                for each in verb._actions:  # noqa: SLF001 - as above
                    if isinstance(each, argparse._SubParsersAction):  # noqa: SLF001
                        for part, inner in each.choices.items():
                            said = inner.description or ""
                            yield from (f"### {name} {part}", "", "```text", said, *_options(inner), "```", "")


def _ops() -> Iterator[str]:
    yield from ("## python -m ops", "", "Exit codes: 0 done, 1 a check, a gate or Azure said no, 2 wrong arguments or")
    yield from ("configuration, 130 interrupted.", "")
    for path in _programs("ops"):
        made: argparse.ArgumentParser = importlib.import_module(f"ops.{path.stem}").parser()
        yield from (f"### {path.stem}", "", "```text", _docstring(path), *_options(made), "```", "")


def _jobs(of: Iterable[str]) -> Iterator[str]:
    for room in ("ml_jobs", *(f"ml_jobs/{model}" for model in of)):
        yield from (f"## python -m {room.replace('/', '.')}", "")
        for path in _programs(room):
            yield from (f"### {path.stem}", "", "```text", _docstring(path), "```", "")


def _programs(room: str) -> list[Path]:
    """Files of a folder that are commands."""
    return [path for path in sorted((ROOT / room).glob("*.py")) if "\nif __name__ ==" in path.read_text("utf-8")]


def _docstring(path: Path) -> str:
    return (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").rstrip()


def _options(parser: argparse.ArgumentParser) -> list[str]:
    """One line an option. Not argparse's own text: it is another in each version of Python."""
    rows = []
    for action in parser._actions:  # noqa: SLF001 - argparse has no other way to list them
        if isinstance(action, argparse._HelpAction | argparse._SubParsersAction):  # noqa: SLF001
            continue
        named = action.metavar or action.dest.upper()
        value = "" if action.nargs == 0 else f" {' '.join(named) if isinstance(named, tuple) else named}"
        value = f" [{value.strip()}]" if action.nargs == "?" else value
        name = (action.option_strings[0] + value) if action.option_strings else action.dest.upper()
        rows.append((name, (action.help or "") % {"default": action.default}))
    return ["", *(f"  {name:<24}  {text}".rstrip() for name, text in rows)] if rows else []


def main() -> None:
    """Write every page and schema that is not up to date."""
    for name, text in pages().items():
        (REFERENCE / name).write_text(text, encoding="utf-8")
    schemas.main()


if __name__ == "__main__":
    main()
