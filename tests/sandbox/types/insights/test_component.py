"""Application Insights: belongs to a workspace, and says how to connect to it."""

from typing import Any

import pytest

from tests.sandbox.conftest import Sandbox


@pytest.fixture(scope="module")
def group(sandbox: Sandbox) -> str:
    """A group with a Log Analytics workspace."""
    made = sandbox.group("insights")
    path = f"{made}/providers/Microsoft.OperationalInsights/workspaces/insights-logs"
    assert sandbox.call("PUT", path, {"location": "westeurope", "properties": {}}).status == 201
    return made


def body(group: str, **changes: Any) -> dict[str, Any]:
    logs = f"{group}/providers/Microsoft.OperationalInsights/workspaces/insights-logs"
    properties = {"Application_Type": "web", "WorkspaceResourceId": logs, **changes}
    return {"location": "westeurope", "kind": "web", "properties": properties}


def test_a_component_says_how_to_connect(sandbox: Sandbox, group: str) -> None:
    path = f"{group}/providers/Microsoft.Insights/components/app"
    answer = sandbox.call("PUT", path, body(group))
    assert answer.status == 200
    shown = answer.body["properties"]
    assert f"InstrumentationKey={shown['InstrumentationKey']};" in shown["ConnectionString"]
    assert shown["ConnectionString"].endswith(f"ApplicationId={shown['AppId']}")
    assert "westeurope" in shown["ConnectionString"]
    again = sandbox.call("PUT", path, body(group, RetentionInDays=30)).body["properties"]
    assert (again["AppId"], again["InstrumentationKey"]) == (shown["AppId"], shown["InstrumentationKey"])
    assert again["RetentionInDays"] == 30


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"WorkspaceResourceId": None}, "ClassicComponentsNotSupported"),
        ({"WorkspaceResourceId": "/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/a"},
         "InvalidResourceReference"),
        ({"Application_Type": "desktop"}, "InvalidApplicationType"),
    ],
)  # fmt: skip
def test_what_azure_refuses_is_refused(sandbox: Sandbox, group: str, changes: dict[str, Any], code: str) -> None:
    path = f"{group}/providers/Microsoft.Insights/components/refused"
    answer = sandbox.call("PUT", path, body(group, **changes))
    assert (answer.status, answer.code) == (400, code)


@pytest.mark.parametrize("name", ["ends.", "per%25cent"])
def test_a_name_that_azure_refuses_is_refused(sandbox: Sandbox, group: str, name: str) -> None:
    answer = sandbox.call("PUT", f"{group}/providers/Microsoft.Insights/components/{name}", body(group))
    assert (answer.status, answer.code) == (400, "InvalidResourceName")
