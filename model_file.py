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
from yaml_lines import Where

FOLDER = Path("ml_jobs")
FILE = "model.yaml"
TEMPLATE = "template"
# Inputs of a pipeline that a release fills in.
GIVEN = frozenset({"data", "commit", "code_version", "data_version", "environment_version", "champion"})
SAME, HIGHER, LOWER, ANSWER, REFUSED = "same", "not lower", "not higher", "answer", "refused"

_RELATIVE = r"(?!/)(?!.*\.\.(/|$)).+"
# Azure ML's types of an input that is a plain value: what fits, and an example.
_LITERALS: Mapping[str, tuple[type | tuple[type, ...], str]] = {
    "integer": (int, "13"),
    "number": ((int, float), "0.05"),
    "boolean": (bool, "true"),
    "string": (str, '"2013-01"'),
}


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
class ModelCheck:
    """One question.

    Attributes:
        name: what a reader sees.
        change: new values, by the path of what they replace in the sample request.
        expect: "same", "not lower", "not higher", "answer" (any answer) or "refused" (a 4xx status).
        field: path that a refusal has to name.
    """

    name: str = setting(rules.words("what a reader sees"))
    change: Mapping[str, Any] = setting(rules.anything(dict, "new values, by the path of what they replace"))
    expect: str = setting(rules.choice(SAME, HIGHER, LOWER, ANSWER, REFUSED))
    field: str = setting(rules.words("the path that a refusal names"), default="")


@dataclass(frozen=True, kw_only=True)
class ModelSmoke:
    """Questions to a new deployment before it gets traffic; ``ops`` asks them.

    Attributes:
        value: place in the answer that the checks look at, such as ``predictions[0].probability``.
        checks: changes of the sample request, each with what may happen to that value.
    """

    value: str = setting(rules.words("a place in the answer"))
    checks: tuple[ModelCheck, ...] = setting(rules.objects(ModelCheck))


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
        found, repair = "no such file", f"make model NAME={name}"
        if path.parent.is_dir():
            found += " in this folder"
            back = f"git checkout {path.as_posix()}, if a commit has it"
            repair = f"{back}; else move {path.parent.as_posix()} away, then {repair}"
        raise ModelFileError([_unreadable(path, found, repair)]) from None
    except yaml_lines.YamlFileError as error:
        raise ModelFileError([_unreadable(path, str(error), f"edit {path.as_posix()}")]) from error
    reader = Reader.of(document, problems)
    model: ModelFile | None = reader.object((), document.content or {}, ModelFile)
    _check_together(reader, name)
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


def _check_together(reader: Reader, name: str) -> None:
    """Rules between values, and files that must be there, for all that is right in itself."""
    right, folder = reader.right, folder_of(name)
    if right.get(("name",), name) != name:
        reader.report(("name",), f"{right['name',]!r} stands in the folder of {name}", f"{name}, as the folder says")
    environments: Mapping[str, ModelEnvironment] | None = right.get(("environments",))
    for part in ("training", "serving"):
        environment = right.get((part, "environment"))
        if environment and environments is not None and environment not in environments:
            known_names = ", ".join(environments) or "none"
            found = f"{environment!r} is not declared{rules.nearest(environment, environments)}"
            reader.report((part, "environment"), found, f"one of environments: {known_names}")
    files = {
        ("training", "pipeline"): folder,
        ("serving", "script"): Path(),
        ("request", "schema"): folder,
        ("request", "sample"): folder,
    } | {where: Path() for where in right if where[:1] == ("environments",) and where[2:] == ("conda_file",)}
    for where, base in files.items():
        if where in right:
            rules.existing_file(reader, where, base / right[where])
    if ("training", "pipeline") in right:
        _check_pipeline(reader, folder / right["training", "pipeline"])
    for where in [each for each in files if each[0] == "environments" and each in right]:
        _check_conda(reader, where, Path(right[where]))
    for part in ("training", "serving"):
        for index, pattern in enumerate(right.get((part, "code"), ())):
            if not any(path.is_file() for path in Path().glob(pattern)):
                reader.report((part, "code", index), f"{pattern!r}: no such file", "a pattern that matches a file")
    script, code = right.get(("serving", "script")), right.get(("serving", "code"))
    if script and code and not any(Path(script).match(pattern) for pattern in code):
        found = f"{script!r} is not among the serving code"
        reader.report(("serving", "script"), found, f"one of serving.code: {', '.join(code)}")


def _yaml(reader: Reader, where: Where, file: Path, accepted: str) -> yaml_lines.Document | None:
    """A file that a value names; what is no YAML is a problem, what is not there is one already."""
    try:
        return yaml_lines.read(file) if file.is_file() else None
    except yaml_lines.YamlFileError as error:
        reader.report(where, str(error), accepted, f"edit {file.as_posix()}")
        return None


def _check_conda(reader: Reader, where: Where, file: Path) -> None:
    document = _yaml(reader, where, file, "a conda file")
    pins = document.content.get("dependencies") if document and isinstance(document.content, dict) else None
    if document and not isinstance(pins, list):
        found = f"{file.as_posix()!r}: no list of dependencies"
        reader.report(where, found, "a conda file", f"edit {file.as_posix()}")


def _check_pipeline(reader: Reader, file: Path) -> None:
    """Its steps have files; a run would take the default of an input that nobody declares under the name meant."""
    document = _yaml(reader, ("training", "pipeline"), file, "a pipeline component")
    if document is None:
        return
    jobs, declared = (_mapping(document.content, key) for key in ("jobs", "inputs"))
    for node, job in jobs.items():
        step = str(job["component"]) if isinstance(job, dict) and "component" in job else None
        if step and not (file.parent / step).is_file():
            place = ("jobs", str(node), "component")
            found = f"{file.as_posix()}:{document.lines[place]}: {rules.spelled(place)}: {step!r}: no such file"
            accepted, repair = "a file of a command component", f"edit {file.as_posix()}"
            reader.report(("training", "pipeline"), found, accepted, repair)
    inputs = reader.right.get(("training", "inputs"), {})
    own = [str(name) for name in declared if name not in GIVEN]
    for name, value in inputs.items():
        where = ("training", "inputs", str(name))
        if name in GIVEN:
            reader.report(where, "is filled in by the release", "inputs that no release fills in", "remove it")
        elif name not in declared:
            accepted = f"inputs of {file.as_posix()}: {', '.join(own) or 'none'}"
            reader.report(where, f"unknown input{rules.nearest(str(name), own)}", accepted)
        elif wrong := _misfit(value, declared[name]):
            at = f"{file.as_posix()}:{document.lines['inputs', str(name)]}"
            found, accepted = wrong
            reader.report(where, f"{value!r} is {found}", f"{accepted}, as {at} declares")


def _mapping(content: object, key: str) -> Mapping[Any, Any]:
    found = content.get(key) if isinstance(content, dict) else None
    return found if isinstance(found, dict) else {}


def _misfit(value: str | float, port: object) -> tuple[str, str] | None:
    """What is wrong with an input's value, and what its ``type``, ``enum``, ``min`` and ``max`` accept."""
    declared: Mapping[str, Any] = port if isinstance(port, dict) else {}
    kind = str(declared.get("type", "none"))
    if not _fits(value, kind):
        example = f", such as {_LITERALS[kind][1]}" if kind in _LITERALS else ""
        return "of another type", f"type {kind}{example}"
    if isinstance(value, str):
        named = [str(each) for each in declared.get("enum") or (value,)]
        return None if value in named else (f"not one of them{rules.nearest(value, named)}", " or ".join(named))
    low, high = _bound(declared.get("min")), _bound(declared.get("max"))
    if (low is None or value >= low) and (high is None or value <= high):
        return None
    accepted = f"{low:g} or more" if high is None else f"{high:g} or less" if low is None else f"{low:g} to {high:g}"
    return "out of range", accepted


def _bound(declared: object) -> float | None:
    """A bound of a component, which Azure also takes as a text; one that is no number bounds nothing there either."""
    try:
        return float(str(declared))
    except ValueError:
        return None


def _fits(value: object, kind: str) -> bool:
    """Whether a plain value is of a component's type; bool is an int to Python, not to Azure."""
    if kind not in _LITERALS:
        return False
    return isinstance(value, _LITERALS[kind][0]) and isinstance(value, bool) == (kind == "boolean")
