"""Role assignments: who may do what, granted by the stack and named the same on every run.

Not here: people's roles, which belong to their groups and not to a deployment.
"""

from dataclasses import dataclass

import pulumi
from pulumi_azure_native import authorization

from naming import Names
from roles import Role


@dataclass(frozen=True, kw_only=True)
class Access:
    """Grants roles within one stack.

    Attributes:
        names: names each assignment.
        subscription_id: where the role definitions are looked up.
        provider: asked who runs the stack, where nobody else says so.
        deployers: object ids of those who may upload; None for whoever runs the stack.
    """

    names: Names
    subscription_id: str
    provider: pulumi.ProviderResource | None = None
    deployers: tuple[str, ...] | None = None

    def grant(
        self,
        name: str,
        *,
        parent: pulumi.Resource,
        role: Role,
        identity_id: pulumi.Input[str],
        scope: pulumi.Input[str],
    ) -> pulumi.Resource:
        """Lets a managed identity act in a role on one resource.

        Args:
            name: logical name, unique below its parent.
            parent: component that needs the grant.
            role: built-in role.
            identity_id: object id of the identity, also called principal id.
            scope: ARM id of the resource.
        """
        # Azure looks the identity up by its type; without it a new identity is often "not found" for minutes.
        return self._assign(name, parent, role, identity_id, scope, principal_type="ServicePrincipal")

    def grant_deployers(
        self, name: str, *, parent: pulumi.Resource, role: Role, scope: pulumi.Input[str]
    ) -> list[pulumi.Resource]:
        """Lets those who deploy act in a role on one resource; one does not take the place of another."""
        # A person on a laptop, a service principal in a pipeline: Azure finds out which. An output of None says
        # so; a plain None would become "User" in the SDK, and Azure refuses that for a service principal.
        unsaid = pulumi.Output.from_input(None)
        if self.deployers is None:
            client = authorization.get_client_config_output(opts=pulumi.InvokeOptions(provider=self.provider))
            return [self._assign(name, parent, role, client.object_id, scope, principal_type=unsaid)]
        return [
            self._assign(f"{name}-{deployer}", parent, role, deployer, scope, principal_type=unsaid)
            for deployer in self.deployers
        ]

    def _assign(
        self,
        name: str,
        parent: pulumi.Resource,
        role: Role,
        principal_id: pulumi.Input[str],
        scope: pulumi.Input[str],
        principal_type: pulumi.Input[str | None],
    ) -> pulumi.Resource:
        return authorization.RoleAssignment(
            name,
            role_assignment_name=self.names.role_assignment(f"{parent.pulumi_resource_type}/{name}"),
            principal_id=principal_id,
            principal_type=principal_type,
            role_definition_id=role.definition_id(self.subscription_id),
            scope=scope,
            opts=pulumi.ResourceOptions(
                parent=parent,
                # Fixed name, and Azure changes no part of an assignment: the old one must go first.
                delete_before_replace=True,
                # Holds no data: another identity may take over the deployment of a protected stack.
                protect=False,
            ),
        )
