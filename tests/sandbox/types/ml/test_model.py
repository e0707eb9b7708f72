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
