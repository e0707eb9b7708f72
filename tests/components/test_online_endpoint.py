"""The endpoint: its callers, its identity, and traffic that is not its own."""

from typing import Any

import pytest

import roles
from components.access import Access
from components.online_endpoint import OnlineEndpoint, OnlineEndpointArgs
from components.place import WorkspacePlace
from tests.conftest import Declare, Declared

KEY = "mlops:azure:OnlineEndpoint$azure-native:machinelearningservices:OnlineEndpoint::late-endpoint"
GOOD: dict[str, Any] = {
    "endpoint_name": "late-dev",
    "identity_name": "id-late",
    "auth_mode": "Key",
    "storage_account_id": "/storage",
    "registry_id": "/registry",
}


def endpoint(declare: Declare, place: WorkspacePlace, access: Access, **changes: Any) -> Declared:
    args = OnlineEndpointArgs(place=place, access=access, **(GOOD | changes))
    return declare(lambda: OnlineEndpoint("late", args))


@pytest.mark.parametrize("mode", ["Key", "AADToken"])
def test_callers_prove_themselves_as_configured(
    declare: Declare, place: WorkspacePlace, access: Access, mode: str
) -> None:
    got = endpoint(declare, place, access, auth_mode=mode)[KEY]
    assert got["properties"]["authMode"] == mode
    assert (got["endpointName"], got["workspaceName"], got["location"]) == ("late-dev", "ws", "westeurope")
    assert got["tags"] == place.tags


def test_traffic_belongs_to_the_rollout(declare: Declare, place: WorkspacePlace, access: Access) -> None:
    declared = endpoint(declare, place, access)
    assert not {"traffic", "mirrorTraffic"} & set(declared[KEY]["properties"])
    assert list(declared.options[KEY].ignoreChanges) == ["properties.traffic", "properties.mirrorTraffic"]
    assert declared.options[KEY].deleteBeforeReplace


def test_it_fetches_as_an_identity_that_may_only_read(declare: Declare, place: WorkspacePlace, access: Access) -> None:
    declared = endpoint(declare, place, access)
    assert declared[KEY]["identity"] == {"type": "UserAssigned", "userAssignedIdentities": ["late-identity-id"]}
    granted = {
        (inputs["principalId"], inputs["roleDefinitionId"].rpartition("/")[2], inputs["scope"])
        for urn, inputs in declared.inputs.items()
        if "RoleAssignment" in urn
    }
    assert granted == {
        ("late-identity-principal", roles.ACR_PULL.guid, "/registry"),
        ("late-identity-principal", roles.STORAGE_BLOB_DATA_READER.guid, "/storage"),
    }


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
    place: WorkspacePlace, access: Access, change: dict[str, Any], named: str
) -> None:
    with pytest.raises(ValueError, match=named):
        OnlineEndpointArgs(place=place, access=access, **(GOOD | change))
