"""Storage account of the workspace, opened by identities only, with containers for code and data.

Not here: the containers and the file share that Azure ML makes for itself when the workspace is created.
"""

from dataclasses import dataclass

import pulumi
from pulumi_azure_native import storage

import roles
from components.access import Access
from components.place import GroupPlace, UploadTarget


@dataclass(frozen=True, kw_only=True)
class StorageArgs:
    """Inputs of the storage account.

    Attributes:
        account_name: physical name, 3-24 lower case letters and digits. A new value replaces the account.
        sku: redundancy, such as ``Standard_ZRS``.
        access: grants the deployer its right to upload.
        deployer_data_access: the deployer becomes Storage Blob Data Contributor. An owner of the
            subscription may manage the account and still read no blob.
    """

    place: GroupPlace
    account_name: str
    sku: str
    access: Access
    deployer_data_access: bool


class Storage(pulumi.ComponentResource):
    """Creates one ``storageAccounts`` without shared keys, and its containers.

    Outputs: ``account_id``, ``account_name``, and the containers ``code`` and ``data``.
    """

    def __init__(self, name: str, args: StorageArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("mlops:azure:Storage", name, None, opts)
        account = storage.StorageAccount(
            f"{name}-account",
            account_name=args.account_name,
            resource_group_name=args.place.resource_group_name,
            location=args.place.location,
            kind="StorageV2",
            sku=storage.SkuArgs(name=args.sku),
            allow_shared_key_access=False,
            allow_blob_public_access=False,
            allow_cross_tenant_replication=False,
            default_to_o_auth_authentication=True,
            enable_https_traffic_only=True,
            minimum_tls_version="TLS1_2",
            tags=args.place.tags,
            # Fixed physical name: the old account must go before its successor can take it.
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        )
        self.account_id: pulumi.Output[str] = account.id
        self.account_name: pulumi.Output[str] = account.name
        grants = []
        if args.deployer_data_access:
            grants.append(
                args.access.grant_deployer(
                    f"{name}-deployer",
                    parent=self,
                    role=roles.STORAGE_BLOB_DATA_CONTRIBUTOR,
                    scope=account.id,
                )
            )
        blob_endpoint = account.primary_endpoints.blob
        self.code = UploadTarget(
            blob_endpoint=blob_endpoint, container=self._container(f"{name}-code", "code", args), grants=grants
        )
        self.data = UploadTarget(
            blob_endpoint=blob_endpoint, container=self._container(f"{name}-data", "data", args), grants=grants
        )
        self.register_outputs(
            {
                "account_id": self.account_id,
                "account_name": self.account_name,
                "code_container": self.code.container,
                "data_container": self.data.container,
            }
        )

    def _container(self, name: str, container_name: str, args: StorageArgs) -> pulumi.Output[str]:
        container = storage.BlobContainer(
            name,
            container_name=container_name,
            account_name=self.account_name,
            resource_group_name=args.place.resource_group_name,
            public_access=storage.PublicAccess.NONE,
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        )
        return container.name
