"""MLflow models without scoring code: served by what their own conda file asks for, or refused with the reason."""

import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from azure.ai.ml import MLClient
from azure.ai.ml.entities import ManagedOnlineDeployment
from azure.identity import DefaultAzureCredential

from sandbox.constants import SUBSCRIPTION_ID
from sandbox.work.runtimes import Runtimes
from tests.sandbox.conftest import Sandbox
from tests.sandbox.world import Endpoint, World

runs = pytest.mark.runs("Microsoft.MachineLearningServices/workspaces/onlineEndpoints/deployments")
SERVER = "azureml-inference-server-http"
FLAVOR = """
flavors:
  python_function:
    loader_module: halves
    code: code
    data: weights.txt
    env: {conda: conda.yaml}
    python_version: 3.11.7
"""
COLUMNS = json.dumps([{"name": "a", "type": "double"}, {"name": "b", "type": "double"}])
TENSOR = json.dumps([{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1, 2]}}])
LOADER = """
class Halves:
    def __init__(self, weight):
        self.weight = weight

    def predict(self, asked):
        values = asked if not hasattr(asked, "to_numpy") else asked[["a", "b"]].to_numpy()
        return values.sum(axis=1) * self.weight


def _load_pyfunc(path):
    with open(path) as file:
        return Halves(float(file.read()))
"""


@pytest.fixture
def world(fresh_sandbox: Sandbox) -> World:
    """A workspace beside whose sandbox lies a runtime with the inference server, MLflow and pandas."""
    _runtime(fresh_sandbox.home.root.parent / ".venv-mlflow")
    fresh_sandbox.restart()
    return World(fresh_sandbox)


def _runtime(folder: Path) -> None:
    """A virtual environment of what this one has, and of what serves here."""
    server = next(each for each in Runtimes(folder).all if SERVER in each.distributions)
    sites = [next(Path(prefix).glob("lib/python3*/site-packages")) for prefix in (sys.prefix, server.folder)]
    own = folder / "lib" / sites[0].parent.name / "site-packages"
    own.mkdir(parents=True)
    (folder / "bin").mkdir()
    (folder / "bin" / "python").symlink_to(Path(sys.executable).resolve())
    (folder / "pyvenv.cfg").write_text((Path(sys.prefix) / "pyvenv.cfg").read_text())
    (own / "all.pth").write_text("".join(f"{site}\n" for site in sites))
    for name in (f"mlflow_skinny-{version('mlflow-skinny')}", f"pandas-{version('pandas')}"):
        (own / f"{name}.dist-info").symlink_to(sites[0] / f"{name}.dist-info")
    found = next(sites[1].glob("azureml_inference_server_http-*.dist-info"))
    (own / found.name).symlink_to(found)
    script = (server.folder / "bin" / "azmlinfsrv").read_text().splitlines()
    (folder / "bin" / "azmlinfsrv").write_text("\n".join([f"#!{folder}/bin/python", *script[1:]]))
    (folder / "bin" / "azmlinfsrv").chmod(0o755)


def logged(world: World, name: str, inputs: str = COLUMNS, *pins: str, flavor: str = FLAVOR) -> str:
    """An MLflow model as logged by hand; returns its id."""
    wanted = pins or (f"mlflow-skinny=={version('mlflow-skinny')}", f"pandas=={version('pandas')}")
    lines = "".join(f"  - {pin}\n" for pin in wanted)
    conda = f"name: mlflow-env\nchannels: [conda-forge]\ndependencies:\n- python=3.11.7\n- pip<=25.3\n- pip:\n{lines}"
    files = {
        "MLmodel": f"{flavor}\nsignature: {{inputs: '{inputs}', outputs: null, params: null}}\n",
        "conda.yaml": conda, "code/halves.py": LOADER, "weights.txt": "0.5",
    }  # fmt: skip
    body = {"properties": {"modelType": "mlflow_model", "modelUri": world.upload(f"logged/{name}/model", files)}}
    return str(world.put(f"{world.ws}/models/{name}/versions/1", body)["id"])


def without_code(endpoint: Endpoint, model: str) -> dict[str, Any]:
    body = endpoint.body(model=model)
    for name in ("codeConfiguration", "environmentId", "environmentVariables"):
        del body["properties"][name]
    return body


@runs
def test_it_answers_by_azures_contract(world: World) -> None:
    endpoint = world.endpoint("nocode")
    world.put(f"{endpoint.path}/deployments/columns", without_code(endpoint, logged(world, "columns")))
    world.put(f"{endpoint.path}/deployments/tensor", without_code(endpoint, logged(world, "tensor", TENSOR)))

    def ask(deployment: str, data: object) -> object:
        answer = endpoint.score({"input_data": data}, azureml_model_deployment=deployment)
        assert answer.status == 200, answer
        return answer.body

    table = {"columns": ["b", "a"], "index": [7, 8], "data": [[1.0, 2.0], [3, 4]]}
    assert ask("columns", table) == [1.5, 3.5]
    assert ask("columns", [{"a": 1, "b": 2}]) == [1.5]
    assert ask("columns", [[1, 2], [3, 4]]) == [1.5, 3.5]
    assert ask("tensor", [[1, 2], [3, 5]]) == [1.5, 4.0]
    for wrong in ({"inputs": [[1, 2]]}, {"input_data": {"columns": ["a"], "data": [[1]]}}):
        answer = endpoint.score(wrong, azureml_model_deployment="columns")
        assert (answer.status, answer.headers["ms-azureml-model-error-statuscode"]) == (424, "400"), answer


@runs
def test_microsofts_client_deploys_it_without_code(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in world.sandbox.environment.items():
        monkeypatch.setenv(name, value)
    endpoint = world.endpoint("client")
    logged(world, "given")
    with DefaultAzureCredential() as credential:
        client = MLClient(credential, SUBSCRIPTION_ID, "world", "world")
        wanted = ManagedOnlineDeployment(
            name="blue", endpoint_name="client", model="azureml:given:1", instance_type="Standard_D2as_v4",
            instance_count=1,
        )  # fmt: skip
        made = client.online_deployments.begin_create_or_update(wanted).result()
    assert (made.provisioning_state, made.code_configuration, made.environment) == ("Succeeded", None, None)
    answer = endpoint.score({"input_data": [{"a": 1, "b": 2}]}, azureml_model_deployment="blue")
    assert answer.body == [1.5]


def test_what_its_environment_lacks_is_named(world: World) -> None:
    endpoint = world.endpoint("lacking")
    where = f"{endpoint.path}/deployments/blue"
    error = world.operation_error(where, without_code(endpoint, logged(world, "absent", COLUMNS, "mlflow==0.1")))
    assert "no runtime here satisfies the conda file of model absent:1" in error
    assert "mlflow==0.1 is missing" in error
    bare = logged(world, "bare", COLUMNS, "numpy==2.4.6", flavor="flavors: {sklearn: {}}")
    assert "no flavor python_function" in world.operation_error(where, without_code(endpoint, bare))
    plain = world.model("plain", {"weights.txt": "w1"})
    assert "no scoring script" in world.operation_error(where, without_code(endpoint, plain))
