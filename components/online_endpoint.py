"""Managed online endpoint, with an identity that may fetch images, models and code.

Not here: deployments, and traffic. Weights belong to the rollout (docs/adr/0003-traffic-belongs-to-the-rollout.md).
"""

import re
from dataclasses import dataclass

import pulumi
from pulumi_azure_native import machinelearningservices as ml

import roles
from components.access import Access
from components.fixed import Fixed
from components.identity import user_assigned
from components.place import WorkspaceRef

AUTH_MODES = ("Key", "AADToken")
# All that an update of an endpoint could send but ``authMode``, which Azure refuses to change by itself.
UNCHANGED = [
    "identity",
    "kind",
    "sku",
    "tags",
    "properties.compute",
    "properties.description",
    "properties.keys",
    "properties.mirrorTraffic",
    "properties.properties",
    "properties.publicNetworkAccess",
    "properties.traffic",
]


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
        model_registry_id: ML registry that its models come from, if they do.

    Raises:
        ValueError: names the field, the value and what is accepted.
    """

    workspace: WorkspaceRef
    endpoint_name: str
    identity_name: str
    auth_mode: str
    access: Access
    model_registry_id: pulumi.Input[str] | None = None

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

    Outputs: ``endpoint_name``, ``scoring_uri``, ``fetch_grants`` (what a deployment has to wait for), ``resource``.
    """

    def __init__(self, name: str, args: OnlineEndpointArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("mlops:azure:OnlineEndpoint", name, None, opts)
        identity = user_assigned(
            f"{name}-identity", identity_name=args.identity_name, place=args.workspace, parent=self
        )
        # Source: learn.microsoft.com, "how-to-access-resources-from-endpoints-managed-identities".
        needed = {
            "images": (roles.ACR_PULL, args.workspace.registry_id),
            "blobs": (roles.STORAGE_BLOB_DATA_READER, args.workspace.storage_account_id),
            "metrics": (roles.AZUREML_METRICS_WRITER, args.workspace.workspace_id),
        }
        if args.model_registry_id is not None:
            # Reading is enough; "AzureML Registry User" may write too.
            needed["models"] = (roles.READER, args.model_registry_id)
        self.fetch_grants: list[pulumi.Resource] = [
            args.access.grant(
                f"{name}-may-{what}", parent=self, role=role, identity_id=identity.principal_id, scope=scope
            )
            for what, (role, scope) in needed.items()
        ]
        fixed = Fixed(
            f"{name}-fixed",
            resource=args.endpoint_name,
            values={"auth_mode": args.auth_mode},
            reason=(
                "Azure changes it for no endpoint that exists. Take the old value back, or give callers a second model "
                "of another name to move to"
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )
        endpoint = ml.OnlineEndpoint(
            f"{name}-endpoint",
            endpoint_name=args.endpoint_name,
            workspace_name=args.workspace.workspace_name,
            resource_group_name=args.workspace.resource_group_name,
            location=args.workspace.location,
            identity=ml.ManagedServiceIdentityArgs(
                type=ml.ManagedServiceIdentityType.USER_ASSIGNED, user_assigned_identities=[identity.id]
            ),
            properties=ml.OnlineEndpointPropertiesArgs(auth_mode=args.auth_mode),
            tags=args.workspace.tags,
            opts=pulumi.ResourceOptions(
                parent=self,
                # Fixed physical name: the old endpoint must go before its successor can take it.
                delete_before_replace=True,
                # Traffic belongs to the rollout, and whatever an update of the endpoint sends or leaves out can move
                # it: an endpoint that exists is never sent again (docs/adr/0003).
                ignore_changes=UNCHANGED,
                depends_on=[fixed],
            ),
        )
        self.resource: pulumi.Resource = endpoint
        self.endpoint_name: pulumi.Output[str] = endpoint.name
        self.scoring_uri: pulumi.Output[str] = endpoint.properties.scoring_uri
        self.register_outputs({"endpoint_name": self.endpoint_name, "scoring_uri": self.scoring_uri})
