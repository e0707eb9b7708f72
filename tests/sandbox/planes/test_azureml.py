import pytest

from sandbox.planes import azureml
from sandbox.planes.azureml import AzureML, Service
from tests.sandbox.conftest import Sandbox
from tests.sandbox.world import World

HOST = "https://westeurope.api.azureml.ms"


@pytest.fixture(scope="module")
def world(sandbox: Sandbox) -> World:
    return World(sandbox)


def test_an_unknown_service_is_refused_with_those_there_are(sandbox: Sandbox) -> None:
    answer = sandbox.call("GET", f"{HOST}/studio/v1.0/x")
    assert (answer.status, answer.code) == (404, "NotFound")
    assert "has no service '/studio'; the sandbox has: /artifact, " in answer.body["error"]["message"]


def test_a_services_path_names_a_workspace_that_is_there_and_open_to_the_caller(world: World) -> None:
    def status(path: str, token: str | None = None) -> int:
        return world.sandbox.call("GET", f"{HOST}/history/v1.0{path}", token=token).status

    assert status("/runs/x") == 404
    assert status(f"{world.ws}x/runs/x") == 404
    assert status(f"{world.ws}/runs/x", token="") == 401
    assert status(f"{world.ws}/runs/x", token=world.sandbox.token("https://vault.azure.net")) == 401
    assert status(f"{world.ws}/runs/x", token=world.sandbox.token("https://ml.azure.com")) == 404


def test_two_services_of_one_prefix_stop_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    class One(Service):
        prefixes = ("/same",)

    class Two(Service):
        prefixes = ("/other", "/same")

    monkeypatch.setattr(azureml, "_find", lambda: [One, Two])
    with pytest.raises(RuntimeError, match="/same is claimed by One and Two"):
        AzureML(None, None, None)  # type: ignore[arg-type]
