"""The whole program with each stack's real configuration: what must hold for every resource of every stack."""

import ast
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pulumi_azure_native.machinelearningservices as ml
import pytest
import yaml
from pulumi.output import Unknown

from tests.conftest import (
    ROOT,
    STACKS,
    Declared,
    enter,
    make_live,
    make_model,
    run_config,
    run_stack,
    small_config,
    stack_config,
)

ML = "azure-native:machinelearningservices"
BOTH = """\
late:
  - name: v3-342b5c
    model: late:3
    code: late-serving:0123456789ab
    environment: serve:0123456789ab
    script: ml_jobs/late/score.py
    instance_type: Standard_D2as_v4
  - name: v4-b6c92f
    model: azureml://registries/mlr/models/late/versions/4
    code: late-serving:0123456789ab
    environment: serve:0123456789ab
    script: ml_jobs/late/score.py
    instance_type: Standard_D2as_v4
"""
GOLDEN = ROOT / "tests" / "golden" / "stack.urns"
FOUR_TAGS = {"project", "stack", "managed-by", "owner"}
# Azure gives these no tags of their own.
WITHOUT_TAGS = {"storage:BlobContainer", "authorization:RoleAssignment"}
HOLDS_DATA = (
    "ResourceGroup",
    "StorageAccount",
    "BlobContainer",
    "Vault",
    "Registry",
    f"{ML}:Workspace",
    f"{ML}:Datastore",
)


def azure(declared: Declared) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """URN, type and inputs of each azure-native resource."""
    for urn, inputs in declared.inputs.items():
        token = urn.split("::")[0].split("$")[-1]
        if token.startswith("azure-native:"):
            yield urn, token.removeprefix("azure-native:"), inputs


@pytest.fixture(scope="module")
def stacks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Declared]:
    """What each stack's file declares, and ``full``: every group, one model trained and live, one promoted."""
    with pytest.MonkeyPatch.context() as patch:
        root = tmp_path_factory.mktemp("project")
        enter(root, patch)
        found = {stack: run_stack(stack) for stack in STACKS}
        for stack in STACKS:
            (root / f"Pulumi.{stack}.yaml").unlink()
        make_live(root, "full", BOTH)
        models = [{"name": "late"}, {"name": "rain", "promoted": True}]
        make_model(root, "rain")
        found["full"] = run_config(small_config() | {"mlops:registry": {}, "mlops:models": models}, "full")
        return found


ALL = [*STACKS, "full"]


def test_logical_names_are_those_of_the_golden_file(stacks: dict[str, Declared]) -> None:
    """A changed line is a delete and a create, in every stack. Meant so? ``UPDATE_GOLDEN=1``, and a migration.

    The stack is the test's own, so that a new stack file, or a model in one, is not a change here.
    """
    found = "".join(f"{urn}\n" for urn in sorted(stacks["full"].inputs))
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.write_text(found)
    assert found == GOLDEN.read_text()


@pytest.mark.parametrize("stack", ALL)
def test_each_azure_resource_belongs_to_a_component(stacks: dict[str, Declared], stack: str) -> None:
    orphans = [urn for urn, _, _ in azure(stacks[stack]) if not urn.startswith("mlops:azure:")]
    assert orphans == []


@pytest.mark.parametrize("stack", ALL)
def test_all_that_can_carry_tags_carries_the_four(stacks: dict[str, Declared], stack: str) -> None:
    for urn, token, inputs in azure(stacks[stack]):
        if token in WITHOUT_TAGS:
            continue
        tags = inputs.get("tags") or inputs.get("properties", {}).get("tags") or {}
        assert set(tags) == FOUR_TAGS, urn
        assert tags["stack"] == stack


@pytest.mark.parametrize("protect", [True, False])
def test_data_is_protected_where_the_stack_says_so(project: Path, protect: bool) -> None:
    for stack in STACKS:
        (project / f"Pulumi.{stack}.yaml").unlink()
    declared = run_config(small_config(protect_data=protect) | {"mlops:registry": {}})
    holders = [urn for urn, token, _ in azure(declared) if f"azure-native:{token}".endswith(HOLDS_DATA)]
    # Two groups, account, three containers, vault, two registries, workspace, datastore, and the logs' workspace.
    assert len(holders) == 11
    assert {declared.options[urn].protect for urn in holders} == {protect}


@pytest.mark.parametrize("stack", ALL)
def test_a_grant_of_a_protected_stack_can_pass_to_another_identity(stacks: dict[str, Declared], stack: str) -> None:
    declared = stacks[stack]
    grants = [urn for urn in declared.inputs if "RoleAssignment" in urn]
    assert {declared.options[urn].protect for urn in grants} == {False}


def test_a_copy_of_a_stack_shares_no_physical_name(project: Path) -> None:
    """Of what Azure keeps unique in a subscription, a region or the world."""

    def names(name: str) -> set[str]:
        own = ("accountName", "vaultName", "registryName", "roleAssignmentName", "endpointName", "resourceGroupName")
        found = run_stack("prod", name=name)
        return {inputs[key] for _, token, inputs in azure(found) for key in own if key in inputs}

    assert not names("fraud-detection-prod") & names("fraud-detection-production")


@pytest.mark.parametrize("stack", ALL)
def test_everything_goes_where_the_stack_says(stacks: dict[str, Declared], stack: str) -> None:
    """The default provider goes wherever the last login points."""
    declared = stacks[stack]
    provider = declared.only("pulumi:providers:azure-native")
    wanted = small_config()["mlops:platform"] if stack == "full" else stack_config(stack)["mlops:platform"]
    assert (provider["subscriptionId"], provider["tenantId"]) == (wanted["subscription_id"], wanted["tenant_id"])
    used = {declared.options[urn].provider.rpartition("::")[0].rpartition("::")[2] for urn, _, _ in azure(declared)}
    assert used == {"azure"}


@pytest.mark.parametrize("stack", ALL)
def test_only_endpoints_and_deployments_ignore_changes(stacks: dict[str, Declared], stack: str) -> None:
    """Ignoring a change hides drift: it is for what a rollout owns, and for an identity's tags (``identity``)."""
    ignoring = {urn: list(request.ignoreChanges) for urn, request in stacks[stack].options.items()}
    others = {urn: paths for urn, paths in ignoring.items() if not urn.endswith(("-endpoint", "-deployment"))}
    assert all(paths in ([], ["tags"]) for paths in others.values())
    assert all(urn.endswith("-identity") for urn, paths in others.items() if paths)


@pytest.mark.parametrize("stack", ALL)
def test_a_fixed_name_is_given_up_before_its_successor_takes_it(stacks: dict[str, Declared], stack: str) -> None:
    declared = stacks[stack]
    assert [urn for urn, _, _ in azure(declared) if not declared.options[urn].deleteBeforeReplace] == []


def test_no_key_opens_anything(stacks: dict[str, Declared]) -> None:
    declared = stacks["full"]
    assert declared.only("storage:StorageAccount")["allowSharedKeyAccess"] is False
    assert declared.only("containerregistry:Registry")["adminUserEnabled"] is False
    assert declared.only("keyvault:Vault")["properties"]["enableRbacAuthorization"] is True
    assert declared.only(f"{ML}:Workspace")["systemDatastoresAuthMode"] == "Identity"
    assert declared.only(f"{ML}:Datastore")["properties"]["credentials"] == {"credentialsType": "None"}


def test_operations_find_what_they_need_in_the_exports(stacks: dict[str, Declared]) -> None:
    exports = stacks["full"].exports
    assert set(exports) == {
        "subscriptionId",
        "resourceGroupName",
        "workspaceId",
        "workspaceName",
        "location",
        "releaseStore",
        "registry",
        "requireCleanCommit",
        "models",
    }
    assert exports["resourceGroupName"] == "rg-mlops-full"
    assert exports["releaseStore"].endswith(".blob.core.windows.net/releases")
    assert exports["registry"].startswith("mlr-mlops-example-")
    assert exports["requireCleanCommit"] is False
    assert {name: model["promoted"] for name, model in exports["models"].items()} == {"late": False, "rain": True}


def test_a_stack_without_promotion_names_no_registry(project: Path) -> None:
    for stack in STACKS:
        (project / f"Pulumi.{stack}.yaml").unlink()
    assert run_config(small_config()).exports["registry"] is None


def test_a_stack_in_anothers_workspace_makes_no_platform(project: Path) -> None:
    (project / "Pulumi.home.yaml").write_text(yaml.safe_dump({"config": small_config()}))
    config = {
        "mlops:platform": {"existing": "home", "owner": "team@example.com", "require_clean_commit": False},
        "mlops:models": [{"name": "late"}],
    }
    team, home = run_config(config, "team"), run_config(small_config(), "home")
    assert team.exports["workspaceId"].endswith(f"/workspaces/{home.exports['workspaceName']}")
    assert team.exports["releaseStore"] == home.exports["releaseStore"]
    assert team.exports["models"]["late"]["endpoint"] != home.exports["models"]["late"]["endpoint"]
    assert not [urn for urn in team.inputs if "Platform" in urn]
    assert {inputs["tags"]["stack"] for _, _, inputs in azure(team) if "tags" in inputs} == {"team"}


def test_the_same_content_twice_is_no_change(project: Path) -> None:
    assert run_stack("dev").inputs == run_stack("dev").inputs


def test_another_owner_changes_tags_and_no_version(project: Path) -> None:
    before, after = run_config(small_config()), run_config(small_config(owner="new@example.com"))
    versions = [urn for urn, inputs in after.inputs.items() if "version" in inputs]
    assert {urn: before[urn]["version"] for urn in versions} == {urn: after[urn]["version"] for urn in versions}


def test_a_preview_needs_no_data(project: Path) -> None:
    shutil.rmtree(project / ".data")
    for stack in STACKS:
        run_stack(stack, preview=True)
    declared = run_config(small_config(), preview=True)
    version = declared["mlops:azure:DataAsset$pulumi-python:dynamic:AssetVersion::late.late-data-version"]
    assert isinstance(version["version"], Unknown)


def test_components_never_declare_a_code_container() -> None:
    """Azure ML cannot read one back, so an up with one would fail."""
    assert hasattr(ml, "CodeContainer")
    assert not any("CodeContainer" in path.read_text() for path in (ROOT / "components").glob("*.py"))


def test_main_is_a_list_of_components() -> None:
    text = (ROOT / "__main__.py").read_text(encoding="utf-8")
    tree = ast.parse(text)
    modules = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    calls = {
        node.func.attr for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }
    assert len(text.splitlines()) < 150
    assert not any(module.startswith("pulumi_azure_native") for module in modules)
    assert "apply" not in calls
    assert not [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.If | ast.IfExp) and not ast.unparse(node.test).startswith(("cfg.", "registry"))
    ], "no branch on a stack's name"
