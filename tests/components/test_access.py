"""Role assignments: right role, right identity, right scope, a name that stays."""

import pulumi

import roles
from components.access import Access
from tests.conftest import DEPLOYER, SUBSCRIPTION, TENANT, Declare

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


def test_the_deployer_may_be_a_person_or_a_service(declare: Declare, access: Access) -> None:
    def program() -> None:
        access.grant_deployer("up", parent=Holder("one"), role=roles.STORAGE_BLOB_DATA_CONTRIBUTOR, scope="/scope")

    got = declare(program).only(ASSIGNMENT)
    assert got["principalId"] == DEPLOYER
    assert "principalType" not in got


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


def test_the_provider_says_who_deploys_where(declare: Declare, access: Access) -> None:
    def program() -> None:
        found = Access.of_deployer(access.names)
        pulumi.export("found", [found.subscription_id, found.tenant_id, found.deployer_id])

    assert declare(program).exports["found"] == [SUBSCRIPTION, TENANT, DEPLOYER]
