"""The whole program with each stack's real configuration: what must hold for every resource of every stack."""

import ast
import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pulumi_azure_native.machinelearningservices as ml
import pytest

from tests.conftest import ROOT, Declared, make_project, run_stack, stack_config

STACKS = sorted(path.name.split(".")[1] for path in ROOT.glob("Pulumi.*.yaml"))
ML = "azure-native:machinelearningservices"
BLUE = {
    "name": "blue",
    "model": "flight-delay",
    "version": "3",
    "instance_type": "Standard_D2ds_v5",
    "instance_count": 1,
}
GREEN = BLUE | {"name": "green", "version": "4"}
BOTH = {"mlops:deployments": [BLUE, GREEN]}
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
    """What each stack declares while blue and green are up."""
    root = tmp_path_factory.mktemp("project")
    make_project(root)
    with contextlib.chdir(root):
        return {stack: run_stack(stack, BOTH) for stack in STACKS}


@pytest.mark.parametrize("stack", STACKS)
def test_logical_names_are_those_of_the_golden_file(stacks: dict[str, Declared], stack: str) -> None:
    """A changed line is a delete and a create. Meant so? ``UPDATE_GOLDEN=1 pytest tests/test_stacks.py``."""
    golden = ROOT / "tests" / "golden" / f"{stack}.urns"
    found = "".join(f"{urn}\n" for urn in sorted(stacks[stack].inputs))
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(found)
    assert found == golden.read_text()


@pytest.mark.parametrize("stack", STACKS)
def test_each_azure_resource_belongs_to_a_component(stacks: dict[str, Declared], stack: str) -> None:
    orphans = [urn for urn, _, _ in azure(stacks[stack]) if not urn.startswith("mlops:azure:")]
    assert orphans == []


@pytest.mark.parametrize("stack", STACKS)
def test_all_that_can_carry_tags_carries_the_four(stacks: dict[str, Declared], stack: str) -> None:
    for urn, token, inputs in azure(stacks[stack]):
        if token in WITHOUT_TAGS:
            continue
        tags = inputs.get("tags") or inputs["properties"].get("tags") or {}
        assert set(tags) == FOUR_TAGS, urn
        assert tags["stack"] == stack


@pytest.mark.parametrize("stack", STACKS)
def test_data_is_protected_where_the_stack_says_so(stacks: dict[str, Declared], stack: str) -> None:
    declared = stacks[stack]
    wanted = stack_config(stack)["mlops:protectData"]
    holders = [urn for urn, token, _ in azure(declared) if f"azure-native:{token}".endswith(HOLDS_DATA)]
    assert len(holders) == 8
    assert {declared.options[urn].protect for urn in holders} == {wanted}


def test_prod_protects_its_data() -> None:
    assert stack_config("prod")["mlops:protectData"] is True
    assert stack_config("prod")["mlops:purgeProtection"] is True


def test_a_grant_of_a_protected_stack_can_pass_to_another_identity(stacks: dict[str, Declared]) -> None:
    declared = stacks["prod"]
    grants = [urn for urn in declared.inputs if "RoleAssignment" in urn]
    assert {declared.options[urn].protect for urn in grants} == {False}


def test_two_stacks_share_no_physical_name(project: Path) -> None:
    """Of what Azure keeps unique in a subscription, a region or the world."""

    def names(name: str) -> set[str]:
        own = ("resourceGroupName", "accountName", "vaultName", "registryName", "roleAssignmentName", "endpointName")
        return {
            inputs[key] for _, token, inputs in azure(run_stack("dev", BOTH, name=name)) for key in own if key in inputs
        }

    assert not names("dev") & names("team-a")


@pytest.mark.parametrize("stack", STACKS)
def test_only_the_endpoint_ignores_changes(stacks: dict[str, Declared], stack: str) -> None:
    """Ignoring a change hides drift: it is for what another controller owns."""
    ignoring = {urn for urn, request in stacks[stack].options.items() if request.ignoreChanges}
    assert [urn.rpartition(":")[2] for urn in ignoring] == ["flight-delay-endpoint"]


@pytest.mark.parametrize("stack", STACKS)
def test_a_fixed_name_is_given_up_before_its_successor_takes_it(stacks: dict[str, Declared], stack: str) -> None:
    declared = stacks[stack]
    # A new version of an asset has a new name, and comes before the old one goes.
    versioned = {urn for urn, _, inputs in azure(declared) if "version" in inputs}
    assert {urn for urn, _, _ in azure(declared) if not declared.options[urn].deleteBeforeReplace} == versioned


def test_no_key_opens_anything(stacks: dict[str, Declared]) -> None:
    declared = stacks["prod"]
    assert declared.only("storage:StorageAccount")["allowSharedKeyAccess"] is False
    assert declared.only("containerregistry:Registry")["adminUserEnabled"] is False
    assert declared.only("keyvault:Vault")["properties"]["enableRbacAuthorization"] is True
    assert declared.only(f"{ML}:Workspace")["systemDatastoresAuthMode"] == "Identity"
    assert declared.only(f"{ML}:Datastore")["properties"]["credentials"] == {"credentialsType": "None"}


def test_operations_find_what_they_need_in_the_exports(stacks: dict[str, Declared]) -> None:
    exports = stacks["dev"].exports
    assert set(exports) == {
        "resourceGroupName",
        "workspaceId",
        "workspaceName",
        "computeName",
        "dataAsset",
        "environments",
        "codeVersion",
        "pipelineComponent",
        "endpointName",
        "scoringUri",
    }
    assert exports["resourceGroupName"] == "rg-mlops-dev"
    assert exports["computeName"] == "train"
    assert exports["dataAsset"].startswith("flights:")
    assert exports["pipelineComponent"].startswith("flight_delay_training:")
    assert set(exports["environments"]) == {"train", "serve"}
    assert exports["scoringUri"].startswith(f"https://{exports['endpointName']}.")


def test_the_same_content_twice_is_no_change(project: Path) -> None:
    assert run_stack("dev", BOTH).inputs == run_stack("dev", BOTH).inputs


def versions(declared: Declared) -> dict[str, str]:
    return {urn.partition("::")[2]: inputs["version"] for urn, token, inputs in azure(declared) if "version" in inputs}


def changed_by(change: Path) -> set[str]:
    """Logical names of the versions that a changed file makes new."""
    before = versions(run_stack("dev", BOTH))
    change.write_bytes(change.read_bytes() + b"\n")
    after = versions(run_stack("dev", BOTH))
    return {name for name in after if after[name] != before[name]}


def test_a_changed_step_makes_code_and_components_new_and_leaves_the_deployments_alone(project: Path) -> None:
    changed = changed_by(project / "ml_jobs" / "train.py")
    steps = {f"training-{step}-version" for step in ("check", "prepare", "train", "evaluate", "export_onnx")}
    assert changed == steps | {"training-version"}


def test_a_changed_snapshot_makes_only_the_data_new(project: Path) -> None:
    month = project / ".data" / "flights" / "month=2013-01" / "flights.parquet"
    assert changed_by(month) == {"flights-version"}


def test_a_changed_step_file_makes_that_step_and_the_pipeline_new(project: Path) -> None:
    changed = changed_by(project / "ml_jobs" / "components" / "train.yaml")
    # The file lies in the code folder too, so the code and with it every step is new; the scoring code is not.
    assert "training-train-version" in changed
    assert "scoring-version" not in changed


def test_a_changed_serving_environment_leaves_training_alone(project: Path) -> None:
    before = versions(run_stack("dev", BOTH))
    environments = stack_config("dev")["mlops:environments"]
    other_image = "mcr.microsoft.com/azureml/other@sha256:" + "0" * 64
    serve = [env | {"image": other_image} if env["name"] == "serve" else env for env in environments]
    after = versions(run_stack("dev", BOTH | {"mlops:environments": serve}))
    assert {name for name in after if after[name] != before[name]} == {"serve-version"}


@pytest.mark.parametrize("stack", STACKS)
def test_the_scoring_code_holds_all_that_the_script_imports(stack: str) -> None:
    endpoint = stack_config(stack)["mlops:endpoint"]
    needed: set[str] = set()
    found = [endpoint["scoring_script"], "ml_jobs/__init__.py"]
    while found:
        path = found.pop()
        if path in needed:
            continue
        needed.add(path)
        for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "ml_jobs":
                modules = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
                files = [f"{str(module).replace('.', '/')}.py" for module in modules]
                found += [file for file in files if (ROOT / file).is_file()]
    assert needed <= set(endpoint["code"])


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
    assert not any(isinstance(node, ast.If | ast.IfExp) for node in ast.walk(tree))
