"""The one place that reads stack configuration. Everything else takes typed values.

Nothing here calls a cloud: a stack's configuration is judged the same way with and without credentials.
"""

import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pulumi
import pulumi.runtime.config

import settings_rules as rules
from settings_rules import setting


class ConfigError(pulumi.RunError):
    """Every problem of a stack's configuration, one a line; an engine shows it without a stack trace."""


@dataclass(frozen=True, kw_only=True)
class ClusterSettings:
    """One autoscaling cluster.

    Attributes:
        name: compute target that jobs name.
        vm_size: a new value replaces the cluster.
        min_nodes: nodes kept when idle; 0 costs nothing at rest.
        max_nodes: autoscaler ceiling; the regional vCPU quota must cover it.
        idle_minutes: minutes without work before a node is released.
    """

    name: str = setting(rules.azure_name())
    vm_size: str = setting(rules.vm_size())
    max_nodes: int = setting(rules.integer(1, 100))
    min_nodes: int = setting(rules.integer(0, 100), default=0)
    idle_minutes: int = setting(rules.integer(1, 120), default=5)


@dataclass(frozen=True, kw_only=True)
class DataSettings:
    """One data asset, a folder uploaded as an immutable version.

    Attributes:
        name: asset name that jobs refer to.
        path: local folder, relative to the project.
        made_by: command that makes the folder; shown when it is missing.
        description: what a reader of the studio should know about it.
    """

    name: str = setting(rules.azure_name())
    path: str = setting(rules.text(r"[^/].*", "a folder relative to the project"))
    made_by: str = setting(rules.text(r".+", "the command that makes the folder"))
    description: str = setting(rules.text(r".+", "a sentence"))


@dataclass(frozen=True, kw_only=True)
class EnvironmentSettings:
    """One environment asset.

    Attributes:
        name: asset name.
        conda_file: exact pins, relative to the project.
        image: base image, pinned by digest so that the same version is the same bytes.
    """

    name: str = setting(rules.azure_name())
    conda_file: str = setting(rules.existing_file())
    image: str = setting(rules.text(r"[a-z0-9./_-]+@sha256:[0-9a-f]{64}", "an image pinned as NAME@sha256:DIGEST"))


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """The training pipeline.

    Attributes:
        pipeline_file: pipeline component, relative to the project; it names the files of its steps.
        code: files the steps need, as patterns relative to the project.
        cluster: name of the cluster its runs use.
        data: name of the data asset its runs read.
    """

    pipeline_file: str = setting(rules.existing_file())
    code: tuple[str, ...] = setting(rules.texts("patterns such as ml_jobs/**/*"))
    cluster: str = setting(rules.azure_name())
    data: str = setting(rules.azure_name())


@dataclass(frozen=True, kw_only=True)
class EndpointSettings:
    """The online endpoint.

    Attributes:
        name: a tail that is unique to the stack is added.
        auth_mode: how callers prove who they are.
        environment: name of the environment its deployments run in.
        scoring_script: entry script, relative to the project.
        code: files the entry script needs, as patterns relative to the project. Other files may change
            without touching a live deployment.
    """

    name: str = setting(rules.azure_name(limit=20))
    auth_mode: str = setting(rules.choice("Key", "AADToken"))
    environment: str = setting(rules.azure_name())
    scoring_script: str = setting(rules.existing_file())
    code: tuple[str, ...] = setting(rules.texts("patterns such as ml_jobs/score.py"))


@dataclass(frozen=True, kw_only=True)
class DeploymentSettings:
    """One deployment behind the endpoint; blue and green are two of them.

    Attributes:
        name: what the rollout shifts traffic to.
        model: registered model.
        version: exact model version; a deployment never follows "latest".
        instance_type: a new value rolls the deployment's instances.
        instance_count: instances kept running.
    """

    name: str = setting(rules.azure_name())
    model: str = setting(rules.azure_name(limit=255))
    version: str = setting(rules.model_version())
    instance_type: str = setting(rules.vm_size())
    instance_count: int = setting(rules.integer(1, 20))


@dataclass(frozen=True, kw_only=True)
class Settings:
    """A stack's configuration; each attribute is one key of ``Pulumi.yaml``, where it is described."""

    location: str = setting(rules.text(r"[a-z]+[0-9]?", "an Azure region such as westeurope"))
    owner: str = setting(rules.text(r"[^@\s]+@[^@\s]+", "an e-mail address"))
    name_salt: str = setting(rules.azure_name(limit=24))
    protect_data: bool = setting(rules.boolean())
    purge_protection: bool = setting(rules.boolean())
    soft_delete_days: int = setting(rules.integer(7, 90))
    log_retention_days: int = setting(rules.integer(30, 730))
    storage_sku: str = setting(rules.choice("Standard_LRS", "Standard_ZRS", "Standard_GRS", "Standard_GZRS"))
    registry_sku: str = setting(rules.choice("Basic", "Standard", "Premium"))
    deployer_data_access: bool = setting(rules.boolean())
    clusters: tuple[ClusterSettings, ...] = setting(rules.objects(ClusterSettings))
    data: tuple[DataSettings, ...] = setting(rules.objects(DataSettings))
    environments: tuple[EnvironmentSettings, ...] = setting(rules.objects(EnvironmentSettings))
    training: TrainingSettings = setting(rules.object_of(TrainingSettings))  # noqa: RUF009 - makes a field
    endpoint: EndpointSettings = setting(rules.object_of(EndpointSettings))  # noqa: RUF009 - makes a field
    deployments: tuple[DeploymentSettings, ...] = setting(rules.objects(DeploymentSettings))


def load() -> Settings:
    """Reads, checks and freezes the stack's configuration.

    Raises:
        ConfigError: all problems at once, each with its key, what was found, what is accepted and the repair.
    """
    config = pulumi.Config()
    reader = rules.Reader(file=f"Pulumi.{pulumi.get_stack()}.yaml")
    keys = {_key(field.name): field for field in fields(Settings)}
    for full_key in _configured(config.name):
        key = full_key.partition(":")[2]
        if key not in keys:
            reader.report(full_key, f"unknown key{rules.nearest(key, keys)}", f"keys {', '.join(keys)}")
    values = {
        field.name: _value(reader, config.full_key(key), config.get(key), field.metadata["rule"])
        for key, field in keys.items()
    }
    _check_together(reader, config.name, values)
    if reader.problems:
        count = len(reader.problems)
        lines = "".join(f"\n  {problem}" for problem in reader.problems)
        raise ConfigError(f"{count} problem{'s' if count > 1 else ''} in {reader.file}:{lines}")
    return Settings(**values)


def _key(field_name: str) -> str:
    first, *rest = field_name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _configured(namespace: str) -> list[str]:
    # pulumi.Config can only be asked for keys one already knows, and the unknown ones are wanted here.
    configured = pulumi.runtime.config.CONFIG.get().keys() | pulumi.runtime.config.get_config_env().keys()
    return sorted(key for key in configured if key.startswith(f"{namespace}:"))


def _value(reader: rules.Reader, key: str, raw: str | None, rule: rules.Rule) -> Any:
    if raw is None:
        reader.report(key, "missing", rule.accepted)
        return None
    if rule.kind is str:
        return reader.value(key, raw, rule)
    try:
        plain = json.loads(raw)
    except json.JSONDecodeError:
        plain = raw  # of the wrong kind, which the rule says better than a parser
    return reader.value(key, plain, rule)


def _check_together(reader: rules.Reader, namespace: str, values: dict[str, Any]) -> None:
    """Rules between values; what is missing or wrong by itself was reported before."""
    clusters: tuple[ClusterSettings, ...] = values["clusters"] or ()
    data: tuple[DataSettings, ...] = values["data"] or ()
    for cluster in clusters:
        if cluster.min_nodes > cluster.max_nodes:
            reader.report(
                f"{namespace}:clusters[{cluster.name}].min_nodes",
                f"{cluster.min_nodes} is more than max_nodes={cluster.max_nodes}",
                "min_nodes up to max_nodes",
            )
    for asset in data:
        if not Path(asset.path).is_dir():
            reader.report(
                f"{namespace}:data[{asset.name}].path",
                f"{asset.path!r}: no such folder",
                "an existing folder",
                asset.made_by,
            )
    _check_references(reader, namespace, values)


def _check_references(reader: rules.Reader, namespace: str, values: dict[str, Any]) -> None:
    training: TrainingSettings | None = values["training"]
    endpoint: EndpointSettings | None = values["endpoint"]
    references = []
    if training:
        references.append(("training.cluster", training.cluster, "clusters"))
        references.append(("training.data", training.data, "data"))
    if endpoint:
        references.append(("endpoint.environment", endpoint.environment, "environments"))
    for key, name, declared_by in references:
        declared = [entry.name for entry in values[declared_by] or ()]
        # A list that has a problem of its own may well declare the name.
        if name not in declared and not reader.has_problem(f"{namespace}:{declared_by}"):
            accepted = f"one of {namespace}:{declared_by}: {', '.join(declared)}"
            reader.report(f"{namespace}:{key}", f"{name!r} is not declared", accepted)
