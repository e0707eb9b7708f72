"""An identity that roles are granted to, whose preview never loses its principal."""

import pulumi

from components.identity import user_assigned
from components.place import GroupPlace
from tests.conftest import Declare

IDENTITY = "parent$azure-native:managedidentity:UserAssignedIdentity::who-identity"


def test_its_tags_stay_so_that_no_preview_shows_its_roles_as_replaced(declare: Declare, place: GroupPlace) -> None:
    def program() -> None:
        parent = pulumi.ComponentResource("parent", "who")
        user_assigned("who-identity", identity_name="id-who", place=place, parent=parent)

    declared = declare(program)
    got = declared[IDENTITY]
    assert (got["resourceName"], got["resourceGroupName"], got["location"]) == ("id-who", "rg", "westeurope")
    assert got["tags"] == place.tags, "of the day it is made"
    assert list(declared.options[IDENTITY].ignoreChanges) == ["tags"]
    assert declared.options[IDENTITY].deleteBeforeReplace
