"""A checkout of the last commit to measure in, and `make` in it."""

import json
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.stage import ROOT, BenchError, Run, bare, folder, run
from install import STAMP, Environment

_ENVIRONMENTS = {".venv": "requirements.lock", ".venv-models": "requirements-models.lock"}
_DATA = Path(".data")


@contextmanager
def clone(*, installed: bool) -> Iterator[Path]:
    """A clone of the last commit; one that is installed shares this checkout's environments and has a copy of its data.

    Raises:
        BenchError: the environments are not what the last commit's locks say.
    """
    with folder() as place:
        run(["git", "clone", "--quiet", "--local", str(ROOT), str(place)], ROOT, bare(place))
        if installed:
            for name, lock in _ENVIRONMENTS.items():
                # What is not as it should be `make` would empty and install anew, in this checkout.
                if Environment(ROOT / name, [place / lock]).missing(_made_by(ROOT / name)):
                    raise BenchError(f"{name} does not hold what {lock} of the last commit says; run: make install")
                place.joinpath(name).symlink_to(ROOT / name)
            shutil.copytree(ROOT / _DATA, place / _DATA)
        yield place


def make(place: Path, *arguments: str, expected: str, **extra: str) -> float:
    """Seconds of `make` in a clone.

    Raises:
        BenchError: it failed, or did not print what is expected.
    """
    if made_by := _made_by(place / ".venv"):
        arguments = (*arguments, f"PYTHON={made_by.partition(' ')[2]}")  # a newer one on PATH would install anew
    return told(["make", *arguments], place, expected, **extra).seconds


def told(command: Sequence[str], place: Path, expected: str, **extra: str) -> Run:
    """A command in a clone, with nothing of this checkout around it.

    Raises:
        BenchError: it failed, or did not print what is expected.
    """
    done = run(command, place, alone(place, **extra))
    if not re.search(expected, said := done.output + done.progress):
        raise BenchError(f"{expected!r} is not in what {' '.join(command)} printed:\n{said[-3000:]}")
    return done


def alone(place: Path, **extra: str) -> dict[str, str]:
    """The environment of a command in a clone."""
    return {name: value for name, value in bare(place, **extra).items() if name not in ("SANDBOX_HOME", "PYTHONPATH")}


def _made_by(environment: Path) -> str:
    """The Python that made an environment, as its stamp says; '' when there is none."""
    try:
        return str(json.loads((environment / STAMP).read_text(encoding="utf-8"))["python"])
    except (OSError, ValueError, KeyError):
        return ""
