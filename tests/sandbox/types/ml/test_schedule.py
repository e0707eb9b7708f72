from typing import Any

import pytest

from tests.sandbox.conftest import Sandbox
from tests.sandbox.world import World


@pytest.fixture(scope="module")
def world(sandbox: Sandbox) -> World:
    found = World(sandbox)
    found.environment("plain")
    return found


def body(world: World, trigger: dict[str, Any], **more: Any) -> dict[str, Any]:
    job = {"jobType": "Command", "command": "true", "environmentId": f"{world.ws}/environments/plain/versions/1"}
    return {"properties": {"trigger": trigger, "action": {"actionType": "CreateJob", "jobDefinition": job}, **more}}


def cron(expression: str, **more: str) -> dict[str, str]:
    return {"triggerType": "Cron", "expression": expression, **more}


@pytest.mark.parametrize("expression", ["0 3 * * *", "*/15 0-6 1,15 JAN-MAR MON", "59 23 31 12 0"])
def test_expressions_that_azure_takes_are_taken(world: World, expression: str) -> None:
    shown = world.put(f"{world.ws}/schedules/taken", body(world, cron(expression)))["properties"]
    assert (shown["trigger"]["timeZone"], shown["isEnabled"]) == ("UTC", True)


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        ("0 3 * *", "has 4 fields"),
        ("60 3 * * *", "'60' of expression '60 3 * * *' is no minute: want 0 to 59"),
        ("0 6-3 * * *", "'6-3' of expression"),
        ("0 3 * * FUN", "is no day of the week"),
        ("0 3 */0 * *", "is no day of the month"),
    ],
)
def test_expressions_that_never_fire_are_refused(world: World, expression: str, says: str) -> None:
    refused = world.refused(f"{world.ws}/schedules/refused", body(world, cron(expression)))
    assert refused.status == 400
    assert says in refused.body["error"]["message"]


@pytest.mark.parametrize(
    ("trigger", "says"),
    [
        ({"triggerType": "Recurrence", "frequency": "Day", "interval": 0}, "recurs every 0 Day"),
        ({"triggerType": "Recurrence", "frequency": "Fortnight", "interval": 1}, "Fortnight"),
        (cron("0 3 * * *", startTime="2027-01-02T00:00:00", endTime="2027-01-01T00:00:00Z"), "is not after startTime"),
        (cron("0 3 * * *", startTime="soon"), "startTime is 'soon'"),
    ],
)
def test_triggers_that_cannot_be_are_refused(world: World, trigger: dict[str, Any], says: str) -> None:
    refused = world.refused(f"{world.ws}/schedules/refused", body(world, trigger))
    assert refused.status == 400
    assert says in refused.body["error"]["message"]


def test_the_component_that_it_starts_must_exist(world: World) -> None:
    wanted = body(world, cron("0 3 * * *"))
    wanted["properties"]["action"]["jobDefinition"] = {
        "jobType": "Pipeline",
        "componentId": f"{world.ws}/components/absent/versions/1",
    }
    refused = world.refused(f"{world.ws}/schedules/refused", wanted)
    assert "components/absent/versions/1' does not exist" in refused.body["error"]["message"]


def test_only_enabled_ones_are_listed_unless_asked_otherwise(world: World) -> None:
    world.put(f"{world.ws}/schedules/on", body(world, cron("0 3 * * *")))
    world.put(f"{world.ws}/schedules/off", body(world, cron("0 3 * * *"), isEnabled=False))

    def names(query: str) -> set[str]:
        found = world.sandbox.call("GET", f"{world.ws}/schedules?api-version=2025-12-01{query}").body["value"]
        return {each["name"] for each in found} & {"on", "off"}

    assert names("") == {"on"}
    assert names("&listViewType=DisabledOnly") == {"off"}
    assert names("&listViewType=All") == {"on", "off"}
