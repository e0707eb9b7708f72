"""The activity log: `log` and ARM's own way to it. Refused and failed changes are in it, reads are not."""

import json
from datetime import datetime
from typing import Any
from urllib.parse import quote

import pytest

from sandbox import __main__
from sandbox.arm import activity
from sandbox.arm.errors import ArmError
from tests.sandbox.conftest import SUBSCRIPTION, Answer, Sandbox
from tests.sandbox.planes.conftest import Principal, assign, make_stranger
from tests.sandbox.world import until

CONTRIBUTOR = "b24988ac-6180-42a0-ab88-20f7382dd24c"
READER = "acdd72a7-3385-48ef-bd42-f606fba81ae7"
STORE = {"location": "westeurope", "kind": "StorageV2", "sku": {"name": "Standard_LRS"}}
ALWAYS = "eventTimestamp ge '2026-01-01T00:00:00Z'"
# EventData of azure-mgmt-monitor, v2015_04_01: name to type; its objects below.
SHAPE: dict[str, Any] = {
    "authorization": {"action": str, "scope": str}, "claims": dict, "caller": str, "description": str, "id": str,
    "eventDataId": str, "correlationId": str, "eventName": {"value": str, "localizedValue": str},
    "category": {"value": str, "localizedValue": str},
    "httpRequest": {"clientRequestId": str, "clientIpAddress": str, "method": str}, "level": str,
    "resourceGroupName": str, "resourceProviderName": {"value": str, "localizedValue": str}, "resourceId": str,
    "resourceType": {"value": str, "localizedValue": str}, "operationId": str,
    "operationName": {"value": str, "localizedValue": str}, "properties": dict,
    "status": {"value": str, "localizedValue": str}, "subStatus": {"value": str, "localizedValue": str},
    "eventTimestamp": datetime, "submissionTimestamp": datetime, "subscriptionId": str, "tenantId": str,
}  # fmt: skip


def values(sandbox: Sandbox, filters: str, token: str | None = None, **more: str) -> Answer:
    query = "&".join(f"{name}={quote(text)}" for name, text in {"$filter": filters, **more}.items())
    url = f"{SUBSCRIPTION}/providers/Microsoft.Insights/eventtypes/management/values?{query}&api-version=2015-04-01"
    return sandbox.call("GET", url, token=token)


def wrong(shown: Any, shape: Any, at: str = "") -> list[str]:
    """Where an event is not what the client's model reads."""
    if isinstance(shape, dict):
        return [found for name, part in shape.items() for found in wrong(shown.get(name), part, f"{at}.{name}")]
    if shape is datetime:
        return [] if datetime.fromisoformat(shown).tzinfo else [f"{at} has no zone: {shown}"]
    return [] if isinstance(shown, shape) else [f"{at}: {shown!r}"]


@pytest.fixture(scope="module")
def team(sandbox: Sandbox) -> tuple[Principal, str, str]:
    """A Contributor of group `logs`, who did something there and tried something beside it; with a token."""
    group, beside = sandbox.group("logs"), sandbox.group("logs-beside")
    who = make_stranger(sandbox)
    assign(sandbox, group, who.object_id, CONTRIBUTOR)
    token = sandbox.token(client=(who.client_id, who.secret))
    store = f"{group}/providers/Microsoft.Storage/storageAccounts/logsstore"
    headers = {"x-ms-correlation-request-id": "11111111-2222-4333-8444-555555555555",
               "x-ms-client-request-id": "of-the-client"}  # fmt: skip
    assert sandbox.call("PUT", store, STORE, token, headers).status == 200
    assert sandbox.call("POST", f"{store}/listKeys", {}, token).status == 200
    assert sandbox.call("GET", store, token=token).status == 200
    assert sandbox.call("GET", beside, token=token).status == 403
    assert sandbox.call("PUT", beside, {"location": "westeurope"}, token, headers).status == 403
    assert sandbox.call("PUT", f"{group}/providers/Microsoft.Storage/storageAccounts/X", STORE, token).status == 400
    return who, token, group


def test_who_did_what_with_which_result_and_no_read(sandbox: Sandbox, team: tuple[Principal, str, str]) -> None:
    who, _, group = team
    events = values(sandbox, f"{ALWAYS} and caller eq '{who.object_id}'").body["value"]
    said = [(each["operationName"]["value"], each["status"]["value"], each["subStatus"]["value"]) for each in events]
    assert said == [
        ("Microsoft.Storage/storageAccounts/write", "Failed", "BadRequest"),
        ("Microsoft.Resources/subscriptions/resourceGroups/write", "Failed", "Forbidden"),
        ("Microsoft.Storage/storageAccounts/listKeys/action", "Succeeded", "OK"),
        ("Microsoft.Storage/storageAccounts/write", "Succeeded", "Created"),
    ]
    refused, done = events[1], events[3]
    why = json.loads(refused["properties"]["statusMessage"])["error"]
    assert why["code"] == "AuthorizationFailed"
    assert f"with object id '{who.object_id}' does not have authorization" in why["message"]
    assert refused["level"] == "Error"
    assert refused["caller"] == who.object_id
    assert refused["claims"]["appid"] == who.client_id
    assert done["correlationId"] == refused["correlationId"] == "11111111-2222-4333-8444-555555555555"
    assert done["httpRequest"] == {
        "clientRequestId": "of-the-client", "clientIpAddress": "127.0.0.1", "method": "PUT",
    }  # fmt: skip
    assert done["resourceId"] == f"{group}/providers/Microsoft.Storage/storageAccounts/logsstore"
    assert done["id"].startswith(f"{done['resourceId']}/events/{done['eventDataId']}/ticks/6")
    for each in events:
        assert wrong(each, SHAPE) == []


def test_it_is_read_at_the_scope_of_the_filter_by_who_may_read_there(
    sandbox: Sandbox, team: tuple[Principal, str, str]
) -> None:
    _, token, group = team
    store = f"{group}/providers/Microsoft.Storage/storageAccounts/logsstore"
    seen = values(sandbox, f"{ALWAYS} and resourceGroupName eq 'LOGS'", token)
    assert {each["resourceGroupName"] for each in seen.body["value"]} == {"logs"}
    assert len(values(sandbox, f"{ALWAYS} and resourceUri eq '{store}'", token).body["value"]) == 2
    nobody = make_stranger(sandbox)
    for who, filters in (
        (token, ALWAYS),
        (token, f"{ALWAYS} and resourceGroupName eq 'logs-beside'"),
        (token, f"{ALWAYS} and resourceGroupName eq '%'"),
        (token, f"{ALWAYS} and resourceUri eq '{group}-beside' and resourceGroupName eq 'logs'"),
        (token, f"{ALWAYS} and resourceUri eq '{SUBSCRIPTION}'"),
        (sandbox.token(client=(nobody.client_id, nobody.secret)), f"{ALWAYS} and resourceGroupName eq 'logs'"),
    ):
        refused = values(sandbox, filters, who)
        assert (refused.status, refused.code) == (403, "AuthorizationFailed"), filters
        assert (
            "perform action 'Microsoft.Insights/eventtypes/values/read' over scope" in refused.body["error"]["message"]
        )
    assert values(sandbox, ALWAYS, "").status == 401


@pytest.mark.parametrize(
    "filters", ["", "resourceGroupName eq 'x'", "eventTimestamp ge 'soon'", f"{ALWAYS} and color eq 'red'", "' or 1=1"]
)
def test_a_filter_has_a_beginning_and_known_names(sandbox: Sandbox, filters: str) -> None:
    refused = values(sandbox, filters)
    assert (refused.status, refused.code) == (400, "BadRequest"), refused


def test_filters_of_the_command_line_client_are_read() -> None:
    found = activity.read_filter(
        "eventTimestamp ge 2026-11-21T07:00:00.1234567Z and eventTimestamp le '2026-11-22T08:00:00+01:00' and "
        "eventChannels eq 'Admin, Operation' and status eq 'Failed' and resourceProvider eq 'It''s and eq x'"
    )
    assert (found.since, found.until) == ("2026-11-21T07:00:00.123456Z", "2026-11-22T07:00:00.000000Z")
    assert (found.state, found.provider) == ("Failed", "It's and eq x")
    with pytest.raises(ArmError):
        activity.read_filter("eventTimestamp le '2026-11-22'")


def test_many_lines_come_in_pages_and_with_what_is_selected(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    group = f"{SUBSCRIPTION}/resourceGroups/logs-paged"
    for _ in range(activity.PAGE + 5):
        sandbox.call("PUT", group, {"location": "nowhere" * 9, "tags": []})
    filters = f"{ALWAYS} and resourceGroupName eq 'logs-paged'"
    first = values(sandbox, filters, **{"$select": "eventDataId,status"}).body
    assert len(first["value"]) == activity.PAGE
    assert set(first["value"][0]) == {"eventDataId", "status"}
    second = sandbox.call("GET", first["nextLink"]).body
    assert len({each["eventDataId"] for each in [*first["value"], *second["value"]]}) == activity.PAGE + 5
    assert "nextLink" not in second


def test_slow_changes_have_a_line_when_they_are_accepted_and_one_when_they_end(sandbox: Sandbox) -> None:
    sandbox.admin("PUT", "/pace", {"pace": "seconds:0.1"})
    group = f"{SUBSCRIPTION}/resourceGroups/logs-slow"
    sandbox.call("PUT", group, {"location": "westeurope"})
    sandbox.admin("PUT", "/pace", {"pace": "now"})

    def lines() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = values(sandbox, f"{ALWAYS} and resourceUri eq '{group}'").body["value"]
        return found if len(found) > 1 else []

    ended, accepted = until(lines)
    assert (accepted["status"]["value"], ended["status"]["value"]) == ("Accepted", "Succeeded")
    assert accepted["correlationId"] == ended["correlationId"]
    assert accepted["caller"] == ended["caller"] != ""


def test_what_it_keeps_of_a_request_is_bounded(sandbox: Sandbox) -> None:
    mark = len(values(sandbox, ALWAYS, **{"$select": "id"}).body["value"])
    long = f"{SUBSCRIPTION}/resourceGroups/{'x' * 4000}"
    assert sandbox.call("PUT", long, {"location": "westeurope"}).status == 400
    assert len(values(sandbox, ALWAYS, **{"$select": "id"}).body["value"]) == mark
    group = f"{SUBSCRIPTION}/resourceGroups/logs-bounded"
    body = {"location": "westeurope", **{f"surprise{number}": 1 for number in range(1000)}}
    sandbox.call("PUT", group, body, headers={"x-ms-correlation-request-id": "y" * 9000})
    (line,) = values(sandbox, f"{ALWAYS} and resourceUri eq '{group}'").body["value"]
    assert len(json.dumps(line)) < 10_000


def test_the_command_shows_columns_and_finds_by_every_filter(
    sandbox: Sandbox,
    team: tuple[Principal, str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    who, token, group = team
    monkeypatch.setenv("SANDBOX_HOME", str(sandbox.home.root))

    def say(*words: str) -> tuple[int, str]:
        code = __main__.main(["log", *words])
        printed = capsys.readouterr()
        return code, printed.out + printed.err

    code, printed = say("--by", who.client_id, "--status", "failed", "--resource", "logs-beside")
    assert code == 0
    head, why = printed.splitlines()
    assert head.split()[2:] == ["stranger", "Failed", "subscriptions/resourceGroups/write", "logs-beside"]
    assert why.startswith(f"    AuthorizationFailed: The client '{who.client_id}' with object id '{who.object_id}'")
    assert [line.split()[3] for line in say("--by", who.object_id)[1].splitlines() if not line.startswith("    ")] == [
        "Succeeded", "Succeeded", "Failed", "Failed",
    ]  # fmt: skip
    assert "logsstore" in say("--resource", group)[1]
    assert "nothing since 2030-01-01T00:00:00Z" in say("--since", "2030-01-01")[1]
    whole = json.loads(say("--by", "stranger", "--json", "--since", "1h")[1])
    assert [each["status"]["value"] for each in whole["result"]][:2] == ["Succeeded", "Succeeded"]
    code, printed = say("--since", "yesterday", "--status", "faild")
    assert code == 2
    assert "--since is 'yesterday'; accepted: 30m, 12h, 7d, or a time such as" in printed
    assert "--status is 'faild'; did you mean 'Failed'?; accepted: Accepted, Succeeded, Failed" in printed
    sandbox.call("PUT", f"{group}/providers/Microsoft.Storage/storageAccounts/a%0A%1B%5B31mb", STORE, token)
    assert "\x1b" not in say("--by", who.object_id)[1]
    assert "a\ufffd\ufffd[31mb" in say("--by", who.object_id)[1]
