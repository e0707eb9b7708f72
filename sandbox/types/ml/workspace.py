"""Workspace: where assets, jobs and endpoints live, with the storage, vault and telemetry that belong to it."""

from sandbox import clock
from sandbox.arm.azure import Azure
from sandbox.arm.kind import Body, Kind, Name, Ref, Refusal, SoftDelete, action
from sandbox.arm.resource import Change, Resource, View
from sandbox.constants import TENANT_ID
from sandbox.types.ml.asset import ML

_KINDS = ("Default", "FeatureStore", "Hub", "Project")


class Workspace(Kind):
    """``Microsoft.MachineLearningServices/workspaces``."""

    arm_type = f"{ML}/workspaces"
    level = "enforced"
    name = Name(
        r"[A-Za-z0-9][-\w]{2,32}",
        "3-33 letters, digits, hyphens or underscores, starting with a letter or digit",
    )
    tracked = True
    system_data = True
    lro = True
    created = 200
    soft_delete = SoftDelete()
    refs = (
        Ref("properties.storageAccount", "Microsoft.Storage/storageAccounts"),
        Ref("properties.keyVault", "Microsoft.KeyVault/vaults"),
        Ref("properties.applicationInsights", "Microsoft.Insights/components"),
        Ref("properties.containerRegistry", "Microsoft.ContainerRegistry/registries"),
        Ref("properties.hubResourceId", f"{ML}/workspaces"),
    )
    frozen = ("kind", "properties.storageAccount", "properties.keyVault", "properties.hbiWorkspace")
    defaults = {
        "kind": "Default",
        "sku": {"name": "Basic", "tier": "Basic"},
        "properties.publicNetworkAccess": "Enabled",
        "properties.systemDatastoresAuthMode": "accessKey",
        "properties.hbiWorkspace": False,
        "properties.v1LegacyMode": False,
        "properties.allowPublicAccessWhenBehindVnet": False,
        "properties.enableDataIsolation": False,
    }

    def fill(self, new: Resource, old: Resource | None, change: Change) -> None:
        """The id is made once and kept; a name to show."""
        new.properties["workspaceId"] = old["properties.workspaceId"] if old else clock.new_id()
        new.properties.setdefault("friendlyName", new.name)
        new.properties.setdefault("description", "")

    def check(self, new: Resource, old: Resource | None, view: View) -> None:
        """A kind that Azure knows, and an identity."""
        if new["kind"] not in _KINDS:
            raise Refusal(
                400,
                "ValidationError",
                f"kind of workspace '{new.name}' is '{new['kind']}': want one of {', '.join(_KINDS)}.",
            )

    def stored(self, new: Resource, old: Resource | None, change: Change) -> None:
        """The datastores that every workspace is born with."""
        if old is None and new.get("properties.storageAccount"):
            _make_datastores(new, change)

    def outputs(self, me: Resource, view: View) -> Body:
        """Addresses, by region and id."""
        region = me["location"]
        return {
            "etag": me.etag,
            "properties": {
                "tenantId": TENANT_ID,
                "discoveryUrl": f"https://{region}.api.azureml.ms/discovery",
                "mlFlowTrackingUri": f"azureml://{region}.api.azureml.ms/mlflow/v1.0{me.id.text}",
                "privateLinkCount": 0,
                "storageHnsEnabled": False,
                "notebookInfo": None,
            },
        }

    @action("diagnose")
    def diagnose(self, me: Resource, body: Body, azure: Azure) -> Body:
        """Nothing to complain about."""
        return {"value": {}}


def _make_datastores(me: Resource, change: Change) -> None:
    account = str(me["properties.storageAccount"])
    identity = str(me["properties.systemDatastoresAuthMode"]).lower() == "identity"
    workspace_id = me["properties.workspaceId"]
    for name, kind, place, default in (
        ("workspaceblobstore", "AzureBlob", f"azureml-blobstore-{workspace_id}", True),
        ("workspaceartifactstore", "AzureBlob", "azureml", False),
        ("workspacefilestore", "AzureFile", f"azureml-filestore-{workspace_id}", False),
        ("workspaceworkingdirectory", "AzureFile", f"code-{workspace_id}", False),
    ):
        where = {"containerName": place} if kind == "AzureBlob" else {"fileShareName": place}
        change.make(
            f"{me.id.text}/datastores/{name}",
            {
                "properties": {
                    "datastoreType": kind,
                    "accountName": account.rsplit("/", 1)[-1],
                    **where,
                    "subscriptionId": account.split("/")[2],
                    "resourceGroup": account.split("/")[4],
                    "credentials": {"credentialsType": "None" if identity else "AccountKey"},
                    "serviceDataAccessAuthIdentity": "None",
                    "isDefault": default,
                }
            },
        )
