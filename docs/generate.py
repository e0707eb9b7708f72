# ruff: noqa: INP001 - a program beside pages, not a package
"""Writes the reference pages from the code: ``python docs/generate.py`` (``make docs``).

A page that is not what this writes fails ``make check``.
"""

import argparse
import ast
import io
import json
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from sandbox.__main__ import parser as sandbox_parser  # noqa: E402 - the project's root comes first
from sandbox.arm.registry import Registry  # noqa: E402
from sandbox.arm.schema import Schema  # noqa: E402
from sandbox.evidence import page as resources  # noqa: E402
from sandbox.home import Home  # noqa: E402

REFERENCE = ROOT / "docs" / "reference"
_OPS = ("release", "submit", "register", "promote", "rollout", "smoke", "endpoint")
_JOBS = ("snapshot", "check", "prepare", "train", "evaluate", "export_onnx")


def pages() -> dict[str, str]:
    """File name to text of every generated page."""
    evidence = json.loads((REFERENCE / "evidence.json").read_text(encoding="utf-8"))
    registry = Registry.find(Schema(Home.find().cache))
    return {
        "resources.md": resources(registry, evidence),
        "configuration.md": _configuration(),
        "commands.md": _commands(),
    }


def _configuration() -> str:
    project = yaml.safe_load((ROOT / "Pulumi.yaml").read_text(encoding="utf-8"))
    rows = [
        f"| `{project['name']}:{key}` | {entry['type']} | {' '.join(entry['description'].split())} |"
        for key, entry in project["config"].items()
        if "description" in entry
    ]
    head = (
        "# Configuration of a stack\n\nGenerated from `Pulumi.yaml`; do not edit. Every key is set in every "
        "`Pulumi.<stack>.yaml`.\nMistakes are reported all at once, each with the key, the value, what is accepted and "
        "the repair.\n\n| key | type | what it is |\n| --- | --- | --- |\n"
    )
    return head + "\n".join(rows) + "\n"


def _commands() -> str:
    return (
        "\n".join(
            ["# Commands", "", "Generated from the programs; do not edit.", "", *_make(), *_sandbox(), *_modules()]
        )
        + "\n"
    )


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
                out = io.StringIO()
                with redirect_stdout(out):
                    verb.print_help()
                yield from (f"### {name}", "", "```text", out.getvalue().rstrip(), "```", "")


def _modules() -> Iterator[str]:
    for room, names in (("ops", _OPS), ("ml_jobs", _JOBS)):
        yield from (f"## python -m {room}", "")
        for name in names:
            tree = ast.parse((ROOT / room / f"{name}.py").read_text(encoding="utf-8"))
            yield from (f"### {name}", "", "```text", (ast.get_docstring(tree) or "").rstrip(), "```", "")


def main() -> None:
    """Write every page that is not up to date."""
    for name, text in pages().items():
        (REFERENCE / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
