"""A model's own file as commands want it: its problems are wrong configuration, told at once for all models."""

from collections.abc import Iterable
from dataclasses import dataclass

import model_file
from model_file import ModelFile, ModelFileError
from ops.command import UsageError
from ops.smoke_checks import Smoke


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What a release of one model is made of, beside what the stack declares.

    Attributes:
        file: the model's file.
        smoke: questions to its deployments.
    """

    file: ModelFile
    smoke: Smoke


def known() -> list[str]:
    """Names of the models that have a file."""
    return model_file.known()


def read(names: Iterable[str]) -> dict[str, Recipe]:
    """Reads the files of some models.

    Raises:
        UsageError: every problem of every file.
    """
    found, problems = {}, []
    for name in names:
        try:
            file = model_file.read(name)
            found[name] = Recipe(file=file, smoke=Smoke.of(file))
        except (ModelFileError, UsageError) as error:
            problems.append(error.what if isinstance(error, UsageError) else str(error))
    if problems:
        raise UsageError("; ".join(problems), repair="edit what is named and run the same command again")
    return found
