"""Roles that take their time: what a new assignment opens, and from when on."""

from collections.abc import Iterator

import pytest
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import ContainerClient

from tests.sandbox.conftest import SUBSCRIPTION, Sandbox
from tests.sandbox.planes.conftest import CONTRIBUTOR, Account, Principal, assign
from tests.sandbox.world import until

READER = "acdd72a7-3385-48ef-bd42-f606fba81ae7"


@pytest.fixture
def slowly(local: Sandbox, container: ContainerClient) -> Iterator[Sandbox]:
    """The sandbox, in which a role counts an hour after it was assigned."""
    local.admin("PUT", "/roles", {"roles": "seconds:3600"})
    yield local
    local.admin("PUT", "/roles", {"roles": "now"})


def may_read_arm(local: Sandbox, who: Principal) -> bool:
    token = local.token(client=(who.client_id, who.secret))
    return local.call("GET", SUBSCRIPTION, token=token).status == 200


def may_list(account: Account, container: ContainerClient, who: Principal) -> bool:
    try:
        list(ContainerClient(account.url, container.container_name, credential=who.credential).list_blobs())
    except HttpResponseError as error:
        return error.status_code != 403
    return True


def test_a_new_role_opens_nothing_before_its_time(
    account: Account, container: ContainerClient, stranger: Principal, slowly: Sandbox
) -> None:
    assign(slowly, SUBSCRIPTION, stranger.object_id, READER)
    made = assign(slowly, account.id, stranger.object_id, CONTRIBUTOR)
    assert slowly.call("GET", made).status == 200, "it is there all the same"
    assert not may_read_arm(slowly, stranger)
    assert not may_list(account, container, stranger)
    slowly.admin("PUT", "/roles", {"roles": "now"})
    assert may_read_arm(slowly, stranger)
    assert may_list(account, container, stranger)


def test_a_refusal_is_not_remembered_past_the_time_of_the_role(
    local: Sandbox, account: Account, container: ContainerClient, stranger: Principal
) -> None:
    assign(local, SUBSCRIPTION, stranger.object_id, READER)
    assign(local, account.id, stranger.object_id, CONTRIBUTOR)
    local.admin("PUT", "/roles", {"roles": "seconds:2"})
    try:
        assert not may_list(account, container, stranger)
        assert not may_read_arm(local, stranger)
        until(lambda: may_list(account, container, stranger))
        until(lambda: may_read_arm(local, stranger))
    finally:
        local.admin("PUT", "/roles", {"roles": "now"})
