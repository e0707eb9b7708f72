"""The file that says what a release of one model is made of, and the fingerprint of its training."""

import hashlib
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ops.command import UsageError
from ops.smoke_checks import Smoke
from ops.stack import Stack

DEFAULT = Path("ops/flight-delay.yaml")

# Inputs of the pipeline that the stack, the commit or the endpoint gives, not the file.
_GIVEN = {"data", "commit", "data_version", "environment_version", "champion"}


@dataclass(frozen=True, kw_only=True)
class ReleaseFile:
    """What a release is made of, beside what the stack declares.

    Attributes:
        model: name that the result is registered under.
        environment: name of the environment that the training steps run in.
        inputs: the pipeline's plain inputs that differ from its defaults: months, seed, parameters.
        smoke: questions to the deployed model.
    """

    model: str
    environment: str
    inputs: dict[str, Any]
    smoke: Smoke

    @classmethod
    def read(cls, path: Path) -> "ReleaseFile":
        """Reads the file.

        Raises:
            UsageError: no such file, not YAML, or a key is missing, unknown or of another type; names it.
        """
        try:
            values = yaml.safe_load(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise UsageError(f"{path}: no such file") from None
        except yaml.YAMLError as error:
            raise UsageError(f"{path}: not YAML", why=" ".join(str(error).split())) from None
        wanted = {"model": str, "environment": str, "inputs": dict, "smoke": dict}
        values = values if isinstance(values, dict) else {}
        wrong = [f"{key} ({kind.__name__})" for key, kind in wanted.items() if not isinstance(values.get(key), kind)]
        unknown = sorted(set(values) - set(wanted))
        if wrong or unknown:
            raise UsageError(
                f"{path}: missing or of another type: {', '.join(wrong) or 'nothing'}; "
                f"unknown: {', '.join(unknown) or 'nothing'}",
                repair=f"it has the keys {', '.join(wanted)} and no other",
            )
        if clash := sorted(_GIVEN & set(values["inputs"])):
            raise UsageError(f"{path}: inputs.{clash[0]} is filled in by the release", repair="remove it")
        return cls(**{**values, "smoke": Smoke.read(path, values["smoke"])})

    def environment_asset(self, stack: Stack) -> str:
        """``NAME:VERSION`` of the training environment that the stack holds.

        Raises:
            UsageError: the stack has no such environment; names those it has.
        """
        if self.environment not in stack.environments:
            raise UsageError(
                f"environment: {self.environment} is not among the stack's environments",
                why=f"it has {', '.join(sorted(stack.environments)) or 'none'}",
            )
        return stack.environments[self.environment]

    def fingerprint(self, stack: Stack) -> str:
        """The same for two runs exactly when pipeline, data, environment and inputs are the same.

        The commit is not in it: what a commit changes in the training changes the pipeline's version. Neither is the
        champion, which judges the result and does not shape it.
        """
        parts = {
            "pipeline": stack.pipeline,
            "data": stack.data,
            "environment": self.environment_asset(stack),
            "inputs": self.inputs,
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Commit:
    """The commit that is checked out.

    Attributes:
        id: full hash, with ``-dirty`` when tracked files differ from it; ``unknown`` without git.
        author: who made it.
    """

    id: str
    author: str

    @classmethod
    def here(cls) -> "Commit":
        """The commit of the working directory."""
        found = _git("log", "-1", "--format=%H %an")
        if not found:
            return cls("unknown", "unknown")
        commit, _, author = found.partition(" ")
        return cls(f"{commit}-dirty" if _git("status", "--porcelain", "--untracked-files=no") else commit, author)


def _git(*arguments: str) -> str:
    command = ["git", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
