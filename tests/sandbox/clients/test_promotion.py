"""Microsoft's MLClient: endpoints, and a model that goes from one workspace through a registry into another."""

from pathlib import Path

import pytest
from azure.ai.ml import MLClient
from azure.ai.ml.entities import (
    CodeConfiguration,
    Environment,
    ManagedOnlineDeployment,
    ManagedOnlineEndpoint,
    Model,
    Workspace,
)
from azure.identity import DefaultAzureCredential

from sandbox.constants import SUBSCRIPTION_ID
from tests.sandbox.planes.conftest import assign
from tests.sandbox.world import READER, SCORE, Endpoint, World

REGISTRY_USER = "1823dd4f-9b8c-4ab6-ab4e-7397a3684615"


def test_an_endpoint_that_is_read_and_written_back_keeps_its_traffic(ml: MLClient, world: World) -> None:
    ml.online_endpoints.begin_create_or_update(ManagedOnlineEndpoint(name="client-traffic", auth_mode="key")).result()
    path = f"{world.ws}/onlineEndpoints/client-traffic"
    world.may(world.sandbox.call("GET", path).body["identity"]["principalId"], READER)
    served = Endpoint(world, path)
    served.deploy("blue")
    endpoint = ml.online_endpoints.get("client-traffic")
    endpoint.traffic = {"blue": 100}
    assert ml.online_endpoints.begin_create_or_update(endpoint).result().traffic == {"blue": 100}
    endpoint = ml.online_endpoints.get("client-traffic")
    endpoint.tags = {"a": "b"}
    assert ml.online_endpoints.begin_create_or_update(endpoint).result().traffic == {"blue": 100}
    ml.online_endpoints.begin_create_or_update(ManagedOnlineEndpoint(name="client-traffic", auth_mode="key")).result()
    assert ml.online_endpoints.get("client-traffic").traffic == {"blue": 0}, "the client shows what is left out as 0"
    ml.online_endpoints.begin_delete("client-traffic").result()
    assert not list(world.sandbox.home.work.glob("deployments/blue-*"))


def test_a_model_is_promoted_through_a_registry(ml: MLClient, registry: MLClient, folder: Path, tmp_path: Path) -> None:
    (folder / "weights.txt").write_text("w9")
    given = Model(name="champion", version="4", path=str(folder), tags={"auc": "0.9"}, properties={"job": "j"})
    ml.models.create_or_update(given)
    shared = ml.models.share(
        "champion", "4", registry_name="shared", share_with_name="flights", share_with_version="4"
    )  # fmt: skip
    assert shared.id == "azureml://registries/shared/models/flights/versions/4"
    assert (shared.tags, shared.properties) == ({"auc": "0.9"}, {"job": "j"})
    found = registry.models.get("flights", version="4")
    assert ".blob.core.windows.net/" in found.path
    assert "worldstore" not in found.path
    assert [each.version for each in registry.models.list("flights")] == ["4"]
    registry.models.download("flights", version="4", download_path=str(tmp_path / "down"))
    assert (tmp_path / "down" / "flights" / "given" / "weights.txt").read_text() == "w9"
    with pytest.raises(Exception, match="already exists in registry"):
        ml.models.share("champion", "4", registry_name="shared", share_with_name="flights", share_with_version="4")
    ml.environments.create_or_update(Environment(name="own", version="1", image="i"))
    environment = ml.environments.share(
        "own", "1", registry_name="shared", share_with_name="own", share_with_version="2"
    )  # fmt: skip
    assert environment.id == "azureml://registries/shared/environments/own/versions/2"


def test_another_workspace_serves_a_promoted_model(
    ml: MLClient, registry: MLClient, world: World, folder: Path, credential: DefaultAzureCredential
) -> None:
    (folder / "weights.txt").write_text("w9")
    ml.models.create_or_update(Model(name="served", version="1", path=str(folder)))
    ml.models.share("served", "1", registry_name="shared", share_with_name="served", share_with_version="1")
    first = ml.workspaces.get("world")
    wanted = Workspace(
        name="production", location="westeurope", storage_account=first.storage_account, key_vault=first.key_vault
    )
    ml.workspaces.begin_create(wanted).result()
    production = MLClient(credential, SUBSCRIPTION_ID, "world", "production")
    production.online_endpoints.begin_create_or_update(ManagedOnlineEndpoint(name="promoted", auth_mode="key")).result()
    endpoint = Endpoint(world, f"{world.ws.rpartition('/')[0]}/production/onlineEndpoints/promoted")
    principal = world.sandbox.call("GET", endpoint.path).body["identity"]["principalId"]
    world.may(principal, READER)
    there = world.sandbox.call("GET", f"{world.ws.rpartition('/workspaces/')[0]}/registries/shared").body["id"]
    assign(world.sandbox, there, principal, REGISTRY_USER)
    (folder / "score.py").write_text(SCORE.replace('"model", ', '"given", '))
    conda = {"dependencies": ["python=3.11", {"pip": ["azureml-inference-server-http==1.5.1"]}]}
    registry.environments.create_or_update(Environment(name="serve", version="1", image="i", conda_file=conda))
    production.online_deployments.begin_create_or_update(
        ManagedOnlineDeployment(
            name="blue", endpoint_name="promoted", instance_type="Standard_D2as_v4", instance_count=1,
            model="azureml://registries/shared/models/served/versions/1",
            environment="azureml://registries/shared/environments/serve/versions/1",
            code_configuration=CodeConfiguration(code=str(folder), scoring_script="score.py"),
            environment_variables={"VARIANT": "b"},
        )
    ).result()  # fmt: skip
    shown = production.online_deployments.get("blue", "promoted")
    assert shown.model == "azureml://registries/shared/models/served/versions/1"
    assert endpoint.score({}, azureml_model_deployment="blue").body["weights"] == "w9"
    assert "azmlinfsrv" in production.online_deployments.get_logs("blue", "promoted", lines=1000)
