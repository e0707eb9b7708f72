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
class WorkspacePlace(GroupPlace):
    """Place of something inside an Azure ML workspace.

    Attributes:
        workspace_name: workspace it belongs to.
    """

    workspace_name: pulumi.Input[str]


@dataclass(frozen=True, kw_only=True)
class UploadTarget:
    """Container that the stack uploads to.

    Attributes:
        blob_endpoint: address of the storage account's blobs, ends with a slash.
        container: container in it.
        grants: role assignments that let the deployer write there; an upload has to wait for them.
    """

    blob_endpoint: pulumi.Input[str]
    container: pulumi.Input[str]
    grants: list[pulumi.Resource] = field(default_factory=list)
