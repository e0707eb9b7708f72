"""One sample of every kind: where it stands, what a client sends, what must be there before.

A new kind needs one entry here; ``test_every_kind.py`` then holds it to everything that is the same for all kinds.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sandbox.constants import OBJECT_ID, TENANT_ID
from tests.sandbox.conftest import SUBSCRIPTION, Sandbox

GROUP = f"{SUBSCRIPTION}/resourceGroups/contract"
BLOB_READER = "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1"
ML = "Microsoft.MachineLearningServices"
WORKSPACE = f"{GROUP}/providers/{ML}/workspaces/contract-ws"
STORAGE = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/contractstore"
VAULT = f"{GROUP}/providers/Microsoft.KeyVault/vaults/contract-kv"
REGISTRY = f"{GROUP}/providers/Microsoft.ContainerRegistry/registries/contractimages"
LOGS = f"{GROUP}/providers/Microsoft.OperationalInsights/workspaces/contract-logs"
INSIGHTS = f"{GROUP}/providers/Microsoft.Insights/components/contract-insights"
ML_REGISTRY = f"{GROUP}/providers/{ML}/registries/contract-registry"
IDENTITY = f"{GROUP}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/contract-id"


@dataclass(frozen=True)
class Sample:
    """A resource that a test can make.

    Attributes:
        path: its id.
        body: what PUT sends; a function when it depends on the sandbox.
        needs: ARM types whose samples must exist first.
        computed: dotted paths that Azure writes its own value into.
    """

    path: str
    body: dict[str, Any] | Callable[[Sandbox], dict[str, Any]]
    needs: tuple[str, ...] = ()
    computed: tuple[str, ...] = ()

    def content(self, sandbox: Sandbox) -> dict[str, Any]:
        """The body for one sandbox."""
        return self.body(sandbox) if callable(self.body) else self.body


_CONTENT: dict[str, tuple[str, dict[str, Any]]] = {
    "codes": ("abc123", {"codeUri": "https://contractstore.blob.core.windows.net/contract/code"}),
    "data": ("1", {"dataType": "uri_folder", "dataUri": "https://contractstore.blob.core.windows.net/contract/data/"}),
    "environments": ("1", {"image": "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04", "osType": "Linux"}),
    "models": (
        "1",
        {
            "modelType": "custom_model",
            "modelUri": "https://contractstore.blob.core.windows.net/contract/model",
            "tags": {"auc": "0.7"},
        },
    ),
    "components": (
        "1",
        {
            "componentSpec": {
                "name": "contract",
                "version": "1",
                "type": "command",
                "command": "echo hello",
                "environment": "azureml:contract:1",
            }
        },
    ),
}


def assets(owner_type: str, owner: str) -> dict[str, Sample]:
    """Container and version of each kind of asset in a workspace or a registry."""
    found = {}
    for segment, (version, properties) in _CONTENT.items():
        container = f"{owner}/{segment}/contract"
        needs: tuple[str, ...] = (owner_type, "Microsoft.Storage/storageAccounts/blobServices/containers")
        if segment == "components":
            needs = (*needs, f"{owner_type}/environments/versions")
        about = {"description": "of a test", **({"dataType": "uri_folder"} if segment == "data" else {})}
        found[f"{owner_type}/{segment}"] = Sample(container, {"properties": about}, needs)
        found[f"{owner_type}/{segment}/versions"] = Sample(
            f"{container}/versions/{version}", {"properties": properties}, needs, ("properties.componentSpec",)
        )
    return found


SAMPLES: dict[str, Sample] = {
    "Microsoft.Resources/resourceGroups": Sample(GROUP, {"location": "westeurope", "tags": {"team": "ml"}}),
    "Microsoft.Resources/deployments": Sample(
        f"{GROUP}/providers/Microsoft.Resources/deployments/contract",
        {
            "tags": {"team": "ml"},
            "properties": {
                "mode": "Incremental",
                "parameters": {"name": {"value": "contract"}},
                "template": {
                    "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
                    "contentVersion": "1.0.0.0",
                    "parameters": {"name": {"type": "string"}},
                    "resources": [
                        {
                            "type": "Microsoft.ManagedIdentity/userAssignedIdentities",
                            "apiVersion": "2024-11-30",
                            "name": "[concat(parameters('name'), '-deployed')]",
                            "location": "[resourceGroup().location]",
                        }
                    ],
                },
            },
        },
        ("Microsoft.Resources/resourceGroups",),
        ("properties.template",),
    ),
    "Microsoft.ManagedIdentity/userAssignedIdentities": Sample(
        IDENTITY, {"location": "westeurope", "tags": {"team": "ml"}}, ("Microsoft.Resources/resourceGroups",)
    ),
    "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials": Sample(
        f"{IDENTITY}/federatedIdentityCredentials/contract",
        {
            "properties": {
                "issuer": "https://token.actions.githubusercontent.com",
                "subject": "repo:my-org/my-repo:ref:refs/heads/main",
                "audiences": ["api://AzureADTokenExchange"],
            }
        },
        ("Microsoft.ManagedIdentity/userAssignedIdentities",),
    ),
    "Microsoft.Authorization/roleAssignments": Sample(
        f"{GROUP}/providers/Microsoft.Authorization/roleAssignments/7f0e3b52-6d0c-4a6c-9e5b-0a1b2c3d4e5f",
        {
            "properties": {
                "principalId": OBJECT_ID,
                "roleDefinitionId": f"{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/{BLOB_READER}",
            }
        },
        ("Microsoft.Resources/resourceGroups",),
    ),
    "Microsoft.Authorization/roleDefinitions": Sample(
        f"{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/0d1e2f30-4152-6374-8596-a7b8c9daebfc",
        {
            "properties": {
                "roleName": "Contract reader",
                "permissions": [{"actions": ["*/read"]}],
                "assignableScopes": [SUBSCRIPTION],
            }
        },
    ),
    "Microsoft.Storage/storageAccounts": Sample(
        STORAGE,
        {
            "location": "westeurope",
            "kind": "StorageV2",
            "sku": {"name": "Standard_LRS"},
            "tags": {"team": "ml"},
            "properties": {"allowSharedKeyAccess": False, "minimumTlsVersion": "TLS1_2"},
        },
        ("Microsoft.Resources/resourceGroups",),
    ),
    "Microsoft.Storage/storageAccounts/blobServices": Sample(
        f"{STORAGE}/blobServices/default",
        {"properties": {"isVersioningEnabled": False, "deleteRetentionPolicy": {"enabled": True, "days": 7}}},
        ("Microsoft.Storage/storageAccounts",),
    ),
    "Microsoft.Storage/storageAccounts/blobServices/containers": Sample(
        f"{STORAGE}/blobServices/default/containers/contract",
        {"properties": {"publicAccess": "None", "metadata": {"team": "ml"}}},
        ("Microsoft.Storage/storageAccounts",),
    ),
    "Microsoft.Storage/storageAccounts/fileServices": Sample(
        f"{STORAGE}/fileServices/default",
        {"properties": {"shareDeleteRetentionPolicy": {"enabled": True, "days": 7}}},
        ("Microsoft.Storage/storageAccounts",),
    ),
    "Microsoft.Storage/storageAccounts/fileServices/shares": Sample(
        f"{STORAGE}/fileServices/default/shares/contract",
        {"properties": {"shareQuota": 5}},
        ("Microsoft.Storage/storageAccounts",),
    ),
    "Microsoft.Storage/storageAccounts/managementPolicies": Sample(
        f"{STORAGE}/managementPolicies/default",
        {
            "properties": {
                "policy": {
                    "rules": [
                        {
                            "enabled": True,
                            "name": "old-logs",
                            "type": "Lifecycle",
                            "definition": {
                                "filters": {"blobTypes": ["blockBlob"], "prefixMatch": ["logs/"]},
                                "actions": {"baseBlob": {"delete": {"daysAfterModificationGreaterThan": 90}}},
                            },
                        }
                    ]
                }
            }
        },
        ("Microsoft.Storage/storageAccounts",),
    ),
    "Microsoft.KeyVault/vaults": Sample(
        VAULT,
        {
            "location": "westeurope",
            "tags": {"team": "ml"},
            "properties": {
                "tenantId": TENANT_ID,
                "sku": {"family": "A", "name": "standard"},
                "enableRbacAuthorization": True,
                "softDeleteRetentionInDays": 7,
            },
        },
        ("Microsoft.Resources/resourceGroups",),
    ),
    "Microsoft.KeyVault/vaults/secrets": Sample(
        f"{VAULT}/secrets/contract",
        {"properties": {"value": "of a test", "contentType": "text/plain"}},
        ("Microsoft.KeyVault/vaults",),
        ("properties.value",),
    ),
    "Microsoft.ContainerRegistry/registries": Sample(
        REGISTRY,
        {"location": "westeurope", "sku": {"name": "Basic"}, "properties": {"adminUserEnabled": False}},
        ("Microsoft.Resources/resourceGroups",),
    ),
    "Microsoft.OperationalInsights/workspaces": Sample(
        LOGS,
        {"location": "westeurope", "properties": {"retentionInDays": 30, "sku": {"name": "PerGB2018"}}},
        ("Microsoft.Resources/resourceGroups",),
    ),
    "Microsoft.Insights/components": Sample(
        INSIGHTS,
        {
            "location": "westeurope",
            "kind": "web",
            "properties": {"Application_Type": "web", "WorkspaceResourceId": LOGS},
        },
        ("Microsoft.OperationalInsights/workspaces",),
    ),
    f"{ML}/workspaces": Sample(
        WORKSPACE,
        {
            "location": "westeurope",
            "identity": {"type": "SystemAssigned"},
            "tags": {"team": "ml"},
            "properties": {
                "friendlyName": "Contract",
                "storageAccount": STORAGE,
                "keyVault": VAULT,
                "applicationInsights": INSIGHTS,
                "containerRegistry": REGISTRY,
                "systemDatastoresAuthMode": "identity",
            },
        },
        (
            "Microsoft.Storage/storageAccounts",
            "Microsoft.KeyVault/vaults",
            "Microsoft.Insights/components",
            "Microsoft.ContainerRegistry/registries",
        ),
    ),
    f"{ML}/workspaces/computes": Sample(
        f"{WORKSPACE}/computes/cpu",
        {
            "location": "westeurope",
            "identity": {"type": "SystemAssigned"},
            "properties": {
                "computeType": "AmlCompute",
                "properties": {
                    "vmSize": "Standard_D4ds_v5",
                    "scaleSettings": {"minNodeCount": 0, "maxNodeCount": 2, "nodeIdleTimeBeforeScaleDown": "PT5M"},
                },
            },
        },
        (f"{ML}/workspaces",),
    ),
    f"{ML}/workspaces/datastores": Sample(
        f"{WORKSPACE}/datastores/landing",
        {
            "properties": {
                "datastoreType": "AzureBlob",
                "accountName": "contractstore",
                "containerName": "contract",
                "credentials": {"credentialsType": "None"},
                "description": "where data lands",
            }
        },
        (f"{ML}/workspaces", "Microsoft.Storage/storageAccounts/blobServices/containers"),
    ),
    f"{ML}/registries": Sample(
        ML_REGISTRY,
        {
            "location": "westeurope",
            "identity": {"type": "SystemAssigned"},
            "properties": {"regionDetails": [{"location": "westeurope"}], "publicNetworkAccess": "Enabled"},
        },
        ("Microsoft.Resources/resourceGroups",),
        ("properties.regionDetails",),
    ),
    **assets(f"{ML}/workspaces", WORKSPACE),
    **assets(f"{ML}/registries", ML_REGISTRY),
    f"{ML}/workspaces/jobs": Sample(
        f"{WORKSPACE}/jobs/contract-job",
        {
            "properties": {
                "jobType": "Command",
                "command": "true",
                "environmentId": f"{WORKSPACE}/environments/contract/versions/1",
                "experimentName": "contract",
                "tags": {"team": "ml"},
            }
        },
        (f"{ML}/workspaces", f"{ML}/workspaces/environments/versions"),
    ),
    f"{ML}/workspaces/schedules": Sample(
        f"{WORKSPACE}/schedules/nightly",
        {
            "properties": {
                "displayName": "Nightly",
                "isEnabled": True,
                "trigger": {"triggerType": "Cron", "expression": "0 3 * * *", "timeZone": "UTC"},
                "action": {
                    "actionType": "CreateJob",
                    "jobDefinition": {
                        "jobType": "Command",
                        "command": "true",
                        "environmentId": f"{WORKSPACE}/environments/contract/versions/1",
                    },
                },
            }
        },
        (f"{ML}/workspaces", f"{ML}/workspaces/environments/versions"),
    ),
    f"{ML}/workspaces/onlineEndpoints": Sample(
        f"{WORKSPACE}/onlineEndpoints/contract-endpoint",
        {
            "location": "westeurope",
            "identity": {"type": "SystemAssigned"},
            "properties": {"authMode": "Key", "description": "scores"},
        },
        (f"{ML}/workspaces",),
    ),
    # Its servers are seen in tests/sandbox/types/ml; here it is of the kind that needs no content to be kept.
    f"{ML}/workspaces/onlineEndpoints/deployments": Sample(
        f"{WORKSPACE}/onlineEndpoints/contract-endpoint/deployments/blue",
        {
            "location": "westeurope",
            "sku": {"name": "Default", "capacity": 1},
            "properties": {
                "endpointComputeType": "Kubernetes",
                "model": f"{WORKSPACE}/models/contract/versions/1",
                "environmentVariables": {"LEVEL": "1"},
                "requestSettings": {"maxConcurrentRequestsPerInstance": 2},
            },
        },
        (f"{ML}/workspaces/onlineEndpoints", f"{ML}/workspaces/models/versions"),
    ),
}


def make(sandbox: Sandbox, arm_type: str) -> dict[str, Any]:
    """Make the sample of a type, and first what it needs; returns the answer of the last PUT."""
    sample = SAMPLES[arm_type]
    for needed in sample.needs:
        if sandbox.call("GET", SAMPLES[needed].path).status != 200:
            make(sandbox, needed)
    answer = sandbox.call("PUT", sample.path, sample.content(sandbox))
    assert answer.status in (200, 201), (arm_type, answer)
    settle(sandbox, sample.path)
    body: dict[str, Any] = answer.body
    return body


def settle(sandbox: Sandbox, path: str) -> dict[str, Any]:
    """Read until the resource is in a final state."""
    while True:
        answer = sandbox.call("GET", path)
        assert answer.status == 200, answer
        body: dict[str, Any] = answer.body
        properties = body.get("properties", {})
        moving = properties.get("provisioningState") in ("Creating", "Updating")
        working = path.rsplit("/", 2)[1] == "jobs" and properties["status"] not in ("Completed", "Failed", "Canceled")
        if not moving and not working:
            return body
