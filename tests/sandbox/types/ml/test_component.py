from typing import Any

import pytest

from tests.sandbox.conftest import Sandbox
from tests.sandbox.world import World


@pytest.fixture(scope="module")
def world(sandbox: Sandbox) -> World:
    found = World(sandbox)
    found.environment("train", "numpy==2.0.0")
    return found


def put(world: World, name: str, /, version: str = "1", **specification: Any) -> dict[str, Any]:
    body = {"properties": {"componentSpec": {"type": "command", "command": "true", **specification}}}
    return world.put(f"{world.ws}/components/{name}/versions/{version}", body)["properties"]["componentSpec"]  # type: ignore[no-any-return]


def test_the_service_fills_in_what_a_specification_leaves_out(world: World) -> None:
    shown = put(world, "filled", inputs={"a": {"type": "number"}, "b": {"type": "string", "optional": True}})
    assert (shown["name"], shown["version"], shown["is_deterministic"]) == ("filled", "1", True)
    assert [port["optional"] for port in shown["inputs"].values()] == [False, True]
    assert put(world, "piped", type="pipeline", jobs={})["is_deterministic"] is False


def test_short_references_become_ids(world: World) -> None:
    code = world.code("src", {"a.py": ""})
    shown = put(world, "expanded", environment="azureml:train@latest", code=f"azureml:{code}")
    assert shown["environment"] == f"azureml:{world.ws}/environments/train/versions/1"
    assert shown["code"] == f"azureml:{code}"


def test_an_anonymous_environment_of_the_same_content_is_the_named_one(world: World) -> None:
    named = world.sandbox.call("GET", f"{world.ws}/environments/train/versions/1").body["properties"]
    content = {"image": named["image"], "condaFile": named["condaFile"], "isAnonymous": True}
    path = f"{world.ws}/environments/CliV2AnonymousEnvironment/versions/abc"
    world.put(path, {"properties": content})
    shown = put(world, "named", environment=f"azureml:{path}")
    assert shown["environment"] == f"azureml:{world.ws}/environments/train/versions/1"


def test_a_default_that_names_a_compute_loses_its_prefix_and_other_text_does_not(world: World) -> None:
    inputs = {
        "node": {"type": "string", "default": "azureml:cpu"},
        "other": {"type": "string", "default": "azureml:nothing"},
    }
    shown = put(world, "computed", inputs=inputs)["inputs"]
    assert (shown["node"]["default"], shown["other"]["default"]) == ("cpu", "azureml:nothing")


def test_counts_of_a_distribution_are_text(world: World) -> None:
    shown = put(world, "spread", distribution={"type": "pytorch", "process_count_per_instance": 4})
    assert shown["distribution"] == {"type": "pytorch", "process_count_per_instance": "4"}


@pytest.mark.parametrize(
    ("specification", "missing"),
    [
        ({"environment": "azureml:absent:1"}, "azureml:absent:1"),
        ({"code": "azureml:absent:1"}, "azureml:absent:1"),
        ({"type": "pipeline", "jobs": {"a": {"componentId": "azureml:absent:2"}}}, "azureml:absent:2"),
        ({"type": "parallel", "task": {"environment": "azureml:absent:3"}}, "azureml:absent:3"),
    ],
)
def test_what_it_names_must_exist(world: World, specification: dict[str, Any], missing: str) -> None:
    body = {"properties": {"componentSpec": {"type": "command", **specification}}}
    refused = world.refused(f"{world.ws}/components/broken/versions/1", body)
    assert refused.status == 400
    assert f"'{missing}' does not exist among the" in refused.body["error"]["message"]


@pytest.mark.parametrize("specification", [None, "text", ["list"]])
def test_its_specification_is_an_object(world: World, specification: object) -> None:
    body = {"properties": {"componentSpec": specification}}
    refused = world.refused(f"{world.ws}/components/shapeless/versions/1", body)
    assert refused.status == 400
    assert "componentSpec of components shapeless:1 is" in refused.body["error"]["message"]


def test_its_description_changes_and_its_command_does_not(world: World) -> None:
    put(world, "kept")
    assert put(world, "kept", description="new", display_name="New", tags={"a": "b"})["display_name"] == "New"
    body = {"properties": {"componentSpec": {"type": "command", "command": "false"}}}
    refused = world.refused(f"{world.ws}/components/kept/versions/1", body)
    assert refused.status == 409
    assert "componentSpec.command" in refused.body["error"]["message"]


def test_an_anonymous_component_keeps_the_name_that_it_was_sent_with(world: World) -> None:
    path = f"{world.ws}/components/azureml_anonymous/versions/h1"
    for name in ("one", "two"):
        specification = {"type": "command", "command": "true", "name": name, "version": "9"}
        shown = world.put(path, {"properties": {"isAnonymous": True, "componentSpec": specification}})
        assert shown["properties"]["componentSpec"]["name"] == name
