"""Azure ML workspace, the identity it acts with, and the datastore over our data container.

Not here: what it is built on (storage, vault, registry, telemetry), and everything that runs in it.
"""

from dataclasses import dataclass

import pulumi
from pulumi_azure_native import machinelearningservices as ml

import roles
from components.access import Access
from components.identity import user_assigned
from components.place import GroupPlace
from components.role_propagation import RolePropagation
from components.storage import Storage

DATASTORE = "data"


@dataclass(frozen=True, kw_only=True)
class WorkspaceArgs:
    """Inputs of the workspace.

    Attributes:
        workspace_name: physical name, 3-33 letters, digits and hyphens. A new value replaces the workspace.
        identity_name: physical name of its user-assigned identity.
        public_network: reachable over the internet, by identities with a role.
        access: grants that identity what the workspace needs.
        storage: account of its datastores.
    """

    place: GroupPlace
    workspace_name: str
    identity_name: str
    public_network: bool
    access: Access
    storage: Storage
    key_vault_id: pulumi.Input[str]
    registry_id: pulumi.Input[str]
    insights_id: pulumi.Input[str]


class Workspace(pulumi.ComponentResource):
    """Creates one ``workspaces`` whose datastores are opened by identity, never by account key.

    Outputs: ``workspace_name``, ``workspace_id``, ``data_store_uri`` (address of the datastore, ends with a slash),
    ``propagation`` (there once the roles on the storage account have taken effect).
    """

    def __init__(self, name: str, args: WorkspaceArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("mlops:azure:Workspace", name, None, opts)
        identity = user_assigned(f"{name}-identity", identity_name=args.identity_name, place=args.place, parent=self)
        grants = self._grants(name, args, identity.principal_id)
        self.propagation = RolePropagation(
            f"{name}-roles",
            blob_endpoint=args.storage.blob_endpoint,
            container=args.storage.code,
            grants=[*args.storage.grants, *grants],
            opts=pulumi.ResourceOptions(parent=self, protect=False),
        )
        workspace = ml.Workspace(
            f"{name}-workspace",
            workspace_name=args.workspace_name,
            resource_group_name=args.place.resource_group_name,
            location=args.place.location,
            identity=ml.ManagedServiceIdentityArgs(
                type=ml.ManagedServiceIdentityType.USER_ASSIGNED, user_assigned_identities=[identity.id]
            ),
            primary_user_assigned_identity=identity.id,
            storage_account=args.storage.account_id,
            key_vault=args.key_vault_id,
            container_registry=args.registry_id,
            application_insights=args.insights_id,
            system_datastores_auth_mode=ml.SystemDatastoresAuthMode.IDENTITY,
            public_network_access=(
                ml.PublicNetworkAccessType.ENABLED if args.public_network else ml.PublicNetworkAccessType.DISABLED
            ),
            v1_legacy_mode=False,
            tags=args.place.tags,
            opts=pulumi.ResourceOptions(
                parent=self,
                # Fixed physical name: the old workspace must go before its successor can take it.
                delete_before_replace=True,
                # While it creates the workspace, Azure ML opens what it is built on as this identity,
                # and no input says so.
                depends_on=[self.propagation],
            ),
        )
        args.access.grant(
            f"{name}-may-workspace",
            parent=self,
            role=roles.CONTRIBUTOR,
            identity_id=identity.principal_id,
            scope=workspace.id,
        )
        datastore = self._datastore(name, args, workspace.name)
        self.workspace_name: pulumi.Output[str] = workspace.name
        self.workspace_id: pulumi.Output[str] = workspace.id
        self.data_store_uri: pulumi.Output[str] = pulumi.Output.format(
            "azureml://subscriptions/{}/resourcegroups/{}/workspaces/{}/datastores/{}/paths/",
            args.access.subscription_id,
            args.place.resource_group_name,
            workspace.name,
            datastore.name,
        )
        self.register_outputs(
            {
                "workspace_name": self.workspace_name,
                "workspace_id": self.workspace_id,
                "data_store_uri": self.data_store_uri,
            }
        )

    def _grants(self, name: str, args: WorkspaceArgs, identity_id: pulumi.Input[str]) -> list[pulumi.Resource]:
        """Roles a workspace needs on what it is built on; the one on itself comes after it.

        Source: learn.microsoft.com, "how-to-identity-based-service-authentication", user-assigned identity.
        """
        needed = {
            "storage": (roles.CONTRIBUTOR, args.storage.account_id),
            "blobs": (roles.STORAGE_BLOB_DATA_CONTRIBUTOR, args.storage.account_id),
            "vault": (roles.CONTRIBUTOR, args.key_vault_id),
            "secrets": (roles.KEY_VAULT_ADMINISTRATOR, args.key_vault_id),
            "registry": (roles.CONTRIBUTOR, args.registry_id),
            "insights": (roles.CONTRIBUTOR, args.insights_id),
        }
        return [
            args.access.grant(f"{name}-may-{what}", parent=self, role=role, identity_id=identity_id, scope=scope)
            for what, (role, scope) in needed.items()
        ]

    def _datastore(self, name: str, args: WorkspaceArgs, workspace_name: pulumi.Output[str]) -> ml.Datastore:
        return ml.Datastore(
            f"{name}-data",
            name=DATASTORE,
            workspace_name=workspace_name,
            resource_group_name=args.place.resource_group_name,
            properties=ml.AzureBlobDatastoreArgs(
                datastore_type="AzureBlob",
                account_name=args.storage.account_name,
                container_name=args.storage.data,
                # No stored credential: whoever reads, reads as itself.
                credentials=ml.NoneDatastoreCredentialsArgs(credentials_type="None"),
                service_data_access_auth_identity=ml.ServiceDataAccessAuthIdentity.WORKSPACE_USER_ASSIGNED_IDENTITY,
                description="Data snapshots that the stack uploads",
                tags=args.place.tags,
            ),
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        )
