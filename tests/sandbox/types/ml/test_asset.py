import re

import pytest

from tests.sandbox.conftest import Sandbox
from tests.sandbox.world import World, until

STAMP = r"\d{4}-\d{2}-\d{2}-\d{2}-\d{2}-\d{2}-\d{7}"


@pytest.fixture(scope="module")
def world(sandbox: Sandbox) -> World:
    return World(sandbox)


def environment(world: World, name: str, version: str = "1", **more: object) -> str:
    properties = {"image": "mcr.microsoft.com/x", **more}
    return str(world.put(f"{world.ws}/environments/{name}/versions/{version}", {"properties": properties})["id"])


def container(world: World, path: str) -> tuple[str, str]:
    shown = world.sandbox.call("GET", f"{world.ws}/{path}").body["properties"]
    return shown["latestVersion"], shown["nextVersion"]


def names(world: World, path: str, query: str = "") -> list[str]:
    answer = world.sandbox.call("GET", f"{world.ws}/{path}?api-version=2025-12-01{query}")
    assert answer.status == 200, answer
    return [each["name"] for each in answer.body["value"]]


def test_the_first_version_makes_its_container_which_counts_the_next(world: World) -> None:
    assert world.refused(f"{world.ws}/environments/counted", {}, "GET").status == 404
    environment(world, "counted", "7")
    assert container(world, "environments/counted") == ("7", "8")
    environment(world, "counted", "9")
    environment(world, "counted", "8")
    assert container(world, "environments/counted") == ("8", "10"), "the latest is the one made last; 9 is taken"


def test_a_version_that_is_no_number_is_followed_by_a_moment(world: World) -> None:
    environment(world, "worded", "first")
    latest, following = container(world, "environments/worded")
    assert latest == "first"
    assert re.fullmatch(STAMP, following)
    assert container(world, "environments/worded")[1] == following, "the same until there is another version"


def test_a_component_is_followed_by_a_moment_even_after_1(world: World) -> None:
    world.put(f"{world.ws}/components/stamped/versions/1", {"properties": {"componentSpec": {"type": "command"}}})
    assert re.fullmatch(STAMP, container(world, "components/stamped")[1])


def test_content_does_not_change_and_what_describes_it_does(world: World) -> None:
    path = environment(world, "fixed", tags={"a": "1"})
    refused = world.refused(path, {"properties": {"image": "mcr.microsoft.com/y"}})
    assert (refused.status, refused.code) == (409, "UserError")
    assert "environments fixed:1 already exists and is immutable: image" in refused.body["error"]["message"]
    shown = world.put(path, {"properties": {"image": "mcr.microsoft.com/x", "tags": {"b": "2"}, "description": "d"}})
    assert (shown["properties"]["tags"], shown["properties"]["description"]) == ({"b": "2"}, "d")


def test_another_path_is_refused_with_both_named(world: World) -> None:
    path = world.model("moved", {"w": "1"})
    refused = world.refused(path, {"properties": {"modelType": "custom_model", "modelUri": "azureml://jobs/x"}})
    assert refused.status == 409
    assert "Asset paths cannot be updated. modelUri of models moved:1" in refused.body["error"]["message"]


def test_numbers_in_tags_become_text_as_the_service_keeps_them(world: World) -> None:
    path = environment(world, "numbered", properties={"count": 3, "on": True})
    assert world.sandbox.call("GET", path).body["properties"]["properties"] == {"count": "3", "on": "true"}


def test_tags_are_an_object(world: World) -> None:
    sent = {"properties": {"image": "i", "tags": ["a"]}}
    refused = world.refused(f"{world.ws}/environments/tagged/versions/1", sent)
    assert refused.status == 400
    assert 'tags of environments tagged:1 is ["a"]: want an object' in refused.body["error"]["message"]


def test_lists_show_what_is_not_archived_the_newest_first(world: World) -> None:
    for version in ("1", "2", "3"):
        environment(world, "listed", version)
    environment(world, "listed", "2", isArchived=True)
    assert names(world, "environments/listed/versions") == ["3", "1"]
    assert names(world, "environments/listed/versions", "&listViewType=ArchivedOnly") == ["2"]
    assert names(world, "environments/listed/versions", "&listViewType=All&$orderBy=createdtime%20asc") == list("123")
    assert names(world, "environments/listed/versions", "&$top=1&$orderBy=createdtime%20desc") == ["3"]
    assert container(world, "environments/listed")[0] == "3"


def test_an_archived_container_leaves_the_list(world: World) -> None:
    environment(world, "hidden")
    world.put(f"{world.ws}/environments/hidden", {"properties": {"isArchived": True}})
    assert "hidden" not in names(world, "environments")
    assert "hidden" in names(world, "environments", "&listViewType=All")


def test_an_asset_that_is_not_there_has_no_versions_and_a_workspace_that_is_not_there_is_an_error(world: World) -> None:
    assert names(world, "models/nowhere/versions") == []
    gone = world.refused(f"{world.ws}x/models/nowhere/versions", {}, "GET")
    assert (gone.status, gone.code) == (404, "ResourceNotFound")


@pytest.mark.parametrize("name", ["with space", "a@b", "-x", "x" * 256])
def test_names_that_azure_refuses_are_refused(world: World, name: str) -> None:
    path = f"{world.ws}/environments/{name.replace(' ', '%20')}/versions/1"
    refused = world.refused(path, {"properties": {"image": "i"}})
    assert (refused.status, refused.code) == (400, "InvalidResourceName")


def test_a_version_that_a_deployment_uses_stays_until_the_deployment_is_gone(world: World) -> None:
    model = world.model("served", {"w": "1"})
    other = world.model("served-too", {"w": "1"})
    endpoint = f"{world.ws}/onlineEndpoints/asset-user"
    body = {"location": "westeurope", "identity": {"type": "SystemAssigned"}, "properties": {"authMode": "Key"}}
    world.put(endpoint, body)
    blue = f"{endpoint}/deployments/blue"
    deployment = {"endpointComputeType": "Managed", "instanceType": "Standard_D2ds_v5", "model": model}
    sent = {"location": "westeurope", "sku": {"name": "Default", "capacity": 1}, "properties": deployment}
    assert world.sandbox.call("PUT", blue, sent).status == 201
    world.settle(blue, "Failed")  # it has no scoring script; it uses the model all the same
    refused = world.refused(model, {}, "DELETE")
    assert (refused.status, refused.code) == (409, "UserError")
    assert "models served:1 cannot be deleted: deployments 'blue' uses it" in refused.body["error"]["message"]
    assert world.refused(model.removesuffix("/versions/1"), {}, "DELETE").status == 409
    assert world.sandbox.call("DELETE", other).status == 200
    world.sandbox.call("DELETE", blue)
    until(lambda: world.sandbox.call("GET", blue).status == 404)
    assert world.sandbox.call("DELETE", model).status == 200


def test_a_version_that_a_running_job_uses_stays_until_the_job_is_over(world: World) -> None:
    used = environment(world, "busy")
    job = world.submit("long", "sleep 60", environmentId=used)
    assert world.refused(used, {}, "DELETE").status == 409
    world.sandbox.call("POST", f"{job}/cancel")
    assert world.ended(job) == "Canceled"
    assert world.sandbox.call("DELETE", used).status == 200
    assert world.sandbox.call("GET", used).status == 404


@pytest.mark.parametrize(
    "form", ["{id}", "azureml:{id}", "azureml:referred:1", "azureml:referred@latest", "referred:1"]
)
def test_every_way_to_refer_to_an_environment_finds_it(world: World, form: str) -> None:
    path = environment(world, "referred")
    job = world.sandbox.call(
        "PUT",
        f"{world.ws}/jobs/refers-{abs(hash(form))}",
        {"properties": {"jobType": "Command", "command": "true", "environmentId": form.format(id=path)}},
    )
    assert job.status == 201, job


def test_the_default_version_is_the_latest_under_a_label(world: World) -> None:
    for version in ("1", "2"):
        environment(world, "labelled", version)
    shown = world.sandbox.call("GET", f"{world.ws}/environments/labelled/versions/azureml_default").body
    assert shown["id"].endswith("/environments/labelled/labels/default")
    assert world.refused(f"{world.ws}/environments/none/versions/azureml_default", {}, "GET").status == 404
