"""Workspace: where assets, jobs and endpoints live, with the storage, vault and telemetry that belong to it.

Not here: what is made in its storage account along with it (workspace_storage.py).
"""

from sandbox import clock
from sandbox.arm.azure import Azure
from sandbox.arm.keys import own
from sandbox.arm.kind import Body, Kind, Name, Ref, Refusal, SoftDelete, action
from sandbox.arm.resource import Change, Resource, View
from sandbox.constants import TENANT_ID
from sandbox.types.managedidentity.user_assigned_identity import ASSIGN, IDENTITY
from sandbox.types.ml.asset import ML
from sandbox.types.ml.workspace_storage import grant, make_datastores, revoke
from sandbox.types.storage.account import key

_KINDS = ("Default", "FeatureStore", "Hub", "Project")
# Templates send these as text.
_FLAGS = (
    "allowPublicAccessWhenBehindVnet", "allowRecoverSoftDeletedWorkspace", "allowRoleAssignmentOnRG",
    "enableDataIsolation", "hbiWorkspace", "provisionNetworkNow", "softDeleteEnabled", "v1LegacyMode",
)  # fmt: skip
_STORAGE, _VAULT = "Microsoft.Storage/storageAccounts", "Microsoft.KeyVault/vaults"
_INSIGHTS, _IMAGES = "Microsoft.Insights/components", "Microsoft.ContainerRegistry/registries"
_AUTH_MODES = ("accesskey", "identity", "userdelegationsas")
_KEPT_DAYS = 14


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
    soft_delete = SoftDelete("properties.allowRecoverSoftDeletedWorkspace", "true", "forceToPurge")
    # What azure-ai-ml sends in other API versions' spelling.
    extra = (
        *(f"properties.{flag}" for flag in _FLAGS),
        "properties.existingWorkspaces", "properties.featureStoreSettings", "properties.encryption",
    )  # fmt: skip
    # The workspace hands out the account's key and gives its identity roles on vault and registry: who brings them in
    # must be allowed to change them.
    refs = (
        Ref("properties.storageAccount", _STORAGE, f"{_STORAGE}/listKeys/action"),
        Ref("properties.keyVault", _VAULT, f"{_VAULT}/write"),
        Ref("properties.applicationInsights", _INSIGHTS, f"{_INSIGHTS}/write"),
        Ref("properties.containerRegistry", _IMAGES, f"{_IMAGES}/write"),
        Ref("properties.hubResourceId", f"{ML}/workspaces", f"{ML}/workspaces/hubs/join/action"),
        Ref("properties.primaryUserAssignedIdentity", IDENTITY, ASSIGN),
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
    differs = {
        "properties.managedNetwork": "kept; every address is on this machine, nothing is provisioned or blocked",
        "properties.encryption": "kept; state is not encrypted",
    }

    def fill(self, new: Resource, old: Resource | None, change: Change) -> None:
        """The id is made once and kept; a name to show."""
        for flag in _FLAGS:
            if isinstance(value := new.properties.get(flag), str):
                new.properties[flag] = value.lower() == "true"
        mode = new.properties["systemDatastoresAuthMode"] or "accessKey"
        new.properties["systemDatastoresAuthMode"] = mode
        new.properties["workspaceId"] = old["properties.workspaceId"] if old else clock.new_id()
        new.properties.setdefault("friendlyName", new.name)
        new.properties.setdefault("description", "")

    def check(self, new: Resource, old: Resource | None, view: View) -> None:
        """A kind that Azure knows, and what that kind needs."""
        if str(new["kind"]).lower() not in (each.lower() for each in _KINDS):
            raise _refuse(new, f"kind is '{new['kind']}': want one of {', '.join(_KINDS)}")
        mode = str(new["properties.systemDatastoresAuthMode"])
        if mode.lower() not in _AUTH_MODES:
            raise _refuse(new, f"systemDatastoresAuthMode is '{mode}': want accessKey, identity or userDelegationSAS")
        kind = str(new["kind"]).lower()
        if kind == "project":
            if not new.get("properties.hubResourceId"):
                raise _refuse(new, "a Project needs hubResourceId")
            return
        missing = [name for name in ("storageAccount", "keyVault") if not new.get(f"properties.{name}")]
        if missing and kind != "hub":
            raise _refuse(new, f"it needs {' and '.join(missing)}")
        if users := new.get("identity.userAssignedIdentities"):
            primary = str(new.get("properties.primaryUserAssignedIdentity", "")).lower()
            system = "systemassigned" in str(new["identity.type"]).lower()
            if not system and primary not in {each.lower() for each in users}:
                raise _refuse(new, "primaryUserAssignedIdentity must be one of its user-assigned identities")

    def stored(self, new: Resource, old: Resource | None, change: Change) -> None:
        """The datastores that every workspace is born with, and its identity's way to them."""
        if old is None and new.get("properties.storageAccount"):
            make_datastores(new, change)
        known = old is not None and old.get("identity.principalId") == new.get("identity.principalId")
        if not known or new.get("properties.allowRecoverSoftDeletedWorkspace"):
            grant(new, change)

    def kept_days(self, me: Resource, view: View) -> int:
        """As long as Azure says for every workspace."""
        return _KEPT_DAYS

    async def apply(self, me: Resource, azure: Azure) -> None:
        """Make ready what its first job would wait for."""
        azure.work.tracking.warm()

    def removed(self, me: Resource, change: Change) -> None:
        """Its identity's roles go; data stays in the storage account."""
        revoke(me, change)

    def outputs(self, me: Resource, view: View) -> Body:
        """Addresses, by region."""
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
                "privateEndpointConnections": [],
            },
        }

    @action("diagnose")
    def diagnose(self, me: Resource, body: Body, azure: Azure) -> Body:
        """What is wrong with the resources that belong to it: each has a list, empty where all is well."""
        checked = ("storageAccount", "keyVault", "containerRegistry", "applicationInsights")
        results = {
            f"{name}Results": [
                {"code": "ResourceNotFound", "level": "Error", "message": f"{me[f'properties.{name}']} is not there."}
            ]
            if me.get(f"properties.{name}") and azure.get(me[f"properties.{name}"]) is None
            else []
            for name in checked
        }
        unchecked = ("userDefinedRoute", "networkSecurityRule", "resourceLock", "dnsResolution", "other")
        return {"value": {**results, **{f"{name}Results": [] for name in unchecked}}}

    @action("listKeys")
    def list_keys(self, me: Resource, body: Body, azure: Azure) -> Body:
        """Keys of the resources that belong to it."""
        insights = azure.get(str(me.get("properties.applicationInsights", "")) or "-")
        return {
            **self.storage_keys(me, body, azure),
            "userStorageResourceId": me.get("properties.storageAccount"),
            "userStorageArmId": me.get("properties.storageAccount"),
            "appInsightsInstrumentationKey": insights.get("properties.InstrumentationKey") if insights else None,
            "notebookAccessKeys": self.notebook_keys(me, body, azure),
        }

    @action("listStorageAccountKeys")
    def storage_keys(self, me: Resource, body: Body, azure: Azure) -> Body:
        """The first key of its storage account."""
        return {"userStorageKey": key(azure, azure.need(me["properties.storageAccount"]), "key1")}

    @action("listNotebookKeys")
    def notebook_keys(self, me: Resource, body: Body, azure: Azure) -> Body:
        """Keys of the notebook service."""
        names = ("primaryAccessKey", "secondaryAccessKey")
        return {name: own(azure.reader, me, "notebook", name) for name in names}

    @action("resyncKeys")
    def resync(self, me: Resource, body: Body, azure: Azure) -> Body:
        """Keys are asked for when they are needed: none is kept that could be out of date."""
        return {}


def _refuse(me: Resource, what: str) -> Refusal:
    return Refusal(400, "ValidationError", f"Workspace '{me.name}': {what}.")
