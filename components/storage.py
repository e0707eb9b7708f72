"""Storage account of the workspace, opened by identities only, with containers for code and data.

Not here: the containers and the file share that Azure ML makes for itself when the workspace is created.
"""

from dataclasses import dataclass, field

import pulumi
from pulumi_azure_native import storage

import roles
from components.access import Access


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

    resource_group_name: pulumi.Input[str]
    account_name: str
    location: str
    sku: str
    access: Access
    deployer_data_access: bool
    tags: dict[str, str] = field(default_factory=dict)


class Storage(pulumi.ComponentResource):
    """Creates one ``storageAccounts`` without shared keys, and its containers.

    Outputs: ``account_id``, ``account_name``, ``blob_endpoint`` (ends with a slash), ``code_container``,
    ``data_container``, and ``upload_grants`` (what an upload has to wait for).
    """

    def __init__(self, name: str, args: StorageArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("mlops:azure:Storage", name, None, opts)
        account = storage.StorageAccount(
            f"{name}-account",
            account_name=args.account_name,
            resource_group_name=args.resource_group_name,
            location=args.location,
            kind="StorageV2",
            sku=storage.SkuArgs(name=args.sku),
            allow_shared_key_access=False,
            allow_blob_public_access=False,
            allow_cross_tenant_replication=False,
            default_to_o_auth_authentication=True,
            enable_https_traffic_only=True,
            minimum_tls_version="TLS1_2",
            tags=args.tags,
            # Fixed physical name: the old account must go before its successor can take it.
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        )
        self.account_id: pulumi.Output[str] = account.id
        self.account_name: pulumi.Output[str] = account.name
        self.blob_endpoint: pulumi.Output[str] = account.primary_endpoints.blob
        self.code_container: pulumi.Output[str] = self._container(f"{name}-code", "code", args).name
        self.data_container: pulumi.Output[str] = self._container(f"{name}-data", "data", args).name
        self.upload_grants: list[pulumi.Resource] = []
        if args.deployer_data_access:
            grant = args.access.grant_deployer(
                f"{name}-deployer", parent=self, role=roles.STORAGE_BLOB_DATA_CONTRIBUTOR, scope=account.id
            )
            self.upload_grants.append(grant)
        self.register_outputs(
            {
                "account_id": self.account_id,
                "account_name": self.account_name,
                "blob_endpoint": self.blob_endpoint,
                "code_container": self.code_container,
                "data_container": self.data_container,
            }
        )

    def _container(self, name: str, container_name: str, args: StorageArgs) -> storage.BlobContainer:
        return storage.BlobContainer(
            name,
            container_name=container_name,
            account_name=self.account_name,
            resource_group_name=args.resource_group_name,
            public_access=storage.PublicAccess.NONE,
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        )
