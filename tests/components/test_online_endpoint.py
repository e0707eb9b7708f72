"""The endpoint: its callers, its identity, and traffic that is not its own."""

import inspect
from typing import Any

import pulumi_azure_native.machinelearningservices as ml
import pytest

import roles
from components.access import Access
from components.online_endpoint import OnlineEndpoint, OnlineEndpointArgs
from components.place import WorkspaceRef
from tests.conftest import Declare, Declared

KEY = "mlops:azure:OnlineEndpoint$azure-native:machinelearningservices:OnlineEndpoint::late-endpoint"
TRANSLATED = {
    "__self__": "self",
    "auth_mode": "authMode",
    "mirror_traffic": "mirrorTraffic",
    "public_network_access": "publicNetworkAccess",
}
GOOD: dict[str, Any] = {
    "endpoint_name": "late-dev",
    "identity_name": "id-late",
    "auth_mode": "Key",
}


def endpoint(declare: Declare, workspace: WorkspaceRef, access: Access, **changes: Any) -> Declared:
    args = OnlineEndpointArgs(workspace=workspace, access=access, **(GOOD | changes))
    return declare(lambda: OnlineEndpoint("late", args))


@pytest.mark.parametrize("mode", ["Key", "AADToken"])
def test_callers_prove_themselves_as_configured(
    declare: Declare, workspace: WorkspaceRef, access: Access, mode: str
) -> None:
    got = endpoint(declare, workspace, access, auth_mode=mode)[KEY]
    assert got["properties"]["authMode"] == mode
    assert (got["endpointName"], got["workspaceName"], got["location"]) == ("late-dev", "ws", "westeurope")
    assert got["tags"] == workspace.tags


def test_nothing_of_an_endpoint_that_exists_is_sent_again(
    declare: Declare, workspace: WorkspaceRef, access: Access
) -> None:
    """Traffic belongs to the rollout, and any update of the endpoint can move it."""
    declared = endpoint(declare, workspace, access)
    assert not {"traffic", "mirrorTraffic"} & set(declared[KEY]["properties"])
    arguments = inspect.signature(ml.OnlineEndpointPropertiesArgs.__init__).parameters
    could_be_sent = {f"properties.{TRANSLATED.get(name, name)}" for name in arguments} | {
        "identity",
        "kind",
        "sku",
        "tags",
    }
    assert set(declared.options[KEY].ignoreChanges) == could_be_sent - {"properties.self", "properties.authMode"}


def test_a_mode_that_azure_fixed_is_held_before_the_endpoint_is_touched(
    declare: Declare, workspace: WorkspaceRef, access: Access
) -> None:
    """Another mode would replace the endpoint, and its callers' address with it."""
    declared = endpoint(declare, workspace, access)
    note = next(urn for urn in declared.inputs if urn.endswith("::late-fixed"))
    assert (declared[note]["resource"], declared[note]["values"]) == ("late-dev", {"auth_mode": "Key"})
    assert "late-fixed" in {urn.rpartition("::")[2] for urn in declared.options[KEY].dependencies}


def test_a_new_name_of_an_endpoint_is_made_after_the_old_one_went(
    declare: Declare, workspace: WorkspaceRef, access: Access
) -> None:
    """Its identity and its deployments keep their names."""
    assert endpoint(declare, workspace, access).options[KEY].deleteBeforeReplace


def test_it_fetches_as_an_identity_that_may_only_read(
    declare: Declare, workspace: WorkspaceRef, access: Access
) -> None:
    declared = endpoint(declare, workspace, access)
    assert declared[KEY]["identity"] == {"type": "UserAssigned", "userAssignedIdentities": ["late-identity-id"]}
    granted = {
        (inputs["principalId"], inputs["roleDefinitionId"].rpartition("/")[2], inputs["scope"])
        for urn, inputs in declared.inputs.items()
        if "RoleAssignment" in urn
    }
    assert granted == {
        ("late-identity-principal", roles.ACR_PULL.guid, "/registry"),
        ("late-identity-principal", roles.STORAGE_BLOB_DATA_READER.guid, "/storage"),
        ("late-identity-principal", roles.AZUREML_METRICS_WRITER.guid, "/ws"),
    }


def test_an_endpoint_of_promoted_models_may_read_the_registry(
    declare: Declare, workspace: WorkspaceRef, access: Access
) -> None:
    declared = endpoint(declare, workspace, access, model_registry_id="/mlr")
    got = {
        inputs["roleDefinitionId"].rpartition("/")[2]
        for inputs in declared.inputs.values()
        if inputs.get("scope") == "/mlr"
    }
    assert got == {roles.READER.guid}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"endpoint_name": "Late"}, "endpoint_name='Late'"),
        ({"endpoint_name": "la"}, "endpoint_name='la'"),
        ({"endpoint_name": "late-"}, "endpoint_name='late-'"),
        ({"endpoint_name": "l" * 33}, "endpoint_name="),
        ({"auth_mode": "AMLToken"}, "auth_mode='AMLToken': want Key or AADToken"),
    ],
)
def test_bad_input_is_refused_and_named(
    workspace: WorkspaceRef, access: Access, change: dict[str, Any], named: str
) -> None:
    with pytest.raises(ValueError, match=named):
        OnlineEndpointArgs(workspace=workspace, access=access, **(GOOD | change))
