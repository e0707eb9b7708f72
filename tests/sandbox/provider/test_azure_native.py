"""azure-native resources through ARM, against a running sandbox."""

from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest

from sandbox.arm.schema import Schema
from sandbox.constants import CLIENT_ID, OBJECT_ID, SUBSCRIPTION_ID, TENANT_ID
from sandbox.provider.azure_native import AzureNative
from sandbox.provider.base import Made, Naming, ProviderError
from sandbox.provider.client import Client, Credential
from sandbox.provider.rules import RANDOMLY_NAMED
from sandbox.values import UNKNOWN, Props, is_secret, plain, secret
from tests.sandbox.conftest import SUBSCRIPTION, Sandbox

_numbers: Iterator[int] = count()


def urn(token: str, name: str = "x") -> str:
    return f"urn:pulumi:dev::proj::azure-native:{token}::{name}"


GROUP = urn("resources:ResourceGroup")
ACCOUNT = urn("storage:StorageAccount")
CONTAINER = urn("storage:BlobContainer")
ROLE = urn("authorization:RoleAssignment")


def make(provider: AzureNative, which: str, inputs: Props) -> Made:
    provider.claim(which, inputs)
    return provider.create(which, inputs, preview=False, timeout=0)


@pytest.fixture
def group(provider: AzureNative) -> str:
    name = f"rg-{next(_numbers)}"
    make(provider, GROUP, {"resourceGroupName": name, "location": "westeurope"})
    return name


def account(group: str, **more: Any) -> Props:
    return {
        "resourceGroupName": group, "accountName": f"stprov{next(_numbers)}", "location": "westeurope",
        "kind": "StorageV2", "sku": {"name": "Standard_LRS"}, **more,
    }  # fmt: skip


class TestCheck:
    def test_a_missing_name_is_made_of_the_logical_one_and_kept(self, offline: AzureNative) -> None:
        first = offline.check(urn("resources:ResourceGroup", "logs"), None, {"location": "w"}, Naming())
        name = first.inputs["resourceGroupName"]
        assert name[:4] == "logs"
        assert len(name) == 12
        assert first.inputs[RANDOMLY_NAMED] is True
        again = offline.check(urn("resources:ResourceGroup", "logs"), first.inputs, {"location": "w"}, Naming())
        assert again.inputs == first.inputs

    @pytest.mark.parametrize(
        ("naming", "name"), [(Naming("verbatim"), "logs"), (Naming("proposed", "logs-7"), "logs-7")]
    )
    def test_the_project_may_say_how_names_are_made(self, offline: AzureNative, naming: Naming, name: str) -> None:
        checked = offline.check(urn("resources:ResourceGroup", "logs"), None, {"location": "w"}, naming)
        assert checked.inputs["resourceGroupName"] == name

    def test_where_naming_is_disabled_a_missing_name_is_a_mistake(self, offline: AzureNative) -> None:
        checked = offline.check(GROUP, None, {"location": "w"}, Naming("disabled"))
        assert [path for path, _ in checked.failures] == ["resourceGroupName"]

    def test_a_role_assignment_is_named_by_a_uuid_and_a_blob_service_default(self, offline: AzureNative) -> None:
        inputs = {"scope": "/s", "principalId": "p", "roleDefinitionId": "r"}
        name = offline.check(ROLE, None, inputs, Naming()).inputs["roleAssignmentName"]
        assert [len(part) for part in name.split("-")] == [8, 4, 4, 4, 12]
        inputs = {"resourceGroupName": "g", "accountName": "a"}
        checked = offline.check(urn("storage:BlobServiceProperties"), None, inputs, Naming())
        assert checked.inputs["blobServicesName"] == "default"
        assert RANDOMLY_NAMED not in checked.inputs

    def test_a_missing_location_is_the_configured_one(self, schema: Schema) -> None:
        checked = AzureNative(schema, {"location": "northeurope"}, None).check(GROUP, None, {}, Naming())
        assert checked.inputs["location"] == "northeurope"

    def test_a_missing_location_is_the_groups(self, provider: AzureNative, group: str) -> None:
        inputs = {name: value for name, value in account(group).items() if name != "location"}
        assert provider.check(ACCOUNT, None, inputs, Naming()).inputs["location"] == "westeurope"
        inputs["resourceGroupName"] = UNKNOWN
        assert provider.check(ACCOUNT, None, inputs, Naming()).inputs["location"] == UNKNOWN

    def test_mistakes_are_named_and_a_secret_stays_secret(self, offline: AzureNative) -> None:
        inputs = account("g", sku=secret({"name": "Standard_LRS"}), oops=1)
        checked = offline.check(ACCOUNT, None, inputs, Naming())
        assert [path for path, _ in checked.failures] == ["oops"]
        assert is_secret(checked.inputs["sku"])

    def test_a_type_that_the_sandbox_has_not_is_refused(self, offline: AzureNative) -> None:
        checked = offline.check(urn("network:Subnet"), None, {}, Naming())
        assert "azure-native:network:Subnet" in checked.failures[0][1]


class TestDiff:
    def test_a_tag_is_updated_a_name_replaced(self, offline: AzureNative) -> None:
        old = account("g", tags={"a": "1"})
        diff = offline.diff(ACCOUNT, "/id", old, {}, {**old, "tags": {"a": "2"}})
        assert (list(diff.changes), diff.replaces) == (["tags.a"], ())
        diff = offline.diff(ACCOUNT, "/id", old, {}, {**old, "accountName": "other"})
        assert diff.replaces == ("accountName",)
        assert diff.delete_before_replace

    def test_what_was_named_at_random_is_made_before_the_old_one_goes(self, offline: AzureNative) -> None:
        old = account("g", **{RANDOMLY_NAMED: True})
        diff = offline.diff(ACCOUNT, "/id", old, {}, {**old, "isHnsEnabled": True})
        assert diff.replaces == ("isHnsEnabled",)
        assert not diff.delete_before_replace

    def test_two_spellings_of_a_region_are_one(self, offline: AzureNative) -> None:
        old = account("g")
        assert offline.diff(ACCOUNT, "/id", old, {}, {**old, "location": "West Europe"}).changes == {}
        assert offline.diff(ACCOUNT, "/id", old, {}, {**old, "location": "North Europe"}).replaces == ("location",)

    def test_to_spell_out_what_is_so_already_replaces_nothing(self, offline: AzureNative) -> None:
        old = account("g")
        diff = offline.diff(ACCOUNT, "/id", old, {"isHnsEnabled": False}, {**old, "isHnsEnabled": False})
        assert list(diff.changes) == ["isHnsEnabled"]
        assert diff.replaces == ()


class TestResources:
    def test_a_resource_is_made_read_changed_and_removed(
        self, provider: AzureNative, sandbox: Sandbox, group: str
    ) -> None:
        inputs = account(group, enableHttpsTrafficOnly=True, tags={"a": "1"})
        made = make(provider, ACCOUNT, inputs)
        assert made.id == (
            f"{SUBSCRIPTION}/resourceGroups/{group}/providers/Microsoft.Storage/storageAccounts/{inputs['accountName']}"
        )
        assert made.outputs["primaryEndpoints"]["blob"].startswith(f"https://{inputs['accountName']}.blob.")
        assert made.outputs["provisioningState"] == "Succeeded"
        read = provider.read(ACCOUNT, made.id, inputs, made.outputs)
        assert read is not None
        assert (read.inputs, read.outputs) == (inputs, made.outputs)
        changed = {**inputs, "tags": {"a": "2"}}
        updated = provider.update(ACCOUNT, made.id, inputs, made.outputs, changed, preview=False, timeout=0)
        assert updated.outputs["tags"] == {"a": "2"}
        provider.delete(ACCOUNT, made.id, changed, updated.outputs, timeout=0)
        assert provider.read(ACCOUNT, made.id, changed, updated.outputs) is None
        assert sandbox.call("GET", made.id).status == 404
        provider.delete(ACCOUNT, made.id, changed, updated.outputs, timeout=0)

    def test_what_is_somebody_elses_is_not_overwritten(
        self, provider: AzureNative, sandbox: Sandbox, group: str
    ) -> None:
        path = f"{SUBSCRIPTION}/resourceGroups/{group}"
        with pytest.raises(ProviderError, match="exists already") as caught:
            provider.claim(GROUP, {"resourceGroupName": group, "location": "westeurope"})
        assert path in caught.value.message

    def test_a_change_behind_the_back_is_read_into_the_inputs(
        self, provider: AzureNative, sandbox: Sandbox, group: str
    ) -> None:
        inputs = account(group, tags={"a": "1", "b": "1"})
        made = make(provider, ACCOUNT, inputs)
        body = sandbox.call("GET", made.id + "?api-version=2024-01-01").body
        body["tags"] = {"a": "9", "c": "1"}
        assert sandbox.call("PUT", made.id + "?api-version=2024-01-01", body).status in (200, 201, 202)
        read = provider.read(ACCOUNT, made.id, inputs, made.outputs)
        assert read is not None
        assert read.inputs == {**inputs, "tags": {"a": "9", "c": "1"}}

    def test_a_resource_known_by_its_id_only_gets_inputs_that_would_make_it(
        self, provider: AzureNative, group: str
    ) -> None:
        read = provider.read(GROUP, f"{SUBSCRIPTION}/resourceGroups/{group}", None, {})
        assert read is not None
        assert read.inputs == {"resourceGroupName": group, "location": "westeurope"}

    def test_a_refusal_carries_arms_code_and_message(self, provider: AzureNative) -> None:
        with pytest.raises(ProviderError) as caught:
            make(provider, ACCOUNT, account("no-such-group"))
        assert caught.value.code == "ResourceGroupNotFound"
        assert "no-such-group" in caught.value.message
        assert not caught.value.uncertain

    def test_what_azure_makes_itself_is_set_not_made(self, provider: AzureNative, group: str) -> None:
        inputs = account(group)
        make(provider, ACCOUNT, inputs)
        service = {
            "resourceGroupName": group, "accountName": inputs["accountName"], "blobServicesName": "default",
            "deleteRetentionPolicy": {"enabled": True, "days": 7},
        }  # fmt: skip
        made = make(provider, urn("storage:BlobServiceProperties"), service)
        assert made.outputs["deleteRetentionPolicy"] == {"enabled": True, "days": 7}
        provider.delete(urn("storage:BlobServiceProperties"), made.id, service, made.outputs, timeout=0)
        assert provider.read(urn("storage:BlobServiceProperties"), made.id, service, made.outputs) is not None

    def test_an_operation_is_followed_to_its_end(self, provider: AzureNative, sandbox: Sandbox, group: str) -> None:
        sandbox.admin("PUT", "/pace", {"pace": "polls:3"})
        vault = {
            "resourceGroupName": group, "vaultName": f"kv-prov-{next(_numbers)}", "location": "westeurope",
            "properties": {"tenantId": TENANT_ID, "sku": {"family": "A", "name": "standard"}, "accessPolicies": []},
        }  # fmt: skip
        made = make(provider, urn("keyvault:Vault"), vault)
        assert made.outputs["properties"]["provisioningState"] == "Succeeded"
        provider.delete(urn("keyvault:Vault"), made.id, vault, made.outputs, timeout=0)
        assert provider.read(urn("keyvault:Vault"), made.id, vault, made.outputs) is None


FAULTS = [{"status": 401}, {"status": 429}, {"status": 500}, {"status": 503}, {"reset": True}, {"half": True}]


class TestTrouble:
    def test_one_connection_serves_a_threads_requests(
        self, provider: AzureNative, sandbox: Sandbox, group: str
    ) -> None:
        assert provider._client is not None
        transport = provider._client._transport
        before = set(transport._open)
        make(provider, ACCOUNT, account(group))
        assert set(transport._open) == before
        assert len(before) == 2  # one to sign in, one to ARM

    @pytest.mark.parametrize("fault", FAULTS, ids=str)
    @pytest.mark.parametrize("call", range(3))
    def test_a_passing_fault_at_any_call_changes_nothing(
        self, provider: AzureNative, sandbox: Sandbox, naps: list[float], fault: dict[str, Any], call: int
    ) -> None:
        script = [{"pass": True}] * call + [fault]
        name = f"rg-{next(_numbers)}"
        sandbox.admin("POST", "/faults", {"match": {"path": f"resourceGroups/{name}"}, "script": script})
        made = make(provider, GROUP, {"resourceGroupName": name, "location": "westeurope"})
        assert made.outputs["location"] == "westeurope"
        (receipt,) = sandbox.admin("GET", "/faults")["value"]
        assert receipt["fired"] == len(script)
        if fault.get("status") in (429, 503):
            assert 1.0 in naps, "Retry-After is honoured"

    def test_a_service_that_stays_down_is_told_after_a_few_tries(self, provider: AzureNative, sandbox: Sandbox) -> None:
        sandbox.admin("POST", "/faults", {"match": {"path": "resourceGroups/down"}, "script": [{"status": 503}] * 20})
        with pytest.raises(ProviderError) as caught:
            provider.claim(GROUP, {"resourceGroupName": "down", "location": "w"})
        assert caught.value.code == "FaultOnDemand"

    def test_a_put_whose_answer_never_comes_is_uncertain(self, provider: AzureNative, sandbox: Sandbox) -> None:
        match = {"method": "PUT", "path": "resourceGroups/lost"}
        sandbox.admin("POST", "/faults", {"match": match, "script": [{"reset": True}] * 20})
        with pytest.raises(ProviderError) as caught:
            make(provider, GROUP, {"resourceGroupName": "lost", "location": "westeurope"})
        assert caught.value.uncertain

    def test_nobody_there_is_not_uncertain(
        self, provider: AzureNative, naps: list[float], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        client = Client(Credential("t", "c", "s", SUBSCRIPTION_ID), naps.append)
        monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
        monkeypatch.setattr(client, "token", lambda: "x")
        with pytest.raises(ProviderError, match="does not answer") as caught:
            client.put("/subscriptions/s/resourceGroups/g", "2024-03-01", {})
        assert not caught.value.uncertain

    def test_a_wrong_secret_is_told_as_the_sign_in_service_tells_it(
        self, provider: AzureNative, sandbox: Sandbox
    ) -> None:
        environment = {**sandbox.environment, "ARM_CLIENT_SECRET": "wrong"}
        credential = Credential.find({}, environment)
        assert credential is not None
        client = Client(credential, lambda _: None)
        with pytest.raises(ProviderError) as caught:
            client.token()
        client.close()
        assert "wrong" not in str(caught.value)
        assert caught.value.code


class TestFunctions:
    def test_who_asks_is_known_with_and_without_credentials(self, provider: AzureNative, offline: AzureNative) -> None:
        asked = "azure-native:authorization:getClientConfig"
        online = provider.invoke(asked, {})
        assert (online["clientId"], online["objectId"], online["subscriptionId"]) == (
            CLIENT_ID, OBJECT_ID, SUBSCRIPTION_ID,
        )  # fmt: skip
        assert offline.invoke(asked, {}) == online

    def test_a_resource_is_read_by_its_names(self, provider: AzureNative, group: str) -> None:
        found = provider.invoke("azure-native:resources:getResourceGroup", {"resourceGroupName": group})
        assert found["location"] == "westeurope"
        with pytest.raises(ProviderError, match="does not exist"):
            provider.invoke("azure-native:resources:getResourceGroup", {"resourceGroupName": "nope"})

    def test_keys_come_as_secrets(self, provider: AzureNative, group: str) -> None:
        inputs = account(group)
        make(provider, ACCOUNT, inputs)
        args = {"resourceGroupName": group, "accountName": inputs["accountName"]}
        keys = provider.invoke("azure-native:storage:listStorageAccountKeys", args)
        assert is_secret(keys["keys"])
        assert plain(keys["keys"])[0]["value"]

    def test_an_unknown_function_is_refused_by_name(self, provider: AzureNative) -> None:
        with pytest.raises(ProviderError, match="azure-native:storage:fooBar"):
            provider.invoke("azure-native:storage:fooBar", {})

    def test_offline_other_functions_are_not_known_yet(self, offline: AzureNative) -> None:
        assert offline.invoke("azure-native:storage:listStorageAccountKeys", {}) == {"value": UNKNOWN}


class TestPreview:
    def test_inputs_are_known_and_what_azure_computes_is_not(self, offline: AzureNative) -> None:
        inputs = account("g", identity={"type": "SystemAssigned"}, tags=secret({"a": "b"}))
        shown = offline.create(ACCOUNT, inputs, preview=True, timeout=0).outputs
        assert shown["primaryEndpoints"] == UNKNOWN
        assert shown["kind"] == "StorageV2"
        assert shown["identity"] == {"type": "SystemAssigned", "principalId": UNKNOWN, "tenantId": UNKNOWN,
                                     "userAssignedIdentities": UNKNOWN}  # fmt: skip
        assert is_secret(shown["tags"])

    def test_an_update_keeps_what_cannot_change(self, offline: AzureNative) -> None:
        old = account("g")
        outputs = {"name": old["accountName"], "location": "westeurope", "kind": "Storage"}
        made = offline.update(ACCOUNT, "/id", old, outputs, old, preview=True, timeout=0)
        assert made.outputs["name"] == old["accountName"]
        assert made.outputs["kind"] == "StorageV2"

    def test_without_credentials_nothing_is_made_and_the_message_says_what_is_missing(
        self, offline: AzureNative
    ) -> None:
        with pytest.raises(ProviderError, match="ARM_CLIENT_SECRET"):
            offline.claim(GROUP, {"resourceGroupName": "g"})
