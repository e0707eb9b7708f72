"""Roles are known by their ids alone: a wrong one grants another role, and nobody is told."""

import roles
from roles import Role
from sandbox.arm.roles import ROLES

ASSIGNED = [role for role in vars(roles).values() if isinstance(role, Role)]


def test_each_id_is_that_of_the_role_with_its_name() -> None:
    """The sandbox has a table of its own from the same page."""
    assert ASSIGNED
    assert [(role.guid, role.name) for role in ASSIGNED] == [(role.guid, ROLES[role.guid].name) for role in ASSIGNED]
