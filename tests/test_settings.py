"""Configuration: what the stacks say arrives typed, and every mistake is reported at once with line and repair."""

import json
import re
from pathlib import Path
from typing import Any

import pulumi
import pytest
from pulumi.runtime.config import set_all_config

import settings
import settings_load
from settings import ConfigError
from tests.conftest import (
    STACKS,
    TODAY,
    Load,
    as_engine_sends,
    make_live,
    make_model,
    small_config,
    stack_config,
)
from tests.settings_cases import MODELS, PLATFORM, problems, with_cluster, with_model, with_platform


@pytest.mark.parametrize("stack", STACKS)
def test_the_stack_files_are_right(load: Load, stack: str) -> None:
    found = load(stack_config(stack), stack)
    assert [model.settings.name for model in found.models] == [each["name"] for each in stack_config(stack)[MODELS]]


@pytest.mark.parametrize("stack", STACKS)
def test_a_copy_of_a_stack_file_is_right_too(load: Load, project: Path, stack: str) -> None:
    (project / "Pulumi.fraud-detection-prod.yaml").write_text((project / f"Pulumi.{stack}.yaml").read_text())
    copy = load(stack_config(stack), "fraud-detection-prod")
    assert copy.names.stack == "fraud-detection-prod"
    assert copy.registry is None, "the registry is the organisation's, not a stack's"
    assert load(stack_config(stack), stack).names.stack == stack


def test_values_arrive_typed_and_with_defaults(load: Load) -> None:
    cfg = load()
    assert cfg.platform.clusters[0] == settings.ClusterSettings(name="train", vm_size="Standard_D4ds_v5", max_nodes=2)
    assert cfg.models[0].settings == settings.ModelSettings(name="late")
    assert cfg.models[0].file.training.inputs == {"seed": 13}
    assert (cfg.registry, cfg.existing) == (None, None)


def test_what_a_stack_does_not_say_is_safe_for_production(load: Load) -> None:
    config = with_platform(require_clean_commit=None)
    platform = load(config).platform
    assert platform.protect_data
    assert platform.purge_protection
    assert platform.require_clean_commit
    assert (platform.soft_delete_days, platform.storage_sku) == (90, "Standard_ZRS")
    assert load(config).models[0].settings.auth_mode == "AADToken"


def test_prod_takes_the_safe_values() -> None:
    assert set(stack_config("prod")[PLATFORM]) == {"subscription_id", "tenant_id", "location", "owner", "name_salt"}


def test_settings_cannot_be_changed_later(load: Load) -> None:
    with pytest.raises(AttributeError):
        load().owner = "other"  # type: ignore[misc] # the point of the test


def test_the_environment_variable_of_an_engine_is_read_too(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pulumi's language host may hand configuration over in PULUMI_CONFIG."""
    config = as_engine_sends(small_config())
    load()
    set_all_config({})
    monkeypatch.setenv("PULUMI_CONFIG", json.dumps(config))
    assert settings_load.load(TODAY).platform.location == "westeurope"
    monkeypatch.setenv("PULUMI_CONFIG", json.dumps(config | {"mlops:modells": "x"}))
    with pytest.raises(ConfigError, match="mlops:modells: unknown key, did you mean models"):
        settings_load.load(TODAY)


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "unknown key": (small_config() | {"mlops:modells": []}, "mlops:modells: unknown key, did you mean models?"),
    "unknown key like nothing": (small_config() | {"mlops:zzz": 1}, "mlops:zzz: unknown key; accepted: keys mlops:pl"),
    "no platform": ({MODELS: []}, "mlops:platform: missing; accepted: fields subscription_id"),
    "no location": (
        with_platform(location=None),
        "location: missing; accepted: one of 48 values, listed in docs/",
    ),
    "region": (
        with_platform(location="westeurop"),
        "'westeurop': not one of them, did you mean westeurope or westus?; accepted: ",
    ),
    "owner": (with_platform(owner="somebody"), "mlops:platform.owner: 'somebody'"),
    "two owners": (with_platform(owner="a@b and c@d"), "owner: 'a@b and c@d': does not fit; accepted: an e-mail"),
    "salt": (with_platform(name_salt="Contoso!"), "mlops:platform.name_salt: 'Contoso!'"),
    "subscription": (with_platform(subscription_id="mine"), "mlops:platform.subscription_id: 'mine'"),
    "not a boolean": (with_platform(protect_data="maybe"), "platform.protect_data: 'maybe' is not a true or false"),
    "boolean for a number": (with_platform(soft_delete_days=True), "soft_delete_days: True is not a whole number"),
    "too few days": (with_platform(soft_delete_days=6), "6: out of range; accepted: a whole number from 7"),
    "too many days": (with_platform(soft_delete_days=91), "soft_delete_days: 91: out of range"),
    "log retention": (with_platform(log_retention_days=29), "log_retention_days: 29: out of range"),
    "storage sku": (with_platform(storage_sku="LRS"), "storage_sku: 'LRS': not one of them"),
    "registry sku": (with_platform(registry_sku="Free"), "registry_sku: 'Free'"),
    "deployer by name": (with_platform(deployers=["me"]), "deployers: ['me']: not such a list"),
    "unknown field": (with_platform(ownr="x"), "mlops:platform.ownr: unknown field, did you mean owner?"),
    "not a list": (with_platform(clusters={"name": "x"}), "platform.clusters: {'name': 'x'} is not a list"),
    "not an object": (with_platform(clusters=["train"]), "platform.clusters[0]: 'train' is not a set of fields"),
    "broken JSON": (small_config() | {MODELS: "[{"}, "mlops:models: '[{' is not a list"),
    "missing field": (with_cluster(vm_size=None), "mlops:platform.clusters[0].vm_size: missing"),
    "cluster name": (with_cluster(name="Train_1"), "clusters[0].name: 'Train_1'"),
    "unknown size": (with_cluster(vm_size="Standard_D4ds_v55"), "the nearest known one is Standard_D4ds_v5"),
    "retired size": (with_cluster(vm_size="Standard_NC6s_v3"), "retired 2025-09-30; its successor is Standard_NC4as"),
    "more minimum than maximum": (with_cluster(min_nodes=3), "clusters[0].min_nodes: 3 is more than max_nodes=2"),
    "no node": (with_cluster(max_nodes=0), "clusters[0].max_nodes: 0: out of range"),
    "one of all fields": (
        with_model(instance_type="D2", instance_count=1, auth_mode="Key", cluster="train", promoted=False),
        "models[0].instance_type: 'D2': does not fit; accepted: a size such as Standard_D2as_v4",
    ),
    "idle": (with_cluster(idle_minutes=0), "clusters[0].idle_minutes: 0: out of range"),
    "two clusters of a name": (
        with_platform(clusters=[{"name": "train", "vm_size": "Standard_D4ds_v5"}] * 2),
        "clusters[1].name: 'train' stands twice, first in mlops:platform.clusters[0]",
    ),
    "two models of a name": (
        small_config() | {MODELS: [{"name": "late"}] * 2},
        "mlops:models[1].name: 'late' stands twice, first in mlops:models[0]",
    ),
    "unknown model": (with_model(name="lat"), "'lat': no such folder: ml_jobs/lat, did you mean late?"),
    "model name": (with_model(name="x" * 25), "mlops:models[0].name: "),
    "undeclared cluster": (
        with_model(cluster="gpu"),
        "mlops:models[0].cluster: 'gpu' is not declared; accepted: one of mlops:platform.clusters: train",
    ),
    "auth mode": (with_model(auth_mode="none"), "accepted: Key or AADToken"),
    "no instance": (with_model(instance_count=0), "mlops:models[0].instance_count: 0"),
    "a cluster's size for an endpoint": (
        with_model(instance_type="Standard_D4ds_v5"),
        "a size of a cluster, not of a managed online endpoint; the nearest known one is",
    ),
    "registry region": (
        small_config() | {"mlops:registry": {"more_locations": ["nowhere"]}},
        "mlops:registry.more_locations: ['nowhere']: not such a list",
    ),
    "a second registry": (small_config() | {"mlops:registry": {}}, "mlops:registry: stack dev makes it already"),
    "no such home": (
        small_config() | {"mlops:registry": {"home": "prd"}},
        "mlops:registry.home: stack 'prd' makes none; accepted: one of test, dev",
    ),
    "no such platform": (
        {PLATFORM: {"existing": "de", "owner": "a@b"}},
        "mlops:platform.existing: 'de': no such stack, did you mean dev?; accepted: one of dev, prod",
    ),
    "field that the platform has": (
        {PLATFORM: {"existing": "dev", "owner": "a@b", "location": "westus"}},
        "mlops:platform.location: unknown field; accepted: fields existing, owner",
    ),
}


@pytest.mark.parametrize("mistake", REFUSED)
def test_one_mistake_is_one_problem_with_line_and_repair(load: Load, mistake: str) -> None:
    config, expected = REFUSED[mistake]
    found = problems(load, config)
    assert len(found) == 1
    assert expected in found[0]
    assert re.match(r"  Pulumi\.test\.yaml(:\d+)?: mlops:", found[0])
    assert re.search(
        r"; accepted: .+; repair: (edit mlops:\S+ in Pulumi\.test\.yaml|make model NAME=\S+ STACK=test|name it: .+)$",
        found[0],
    )


def test_the_line_is_that_of_the_value(load: Load) -> None:
    found = problems(load, with_cluster(idle_minutes=0))
    line = int(found[0].split(":")[1])
    assert Path("Pulumi.test.yaml").read_text().splitlines()[line - 1].strip() == "idle_minutes: 0"


def test_a_value_that_is_not_from_the_file_has_no_line(load: Load) -> None:
    """The command line of an engine can name another file."""
    load()
    set_all_config(as_engine_sends(with_platform(owner="somebody")))
    with pytest.raises(ConfigError, match=r"\n  Pulumi\.test\.yaml: mlops:platform\.owner"):
        settings_load.load(TODAY)


def test_a_key_that_stands_twice_is_told_with_both_lines(load: Load, project: Path) -> None:
    load()
    file = project / "Pulumi.test.yaml"
    file.write_text(file.read_text().replace("  mlops:models:", "  mlops:models: []\n  mlops:models:"))
    with pytest.raises(ConfigError, match=r"yaml:(\d+): mlops:models: stands twice, first in line \d+; .*remove one"):
        settings_load.load(TODAY)


def test_all_mistakes_are_reported_at_once(load: Load, project: Path) -> None:
    folder = make_model(project, "rain")
    (folder / "model.yaml").write_text((folder / "model.yaml").read_text().replace("description: Is", "descripton: Is"))
    make_live(project, "test", "late: [{name: v1-000000}]\n")
    config = with_platform(owner="somebody", location="here")
    config[MODELS] = [{"name": "rain"}, {"name": "fog"}, {"name": "late", "instance_count": 0}]
    found = "\n".join(problems(load, config | {"mlops:modells": 1}))
    for said in (
        "mlops:modells: unknown key",
        "platform.owner",
        "platform.location",
        "models[2].instance_count",
        "live/test.yaml:1: late[0].model: missing",
    ):
        assert said in found
    config[MODELS] = config[MODELS][:2]
    found = "\n".join(problems(load, config))
    assert "ml_jobs/rain/model.yaml:2: descripton: unknown field, did you mean description?" in found
    assert "models[1].name: 'fog': no such folder" in found


def test_rules_about_values_are_told_with_mistakes_of_shape(load: Load) -> None:
    """Whatever is right in itself is judged, and shown where it stands, beside what is not."""
    clusters = [
        {"name": "one", "vm_size": "Standard_D4ds_v55", "max_nodes": "2"},
        {"name": "two", "vm_size": "Standard_NC6s_v3", "min_nodes": 3},
    ]
    config = with_platform(owner="somebody", clusters=[{"vm_size": "Standard_D4ds_v5"}, *clusters])
    config[MODELS] = [
        {"nam": "late"},
        {"name": "fog", "instance_count": 0},
        {"name": "late", "instance_type": "Standard_D4ds_v5", "instance_count": 0},
        {"name": "late", "cluster": "gpu"},
    ]
    found = problems(load, config)
    for said in (
        "platform.clusters[1].max_nodes: '2' is not a whole number",
        "platform.clusters[1].vm_size: 'Standard_D4ds_v55': unknown",
        "platform.clusters[2].vm_size: 'Standard_NC6s_v3': retired",
        "platform.clusters[2].min_nodes: 3 is more than max_nodes=1",
        "models[1].name: 'fog': no such folder",
        "models[2].instance_type: 'Standard_D4ds_v5': a size of a cluster",
    ):
        assert [line for line in found if said in line], (said, found)
    assert not [line for line in found if "is not declared" in line], "a cluster without a name may be the one"
    config[PLATFORM]["clusters"] = [{"name": "train", "vm_size": "Standard_D4ds_v5"}]
    found = problems(load, config)
    (undeclared,) = [line for line in found if "models[3].cluster: 'gpu' is not declared" in line]
    line = Path("Pulumi.test.yaml").read_text().splitlines()[int(undeclared.split(":")[1]) - 1]
    assert line.strip() in ("- cluster: gpu", "cluster: gpu")


@pytest.mark.parametrize(
    ("stack", "repair"), [("dev", "make model NAME=fog"), ("test", "make model NAME=fog STACK=test")]
)
def test_a_model_without_a_folder_is_repaired_in_its_own_stack(load: Load, stack: str, repair: str) -> None:
    assert problems(load, with_model(name="fog"), stack=stack)[0].endswith(f"repair: {repair}")


def test_a_platform_that_is_nowhere_is_told_with_the_other_mistakes(load: Load) -> None:
    found = "".join(problems(load, {PLATFORM: {"existing": "de", "owner": "nobody"}}))
    assert "existing: 'de': no such stack, did you mean dev?" in found
    assert "owner: 'nobody'" in found


def test_a_broken_platform_does_not_make_its_clusters_undeclared(load: Load) -> None:
    assert not any("is not declared" in line for line in problems(load, with_platform(owner="somebody")))


def test_an_engine_shows_the_message_without_a_stack_trace() -> None:
    assert issubclass(ConfigError, pulumi.RunError)


def test_a_stack_whose_name_no_resource_could_have_is_refused_with_the_rest(load: Load) -> None:
    owner, name = problems(load, with_platform(owner="nobody"), stack="Dev_1")
    assert "stack='Dev_1': want lower case letters" in name
    assert "platform.owner: 'nobody'" in owner
