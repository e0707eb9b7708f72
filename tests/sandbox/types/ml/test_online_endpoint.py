import pytest

from tests.sandbox.conftest import Sandbox
from tests.sandbox.world import Endpoint, World

runs = pytest.mark.runs("Microsoft.MachineLearningServices/workspaces/onlineEndpoints")


@pytest.fixture(scope="module")
def world(sandbox: Sandbox) -> World:
    return World(sandbox)


@pytest.fixture(scope="module")
def endpoint(world: World) -> Endpoint:
    """An endpoint with two deployments."""
    endpoint = world.endpoint("rules")
    for name in ("blue", "green"):
        endpoint.deploy(name, name)
    return endpoint


def test_it_says_where_it_is_reached(endpoint: Endpoint) -> None:
    shown = endpoint.world.sandbox.call("GET", endpoint.path).body["properties"]
    base = "https://rules.westeurope.inference.ml.azure.com"
    assert (shown["scoringUri"], shown["swaggerUri"]) == (f"{base}/score", f"{base}/swagger.json")
    assert "keyVersions" not in shown


@pytest.mark.parametrize(
    ("properties", "says"),
    [
        ({"traffic": {"blue": 50}}, "traffic adds up to 50: want 0 or 100"),
        ({"traffic": {"blue": 100, "green": 10}}, "traffic adds up to 110"),
        ({"traffic": {"red": 100}}, "traffic names deployment 'red'; there is: blue, green"),
        ({"traffic": {"blue": 101}}, "traffic of 'blue' is 101"),
        ({"traffic": {"blue": -1}}, "traffic of 'blue' is -1"),
        ({"traffic": {"blue": True}}, "properties.traffic.blue: true is true or false; want a whole number"),
        ({"mirrorTraffic": {"blue": 1.5}}, "properties.mirrorTraffic.blue: 1.5 is "),
        ({"mirrorTraffic": {"green": 60}}, "want one deployment with at most 50"),
        ({"mirrorTraffic": {"blue": 10, "green": 10}}, "want one deployment with at most 50"),
        ({"traffic": {"blue": 100}, "mirrorTraffic": {"blue": 10}}, "'blue' takes traffic and cannot take mirrored"),
    ],
)
def test_shares_that_azure_refuses_are_refused(endpoint: Endpoint, properties: dict[str, object], says: str) -> None:
    answer = endpoint.world.refused(endpoint.path, {"properties": properties}, "PATCH")
    assert answer.status == 400
    assert says in answer.body["error"]["message"], answer


BODY = {"location": "westeurope", "identity": {"type": "SystemAssigned"}, "properties": {"authMode": "Key"}}


def shares(endpoint: Endpoint) -> tuple[object, object]:
    shown = endpoint.world.sandbox.call("GET", endpoint.path).body["properties"]
    return shown["traffic"], shown["mirrorTraffic"]


def test_a_put_without_traffic_ends_all_of_it(endpoint: Endpoint) -> None:
    assert endpoint.traffic(blue=90, green=10).status == 200
    endpoint.world.put(endpoint.path, BODY)
    assert shares(endpoint) == ({}, {})


def test_a_put_without_traffic_leaves_it_where_the_sandbox_is_told_to_keep_it(endpoint: Endpoint) -> None:
    world, sent = endpoint.world, {"traffic": {"blue": 100}, "mirrorTraffic": {"green": 10}}
    world.put(endpoint.path, {**BODY, "properties": {"authMode": "Key", **sent}})
    world.sandbox.admin("PUT", "/unsent-traffic", {"unsent-traffic": "kept"})
    try:
        world.put(endpoint.path, BODY)
        assert shares(endpoint) == ({"blue": 100}, {"green": 10})
        world.put(endpoint.path, {**BODY, "properties": {"authMode": "Key", "traffic": {}}})
        assert shares(endpoint) == ({}, {"green": 10})
    finally:
        world.sandbox.admin("PUT", "/unsent-traffic", {"unsent-traffic": "cleared"})
    world.put(endpoint.path, BODY)
    assert shares(endpoint) == ({}, {})


def test_a_patch_leaves_what_it_does_not_send(endpoint: Endpoint) -> None:
    sent = {"traffic": {"blue": 100}, "mirrorTraffic": {"green": 10}}
    endpoint.world.put(endpoint.path, {**BODY, "properties": {"authMode": "Key", **sent}})
    answer = endpoint.world.sandbox.call("PATCH", endpoint.path, {"tags": {"a": "b"}})
    assert answer.status == 200
    assert shares(endpoint) == ({"blue": 100}, {"green": 10})


def test_a_new_endpoint_has_no_deployment_to_send_traffic_to(world: World) -> None:
    body = {"location": "westeurope", "properties": {"authMode": "Key", "traffic": {"blue": 100}}}
    answer = world.refused(f"{world.ws}/onlineEndpoints/early", body)
    assert "traffic names deployment 'blue'; there is: none" in answer.body["error"]["message"]


@pytest.mark.parametrize("name", ["ab", "1abc", "a_b", "abc-", "a" * 33])
def test_names_that_azure_refuses_are_refused(world: World, name: str) -> None:
    body = {"location": "westeurope", "properties": {"authMode": "Key"}}
    assert world.refused(f"{world.ws}/onlineEndpoints/{name}", body).code == "InvalidResourceName"


def test_a_name_is_taken_once_in_a_region(world: World, endpoint: Endpoint) -> None:
    shown = world.sandbox.call("GET", world.ws).body["properties"]
    place = {name: shown[name] for name in ("storageAccount", "keyVault")}
    other = f"{world.ws.rpartition('/')[0]}/other"
    world.put(other, {"location": "westeurope", "identity": {"type": "SystemAssigned"}, "properties": place})
    body = {"location": "westeurope", "properties": {"authMode": "Key"}}
    answer = world.refused(f"{other}/onlineEndpoints/Rules", body)
    assert answer.status == 409
    assert "taken" in answer.body["error"]["message"]


def test_unknown_ways_to_sign_in_are_refused_and_none_can_change(world: World, endpoint: Endpoint) -> None:
    path = f"{world.ws}/onlineEndpoints/modes"
    answer = world.refused(path, {"location": "westeurope", "properties": {"authMode": "Password"}})
    assert "Password" in answer.body["error"]["message"]
    answer = world.refused(endpoint.path, {"location": "westeurope", "properties": {"authMode": "AADToken"}})
    assert answer.status == 409


def test_an_endpoint_without_keys_lists_none(world: World) -> None:
    path = world.endpoint("keyless", mode="AADToken").path
    answer = world.sandbox.call("POST", f"{path}/listKeys")
    assert answer.status == 400
    assert "it has no keys: its authMode is AADToken" in answer.body["error"]["message"]


def test_a_put_leaves_regenerated_keys(endpoint: Endpoint) -> None:
    assert endpoint.world.sandbox.call("POST", f"{endpoint.path}/regenerateKeys", {"keyType": "Primary"}).status < 300
    made = endpoint.key("primaryKey")
    endpoint.world.put(endpoint.path, BODY)
    assert endpoint.key("primaryKey") == made


@runs
def test_a_regenerated_key_replaces_one_and_leaves_the_other(endpoint: Endpoint) -> None:
    endpoint.traffic(blue=100)
    world, first, second = endpoint.world, endpoint.key("primaryKey"), endpoint.key("secondaryKey")
    assert first != second
    assert endpoint.score({}, first).status == 200
    assert world.sandbox.call("POST", f"{endpoint.path}/regenerateKeys", {"keyType": "Primary"}).status in (200, 202)
    assert endpoint.key("primaryKey") not in (first, second)
    assert [endpoint.score({}, key).status for key in (first, second, endpoint.key("primaryKey"))] == [401, 200, 200]
    answer = world.sandbox.call("POST", f"{endpoint.path}/regenerateKeys", {"keyType": "Third"})
    assert "keyType is 'Third'" in answer.body["error"]["message"]


def test_no_key_is_in_the_state(endpoint: Endpoint) -> None:
    given = {**BODY["properties"], "keys": {"primaryKey": "a-key-of-my-own", "secondaryKey": "x"}}  # type: ignore[dict-item]
    endpoint.world.put(endpoint.path, {**BODY, "properties": given})
    state = endpoint.world.sandbox.home.database
    content = b"".join(path.read_bytes() for path in state.parent.glob("state.db*"))
    assert endpoint.key("primaryKey").encode() not in content
    assert b"a-key-of-my-own" not in content
