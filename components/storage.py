"""Storage account of the workspace, opened by identities only, with containers for code, data and releases.

Not here: the containers and the file share that Azure ML makes for itself when the workspace is created.
"""

from dataclasses import dataclass

import pulumi
from pulumi_azure_native import storage

import roles
from components.access import Access
from components.place import GroupPlace

RELEASES = "releases"


@dataclass(frozen=True, kw_only=True)
class StorageArgs:
    """Inputs of the storage account.

    Attributes:
        account_name: physical name, 3-24 lower case letters and digits. A new value replaces the account.
        sku: redundancy, such as ``Standard_ZRS``.
        public_network: reachable over the internet, by identities with a role.
        access: makes the deployers Storage Blob Data Contributor. An owner of the subscription may manage the
            account and still read no blob.
    """

    place: GroupPlace
    account_name: str
    sku: str
    public_network: bool
    access: Access


class Storage(pulumi.ComponentResource):
    """Creates one ``storageAccounts`` without shared keys, and its containers.

    Outputs: ``account_id``, ``account_name``, ``blob_endpoint`` (ends with a slash), the containers ``code``, ``data``
    and ``releases``, and ``grants`` (those of the deployers).
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
            public_network_access="Enabled" if args.public_network else "Disabled",
            tags=args.place.tags,
            # Fixed physical name: the old account must go before its successor can take it.
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        )
        self.account_id: pulumi.Output[str] = account.id
        self.account_name: pulumi.Output[str] = account.name
        # By name: a preview of a change to the account, its tags included, does not know what Azure says about it.
        self.blob_endpoint: pulumi.Output[str] = pulumi.Output.format("https://{}.blob.core.windows.net/", account.name)
        self.grants: list[pulumi.Resource] = args.access.grant_deployers(
            f"{name}-deployer", parent=self, role=roles.STORAGE_BLOB_DATA_CONTRIBUTOR, scope=account.id
        )
        self.code: pulumi.Output[str] = self._container(f"{name}-code", "code", args)
        self.data: pulumi.Output[str] = self._container(f"{name}-data", "data", args)
        self.releases: pulumi.Output[str] = self._container(f"{name}-releases", RELEASES, args)
        self.register_outputs(
            {
                "account_id": self.account_id,
                "account_name": self.account_name,
                "code_container": self.code,
                "data_container": self.data,
                "releases_container": self.releases,
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
