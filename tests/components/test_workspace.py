"""The workspace: built on what it is given, acting as its own identity, opening data by identity."""

import roles
from components.access import Access
from components.place import GroupPlace
from components.storage import Storage, StorageArgs
from components.workspace import Workspace, WorkspaceArgs
from tests.conftest import SUBSCRIPTION, Declare, Declared

PREFIX = "mlops:azure:Workspace$azure-native:"
WORKSPACE = f"{PREFIX}machinelearningservices:Workspace::ml-workspace"
PROPAGATION = "mlops:azure:Workspace$pulumi-python:dynamic:RolePropagation::ml-roles"
BEFORE = ("storage", "blobs", "vault", "secrets", "registry", "insights")
DATASTORE = f"{PREFIX}machinelearningservices:Datastore::ml-data"


def workspace(declare: Declare, place: GroupPlace, access: Access, seen: list[str] | None = None) -> Declared:
    def program() -> None:
        storage = Storage(
            "ml",
            StorageArgs(place=place, account_name="sttest", sku="Standard_LRS", public_network=True, access=access),
        )
        made = Workspace(
            "ml",
            WorkspaceArgs(
                place=place,
                workspace_name="mlw-test",
                identity_name="id-test",
                public_network=True,
                access=access,
                storage=storage,
                key_vault_id="/vault",
                registry_id="/registry",
                insights_id="/insights",
            ),
        )
        made.data_store_uri.apply((seen if seen is not None else []).append)

    return declare(program)


def test_the_workspace_stands_on_what_it_was_given(declare: Declare, place: GroupPlace, access: Access) -> None:
    got = workspace(declare, place, access)[WORKSPACE]
    assert (got["storageAccount"], got["keyVault"]) == ("ml-account-id", "/vault")
    assert (got["containerRegistry"], got["applicationInsights"]) == ("/registry", "/insights")
    assert (got["workspaceName"], got["location"], got["tags"]) == ("mlw-test", "westeurope", place.tags)
    assert got["v1LegacyMode"] is False


def test_the_workspace_acts_as_its_own_identity(declare: Declare, place: GroupPlace, access: Access) -> None:
    got = workspace(declare, place, access)[WORKSPACE]
    assert got["identity"] == {"type": "UserAssigned", "userAssignedIdentities": ["ml-identity-id"]}
    assert got["primaryUserAssignedIdentity"] == "ml-identity-id"


def test_data_is_opened_by_identity_and_never_by_key(declare: Declare, place: GroupPlace, access: Access) -> None:
    declared = workspace(declare, place, access)
    assert declared[WORKSPACE]["systemDatastoresAuthMode"] == "Identity"
    got = declared[DATASTORE]["properties"]
    assert got["credentials"] == {"credentialsType": "None"}
    assert got["serviceDataAccessAuthIdentity"] == "WorkspaceUserAssignedIdentity"
    assert (got["datastoreType"], got["accountName"], got["containerName"]) == ("AzureBlob", "sttest", "data")


def test_the_identity_may_use_what_the_workspace_is_built_on(
    declare: Declare, place: GroupPlace, access: Access
) -> None:
    declared = workspace(declare, place, access)
    granted = {
        (inputs["roleDefinitionId"].rpartition("/")[2], inputs["scope"])
        for urn, inputs in declared.inputs.items()
        if "RoleAssignment" in urn and inputs["principalId"] == "ml-identity-principal"
    }
    assert granted == {
        (roles.CONTRIBUTOR.guid, "ml-account-id"),
        (roles.STORAGE_BLOB_DATA_CONTRIBUTOR.guid, "ml-account-id"),
        (roles.CONTRIBUTOR.guid, "/vault"),
        (roles.KEY_VAULT_ADMINISTRATOR.guid, "/vault"),
        (roles.CONTRIBUTOR.guid, "/registry"),
        (roles.CONTRIBUTOR.guid, "/insights"),
        (roles.CONTRIBUTOR.guid, "ml-workspace-id"),
    }


def test_the_workspace_waits_until_the_roles_have_taken_effect(
    declare: Declare, place: GroupPlace, access: Access
) -> None:
    declared = workspace(declare, place, access)
    assert any(urn.endswith(PROPAGATION) for urn in declared.options[WORKSPACE].dependencies)
    own = {"ml-deployer-id", *(f"ml-may-{what}-id" for what in BEFORE)}
    assert set(declared[PROPAGATION]["assignments"]) == own, "the deployer's grant is waited for as well"


def test_the_datastore_has_an_address_for_data_assets(declare: Declare, place: GroupPlace, access: Access) -> None:
    seen: list[str] = []
    workspace(declare, place, access, seen)
    assert seen == [
        f"azureml://subscriptions/{SUBSCRIPTION}/resourcegroups/rg/workspaces/mlw-test/datastores/data/paths/"
    ]
