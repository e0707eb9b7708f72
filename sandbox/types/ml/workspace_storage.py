"""What a workspace makes in its storage account and vault along with itself: datastores, containers, roles."""

from sandbox import clock
from sandbox.arm.kind import Body
from sandbox.arm.resource import Change, Resource
from sandbox.types.storage.container import container_id

# Sources: learn.microsoft.com, "Azure Machine Learning datastores" and "What happens during workspace creation".
_BLOB_CONTRIBUTOR = "ba92f5b4-2d11-453d-a403-e96b0029c9fe"
_FILE_CONTRIBUTOR = "69566ab7-960f-475b-8e7c-b3118f30c6bd"
_VAULT_ADMINISTRATOR = "00482a5a-887f-4fb3-b363-3b7fe8e74483"


def born_with(me: Resource) -> dict[str, Body]:
    """The four system datastores by name: of which type they are, and where."""
    account = str(me["properties.storageAccount"]).rsplit("/", 1)[-1]
    workspace_id = me["properties.workspaceId"]
    return {
        name: {"datastoreType": kind, "accountName": account, part: place}
        for name, kind, part, place in (
            ("workspaceblobstore", "AzureBlob", "containerName", f"azureml-blobstore-{workspace_id}"),
            ("workspaceartifactstore", "AzureBlob", "containerName", "azureml"),
            ("workspacefilestore", "AzureFile", "fileShareName", f"azureml-filestore-{workspace_id}"),
            ("workspaceworkingdirectory", "AzureFile", "fileShareName", f"code-{workspace_id}"),
        )
    }


def make_datastores(me: Resource, change: Change) -> None:
    """The system datastores with the containers and shares that they name."""
    account = str(me["properties.storageAccount"])
    identity = str(me["properties.systemDatastoresAuthMode"]).lower() == "identity"
    for name, place in born_with(me).items():
        share = place.get("fileShareName")
        change.make(
            f"{account}/fileServices/default/shares/{share}"
            if share
            else container_id(account, place["containerName"]),
            {"properties": {}},
        )
        properties = {
            **place,
            "subscriptionId": account.split("/")[2],
            "resourceGroup": account.split("/")[4],
            "credentials": {"credentialsType": "None" if identity else "AccountKey"},
            "serviceDataAccessAuthIdentity": "None",
            "isDefault": name == "workspaceblobstore",
        }
        change.make(f"{me.id.text}/datastores/{name}", {"properties": properties})


def grant(me: Resource, change: Change) -> None:
    """A system-assigned identity may use the workspace's own storage and vault."""
    principal = me.get("identity.principalId")
    for target, roles in (
        (me.get("properties.storageAccount"), (_BLOB_CONTRIBUTOR, _FILE_CONTRIBUTOR)),
        (me.get("properties.keyVault"), (_VAULT_ADMINISTRATOR,)),
    ):
        for role in roles if principal and target else ():
            if has(str(principal), role, str(target), change):
                continue
            change.make(
                f"{target}/providers/Microsoft.Authorization/roleAssignments/{clock.new_id()}",
                {
                    "properties": {
                        "principalId": principal,
                        "principalType": "ServicePrincipal",
                        "roleDefinitionId": f"/subscriptions/{me.id.subscription}/providers/"
                        f"Microsoft.Authorization/roleDefinitions/{role}",
                    }
                },
            )


def has(principal: str, role: str, target: str, change: Change) -> bool:
    """Whether a principal has a role on exactly this resource."""
    where = (target.lower(), principal, role)
    return change.tx.one("SELECT 1 FROM grants WHERE scope = ? AND principal = ? AND role = ?", where) is not None


def revoke(me: Resource, change: Change) -> None:
    """Every role that its identity had goes with the workspace."""
    principal = me.get("identity.principalId")
    for row in change.tx.all("SELECT key FROM grants WHERE principal = ?", (principal,)):
        if assignment := change.get(row["key"]):
            change.erase(assignment)
