"""Configuration: what the stacks say arrives typed, and every mistake is reported at once with line and repair."""

import json
import re
import subprocess
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml
from pulumi.runtime.config import set_all_config

import settings
import settings_load
from sandbox import constants
from settings import ConfigError, Settings
from tests.conftest import (
    ROOT,
    STACKS,
    SUBSCRIPTION,
    TENANT,
    Echo,
    as_engine_sends,
    make_live,
    make_model,
    small_config,
    stack_config,
)

Load = Callable[..., Settings]
TODAY = date(2026, 11, 21)
PLATFORM = "mlops:platform"
MODELS = "mlops:models"


@pytest.fixture
def load(project: Path) -> Load:
    """Writes a stack file, hands its values over as an engine does, and reads them."""

    def run(
        config: dict[str, Any] | None = None, stack: str = "test", *, preview: bool = True, today: date = TODAY
    ) -> Settings:
        config = small_config() if config is None else config
        if stack not in STACKS:
            Path(f"Pulumi.{stack}.yaml").write_text(yaml.safe_dump({"config": config}, sort_keys=False))
        set_all_config(as_engine_sends(config))
        pulumi.runtime.set_mocks(Echo(), "mlops", stack, preview=preview)
        return settings_load.load(today)

    return run


def problems(load: Load, config: dict[str, Any], **how: Any) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(config, **how)
    return str(caught.value).splitlines()[1:]


def with_platform(**changes: Any) -> dict[str, Any]:
    """The small configuration with fields of its platform changed; a value of None leaves the field out."""
    config = small_config(**changes)
    config[PLATFORM] = {key: value for key, value in config[PLATFORM].items() if value is not None}
    return config


def with_cluster(**changes: Any) -> dict[str, Any]:
    first = {"name": "train", "vm_size": "Standard_D4ds_v5", "max_nodes": 2} | changes
    return with_platform(clusters=[{key: value for key, value in first.items() if value is not None}])


def with_model(**changes: Any) -> dict[str, Any]:
    return small_config() | {MODELS: [{"name": "late"} | changes]}


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
    "no location": (with_platform(location=None), "mlops:platform.location: missing; accepted: one of australiac"),
    "region": (with_platform(location="westeurop"), "'westeurop': not one of them, did you mean westeurope?"),
    "owner": (with_platform(owner="somebody"), "mlops:platform.owner: 'somebody'"),
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
        r"; accepted: .+; repair: (edit mlops:\S+ in Pulumi\.test\.yaml|make model NAME=\S+|name it: .+)$", found[0]
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


def test_a_broken_platform_does_not_make_its_clusters_undeclared(load: Load) -> None:
    assert not any("is not declared" in line for line in problems(load, with_platform(owner="somebody")))


def test_an_engine_shows_the_message_without_a_stack_trace() -> None:
    assert issubclass(ConfigError, pulumi.RunError)


def test_a_stack_whose_name_no_resource_could_have_is_refused(load: Load) -> None:
    assert "stack='Dev_1': want lower case letters" in "".join(problems(load, small_config(), stack="Dev_1"))


# --- dates


def test_a_size_is_warned_about_before_it_retires_and_refused_after(
    load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    warnings: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", warnings.append)
    config = with_cluster(vm_size="Standard_E4s_v3")
    load(config, today=date(2029, 11, 14))
    assert "clusters[0].vm_size: Standard_E4s_v3: no new capacity since 2026-07-01, retires 2029-11-15" in warnings[0]
    assert "retired 2029-11-15; its successor is" in problems(load, config, today=date(2029, 11, 15))[0]


# --- accounts


@pytest.mark.parametrize("name", ["ARM_SUBSCRIPTION_ID", "AZURE_SUBSCRIPTION_ID", "ARM_TENANT_ID", "AZURE_TENANT_ID"])
def test_another_account_is_refused_with_the_rest(load: Load, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "99999999-9999-9999-9999-999999999999")
    found = problems(load, with_platform(soft_delete_days=6))
    assert len(found) == 2 or "soft_delete_days" in found[0]
    found = problems(load, small_config())
    assert f"{name}=99999999-9999-9999-9999-999999999999 is another one than" in found[0]
    assert found[0].endswith(f"unset {name}")


def test_the_stacks_own_account_passes(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARM_SUBSCRIPTION_ID", SUBSCRIPTION.upper())
    monkeypatch.setenv("AZURE_TENANT_ID", TENANT)
    assert load().platform.subscription_id == SUBSCRIPTION


def test_in_the_sandbox_its_own_ids_are_used(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ARM_SUBSCRIPTION_ID", "AZURE_SUBSCRIPTION_ID"):
        monkeypatch.setenv(name, constants.SUBSCRIPTION_ID)
    for name in ("ARM_TENANT_ID", "AZURE_TENANT_ID"):
        monkeypatch.setenv(name, constants.TENANT_ID)
    platform = load(with_platform(deployers=[SUBSCRIPTION])).platform
    assert (platform.subscription_id, platform.tenant_id) == (constants.SUBSCRIPTION_ID, constants.TENANT_ID)
    assert platform.deployers is None


def test_half_a_sandbox_is_refused(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARM_SUBSCRIPTION_ID", constants.SUBSCRIPTION_ID)
    monkeypatch.setenv("AZURE_SUBSCRIPTION_ID", SUBSCRIPTION)
    assert "AZURE_SUBSCRIPTION_ID=" in problems(load, small_config())[0]


def test_settings_and_sandbox_agree_on_its_ids() -> None:
    assert settings.SANDBOX_SUBSCRIPTION_ID == constants.SUBSCRIPTION_ID
    assert settings.SANDBOX_TENANT_ID == constants.TENANT_ID


# --- data, commits, what is live


def test_a_preview_does_without_data_and_says_who_makes_it(
    load: Load, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / ".data" / "late" / "day.csv").unlink()
    warnings: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", warnings.append)
    load(preview=True)
    assert "late: '.data/late': no file in this folder; the version of its data is unknown until: make data" in warnings
    found = problems(load, small_config(), preview=False)
    assert re.fullmatch(r"  ml_jobs/late/model\.yaml:3: data\.path: .* repair: make data", found[0])


def git(project: Path, *args: str) -> None:
    own = ["-c", "user.email=a@b", "-c", "user.name=a", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", *own, *args], cwd=project, check=True, capture_output=True)


def test_an_update_from_a_dirty_tree_is_refused_where_the_stack_says_so(load: Load, project: Path) -> None:
    config = with_platform(require_clean_commit=True)
    assert "this folder is no git repository" in problems(load, config, preview=False)[0]
    load()
    git(project, "init", "-q")
    git(project, "add", "-A")
    git(project, "commit", "-q", "-m", "all")
    load(config)
    git(project, "add", "-A")
    git(project, "commit", "-q", "-m", "stack")
    assert load(config, preview=False).require_clean_commit
    make_live(project, "other", "{}\n")
    assert load(config, preview=False).require_clean_commit, "what releases write needs no commit in between"
    (project / "ml_jobs" / "late" / "train.py").write_text("changed")
    found = problems(load, config, preview=False)[0]
    assert "platform.require_clean_commit: ml_jobs/late/train.py not committed" in found


def test_a_preview_of_a_dirty_tree_only_warns(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    warnings: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", warnings.append)
    load(with_platform(require_clean_commit=True), preview=True)
    assert any("an update of this stack needs a commit" in warning for warning in warnings)


def test_a_model_that_is_live_and_not_listed_is_warned_about(
    load: Load, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    warnings: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", warnings.append)
    make_live(project, "test", "gone: []\n")
    load()
    assert warnings == ["gone: live, and not listed any more: an update deletes its endpoint"]


# --- other stacks


def test_a_stack_can_live_in_anothers_workspace(load: Load, project: Path) -> None:
    found = load({PLATFORM: {"existing": "dev", "owner": "team@example.com"}, MODELS: [{"name": "late"}]})
    dev = stack_config("dev")[PLATFORM]
    assert (found.existing, found.owner) == ("dev", "team@example.com")
    assert (found.platform.subscription_id, found.platform.location) == (dev["subscription_id"], dev["location"])
    assert (found.names.stack, found.platform_names.stack) == ("test", "dev")


def test_a_platform_that_lives_elsewhere_is_no_home(load: Load, project: Path) -> None:
    (project / "Pulumi.team.yaml").write_text("config: {mlops:platform: {existing: dev, owner: a@b}}")
    found = problems(load, {PLATFORM: {"existing": "team", "owner": "a@b"}})
    assert "'team' has no platform of its own" in found[0]


def test_a_promoted_model_needs_neither_data_nor_cluster(load: Load, project: Path) -> None:
    (project / ".data" / "late" / "day.csv").unlink()
    found = load(with_platform(clusters=[]) | {MODELS: [{"name": "late", "promoted": True}]}, preview=False)
    assert found.models[0].settings.promoted
    assert found.registry_home == settings.RegistryHome(
        stack="dev", subscription_id=stack_config("dev")[PLATFORM]["subscription_id"]
    )


def test_a_promoted_model_without_a_registry_is_refused(load: Load, project: Path) -> None:
    for stack in STACKS:
        (project / f"Pulumi.{stack}.yaml").unlink()
    found = problems(load, with_model(promoted=True))
    assert "mlops:models[0].promoted: no stack makes the ML registry" in found[0]


def test_pulumi_yaml_demands_no_group() -> None:
    """A key that is declared there has to be set in every stack."""
    declared = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"]
    assert [key for key in declared if not key.startswith("pulumi:")] == []
