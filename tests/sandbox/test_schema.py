"""Types read from the provider package: where ARM has what, and what is refused by name."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sandbox.arm import tokens
from sandbox.arm.schema import Schema, UnknownTypeError
from sandbox.values import UNKNOWN, secret

ACCOUNT = "azure-native:storage:StorageAccount"
COMPUTE = "azure-native:machinelearningservices:Compute"
DATA = "azure-native:machinelearningservices:DataVersion"
GOOD: dict[str, dict[str, Any]] = {
    ACCOUNT: {
        "resourceGroupName": "rg", "accountName": "stml", "kind": "StorageV2",
        "sku": {"name": "Standard_LRS"}, "location": "westeurope", "enableHttpsTrafficOnly": True,
        "networkRuleSet": {"defaultAction": "Deny", "ipRules": [{"iPAddressOrRange": "10.0.0.1"}]},
        "identity": {"type": "UserAssigned", "userAssignedIdentities": ["/subscriptions/s/id"]},
    },
    COMPUTE: {
        "resourceGroupName": "rg", "workspaceName": "ws", "computeName": "cpu",
        "properties": {"computeType": "AmlCompute", "properties": {"vmSize": "Standard_D4ds_v5"}},
    },
}  # fmt: skip


@pytest.fixture(scope="session")
def schema(tmp_path_factory: pytest.TempPathFactory) -> Schema:
    return Schema(tmp_path_factory.mktemp("schema"))


def test_every_type_in_the_table_is_in_the_package_and_speaks_its_version(schema: Schema) -> None:
    for token in tokens.PATHS:
        kind = schema.resource(token)
        assert kind.version in kind.versions, token
        assert set(kind.parameters) <= set(kind.inputs), token
        found = schema.of_arm_type(kind.arm_type.upper())
        assert found, token
        assert found.arm_type == kind.arm_type


def test_inputs_become_the_path_and_the_body_that_arm_wants(schema: Schema) -> None:
    request = schema.to_arm(ACCOUNT, GOOD[ACCOUNT], "sub")
    assert request.path == "/subscriptions/sub/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/stml"
    assert request.api_version == "2024-01-01"
    assert request.body == {
        "kind": "StorageV2", "sku": {"name": "Standard_LRS"}, "location": "westeurope",
        "identity": {"type": "UserAssigned", "userAssignedIdentities": {"/subscriptions/s/id": {}}},
        "properties": {
            "supportsHttpsTrafficOnly": True,
            "networkAcls": {"defaultAction": "Deny", "ipRules": [{"value": "10.0.0.1"}]},
        },
    }  # fmt: skip


def test_an_answer_becomes_outputs_under_pulumis_names(schema: Schema) -> None:
    body = schema.to_arm(ACCOUNT, GOOD[ACCOUNT], "sub").body
    body["properties"]["primaryEndpoints"] = {"blob": "https://stml.blob.core.windows.net/"}
    outputs = schema.from_arm(
        ACCOUNT, {**body, "id": "/x", "name": "stml", "type": "Microsoft.Storage/storageAccounts"}
    )
    assert outputs["enableHttpsTrafficOnly"] is True
    assert outputs["networkRuleSet"]["ipRules"] == [{"iPAddressOrRange": "10.0.0.1"}]
    assert outputs["primaryEndpoints"] == {"blob": "https://stml.blob.core.windows.net/"}
    assert outputs["azureApiVersion"] == "2024-01-01"
    assert (outputs["name"], outputs["sku"]) == ("stml", {"name": "Standard_LRS"})


def test_secrets_are_opened_for_arm_and_unknown_names_leave_no_path(schema: Schema) -> None:
    inputs = {
        "resourceGroupName": UNKNOWN,
        "vaultName": "kv",
        "secretName": "s",
        "properties": secret({"value": secret("x")}),
    }
    request = schema.to_arm("azure-native:keyvault:Secret", inputs, "sub")
    assert request.path is None
    assert request.body == {"properties": {"value": "x"}}


def test_a_scope_is_part_of_the_path_whatever_slashes_surround_it(schema: Schema) -> None:
    inputs = {
        "scope": "/subscriptions/sub/",
        "roleAssignmentName": "r",
        "principalId": "p",
        "roleDefinitionId": "d",
    }
    request = schema.to_arm("azure-native:authorization:RoleAssignment", inputs, "sub")
    assert request.path == "/subscriptions/sub/providers/Microsoft.Authorization/roleAssignments/r"


@pytest.mark.parametrize("token", GOOD)
def test_good_inputs_pass(schema: Schema, token: str) -> None:
    assert schema.check_inputs(token, GOOD[token]) == []


@pytest.mark.parametrize(
    ("change", "path", "rule", "says"),
    [
        ({"acountName": "x"}, "acountName", "unknown-property", "did you mean 'accountName'?"),
        ({"sku": None}, "sku", "missing-required", "StorageAccount needs 'sku'"),
        ({"sku": {}}, "sku.name", "missing-required", "Sku needs 'name'"),
        ({"kind": "StorageV9"}, "kind", "bad-enum", "did you mean 'StorageV2'?"),
        ({"isHnsEnabled": "yes"}, "isHnsEnabled", "wrong-type", "'yes' is a string; want true or false"),
        ({"tags": ["a"]}, "tags", "wrong-type", "is a list; want an object"),
        ({"networkRuleSet": {"defaultAction": "Deny", "ipRules": [{"value": "x"}]}},
         "networkRuleSet.ipRules[0].value", "unknown-property", "no 'value' in IPRule"),
    ],
)  # fmt: skip
def test_each_mistake_in_inputs_is_named(
    schema: Schema, change: dict[str, object], path: str, rule: str, says: str
) -> None:
    failures = schema.check_inputs(ACCOUNT, GOOD[ACCOUNT] | change)
    found = [failure for failure in failures if failure.path == path]
    assert [failure.rule for failure in found] == [rule]
    assert says in found[0].reason


def test_the_constant_decides_which_type_of_several_is_meant(schema: Schema) -> None:
    wrong = {**GOOD[COMPUTE], "properties": {"computeType": "AmlCluster"}}
    (failure,) = schema.check_inputs(COMPUTE, wrong)
    assert failure.path == "properties.computeType"
    assert "AmlCompute" in failure.reason
    misspelt = {**GOOD[COMPUTE], "properties": {"computeType": "AmlCompute", "properties": {"vmsize": "x"}}}
    (failure,) = schema.check_inputs(COMPUTE, misspelt)
    assert (failure.path, failure.rule) == ("properties.properties.vmsize", "unknown-property")


def test_what_is_not_known_yet_passes(schema: Schema) -> None:
    assert schema.check_inputs(ACCOUNT, {**GOOD[ACCOUNT], "kind": UNKNOWN, "sku": UNKNOWN, "tags": UNKNOWN}) == []


def test_a_body_is_checked_under_arms_names(schema: Schema) -> None:
    body = schema.to_arm(ACCOUNT, GOOD[ACCOUNT], "sub").body
    assert schema.check_body("Microsoft.Storage/storageAccounts", body) == []
    body["properties"]["enableHttpsTrafficOnly"] = True
    body["properties"]["primaryLocation"] = "westeurope"
    rules = {failure.path: failure.rule for failure in schema.check_body("microsoft.storage/STORAGEACCOUNTS", body)}
    assert rules == {
        "properties.enableHttpsTrafficOnly": "unknown-property", "properties.primaryLocation": "read-only"
    }  # fmt: skip


def test_a_type_without_a_line_in_the_table_is_refused_by_name(schema: Schema) -> None:
    with pytest.raises(UnknownTypeError, match="azure-native:network:Subnet"):
        schema.resource("azure-native:network:Subnet")


def test_what_was_read_once_needs_no_pulumi_the_next_time(tmp_path: Path) -> None:
    Schema(tmp_path).resource(ACCOUNT)
    program = (
        "import sys; from pathlib import Path; from sandbox.arm.schema import Schema; "
        f"Schema(Path({str(tmp_path)!r})).check_inputs({ACCOUNT!r}, {{}}); "
        "print([m for m in sys.modules if m.startswith('pulumi')])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []


def test_a_damaged_cache_file_is_read_anew(tmp_path: Path) -> None:
    Schema(tmp_path).resource(ACCOUNT)
    (kept,) = tmp_path.rglob("storage.json")
    kept.write_text('{"resources":')
    assert Schema(tmp_path).resource(ACCOUNT).version == "2024-01-01"
