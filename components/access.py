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
        tenant_id: directory of the identities.
        deployer_id: object id of the identity that runs the stack.
    """

    names: Names
    subscription_id: pulumi.Output[str]
    tenant_id: pulumi.Output[str]
    deployer_id: pulumi.Output[str]

    @classmethod
    def of_deployer(cls, names: Names) -> "Access":
        """Asks the provider which identity, tenant and subscription it works with."""
        client = authorization.get_client_config_output()
        return cls(
            names=names,
            subscription_id=client.subscription_id,
            tenant_id=client.tenant_id,
            deployer_id=client.object_id,
        )

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

    def grant_deployer(
        self, name: str, *, parent: pulumi.Resource, role: Role, scope: pulumi.Input[str]
    ) -> pulumi.Resource:
        """Lets the identity that runs the stack act in a role on one resource."""
        # A person on a laptop, a service principal in a pipeline: Azure finds out which. An output of None says
        # so; a plain None would become "User" in the SDK, and Azure refuses that for a service principal.
        unsaid = pulumi.Output.from_input(None)
        return self._assign(name, parent, role, self.deployer_id, scope, principal_type=unsaid)

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
            role_definition_id=self.subscription_id.apply(role.definition_id),
            scope=scope,
            opts=pulumi.ResourceOptions(
                parent=parent,
                # Fixed name, and Azure changes no part of an assignment: the old one must go first.
                delete_before_replace=True,
                # Holds no data: another identity may take over the deployment of a protected stack.
                protect=False,
            ),
        )
