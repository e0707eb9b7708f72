"""What is live in a stack: exact versions behind each endpoint, in a file that only releases write.

The program reads it to declare the deployments, a release to know what it may replace. Not here: traffic, which the
rollout keeps, and what people decide, which the stack's configuration says.
"""

import dataclasses
import hashlib
import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

import settings_rules as rules
import yaml_lines
from settings_rules import Problem, setting

FOLDER_VARIABLE = "MLOPS_LIVE"
_REGISTRY = r"azureml://registries/[A-Za-z0-9][\w-]{1,32}/models/[\w.-]+/versions/[\w.-]+"
_NAME_DIGITS = 6
_VERSION_LIMIT = 23  # of a deployment name's 32 characters, without "v", hyphen and digits


class LiveFileError(rules.ProblemsError):
    """The file is not what a release writes."""


@dataclass(frozen=True, kw_only=True)
class LiveTraining:
    """What decides a training run: two runs with the same are the same.

    Attributes:
        pipeline: ``NAME:VERSION`` of the pipeline component, which stands for the code of its steps.
        data: ``NAME:VERSION`` of the data asset; None in a preview on a machine without the data.
        environment: ``NAME:VERSION`` of the environment.
        inputs: inputs of the pipeline that differ from its defaults.
    """

    pipeline: str = setting(rules.text(r"[\w.-]+:[\w.-]+", "NAME:VERSION"))
    data: str | None = setting(rules.text(r"[\w.-]+:[\w.-]+", "NAME:VERSION"))
    environment: str = setting(rules.text(r"[\w.-]+:[\w.-]+", "NAME:VERSION"))
    inputs: Mapping[str, str | int | float | bool] = setting(rules.plain_values("names and values of pipeline inputs"))


@dataclass(frozen=True, kw_only=True)
class LiveDeployment:
    """One deployment; it never changes but for the number of its instances.

    Attributes:
        name: made by :func:`deployment_name` from the rest, so that other content is another deployment.
        model: ``NAME:VERSION`` of the workspace, or an address in an ML registry.
        code: ``NAME:VERSION`` of the scoring code; none for a model that brings its own (MLflow).
        environment: ``NAME:VERSION`` of the environment; none for the same models.
        script: entry script inside the code.
        instance_type: size of each instance.
        instance_count: instances kept running.
        trained: what its model was trained with, so that a preview can say what trains again; none for a model that
            was promoted or trained elsewhere. It is told, not deployed: another value is no other deployment.
    """

    name: str = setting(rules.text(r"[A-Za-z][A-Za-z0-9-]{1,30}[A-Za-z0-9]", "a name such as v1-4c1d2e"))
    model: str = setting(
        rules.text(r"[\w.-]+:[\w.-]+|" + _REGISTRY, "NAME:VERSION or azureml://registries/NAME/models/NAME/versions/N")
    )
    instance_type: str = setting(rules.text(r"Standard_\w+", "a size such as Standard_D2as_v4"))
    instance_count: int = setting(rules.integer(1, 100), default=1)
    code: str | None = setting(rules.text(r"[\w.-]+:[\w.-]+", "NAME:VERSION"), default=None)
    environment: str | None = setting(rules.text(r"[\w.-]+:[\w.-]+", "NAME:VERSION"), default=None)
    script: str | None = setting(rules.words("the entry script inside the code"), default=None)
    trained: LiveTraining | None = setting(rules.object_of(LiveTraining), default=None)  # noqa: RUF009 - makes a field

    @property
    def model_version(self) -> str:
        """Version of the model, wherever it is."""
        return re.split(r"[:/]", self.model)[-1]


def deployment_name(
    *, model: str, code: str | None, environment: str | None, script: str | None, instance_type: str
) -> str:
    """Name of the deployment that is made of these: ``v<model version>-<six digits of what else it is made of>``."""
    version = re.sub(r"[^A-Za-z0-9]+", "-", re.split(r"[:/]", model)[-1])[:_VERSION_LIMIT].strip("-")
    parts = "\n".join(part or "" for part in (model, code, environment, script, instance_type))
    return f"v{version}-{hashlib.sha256(parts.encode()).hexdigest()[:_NAME_DIGITS]}"


def live_deployment(
    *,
    model: str,
    code: str | None,
    environment: str | None,
    script: str | None,
    instance_type: str,
    instance_count: int,
    trained: LiveTraining | None = None,
) -> LiveDeployment:
    """A deployment with the name that its parts give it."""
    name = deployment_name(model=model, code=code, environment=environment, script=script, instance_type=instance_type)
    return LiveDeployment(
        name=name,
        model=model,
        code=code,
        environment=environment,
        script=script,
        instance_type=instance_type,
        instance_count=instance_count,
        trained=trained,
    )


@dataclass(frozen=True, kw_only=True)
class LiveFile:
    """The deployments of a stack.

    Attributes:
        stack: stack they are live in.
        path: file they are kept in.
        models: deployments of each model, in the order they came.
    """

    stack: str
    path: Path
    models: Mapping[str, tuple[LiveDeployment, ...]] = field(default_factory=dict)

    @classmethod
    def read(cls, stack: str) -> "LiveFile":
        """Reads a stack's file; one that is not there means that nothing is live.

        Raises:
            LiveFileError: every problem with its line.
        """
        path = Path(os.environ.get(FOLDER_VARIABLE) or "live") / f"{stack}.yaml"
        if not path.is_file():
            return cls(stack=stack, path=path)
        try:
            document = yaml_lines.read(path)
        except yaml_lines.YamlFileError as error:
            raise LiveFileError([_broken(path, str(error))]) from error
        problems: list[Problem] = []
        reader = rules.Reader.of(document, problems)
        content = document.content or {}
        if not isinstance(content, dict):
            reader.report((), f"{content!r} is not a set of models", "models, each with its deployments", _RESTORE)
            content = {}
        rule = rules.objects(LiveDeployment)
        models = {str(name): reader.value((str(name),), raw, rule) or () for name, raw in content.items()}
        for name, deployments in models.items():
            _check_names(reader, name, deployments)
        if problems:
            raise LiveFileError(problems)
        return cls(stack=stack, path=path, models=models)

    def of(self, model: str) -> tuple[LiveDeployment, ...]:
        """Deployments of one model."""
        return tuple(self.models.get(model, ()))

    def having(self, model: str, deployments: tuple[LiveDeployment, ...]) -> "LiveFile":
        """The same with other deployments of one model; none removes it."""
        models = {name: each for name, each in self.models.items() if name != model}
        return LiveFile(stack=self.stack, path=self.path, models=models | ({model: deployments} if deployments else {}))

    def write(self) -> None:
        """Replaces the file in one step: a reader sees the old content or the new, also after a power cut.

        Raises:
            LiveFileError: it cannot be written; the old content stays.
        """
        head = f"# Written by releases (python -m ops.release). What is live in stack {self.stack}.\n"
        content = {model: [_plain(each) for each in self.models[model]] for model in sorted(self.models)}
        text = head + (yaml.safe_dump(content, sort_keys=False, width=120) if content else "")
        try:
            self._replace(text.encode())
        except OSError as error:
            found = f"cannot be written: {error.strerror}; {len(text.encode())} bytes are needed"
            raise LiveFileError([
                Problem(
                    file=self.path.as_posix(), line=0, key="file", found=found, accepted="a folder with room for it",
                    repair="see to that, and run the same command again",
                )
            ]) from error  # fmt: skip

    def _replace(self, content: bytes) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=self.path.parent, prefix=f".{self.path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            Path(name).chmod(0o644)
            Path(name).replace(self.path)
        finally:
            Path(name).unlink(missing_ok=True)
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


_RESTORE = "take the file back from version control, or release again"


def _plain(deployment: LiveDeployment) -> dict[str, Any]:
    order = ("name", "model", "code", "environment", "script", "instance_type", "instance_count")
    plain = {key: getattr(deployment, key) for key in order if getattr(deployment, key) is not None}
    return plain | ({"trained": dataclasses.asdict(deployment.trained)} if deployment.trained else {})


def _broken(path: Path, found: str) -> Problem:
    return Problem(
        file=path.as_posix(), line=0, key="file", found=found, accepted="what a release writes", repair=_RESTORE
    )


def _check_names(reader: rules.Reader, model: str, deployments: tuple[LiveDeployment, ...]) -> None:
    """A deployment edited under its old name would be changed while it serves."""
    for index, each in enumerate(deployments):
        wanted = deployment_name(
            model=each.model,
            code=each.code,
            environment=each.environment,
            script=each.script,
            instance_type=each.instance_type,
        )
        if each.name != wanted:
            found = f"{each.name!r} is made of other parts than it was"
            reader.report((model, index, "name"), found, f"{wanted}, a new deployment beside it", _RESTORE)
        if (each.code is None) != (each.script is None):
            found = "code without a script, or a script without code"
            reader.report((model, index), found, "both, or neither", _RESTORE)
