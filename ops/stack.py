"""What the stack made, read from the JSON file of its outputs."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ops.command import UsageError, beneath_make, option

_WORKSPACE_ID = re.compile(
    r"/subscriptions/([^/]+)/resourceGroups/([^/]+)/providers/Microsoft\.MachineLearningServices/workspaces/([^/]+)",
    re.IGNORECASE,
)
_REFERENCE = re.compile(r"[^:/]+:[^:/]+")


@dataclass(frozen=True, kw_only=True)
class Serving:
    """What a deployment of a model made now consists of, the model version aside.

    Attributes:
        code: ``NAME:VERSION`` of the scoring code.
        environment: ``NAME:VERSION`` that it runs in.
        script: entry script, relative to the project.
        instance_type: size of its instances.
        instance_count: instances kept running.
    """

    code: str
    environment: str
    script: str
    instance_type: str
    instance_count: int


@dataclass(frozen=True, kw_only=True)
class Training:
    """What a training run of a model made now consists of.

    Attributes:
        compute: cluster that its steps run on.
        data: ``NAME:VERSION`` of the data asset.
        pipeline: ``NAME:VERSION`` of the pipeline component.
        code: ``NAME:VERSION`` of the code of its steps.
        environment: ``NAME:VERSION`` that the steps run in.
    """

    compute: str
    data: str
    pipeline: str
    code: str
    environment: str


@dataclass(frozen=True, kw_only=True)
class Model:
    """One model of the stack.

    Attributes:
        name: of the model.
        endpoint: where callers ask it.
        serving: what its deployments are made of.
        training: None where the model is promoted from another stack and never trained.
    """

    name: str
    endpoint: str
    serving: Serving
    training: Training | None

    @property
    def promoted(self) -> bool:
        """True where the model comes from the ML registry."""
        return self.training is None


@dataclass(frozen=True, kw_only=True)
class Stack:
    """The outputs that releases need.

    Attributes:
        file: where they were read.
        subscription_id: from ``workspaceId``, as the two below.
        resource_group: where the workspace is.
        workspace: its name.
        release_store: container with the state of the rollouts.
        registry: name of the ML registry that models cross stacks through, if there is one.
        clean_commit: only a model whose code is committed may go live.
        models: by name.
    """

    file: Path
    subscription_id: str
    resource_group: str
    workspace: str
    release_store: str
    registry: str | None
    clean_commit: bool
    models: dict[str, Model]

    @property
    def workspace_id(self) -> str:
        """The workspace's resource id."""
        return (
            f"/subscriptions/{self.subscription_id}/resourceGroups/{self.resource_group}"
            f"/providers/Microsoft.MachineLearningServices/workspaces/{self.workspace}"
        )

    def model(self, name: str | None) -> Model:
        """The model of this name; without a name, the only one.

        Raises:
            UsageError: no such model, or several and none is named; names those there are.
        """
        known = ", ".join(sorted(self.models)) or "none"
        if name is None:
            if len(self.models) != 1:
                raise UsageError(
                    f"no model is named: the stack has {len(self.models)} models", why=f"it has {known}",
                    repair=f"say which one with {option('model', 'NAME')}",
                )  # fmt: skip
            return next(iter(self.models.values()))
        if name not in self.models:
            raise UsageError(f"{option('model', name)}: the stack has no such model", why=f"it has {known}")
        return self.models[name]

    @classmethod
    def read(cls, path: Path) -> "Stack":
        """Reads the file.

        Raises:
            UsageError: no such file, not JSON, or outputs are missing or of another type; names each of them, and
                how to write the file.
        """
        repair = f"make up STACK={path.stem}"
        if not beneath_make():
            repair = f"on Azure, after the update: pulumi stack output --json > {path}; on this machine: {repair}"
        try:
            outputs = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise _missing(path, repair) from None
        except ValueError as error:
            raise UsageError(f"{path}: not JSON", why=str(error), repair=repair) from None
        reader = _Reader(outputs)
        place = _WORKSPACE_ID.fullmatch(reader.want("workspaceId", _is_workspace, "a workspace's resource id") or "")
        store = reader.want("releaseStore", _is_text, "a container's address")
        registry = reader.want("registry", _is_text_or_none, "a name or null")
        clean_commit = reader.want("requireCleanCommit", _is_bool, "true or false")
        listed = reader.want("models", _is_object, "an object")
        # The engines write an object's keys in any order; releases and tables want the same one each time.
        models = {name: _model(reader, name) for name in sorted(listed or ())}
        if reader.problems or place is None:
            raise UsageError(f"{path}: {'; '.join(reader.problems)}", repair=repair)
        return cls(
            file=path,
            subscription_id=place[1],
            resource_group=place[2],
            workspace=place[3],
            release_store=store,
            registry=registry,
            clean_commit=clean_commit,
            models={name: model for name, model in models.items() if model},
        )


def _missing(path: Path, repair: str) -> UsageError:
    """A stack that is not up, or that nobody has declared."""
    up = ", ".join(sorted(each.stem for each in path.parent.glob("*.json"))) or "none"
    declared = sorted(each.stem.removeprefix("Pulumi.") for each in Path().glob("Pulumi.*.yaml"))
    if declared and path.stem not in declared:
        those = " or ".join(f"STACK={name}" for name in declared)
        repair = f"say {those}; or write Pulumi.{path.stem}.yaml (docs/how-to/team-stack.md), then {repair}"
    return UsageError(
        f"stack {path.stem} is not up: there is no {path}",
        why=f"stacks that are up: {up}; that have a Pulumi.<stack>.yaml: {', '.join(declared) or 'none'}",
        repair=repair,
    )


def _model(reader: "_Reader", name: str) -> Model | None:
    def text(key: str) -> Any:
        return reader.want(f"models.{name}.{key}", _is_text, "a text")

    def reference(key: str) -> Any:
        return reader.want(f"models.{name}.{key}", _is_reference, "NAME:VERSION")

    before = len(reader.problems)
    endpoint, promoted = text("endpoint"), reader.want(f"models.{name}.promoted", _is_bool, "true or false")
    serving = {
        "code": reference("serving.code"),
        "environment": reference("serving.environment"),
        "script": text("serving.script"),
        "instance_type": text("serving.instanceType"),
        "instance_count": reader.want(f"models.{name}.serving.instanceCount", _is_count, "a whole number from 1"),
    }
    training = None
    if promoted is False:
        training = {
            "compute": text("compute"),
            "data": reference("data"),
            "pipeline": reference("pipeline"),
            "code": reference("trainingCode"),
            "environment": reference("trainEnvironment"),
        }
    if len(reader.problems) > before:
        return None
    return Model(
        name=name,
        endpoint=endpoint,
        serving=Serving(**serving),
        training=Training(**training) if training else None,
    )


class _Reader:
    """Finds values by dotted path and keeps every problem."""

    def __init__(self, outputs: Any) -> None:
        self._outputs = outputs
        self.problems: list[str] = []

    def want(self, path: str, fits: Callable[[Any], bool], accepted: str) -> Any:
        value, missing = self._outputs, False
        for part in path.split("."):
            missing = missing or not isinstance(value, dict) or part not in value
            value = None if missing else value[part]
        if missing:
            self.problems.append(f"{path} is missing, want {accepted}")
            return None
        if not fits(value):
            self.problems.append(f"{path}={value!r}, want {accepted}")
            return None
        return value


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _is_text_or_none(value: Any) -> bool:
    return value is None or _is_text(value)


def _is_bool(value: Any) -> bool:
    return isinstance(value, bool)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _is_reference(value: Any) -> bool:
    return isinstance(value, str) and _REFERENCE.fullmatch(value) is not None


def _is_workspace(value: Any) -> bool:
    return isinstance(value, str) and _WORKSPACE_ID.fullmatch(value) is not None
