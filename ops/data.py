"""Makes the data that a stack's models are trained on, with the command that each model's file names.

    python -m ops.data [--stack NAME] [--json]

Such a command writes nothing when there is nothing to change. Models that a stack takes from the registry need no data.
"""

import argparse
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from ops import command, model
from ops.command import OpsError
from ops.report import Report

_PROJECT = Path("Pulumi.yaml")


def declared_models(stack: str, *, promoted: bool) -> list[str]:
    """Models that a stack trains, or those that it takes from the registry, by its configuration.

    What is wrong with that is the program's to say.
    """
    try:
        project = yaml.safe_load(_PROJECT.read_text(encoding="utf-8"))["name"]
        config = yaml.safe_load(Path(f"Pulumi.{stack}.yaml").read_text(encoding="utf-8"))["config"]
        models: list[Any] = config[f"{project}:models"]
        return [entry["name"] for entry in models if bool(entry.get("promoted")) is promoted]
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError):
        return []


def make(path: str, made_by: str) -> bool:
    """Runs the command that makes a folder; returns True when it wrote something.

    Raises:
        OpsError: it failed; holds what it said.
    """
    before = _state(Path(path))
    done = subprocess.run(
        shlex.split(made_by), env={**os.environ, "PYTHONUNBUFFERED": "1"}, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise OpsError(
            f"{path} could not be made", why=" / ".join(said[-3:]) or f"exit code {done.returncode}", repair=made_by
        )
    return _state(Path(path)) != before


def _state(folder: Path) -> list[tuple[str, int, int]]:
    """What is in a folder, without reading it."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return [(path.as_posix(), path.stat().st_size, path.stat().st_mtime_ns) for path in files]


def _main(given: argparse.Namespace) -> dict[str, object]:
    report, made = Report(), []
    recipes = model.read(name for name in declared_models(given.stack, promoted=False) if name in model.known())
    for path, made_by in {each.file.data.path: each.file.data.made_by for each in recipes.values()}.items():
        if Path(path).is_dir():
            if make(path, made_by):
                report.line(f"  ✓ {'data':<10} {path}")
                made.append(path)
            continue
        with report.step("data") as step:
            step.result = path
            make(path, made_by)
            made.append(path)
    return {"made": made}


def parser() -> command.Parser:
    """The arguments of this command."""
    made = command.bare_parser("data", __doc__.partition("\n")[0], "what is made by now is kept")
    made.add_argument("--stack", default="dev", metavar="NAME", help="(%(default)s)")
    return made


if __name__ == "__main__":
    sys.exit(command.run(parser(), _main))
