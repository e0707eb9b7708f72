"""Configuration and what is around it: the day, the account, the checkout, what is live, and the other stacks."""

import re
import subprocess
from datetime import date
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml

import settings
from sandbox import constants
from tests.conftest import (
    ROOT,
    STACKS,
    SUBSCRIPTION,
    TENANT,
    Load,
    make_live,
    small_config,
    stack_config,
)
from tests.settings_cases import MODELS, PLATFORM, problems, with_cluster, with_model, with_platform

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
    days, account = problems(load, with_platform(soft_delete_days=6))
    assert "soft_delete_days" in days
    assert f"{name}=99999999-9999-9999-9999-999999999999 is another one than" in account
    assert account.endswith(f"unset {name}")
    (alone,) = problems(load, small_config())
    assert f"{name}=" in alone


def test_an_id_that_is_wrong_itself_is_compared_with_none(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ARM_SUBSCRIPTION_ID", "ARM_TENANT_ID"):
        monkeypatch.setenv(name, "99999999-9999-9999-9999-999999999999")
    found = problems(load, with_platform(subscription_id="mine"))
    assert "subscription_id: 'mine'" in found[0]
    assert ["ARM_SUBSCRIPTION_ID=" in "".join(found), "ARM_TENANT_ID=" in "".join(found)] == [False, True]
    found = problems(load, with_platform(tenant_id=None))
    assert found[-1].endswith("repair: unset ARM_SUBSCRIPTION_ID"), "nobody can sign in to a tenant that is not known"


def test_another_account_is_refused_in_anothers_workspace_too(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARM_TENANT_ID", "99999999-9999-9999-9999-999999999999")
    owner, account = problems(load, {PLATFORM: {"existing": "dev", "owner": "nobody"}})
    assert "owner: 'nobody'" in owner
    assert f"is another one than {stack_config('dev')[PLATFORM]['tenant_id']}" in account


def test_the_stacks_own_account_passes(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    """Azure's tools write ids in either case."""
    subscription = SUBSCRIPTION.replace("2", "a")
    monkeypatch.setenv("ARM_SUBSCRIPTION_ID", subscription.upper())
    monkeypatch.setenv("AZURE_TENANT_ID", TENANT)
    assert load(with_platform(subscription_id=subscription)).platform.subscription_id == subscription


def test_in_the_sandbox_its_own_ids_are_used(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ARM_SUBSCRIPTION_ID", "AZURE_SUBSCRIPTION_ID"):
        monkeypatch.setenv(name, constants.SUBSCRIPTION_ID)
    for name in ("ARM_TENANT_ID", "AZURE_TENANT_ID"):
        monkeypatch.setenv(name, constants.TENANT_ID)
    found = load(with_platform(deployers=[SUBSCRIPTION]))
    platform, home = found.platform, found.registry_home
    assert (platform.subscription_id, platform.tenant_id) == (constants.SUBSCRIPTION_ID, constants.TENANT_ID)
    assert platform.deployers is None
    assert home == settings.RegistryHome(stack="dev", subscription_id=constants.SUBSCRIPTION_ID), "dev is there too"


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
    (said,) = warnings
    assert said.startswith("late: its data is not made yet ('.data/late': no file in this folder)")
    assert said.endswith("make up makes it first, with: make data")
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
    for name in ("a.py", "b.py", "c.py"):
        (project / "ml_jobs" / "late" / name).touch()
    found = problems(load, config, preview=False)[0]
    assert "train.py, ml_jobs/late/a.py, ml_jobs/late/b.py and 1 more not committed" in found, "new files count too"


@pytest.mark.parametrize("said", [True, None])
def test_a_dirty_tree_is_told_with_the_other_mistakes(load: Load, said: bool | None) -> None:
    found = problems(load, with_platform(require_clean_commit=said, owner="nobody"), preview=False)
    assert ["platform.owner" in found[0], "no git repository" in found[1]] == [True, True]
    for unknown in ({"require_clean_commit": "yes"}, {"require_clean_commit": False, "owner": "nobody"}):
        assert len(problems(load, with_platform(**unknown), preview=False)) == 1


def test_a_preview_of_a_dirty_tree_only_warns(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    warnings: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", warnings.append)
    load(with_platform(require_clean_commit=True), preview=True)
    assert any("an update of this stack needs a commit" in warning for warning in warnings)


@pytest.mark.parametrize(
    ("config", "why"),
    [
        (with_platform(protect_data=False, require_clean_commit=True), "takes committed code only"),
        (with_platform(protect_data=False) | {MODELS: [{"name": "late", "promoted": True}]}, "takes promoted models"),
        (with_platform(protect_data=False), ""),
        (with_platform(protect_data=True, require_clean_commit=True), ""),
    ],
)
def test_data_that_others_rely_on_and_nothing_protects_is_warned_about(
    load: Load, project: Path, monkeypatch: pytest.MonkeyPatch, config: dict[str, Any], why: str
) -> None:
    warnings: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", warnings.append)
    load(config, preview=True)
    said = [each for each in warnings if each.startswith("protect_data is false")]
    assert [each.split(": ")[0] for each in said] == (
        [f"protect_data is false, although this stack {why}"] if why else []
    )


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
