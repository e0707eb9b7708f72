"""A name that a deletion did not free is refused before anything is made, with the ways out."""

from collections.abc import Iterator
from itertools import count

import pytest

from sandbox.arm.schema import Schema
from sandbox.constants import TENANT_ID
from sandbox.provider.azure_native import AzureNative
from sandbox.provider.base import ProviderError
from sandbox.provider.held import Held, of_state
from sandbox.values import Props
from tests.sandbox.conftest import Sandbox

GROUP = "urn:pulumi:dev::proj::azure-native:resources:ResourceGroup::g"
VAULT = "urn:pulumi:dev::proj::azure-native:keyvault:Vault::v"
WORKSPACE = "urn:pulumi:dev::proj::azure-native:machinelearningservices:Workspace::w"
_numbers: Iterator[int] = count()


@pytest.fixture
def group(provider: AzureNative) -> str:
    name = f"rg-held-{next(_numbers)}"
    made(provider, GROUP, {"resourceGroupName": name, "location": "westeurope"})
    return name


@pytest.fixture
def alone(sandbox: Sandbox, schema: Schema) -> AzureNative:
    """A provider without a gateway to ask."""
    return AzureNative(schema, {}, None, of_state(sandbox.home.database))


def made(provider: AzureNative, urn: str, inputs: Props) -> str:
    provider.claim(urn, inputs)
    return provider.create(urn, inputs, preview=False, timeout=0).id


def vault(group: str, **more: object) -> Props:
    properties = {
        "tenantId": TENANT_ID, "sku": {"family": "A", "name": "standard"}, "accessPolicies": [],
        "softDeleteRetentionInDays": 7, **more,
    }  # fmt: skip
    return {"resourceGroupName": group, "vaultName": f"kv{group[2:]}", "location": "westeurope",
            "properties": properties}  # fmt: skip


def refusal(provider: AzureNative, urn: str, inputs: Props) -> str:
    with pytest.raises(ProviderError) as caught:
        provider.create(urn, inputs, preview=True, timeout=0)
    return str(caught.value)


@pytest.mark.parametrize("protected", [False, True])
def test_a_deleted_vault_keeps_its_name(
    provider: AzureNative, alone: AzureNative, group: str, *, protected: bool
) -> None:
    inputs = vault(group, **({"enablePurgeProtection": True} if protected else {}))
    alone.create(VAULT, inputs, preview=True, timeout=0)
    provider.delete(VAULT, made(provider, VAULT, inputs), inputs, {}, timeout=0)
    said = refusal(alone, VAULT, {**inputs, "resourceGroupName": "another"})
    assert f"the name '{inputs['vaultName']}' is taken until " in said
    assert f"az keyvault recover --name {inputs['vaultName']}" in said
    assert (f"az keyvault purge --name {inputs['vaultName']}" in said) is not protected
    assert ("cannot be purged: another name_salt, under mlops:platform in the stack file, gives" in said) is protected
    assert ("make purge removes the sandbox" in said) is protected
    back = {**inputs, "properties": {**inputs["properties"], "createMode": "recover"}}
    alone.create(VAULT, back, preview=True, timeout=0)
    made(AzureNative(provider._schema, {}, provider._client, alone._find_held), VAULT, back)


def test_an_up_refuses_before_it_asks(provider: AzureNative, alone: AzureNative, group: str) -> None:
    inputs = vault(group)
    provider.delete(VAULT, made(provider, VAULT, inputs), inputs, {}, timeout=0)
    with pytest.raises(ProviderError, match="is taken until"):
        alone.claim(VAULT, inputs)


def test_a_vault_is_not_replaced_under_its_name(alone: AzureNative) -> None:
    inputs = vault("g1", enablePurgeProtection=True)
    outputs = {"properties": inputs["properties"]}
    with pytest.raises(ProviderError, match="location: such a change replaces the key vault") as caught:
        alone.diff(VAULT, "/id", inputs, outputs, {**inputs, "location": "northeurope"})
    assert "for 7 days" in str(caught.value)
    assert "nobody can purge it" in str(caught.value)
    other = {**inputs, "location": "northeurope", "vaultName": "kv-other"}
    assert alone.diff(VAULT, "/id", inputs, outputs, other).replaces == ("vaultName", "location")


def test_a_workspace_keeps_its_name_in_its_group(alone: AzureNative) -> None:
    inputs: Props = {"resourceGroupName": "g", "workspaceName": "w", "location": "westeurope"}
    with pytest.raises(ProviderError, match="for 14 days"):
        alone.diff(WORKSPACE, "/id", inputs, {}, {**inputs, "location": "northeurope"})
    assert alone.diff(WORKSPACE, "/id", inputs, {}, {**inputs, "resourceGroupName": "h"}).replaces


def test_a_deleted_workspace_keeps_its_name_from_its_own_group_alone(provider: AzureNative) -> None:
    path = "/subscriptions/s/resourcegroups/g/providers/microsoft.machinelearningservices/workspaces/w"
    kept = Held(path, "w", "westeurope", "2026-01-01T00:00:00+00:00", {})
    native = AzureNative(provider._schema, {}, provider._client, lambda *_: [kept])
    inputs: Props = {"resourceGroupName": "G", "workspaceName": "w", "location": "westeurope"}
    assert "the name 'w' is taken until 2026-01-15" in refusal(native, WORKSPACE, inputs)
    native.create(WORKSPACE, {**inputs, "resourceGroupName": "h"}, preview=True, timeout=0)
