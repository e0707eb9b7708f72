"""User-assigned managed identity, which roles are granted to.

Not here: the roles; whoever needs the identity grants them (`access`).
"""

import pulumi
from pulumi_azure_native import managedidentity

from components.place import GroupPlace


def user_assigned(
    name: str, *, identity_name: str, place: GroupPlace, parent: pulumi.Resource
) -> managedidentity.UserAssignedIdentity:
    """An identity below a component.

    Args:
        name: logical name.
        identity_name: physical name.
        place: where it is.
        parent: component that acts as it.
    """
    return managedidentity.UserAssignedIdentity(
        name,
        resource_name_=identity_name,
        resource_group_name=place.resource_group_name,
        location=place.location,
        tags=place.tags,
        opts=pulumi.ResourceOptions(
            parent=parent,
            delete_before_replace=True,
            # In a preview azure-native does not know the principal of an identity that changes, and shows all of its
            # roles as replaced, which no update would do. Tags are all that can change, so they stay those of the day
            # it was made.
            ignore_changes=["tags"],
        ),
    )
