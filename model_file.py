"""A model's own file, ``ml_jobs/<model>/model.yaml``: what it is trained on and with, and how it is served.

The program and the operations read it here and nowhere else. Not here: which stack runs the model and on what; that
is the stack's configuration.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import settings_rules as rules
import yaml_lines
from settings_rules import Problem, Reader, setting

FOLDER = Path("ml_jobs")
FILE = "model.yaml"
TEMPLATE = "template"

_RELATIVE = r"(?!/)(?!.*\.\.(/|$)).+"


class ModelFileError(rules.ProblemsError):
    """A model's file is missing or wrong."""


@dataclass(frozen=True, kw_only=True)
class ModelData:
    """The data asset that training reads: a folder uploaded as an immutable version.

    Attributes:
        name: asset name that jobs refer to.
        path: local folder, relative to the project.
        made_by: command that makes the folder; shown when it is missing.
        description: what a reader of the studio should know about it.
    """

    name: str = setting(rules.azure_name())
    path: str = setting(rules.text(_RELATIVE, "a folder inside the project"))
    made_by: str = setting(rules.words("the command that makes the folder"))
    description: str = setting(rules.words("a sentence"))


@dataclass(frozen=True, kw_only=True)
class ModelTraining:
    """The training pipeline.

    Attributes:
        pipeline: pipeline component, relative to the model's folder; it names the files of its steps.
        environment: name of the environment that the model is recorded with.
        code: files the steps need, as patterns relative to the project.
        inputs: inputs of the pipeline that differ from its defaults, bounds of the gates included.
    """

    pipeline: str = setting(rules.words("the file of a pipeline component"))
    environment: str = setting(rules.azure_name())
    code: tuple[str, ...] = setting(rules.texts("patterns such as ml_jobs/*.py", _RELATIVE))
    inputs: Mapping[str, str | int | float | bool] = setting(
        rules.plain_values("names and values of pipeline inputs"), default=None
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "inputs", self.inputs or {})


@dataclass(frozen=True, kw_only=True)
class ModelServing:
    """How the model answers.

    Attributes:
        script: entry script, relative to the project.
        environment: name of the environment it runs in.
        code: files the script needs, as patterns relative to the project. Others may change without a new deployment.
    """

    script: str = setting(rules.text(_RELATIVE, "a file inside the project"))
    environment: str = setting(rules.azure_name())
    code: tuple[str, ...] = setting(rules.texts("patterns such as ml_jobs/serving/*.py", _RELATIVE))


@dataclass(frozen=True, kw_only=True)
class ModelEnvironment:
    """Python packages on an image.

    Attributes:
        conda_file: exact pins, relative to the project.
        image: base image, pinned by digest so that the same version is the same bytes.
    """

    conda_file: str = setting(rules.text(_RELATIVE, "a file inside the project"))
    image: str = setting(rules.text(r"[a-z0-9./_-]+@sha256:[0-9a-f]{64}", "an image pinned as NAME@sha256:DIGEST"))


@dataclass(frozen=True, kw_only=True)
class ModelRequest:
    """What callers send.

    Attributes:
        schema: JSON Schema of a request, relative to the model's folder.
        sample: one request, relative to the model's folder.
    """

    schema: str = setting(rules.words("a file in the model's folder"))
    sample: str = setting(rules.words("a file in the model's folder"))


@dataclass(frozen=True, kw_only=True)
class ModelSmoke:
    """Questions to a new deployment before it gets traffic; ``ops`` judges each of them.

    Attributes:
        value: place in the answer that the checks look at, such as ``predictions[0].probability``.
        checks: changes of the sample request, each with what may happen to that value.
    """

    value: str = setting(rules.words("a place in the answer"))
    checks: tuple[Mapping[str, Any], ...] = setting(rules.anything(list, "a list of checks"))


@dataclass(frozen=True, kw_only=True)
class ModelFile:
    """One model.

    Attributes:
        name: the model's name; its folder is the same with underscores.
        description: the question it answers.
        data: data asset that training reads.
        training: training pipeline.
        serving: entry script and what it needs.
        environments: environments by name.
        request: what callers send.
        smoke: questions to a new deployment.
    """

    name: str = setting(rules.azure_name(limit=24))
    description: str = setting(rules.words("a sentence"))
    data: ModelData = setting(rules.object_of(ModelData))  # noqa: RUF009 - makes a field
    training: ModelTraining = setting(rules.object_of(ModelTraining))  # noqa: RUF009 - as above
    serving: ModelServing = setting(rules.object_of(ModelServing))  # noqa: RUF009 - as above
    environments: Mapping[str, ModelEnvironment] = setting(rules.mapping_of(ModelEnvironment))
    request: ModelRequest = setting(rules.object_of(ModelRequest))  # noqa: RUF009 - as above
    smoke: ModelSmoke = setting(rules.object_of(ModelSmoke))  # noqa: RUF009 - as above

    @property
    def folder(self) -> Path:
        """Where the model's own files are, relative to the project."""
        return folder_of(self.name)


def folder_of(name: str) -> Path:
    """Folder of a model, relative to the project."""
    return FOLDER / name.replace("-", "_")


def known() -> list[str]:
    """Names of the models that have a file; the template is what others are copied from."""
    names = {path.parent.name.replace("_", "-") for path in FOLDER.glob(f"*/{FILE}")}
    return sorted(names - {TEMPLATE})


def read(name: str) -> ModelFile:
    """Reads a model's file; the working directory is the project.

    Raises:
        ModelFileError: every problem with its line and its repair.
    """
    path = folder_of(name) / FILE
    problems: list[Problem] = []
    try:
        document = yaml_lines.read(path)
    except OSError:
        raise ModelFileError([_unreadable(path, "no such file", f"make model NAME={name}")]) from None
    except yaml_lines.YamlFileError as error:
        raise ModelFileError([_unreadable(path, str(error), f"edit {path.as_posix()}")]) from error
    reader = Reader.of(document, problems)
    model: ModelFile | None = reader.object((), document.content or {}, ModelFile)
    if model:
        _check_together(reader, name, model)
    if problems or model is None:
        raise ModelFileError(problems)
    return model


def missing_data(model: ModelFile) -> Problem | None:
    """What is wrong when a model's data is not on this machine."""
    folder = Path(model.data.path)
    if any(path.is_file() for path in folder.rglob("*")):
        return None
    lines = yaml_lines.read(model.folder / FILE).lines
    return Problem(
        file=(model.folder / FILE).as_posix(),
        line=lines.get(("data", "path"), lines.get(("data",), 0)),
        key="data.path",
        found=f"{model.data.path!r}: {'no file in this folder' if folder.is_dir() else 'no such folder'}",
        accepted="a folder with files",
        repair=model.data.made_by,
    )


def _unreadable(path: Path, found: str, repair: str) -> Problem:
    return Problem(file=path.as_posix(), line=0, key="file", found=found, accepted="a model's file", repair=repair)


def _check_together(reader: Reader, name: str, model: ModelFile) -> None:
    """Rules between values, and files that must be there."""
    if model.name != name:
        reader.report(("name",), f"{model.name!r} stands in the folder of {name}", f"{name}, as the folder says")
    for part, environment in (("training", model.training.environment), ("serving", model.serving.environment)):
        if environment not in model.environments:
            known_names = ", ".join(model.environments) or "none"
            found = f"{environment!r} is not declared{rules.nearest(environment, model.environments)}"
            reader.report((part, "environment"), found, f"one of environments: {known_names}")
    files = {
        ("training", "pipeline"): model.folder / model.training.pipeline,
        ("serving", "script"): Path(model.serving.script),
        ("request", "schema"): model.folder / model.request.schema,
        ("request", "sample"): model.folder / model.request.sample,
    } | {("environments", key, "conda_file"): Path(each.conda_file) for key, each in model.environments.items()}
    for where, path in files.items():
        rules.existing_file(reader, where, path)
    for part, patterns in (("training", model.training.code), ("serving", model.serving.code)):
        for index, pattern in enumerate(patterns):
            if not any(path.is_file() for path in Path().glob(pattern)):
                reader.report((part, "code", index), f"{pattern!r}: no such file", "a pattern that matches a file")
    if not any(Path(model.serving.script).match(pattern) for pattern in model.serving.code):
        found = f"{model.serving.script!r} is not among the serving code"
        reader.report(("serving", "script"), found, f"one of serving.code: {', '.join(model.serving.code)}")
