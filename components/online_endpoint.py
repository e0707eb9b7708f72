"""Managed online endpoint, with an identity that may fetch images, models and code.

Not here: deployments, and traffic. Weights belong to the rollout (docs/adr/0003-traffic-belongs-to-the-rollout.md).
"""

import re
from dataclasses import dataclass

import pulumi
from pulumi_azure_native import machinelearningservices as ml
from pulumi_azure_native import managedidentity

import roles
from components.access import Access
from components.place import WorkspacePlace

AUTH_MODES = ("Key", "AADToken")


@dataclass(frozen=True, kw_only=True)
class OnlineEndpointArgs:
    """Inputs of the endpoint.

    Attributes:
        endpoint_name: physical name, 3-32 lower case letters, digits and hyphens, unique in the region. A new
            value replaces the endpoint.
        identity_name: physical name of its user-assigned identity.
        auth_mode: ``Key`` or ``AADToken``: how callers prove who they are. Azure refuses a change; another mode
            needs another endpoint name, so that callers can move.
        access: grants that identity its roles.

    Raises:
        ValueError: names the field, the value and what is accepted.
    """

    place: WorkspacePlace
    endpoint_name: str
    identity_name: str
    auth_mode: str
    access: Access
    storage_account_id: pulumi.Input[str]
    registry_id: pulumi.Input[str]

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9-]{1,30}[a-z0-9]", self.endpoint_name):
            raise ValueError(
                f"endpoint_name={self.endpoint_name!r}: want 3-32 lower case letters, digits or hyphens, "
                "starting with a letter and not ending with a hyphen"
            )
        if self.auth_mode not in AUTH_MODES:
            raise ValueError(f"auth_mode={self.auth_mode!r}: want {' or '.join(AUTH_MODES)}")


class OnlineEndpoint(pulumi.ComponentResource):
    """Creates one ``onlineEndpoints`` that is ready to take deployments.

    Outputs: ``endpoint_name``, ``scoring_uri``, and ``fetch_grants`` (what a deployment has to wait for).
    """

    def __init__(self, name: str, args: OnlineEndpointArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("mlops:azure:OnlineEndpoint", name, None, opts)
        identity = managedidentity.UserAssignedIdentity(
            f"{name}-identity",
            resource_name_=args.identity_name,
            resource_group_name=args.place.resource_group_name,
            location=args.place.location,
            tags=args.place.tags,
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        )
        # Source: learn.microsoft.com, "how-to-access-resources-from-endpoints-managed-identities".
        needed = {
            "images": (roles.ACR_PULL, args.registry_id),
            "blobs": (roles.STORAGE_BLOB_DATA_READER, args.storage_account_id),
        }
        self.fetch_grants: list[pulumi.Resource] = [
            args.access.grant(
                f"{name}-may-{what}", parent=self, role=role, identity_id=identity.principal_id, scope=scope
            )
            for what, (role, scope) in needed.items()
        ]
        endpoint = ml.OnlineEndpoint(
            f"{name}-endpoint",
            endpoint_name=args.endpoint_name,
            workspace_name=args.place.workspace_name,
            resource_group_name=args.place.resource_group_name,
            location=args.place.location,
            identity=ml.ManagedServiceIdentityArgs(
                type=ml.ManagedServiceIdentityType.USER_ASSIGNED, user_assigned_identities=[identity.id]
            ),
            properties=ml.OnlineEndpointPropertiesArgs(auth_mode=args.auth_mode),
            tags=args.place.tags,
            opts=pulumi.ResourceOptions(
                parent=self,
                # Fixed physical name: the old endpoint must go before its successor can take it.
                delete_before_replace=True,
                # The rollout shifts traffic between two runs of the stack; an up must not shift it back.
                ignore_changes=["properties.traffic", "properties.mirrorTraffic"],
            ),
        )
        self.endpoint_name: pulumi.Output[str] = endpoint.name
        self.scoring_uri: pulumi.Output[str] = endpoint.properties.scoring_uri
        self.register_outputs({"endpoint_name": self.endpoint_name, "scoring_uri": self.scoring_uri})
