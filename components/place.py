"""Where things live: what nearly every component is told about its surroundings."""

from dataclasses import dataclass, field

import pulumi


@dataclass(frozen=True, kw_only=True)
class GroupPlace:
    """Place of a resource of its own.

    Attributes:
        resource_group_name: group it belongs to.
        location: Azure region.
        tags: put on all that can carry tags.
    """

    resource_group_name: pulumi.Input[str]
    location: str
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class UploadTarget:
    """Container that the stack uploads to.

    Attributes:
        blob_endpoint: address of the storage account's blobs, ends with a slash.
        container: container in it.
        ready: what an upload has to wait for, because nothing in its inputs says so.
    """

    blob_endpoint: pulumi.Input[str]
    container: pulumi.Input[str]
    ready: list[pulumi.Resource] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class WorkspaceRef(GroupPlace):
    """All that a part needs to live in a workspace, whoever made it.

    Attributes:
        workspace_name: the workspace.
        workspace_id: its ARM id.
        storage_account_id: account of its datastores.
        registry_id: container registry of its images.
        code: where code goes.
        data: where data goes.
        data_store_uri: address of the datastore over the data container, ends with a slash.
        release_store: address of the container in which rollouts keep their state.
    """

    workspace_name: pulumi.Input[str]
    workspace_id: pulumi.Input[str]
    storage_account_id: pulumi.Input[str]
    registry_id: pulumi.Input[str]
    code: UploadTarget
    data: UploadTarget
    data_store_uri: pulumi.Input[str]
    release_store: pulumi.Input[str]
