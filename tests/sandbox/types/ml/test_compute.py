import uuid
from typing import Any

import pytest

from tests.sandbox.conftest import Sandbox
from tests.sandbox.world import World, until


@pytest.fixture(scope="module")
def world(sandbox: Sandbox) -> World:
    return World(sandbox)


def body(kind: str = "AmlCompute", size: str = "Standard_D4ds_v5", **more: Any) -> dict[str, Any]:
    scale = {"scaleSettings": {"minNodeCount": 0, "maxNodeCount": 2}} if kind == "AmlCompute" else {}
    return {"properties": {"computeType": kind, "properties": {"vmSize": size, **scale, **more}}}


def test_a_cluster_shows_its_defaults_and_nodes(world: World) -> None:
    scale = {"minNodeCount": 1, "maxNodeCount": 3}
    shown = world.put(f"{world.ws}/computes/shown", body(scaleSettings=scale))
    inner = shown["properties"]["properties"]
    assert (shown["location"], inner["vmPriority"], inner["osType"]) == ("westeurope", "Dedicated", "Linux")
    assert inner["scaleSettings"] == {**scale, "nodeIdleTimeBeforeScaleDown": "PT120S"}
    assert (inner["allocationState"], inner["currentNodeCount"], inner["nodeStateCounts"]["idleNodeCount"]) == (
        "Steady",
        1,
        1,
    )
    assert shown["properties"]["isAttachedCompute"] is False
    assert world.sandbox.call("POST", f"{world.ws}/computes/shown/listNodes").body == {"nodes": []}


def test_a_password_is_neither_shown_nor_kept_open(world: World) -> None:
    account = {"adminUserName": "ada", "adminUserPassword": f"canary-{uuid.uuid4()}"}
    shown = world.put(f"{world.ws}/computes/entered", body(userAccountCredentials=account))
    assert shown["properties"]["properties"]["userAccountCredentials"] == {"adminUserName": "ada"}
    files = [each for each in world.sandbox.home.root.rglob("*") if each.is_file()]
    assert any(each.name == "state.db" for each in files)
    assert [each.name for each in files if account["adminUserPassword"].encode() in each.read_bytes()] == []


@pytest.mark.parametrize(
    ("size", "code", "says"),
    [
        ("Standard_NC6", "VmSizeRetired", "retired on 2023-08-31: take one such as Standard_NC4as_T4_v3"),
        ("Standard_NV4as_v4", "VmSizeRetired", "retired on 2026-09-30"),
        ("Standard_D5ds_v5", "InvalidVmSize", "not supported; near it: Standard_D"),
        ("Enormous", "InvalidVmSize", "'Enormous'"),
    ],
)
def test_sizes_that_cannot_be_had_are_refused(world: World, size: str, code: str, says: str) -> None:
    refused = world.refused(f"{world.ws}/computes/sized", body(size=size))
    assert (refused.status, refused.code) == (400, code)
    assert says in refused.body["error"]["message"]


@pytest.mark.parametrize("size", ["Standard_DS3_v2", "standard_d4s_v3", "STANDARD_E8DS_V5", "Standard_NC24ads_A100_v4"])
def test_known_sizes_are_taken_in_any_case_restricted_ones_too(world: World, size: str) -> None:
    world.put(f"{world.ws}/computes/sized", body(size=size))
    assert world.sandbox.call("DELETE", f"{world.ws}/computes/sized").status == 200


@pytest.mark.parametrize(
    ("scale", "says"),
    [
        ({"minNodeCount": 3, "maxNodeCount": 2}, "minNodeCount 3 and maxNodeCount 2"),
        ({"minNodeCount": 0, "maxNodeCount": 0}, "max > 0"),
        ({"maxNodeCount": 2, "nodeIdleTimeBeforeScaleDown": "5m"}, "is '5m': want an ISO 8601 duration"),
    ],
)
def test_scale_settings_that_azure_refuses_are_refused(world: World, scale: dict[str, Any], says: str) -> None:
    refused = world.refused(f"{world.ws}/computes/scaled", body(scaleSettings=scale))
    assert refused.status == 400
    assert says in refused.body["error"]["message"]


def test_scale_changes_in_place_and_the_size_does_not(world: World) -> None:
    path = f"{world.ws}/computes/changing"
    world.put(path, body())
    scale = {"properties": {"properties": {"scaleSettings": {"minNodeCount": 1, "maxNodeCount": 9}}}}
    patched = world.sandbox.call("PATCH", path, scale)
    assert patched.status == 200, patched
    assert patched.body["properties"]["properties"]["currentNodeCount"] == 1
    refused = world.refused(path, body(size="Standard_D8ds_v5"))
    assert (refused.status, refused.code) == (409, "PropertyChangeNotAllowed")


@pytest.mark.parametrize(
    ("name", "kind", "says"),
    [
        ("a", "AmlCompute", "2-32 letters"),
        ("x" * 33, "AmlCompute", "2-32 letters"),
        ("1a", "AmlCompute", "starting with a letter"),
        ("x" * 25, "ComputeInstance", "takes 3 to 24"),
    ],
)
def test_names_that_azure_refuses_are_refused(world: World, name: str, kind: str, says: str) -> None:
    refused = world.refused(f"{world.ws}/computes/{name}", body(kind))
    assert refused.status == 400
    assert says in refused.body["error"]["message"]


def test_an_unknown_type_is_refused(world: World) -> None:
    assert world.refused(f"{world.ws}/computes/odd", {"properties": {"computeType": "Quantum"}}).status == 400


def test_an_instance_stops_and_starts_and_a_cluster_does_not(world: World) -> None:
    path = f"{world.ws}/computes/instance"
    shown = world.put(path, body("ComputeInstance", enableSSO=True))
    assert shown["properties"]["properties"]["state"] == "Running"

    def act(name: str, of: str = path) -> dict[str, Any]:
        answer = world.sandbox.call("POST", f"{of}/{name}")
        assert answer.status == 202, answer
        where = answer.headers["azure-asyncoperation"]
        ended: dict[str, Any] = until(
            lambda: (a := world.sandbox.call("GET", where).body)["status"] != "InProgress" and a
        )
        return ended

    for name, state in (("stop", "Stopped"), ("start", "Running"), ("stop", "Stopped"), ("restart", "Running")):
        assert act(name)["status"] == "Succeeded"
        assert world.sandbox.call("GET", path).body["properties"]["properties"]["state"] == state
    failed = act("stop", world.cluster)
    assert (failed["status"], failed["error"]["code"]) == ("Failed", "ValidationError")
    assert "only a ComputeInstance" in failed["error"]["message"]
    assert world.sandbox.call("GET", world.cluster).body["properties"]["provisioningState"] == "Succeeded"
