"""Log Analytics workspace: its rules, its id and its keys."""

from typing import Any

import pytest

from tests.sandbox.conftest import Answer, Sandbox


@pytest.fixture(scope="module")
def workspaces(sandbox: Sandbox) -> str:
    """Where workspaces are made."""
    return f"{sandbox.group('logs')}/providers/Microsoft.OperationalInsights/workspaces"


def make(sandbox: Sandbox, path: str, **properties: Any) -> Answer:
    return sandbox.call("PUT", path, {"location": "westeurope", "properties": properties})


def test_the_customer_id_stays_the_same(sandbox: Sandbox, workspaces: str) -> None:
    first = make(sandbox, f"{workspaces}/kept").body["properties"]
    again = make(sandbox, f"{workspaces}/kept", retentionInDays=60).body["properties"]
    assert again["customerId"] == first["customerId"]
    assert (first["retentionInDays"], again["retentionInDays"]) == (30, 60)
    assert first["sku"] == {"name": "PerGB2018"}
    assert first["workspaceCapping"] == {"dailyQuotaGb": -1.0}


def test_keys_are_handed_out_on_demand(sandbox: Sandbox, workspaces: str) -> None:
    make(sandbox, f"{workspaces}/keyed")
    keys = sandbox.call("POST", f"{workspaces}/keyed/sharedKeys", {}).body
    assert keys["primarySharedKey"] != keys["secondarySharedKey"]
    assert sandbox.call("POST", f"{workspaces}/keyed/sharedKeys", {}).body == keys
    assert keys["primarySharedKey"] not in str(sandbox.call("GET", f"{workspaces}/keyed").body)


@pytest.mark.parametrize("name", ["abc", "-abc", "abc-", "under_score", "a" * 64])
def test_a_name_that_azure_refuses_is_refused(sandbox: Sandbox, workspaces: str, name: str) -> None:
    answer = make(sandbox, f"{workspaces}/{name}")
    assert (answer.status, answer.code) == (400, "InvalidResourceName")


@pytest.mark.parametrize(
    ("properties", "named"),
    [
        ({"retentionInDays": 29}, "29"),
        ({"retentionInDays": 731}, "731"),
        ({"sku": {"name": "Luxury"}}, "Luxury"),
        ({"sku": {"name": "Free"}, "retentionInDays": 30}, "Free"),
        ({"sku": {"name": "CapacityReservation", "capacityReservationLevel": 150}}, "150"),
    ],
)
def test_what_azure_refuses_is_refused_and_named(
    sandbox: Sandbox, workspaces: str, properties: dict[str, Any], named: str
) -> None:
    answer = make(sandbox, f"{workspaces}/refused", **properties)
    assert answer.status == 400
    assert named in answer.body["error"]["message"]
