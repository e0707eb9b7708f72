import pytest

from tests.sandbox.conftest import Sandbox
from tests.sandbox.world import World

runs = pytest.mark.runs("Microsoft.MachineLearningServices/workspaces/jobs")


@pytest.fixture(scope="module")
def world(sandbox: Sandbox) -> World:
    return World(sandbox)


@runs
def test_a_model_of_a_job_s_output_says_where_its_files_are(world: World) -> None:
    """Microsoft's client downloads a model from a datastore's address and from nowhere else."""
    job = world.submit("makes", "echo made > ${{outputs.o}}/f", outputs={"o": {"jobOutputType": "uri_folder"}})
    assert world.ended(job) == "Completed", world.error(job)
    path = f"{world.ws}/models/m/versions/1"
    body = {"properties": {"modelType": "custom_model", "modelUri": "azureml://jobs/makes/outputs/o"}}
    uri = world.put(path, body)["properties"]["modelUri"]
    assert uri.startswith("azureml://subscriptions/")
    assert uri.endswith(
        f"/workspaces/{world.ws.rpartition('/')[2]}/datastores/workspaceblobstore/paths/azureml/makes/o/"
    )
    assert world.put(path, body)["properties"]["modelUri"] == uri, "the same again is the same"


def test_a_model_shows_what_azure_always_shows_and_is_of_a_known_type(world: World) -> None:
    path = f"{world.ws}/models/typed/versions/1"
    uri = "azureml://datastores/workspaceblobstore/paths/m"
    shown = world.put(path, {"properties": {"modelType": "mlflow_model", "modelUri": uri}})["properties"]
    assert (shown["isAnonymous"], shown["isArchived"]) == (False, False)
    assert (shown["tags"], shown["properties"], shown["flavors"]) == ({}, {}, {})
    refused = world.refused(f"{path}1", {"properties": {"modelType": "pickle", "modelUri": uri}})
    assert (refused.status, refused.code) == (400, "UserError")
    assert "'pickle': want one of custom_model, mlflow_model, " in refused.body["error"]["message"]
