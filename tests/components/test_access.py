"""Role assignments: right role, right identity, right scope, a name that stays."""

import dataclasses

import pulumi

import roles
from components.access import Access
from tests.conftest import DEPLOYER, SUBSCRIPTION, Declare

ASSIGNMENT = "azure-native:authorization:RoleAssignment"
DEFINITIONS = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions"


class Holder(pulumi.ComponentResource):
    def __init__(self, name: str) -> None:
        super().__init__("mlops:azure:Holder", name)


def grant(access: Access, holder: str = "one", name: str = "may-read") -> None:
    access.grant(
        name, parent=Holder(holder), role=roles.STORAGE_BLOB_DATA_READER, identity_id="identity", scope="/scope"
    )


def test_an_identity_is_granted_one_role_on_one_scope(declare: Declare, access: Access) -> None:
    got = declare(lambda: grant(access))[f"mlops:azure:Holder${ASSIGNMENT}::may-read"]
    assert got["roleDefinitionId"] == f"{DEFINITIONS}/{roles.STORAGE_BLOB_DATA_READER.guid}"
    assert (got["principalId"], got["principalType"], got["scope"]) == ("identity", "ServicePrincipal", "/scope")


def grant_deployers(access: Access) -> None:
    access.grant_deployers("up", parent=Holder("one"), role=roles.STORAGE_BLOB_DATA_CONTRIBUTOR, scope="/scope")


def test_whoever_runs_the_stack_may_be_a_person_or_a_service(declare: Declare, access: Access) -> None:
    got = declare(lambda: grant_deployers(access)).only(ASSIGNMENT)
    assert got["principalId"] == DEPLOYER
    assert "principalType" not in got


def test_one_deployer_does_not_take_the_place_of_another(declare: Declare, access: Access) -> None:
    two = ("44444444-4444-4444-4444-444444444444", "55555555-5555-5555-5555-555555555555")
    declared = declare(lambda: grant_deployers(dataclasses.replace(access, deployers=two)))
    made = {
        urn.rpartition("::")[2]: (inputs["principalId"], inputs["roleAssignmentName"])
        for urn, inputs in declared.inputs.items()
        if ASSIGNMENT in urn
    }
    assert {name: principal for name, (principal, _) in made.items()} == {f"up-{one}": one for one in two}
    assert len({name for _, name in made.values()}) == 2


def test_nobody_is_granted_anything_where_somebody_else_does_it(declare: Declare, access: Access) -> None:
    declared = declare(lambda: grant_deployers(dataclasses.replace(access, deployers=())))
    assert not [urn for urn in declared.inputs if ASSIGNMENT in urn]


def test_an_assignment_keeps_its_name_and_gives_it_up_before_its_successor(declare: Declare, access: Access) -> None:
    declared = declare(lambda: grant(access))
    assert declared.only(ASSIGNMENT)["roleAssignmentName"] == access.names.role_assignment(
        "mlops:azure:Holder/may-read"
    )
    assert [request.deleteBeforeReplace for request in declared.options.values()] == [False, True]


def test_the_same_name_below_another_kind_of_parent_is_another_assignment(declare: Declare, access: Access) -> None:
    class Other(pulumi.ComponentResource):
        def __init__(self) -> None:
            super().__init__("mlops:azure:Other", "one")

    def program() -> None:
        grant(access)
        access.grant("may-read", parent=Other(), role=roles.ACR_PULL, identity_id="identity", scope="/scope")

    got = [inputs for urn, inputs in declare(program).inputs.items() if ASSIGNMENT in urn]
    assert len({inputs["roleAssignmentName"] for inputs in got}) == 2
