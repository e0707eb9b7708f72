"""What the provider package does not say: where a type stands in ARM, and what ARM calls differently.

A new type costs one line in ``_PATHS``. Sources: Azure/azure-rest-api-specs (paths, ``x-ms-client-name`` and
``x-ms-client-flatten``), as pulumi-azure-native 3.29 read them.
"""

GROUP = "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}"
_ML = "Microsoft.MachineLearningServices"
_WS = f"{_ML}/workspaces/{{workspaceName}}"
_REG = f"{_ML}/registries/{{registryName}}"
_STORE = "Microsoft.Storage/storageAccounts/{accountName}"
_VAULT = "Microsoft.KeyVault/vaults/{vaultName}"

# Pulumi module -> resource -> path. Without a leading slash it stands in a resource group.
_PATHS: dict[str, dict[str, str]] = {
    "resources": {
        "ResourceGroup": GROUP,
        "Deployment": "Microsoft.Resources/deployments/{deploymentName}",
    },
    "authorization": {
        "RoleAssignment": "/{scope}/providers/Microsoft.Authorization/roleAssignments/{roleAssignmentName}",
        "RoleDefinition": "/{scope}/providers/Microsoft.Authorization/roleDefinitions/{roleDefinitionId}",
        "ManagementLockByScope": "/{scope}/providers/Microsoft.Authorization/locks/{lockName}",
    },
    "managedidentity": {
        "UserAssignedIdentity": "Microsoft.ManagedIdentity/userAssignedIdentities/{resourceName}",
        "FederatedIdentityCredential":
            "Microsoft.ManagedIdentity/userAssignedIdentities/{resourceName}"
            "/federatedIdentityCredentials/{federatedIdentityCredentialResourceName}",
    },
    "storage": {
        "StorageAccount": _STORE,
        "BlobServiceProperties": f"{_STORE}/blobServices/{{blobServicesName}}",
        "BlobContainer": f"{_STORE}/blobServices/default/containers/{{containerName}}",
        "BlobContainerImmutabilityPolicy":
            f"{_STORE}/blobServices/default/containers/{{containerName}}"
            "/immutabilityPolicies/{immutabilityPolicyName}",
        "ManagementPolicy": f"{_STORE}/managementPolicies/{{managementPolicyName}}",
        "FileServiceProperties": f"{_STORE}/fileServices/{{fileServicesName}}",
        "FileShare": f"{_STORE}/fileServices/default/shares/{{shareName}}",
        "QueueServiceProperties": f"{_STORE}/queueServices/{{queueServiceName}}",
        "Queue": f"{_STORE}/queueServices/default/queues/{{queueName}}",
        "Table": f"{_STORE}/tableServices/default/tables/{{tableName}}",
        "PrivateEndpointConnection": f"{_STORE}/privateEndpointConnections/{{privateEndpointConnectionName}}",
    },
    "keyvault": {
        "Vault": _VAULT,
        "Key": f"{_VAULT}/keys/{{keyName}}",
        "Secret": f"{_VAULT}/secrets/{{secretName}}",
    },
    "containerregistry": {
        "Registry": "Microsoft.ContainerRegistry/registries/{registryName}",
        "Replication": "Microsoft.ContainerRegistry/registries/{registryName}/replications/{replicationName}",
    },
    "operationalinsights": {
        "Workspace": "Microsoft.OperationalInsights/workspaces/{workspaceName}",
        "Table": "Microsoft.OperationalInsights/workspaces/{workspaceName}/tables/{tableName}",
    },
    "applicationinsights": {
        "Component": "Microsoft.Insights/components/{resourceName}",
    },
    "monitor": {
        "AutoscaleSetting": "Microsoft.Insights/autoscalesettings/{autoscaleSettingName}",
        "DiagnosticSetting": "/{resourceUri}/providers/Microsoft.Insights/diagnosticSettings/{name}",
        "ScheduledQueryRule": "Microsoft.Insights/scheduledQueryRules/{ruleName}",
    },
    "machinelearningservices": {
        "Workspace": _WS,
        "WorkspaceConnection": f"{_WS}/connections/{{connectionName}}",
        "PrivateEndpointConnection": f"{_WS}/privateEndpointConnections/{{privateEndpointConnectionName}}",
        "ManagedNetworkSettingsRule": f"{_WS}/outboundRules/{{ruleName}}",
        "Compute": f"{_WS}/computes/{{computeName}}",
        "Datastore": f"{_WS}/datastores/{{name}}",
        "Job": f"{_WS}/jobs/{{id}}",
        "Schedule": f"{_WS}/schedules/{{name}}",
        "ServerlessEndpoint": f"{_WS}/serverlessEndpoints/{{name}}",
        "MarketplaceSubscription": f"{_WS}/marketplaceSubscriptions/{{name}}",
        "OnlineEndpoint": f"{_WS}/onlineEndpoints/{{endpointName}}",
        "OnlineDeployment": f"{_WS}/onlineEndpoints/{{endpointName}}/deployments/{{deploymentName}}",
        "BatchEndpoint": f"{_WS}/batchEndpoints/{{endpointName}}",
        "BatchDeployment": f"{_WS}/batchEndpoints/{{endpointName}}/deployments/{{deploymentName}}",
        "Registry": _REG,
    },
}  # fmt: skip

# Assets: a container and its versions, in a workspace and (under its own parameter) in a registry.
_ASSETS = {
    "Code": ("codes", "codeName"), "Component": ("components", "componentName"), "Data": ("data", "name"),
    "Environment": ("environments", "environmentName"), "Model": ("models", "modelName"),
}  # fmt: skip
_ML_PATHS = _PATHS["machinelearningservices"]
for _noun, (_segment, _parameter) in _ASSETS.items():
    _ML_PATHS[f"{_noun}Container"] = f"{_WS}/{_segment}/{{name}}"
    _ML_PATHS[f"{_noun}Version"] = f"{_WS}/{_segment}/{{name}}/versions/{{version}}"
    _ML_PATHS[f"Registry{_noun}Container"] = f"{_REG}/{_segment}/{{{_parameter}}}"
    _ML_PATHS[f"Registry{_noun}Version"] = f"{_REG}/{_segment}/{{{_parameter}}}/versions/{{version}}"
for _noun, _segment in (("Featureset", "featuresets"), ("FeaturestoreEntity", "featurestoreEntities")):
    _ML_PATHS[f"{_noun}ContainerEntity"] = f"{_WS}/{_segment}/{{name}}"
    _ML_PATHS[f"{_noun}Version"] = f"{_WS}/{_segment}/{{name}}/versions/{{version}}"

PATHS: dict[str, str] = {
    f"azure-native:{module}:{resource}": path if path.startswith("/") else f"{GROUP}/providers/{path}"
    for module, resources in _PATHS.items()
    for resource, path in resources.items()
}

# Body keys that stand beside `properties`, not in it. Everything else that a flattened type has is inside.
ENVELOPE = frozenset({
    "id", "name", "type", "apiVersion", "location", "tags", "kind", "identity", "sku", "plan", "zones",
    "extendedLocation", "eTag", "etag", "managedBy", "placement", "systemData", "properties",
})  # fmt: skip

# module -> type (a resource, or an input class without "Args") -> property -> where ARM has it, if that is
# not where the rules say.
RENAMED: dict[str, dict[str, dict[str, str]]] = {
    "authorization": {
        "RoleDefinition": {"roleType": "properties/type"},
    },
    "applicationinsights": {
        "Component": {
            "applicationType": "properties/Application_Type",
            "disableIpMasking": "properties/DisableIpMasking",
            "disableLocalAuth": "properties/DisableLocalAuth", "flowType": "properties/Flow_Type",
            "forceCustomerStorageForProfiler": "properties/ForceCustomerStorageForProfiler",
            "hockeyAppId": "properties/HockeyAppId",
            "immediatePurgeDataOn30Days": "properties/ImmediatePurgeDataOn30Days",
            "ingestionMode": "properties/IngestionMode", "requestSource": "properties/Request_Source",
            "retentionInDays": "properties/RetentionInDays",
            "samplingPercentage": "properties/SamplingPercentage",
            "workspaceResourceId": "properties/WorkspaceResourceId",
            # outputs
            "appId": "properties/AppId", "applicationId": "properties/ApplicationId",
            "connectionString": "properties/ConnectionString", "creationDate": "properties/CreationDate",
            "hockeyAppToken": "properties/HockeyAppToken",
            "instrumentationKey": "properties/InstrumentationKey",
            "laMigrationDate": "properties/LaMigrationDate",
            "privateLinkScopedResources": "properties/PrivateLinkScopedResources",
            "tenantId": "properties/TenantId",
        },
    },
    "containerregistry": {"IPRule": {"iPAddressOrRange": "value"}},
    "keyvault": {
        "KeyAttributes": {"expires": "exp", "notBefore": "nbf"},
        "SecretAttributes": {"expires": "exp", "notBefore": "nbf"},
        "KeyProperties": {"releasePolicy": "release_policy"},
    },
    "machinelearningservices": {
        "RegistryPrivateEndpointConnection": {
            "groupIds": "properties/groupIds", "privateEndpoint": "properties/privateEndpoint",
            "provisioningState": "properties/provisioningState",
            "registryPrivateLinkServiceConnectionState":
                "properties/registryPrivateLinkServiceConnectionState",
        },
        "SharedPrivateLinkResource": {
            "groupId": "properties/groupId", "privateLinkResourceId": "properties/privateLinkResourceId",
            "requestMessage": "properties/requestMessage", "status": "properties/status",
        },
    },
    "monitor": {
        "AutoscaleSetting": {"name": "properties/name"},
        "ScaleRuleMetricDimension": {
            "dimensionName": "DimensionName", "operator": "Operator", "values": "Values",
        },
    },
    "operationalinsights": {"Table": {"plan": "properties/plan"}, "Workspace": {"sku": "properties/sku"}},
    "storage": {
        "StorageAccount": {
            "enableHttpsTrafficOnly": "properties/supportsHttpsTrafficOnly",
            "enableNfsV3": "properties/isNfsV3Enabled", "networkRuleSet": "properties/networkAcls",
        },
        "Encryption": {"encryptionIdentity": "identity", "keyVaultProperties": "keyvaultproperties"},
        "EncryptionIdentity": {
            "encryptionFederatedIdentityClientId": "federatedIdentityClientId",
            "encryptionUserAssignedIdentity": "userAssignedIdentity",
        },
        "KeyVaultProperties": {"keyName": "keyname", "keyVaultUri": "keyvaulturi",
        "keyVersion": "keyversion"},
        "IPRule": {"iPAddressOrRange": "value"},
        "VirtualNetworkRule": {"virtualNetworkResourceId": "id"},
    },
}  # fmt: skip

# Inputs that are neither in the path nor in the body: they steer the request.
QUERY = {
    "azure-native:machinelearningservices:Datastore": frozenset({"skipValidation"}),
    "azure-native:storage:FileShare": frozenset({"expand"}),
}
