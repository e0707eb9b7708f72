"""The resource group: named by us, in the region and with the tags it was given."""

from components.resource_group import ResourceGroup, ResourceGroupArgs
from tests.conftest import Declare

KEY = "mlops:azure:ResourceGroup$azure-native:resources:ResourceGroup::ml-group"


def test_the_group_has_our_name_region_and_tags(declare: Declare) -> None:
    args = ResourceGroupArgs(group_name="rg-a", location="westeurope", tags={"owner": "me"})
    declared = declare(lambda: ResourceGroup("ml", args))
    assert declared[KEY] == {"resourceGroupName": "rg-a", "location": "westeurope", "tags": {"owner": "me"}}
    assert declared.options[KEY].deleteBeforeReplace


def test_a_group_without_tags_is_allowed(declare: Declare) -> None:
    declared = declare(lambda: ResourceGroup("ml", ResourceGroupArgs(group_name="rg-a", location="westeurope")))
    assert declared[KEY]["tags"] == {}
