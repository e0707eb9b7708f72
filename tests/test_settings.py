"""Configuration: what the stacks say arrives typed, and every mistake is reported at once with its repair."""

import json
import re
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml
from pulumi.runtime.config import set_all_config

import settings
from settings import ConfigError, Settings
from tests.conftest import ROOT, Echo, as_engine_sends, stack_config

Load = Callable[..., Settings]
STACKS = sorted(path.name.split(".")[1] for path in ROOT.glob("Pulumi.*.yaml"))


@pytest.fixture
def load(project: Path) -> Load:
    """Reads dev's configuration with some values changed; None leaves a key out."""

    def run(changes: dict[str, Any] | None = None, stack: str = "dev") -> Settings:
        config = stack_config(stack) | (changes or {})
        set_all_config(as_engine_sends({key: value for key, value in config.items() if value is not None}))
        pulumi.runtime.set_mocks(Echo(), "mlops", stack, preview=True)
        return settings.load()

    return run


def problems(load: Load, changes: dict[str, Any]) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(changes)
    return str(caught.value).splitlines()[1:]


def in_list(key: str, **changes: Any) -> dict[str, Any]:
    """Dev's configuration of a list with its first entry changed; a value of None leaves the field out."""
    first, *rest = stack_config("dev")[key]
    changed = {name: value for name, value in (first | changes).items() if value is not None}
    return {key: [changed, *rest]}


def in_object(key: str, **changes: Any) -> dict[str, Any]:
    changed = {name: value for name, value in (stack_config("dev")[key] | changes).items() if value is not None}
    return {key: changed}


BLUE = {
    "name": "blue",
    "model": "flight-delay",
    "version": "3",
    "instance_type": "Standard_D2ds_v5",
    "instance_count": 1,
}


@pytest.mark.parametrize("stack", STACKS)
def test_the_stack_files_are_right(load: Load, stack: str) -> None:
    assert load(stack=stack).owner == "ml-platform@example.com"


def test_values_arrive_typed_and_with_defaults(load: Load) -> None:
    cfg = load({"mlops:deployments": [BLUE]})
    assert cfg.protect_data is False
    assert cfg.soft_delete_days == 7
    assert cfg.clusters[0] == settings.ClusterSettings(name="train", vm_size="Standard_D4ds_v5", max_nodes=2)
    assert (cfg.clusters[0].min_nodes, cfg.clusters[0].idle_minutes) == (0, 5)
    assert cfg.deployments[0].version == "3"


def test_settings_cannot_be_changed_later(load: Load) -> None:
    with pytest.raises(AttributeError):
        load().location = "northeurope"  # type: ignore[misc] # the point of the test


def test_the_environment_variable_of_an_engine_is_read_too(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pulumi's language host may hand configuration over in PULUMI_CONFIG."""
    config = as_engine_sends(stack_config("dev"))
    load()
    set_all_config({})
    monkeypatch.setenv("PULUMI_CONFIG", json.dumps(config))
    assert settings.load().location == "westeurope"
    monkeypatch.setenv("PULUMI_CONFIG", json.dumps(config | {"mlops:locaton": "x"}))
    with pytest.raises(ConfigError, match="mlops:locaton: unknown key, did you mean location"):
        settings.load()


@pytest.mark.parametrize("field", [field.name for field in fields(Settings)])
def test_each_key_is_required(load: Load, field: str) -> None:
    first, *rest = field.split("_")
    key = "mlops:" + first + "".join(word.capitalize() for word in rest)
    assert any(line.startswith(f"  {key}: missing; accepted: ") for line in problems(load, {key: None}))


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "unknown key": ({"mlops:locaton": "x"}, "mlops:locaton: unknown key, did you mean location?"),
    "unknown key like nothing": ({"mlops:zzz": "x"}, "mlops:zzz: unknown key; accepted: keys location"),
    "region": ({"mlops:location": "West Europe"}, "mlops:location: 'West Europe'"),
    "owner": ({"mlops:owner": "somebody"}, "mlops:owner: 'somebody'"),
    "salt": ({"mlops:nameSalt": "Contoso!"}, "mlops:nameSalt: 'Contoso!'"),
    "not a boolean": ({"mlops:protectData": "maybe"}, "mlops:protectData: 'maybe' is not a true or false"),
    "not a number": ({"mlops:softDeleteDays": "many"}, "mlops:softDeleteDays: 'many' is not a whole number"),
    "boolean for a number": ({"mlops:softDeleteDays": True}, "mlops:softDeleteDays: True is not a whole number"),
    "too few days": (
        {"mlops:softDeleteDays": 6},
        "mlops:softDeleteDays: 6: out of range; accepted: a whole number from 7",
    ),
    "too many days": ({"mlops:softDeleteDays": 91}, "mlops:softDeleteDays: 91: out of range"),
    "log retention": ({"mlops:logRetentionDays": 29}, "mlops:logRetentionDays: 29: out of range"),
    "storage sku": ({"mlops:storageSku": "LRS"}, "mlops:storageSku: 'LRS': not one of them; accepted: Standard_LRS or"),
    "registry sku": ({"mlops:registrySku": "Free"}, "mlops:registrySku: 'Free'"),
    "not a list": ({"mlops:clusters": {"name": "x"}}, "mlops:clusters: {'name': 'x'} is not a list"),
    "not an object": ({"mlops:clusters": ["train"]}, "mlops:clusters[0]: 'train' is not a set of fields"),
    "broken JSON": ({"mlops:clusters": "[{"}, "mlops:clusters: '[{' is not a list"),
    "unknown field": (
        in_list("mlops:clusters", vm_sise="x"),
        "mlops:clusters[0].vm_sise: unknown field, did you mean vm_size?",
    ),
    "missing field": (in_list("mlops:clusters", max_nodes=None), "mlops:clusters[0].max_nodes: missing"),
    "cluster name": (in_list("mlops:clusters", name="Train_1"), "mlops:clusters[0].name: 'Train_1'"),
    "unknown size": (
        in_list("mlops:clusters", vm_size="Standard_D4ds_v55"),
        "mlops:clusters[0].vm_size: 'Standard_D4ds_v55': unknown size; the nearest known one is Standard_D4ds_v5",
    ),
    "retired size": (
        in_list("mlops:clusters", vm_size="Standard_DS3_v2"),
        "'Standard_DS3_v2': no new capacity since July 2026; its successor is Standard_D4ds_v5",
    ),
    "more minimum than maximum": (
        in_list("mlops:clusters", min_nodes=3),
        "mlops:clusters[train].min_nodes: 3 is more than max_nodes=2",
    ),
    "no node": (in_list("mlops:clusters", max_nodes=0), "mlops:clusters[0].max_nodes: 0: out of range"),
    "idle": (in_list("mlops:clusters", idle_minutes=0), "mlops:clusters[0].idle_minutes: 0: out of range"),
    "two of a name": (
        {"mlops:clusters": stack_config("dev")["mlops:clusters"] * 2},
        "mlops:clusters: 'train' stands twice",
    ),
    "no such folder": (
        in_list("mlops:data", path=".data/none"),
        "mlops:data[flights].path: '.data/none': no such folder; accepted: an existing folder; repair: .venv",
    ),
    "folder outside": (in_list("mlops:data", path="/tmp/x"), "mlops:data[0].path: '/tmp/x'"),  # noqa: S108 - refused
    "no description": (in_list("mlops:data", description=""), "mlops:data[0].description: ''"),
    "no maker": (in_list("mlops:data", made_by=""), "mlops:data[0].made_by: ''"),
    "no conda file": (
        in_list("mlops:environments", conda_file="none.yaml"),
        "mlops:environments[0].conda_file: 'none.yaml': no such file",
    ),
    "image by tag": (
        in_list("mlops:environments", image="mcr.microsoft.com/azureml/base:latest"),
        "accepted: an image pinned as NAME@sha256:DIGEST",
    ),
    "no pipeline": (
        in_object("mlops:training", pipeline_file="none.yaml"),
        "mlops:training.pipeline_file: 'none.yaml'",
    ),
    "no code": (in_object("mlops:training", code=[]), "mlops:training.code: []: not such a list"),
    "undeclared cluster": (
        in_object("mlops:training", cluster="gpu"),
        "mlops:training.cluster: 'gpu' is not declared; accepted: one of mlops:clusters: train",
    ),
    "undeclared data": (in_object("mlops:training", data="trains"), "mlops:training.data: 'trains' is not declared"),
    "auth mode": (in_object("mlops:endpoint", auth_mode="none"), "accepted: Key or AADToken"),
    "endpoint name": (in_object("mlops:endpoint", name="x" * 21), "mlops:endpoint.name: "),
    "no script": (in_object("mlops:endpoint", scoring_script="none.py"), "mlops:endpoint.scoring_script: 'none.py'"),
    "code that is not text": (in_object("mlops:endpoint", code=[1]), "mlops:endpoint.code: [1]: not such a list"),
    "undeclared environment": (
        in_object("mlops:endpoint", environment="prod"),
        "mlops:endpoint.environment: 'prod' is not declared; accepted: one of mlops:environments: train, serve",
    ),
    "missing model version": (
        {"mlops:deployments": [{k: v for k, v in BLUE.items() if k != "version"}]},
        'mlops:deployments[0].version: missing; accepted: an exact version in quotes, such as "3"',
    ),
    "model version as a number": (
        {"mlops:deployments": [BLUE | {"version": 3}]},
        "mlops:deployments[0].version: 3 is not a text; accepted: an exact version in quotes",
    ),
    "following a label": (
        {"mlops:deployments": [BLUE | {"version": "@latest"}]},
        "mlops:deployments[0].version: '@latest'",
    ),
    "deployment size": (
        {"mlops:deployments": [BLUE | {"instance_type": "Standard_F2s_v2"}]},
        "its successor is Standard_F4as_v6",
    ),
    "no instance": ({"mlops:deployments": [BLUE | {"instance_count": 0}]}, "mlops:deployments[0].instance_count: 0"),
    "two blues": ({"mlops:deployments": [BLUE, BLUE]}, "mlops:deployments: 'blue' stands twice"),
}


@pytest.mark.parametrize("mistake", REFUSED)
def test_one_mistake_is_one_problem_that_says_how_to_repair_it(load: Load, mistake: str) -> None:
    changes, expected = REFUSED[mistake]
    found = problems(load, changes)
    assert len(found) == 1
    assert expected in found[0]
    assert re.search(
        r"; accepted: .+; repair: (edit mlops:\S+ in Pulumi\.dev\.yaml|\.venv/bin/python -m \S+)$", found[0]
    )


def test_all_mistakes_are_reported_at_once(load: Load) -> None:
    changes: dict[str, Any] = {}
    for mistake in (
        "unknown key",
        "region",
        "not a boolean",
        "too few days",
        "retired size",
        "undeclared data",
        "two blues",
    ):
        changes |= REFUSED[mistake][0]
    found = problems(load, changes)
    assert len(found) == 7
    with pytest.raises(ConfigError, match=r"^7 problems in Pulumi\.dev\.yaml:"):
        load(changes)


def test_a_broken_list_does_not_make_its_names_undeclared(load: Load) -> None:
    found = problems(load, in_list("mlops:clusters", max_nodes=0))
    assert not any("is not declared" in line for line in found)


def test_an_engine_shows_the_message_without_a_stack_trace() -> None:
    assert issubclass(ConfigError, pulumi.RunError)


def test_pulumi_yaml_declares_exactly_these_keys_with_their_types() -> None:
    declared = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"]
    kinds = {str: "string", bool: "boolean", int: "integer", list: "array", dict: "object"}
    wanted = {
        re.sub("_(.)", lambda match: match[1].upper(), field.name): kinds[field.metadata["rule"].kind]
        for field in fields(Settings)
    }
    # Keys with a namespace of their own are Pulumi's, not the program's.
    assert {key: spec["type"] for key, spec in declared.items() if ":" not in key} == wanted


def test_pulumi_yaml_describes_each_key_and_names_its_fields() -> None:
    declared = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"]
    for field in fields(Settings):
        key = re.sub("_(.)", lambda match: match[1].upper(), field.name)
        description = declared[key]["description"]
        assert description.endswith(".")
        fields_of = field.metadata["rule"].fields_of
        for inner in fields(fields_of) if fields_of else ():
            assert inner.name in description, f"{key}: {inner.name} is not described"


def test_stacks_differ_in_values_only() -> None:
    keys = {stack: list(stack_config(stack)) for stack in STACKS}
    assert all(found == keys["dev"] for found in keys.values())
