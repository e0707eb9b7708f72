"""A workspace with storage, roles and a cluster, and short ways to put content, jobs and deployments into it."""

import json
import time
import uuid
from pathlib import Path
from typing import Any

from sandbox.constants import OBJECT_ID, TENANT_ID
from sandbox.work import process
from tests.sandbox.conftest import SUBSCRIPTION, Answer, Sandbox

ML = "Microsoft.MachineLearningServices"
READER = "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1"
CONTRIBUTOR = "ba92f5b4-2d11-453d-a403-e96b0029c9fe"
OVER = ("Completed", "Failed", "Canceled")


class World:
    """A workspace `world` whose datastores are reached by identity.

    Attributes:
        ws: the workspace's id.
        cluster: id of a cluster with two nodes and an identity that may write blobs.
    """

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        group = sandbox.group("world")
        self.storage = f"{group}/providers/Microsoft.Storage/storageAccounts/worldstore"
        self.ws = f"{group}/providers/{ML}/workspaces/world"
        vault = f"{group}/providers/Microsoft.KeyVault/vaults/worldvault"
        self.put(self.storage, {"location": "westeurope", "kind": "StorageV2", "sku": {"name": "Standard_LRS"}})
        access = {"tenantId": TENANT_ID, "sku": {"family": "A", "name": "standard"}, "enableRbacAuthorization": True}
        self.put(vault, {"location": "westeurope", "properties": {**access, "accessPolicies": []}})
        place = {"storageAccount": self.storage, "keyVault": vault, "systemDatastoresAuthMode": "identity"}
        self.put(self.ws, {"location": "westeurope", "identity": {"type": "SystemAssigned"}, "properties": place})
        self.may(OBJECT_ID, CONTRIBUTOR)
        self.cluster = self.compute("cpu")

    def put(self, path: str, body: dict[str, Any], *, state: str = "Succeeded") -> dict[str, Any]:
        """PUT and wait for the end, which must be `state`; returns what is shown then."""
        answer = self.sandbox.call("PUT", path, body)
        assert answer.status in (200, 201), answer
        return self.settle(path, state)

    def settle(self, path: str, state: str = "Succeeded") -> dict[str, Any]:
        """Wait for the end of what goes on with a resource."""

        def reached() -> dict[str, Any] | None:
            body: dict[str, Any] = self.sandbox.call("GET", path).body
            now = body["properties"].get("provisioningState", "Succeeded")
            return None if now in ("Creating", "Updating") else body

        shown: dict[str, Any] = until(reached)
        assert shown["properties"].get("provisioningState", "Succeeded") == state, shown
        return shown

    def refused(self, path: str, body: dict[str, Any], method: str = "PUT") -> Answer:
        """A request that must be refused at once."""
        answer = self.sandbox.call(method, path, body)
        assert answer.status >= 400, answer
        return answer

    def operation_error(self, path: str, body: dict[str, Any]) -> str:
        """The message of a write whose slow work fails."""
        answer = self.sandbox.call("PUT", path, body)
        assert answer.status in (200, 201), answer
        where = answer.headers["azure-asyncoperation"]
        ended = until(lambda: (a := self.sandbox.call("GET", where)).body["status"] != "InProgress" and a)
        assert ended.body["status"] == "Failed", ended
        return str(ended.body["error"]["message"])

    def may(self, principal: str, role: str) -> None:
        """Give a principal a role on the storage account."""
        where = f"{self.storage}/providers/Microsoft.Authorization/roleAssignments/{uuid.uuid4()}"
        definition = f"{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/{role}"
        self.put(where, {"properties": {"principalId": principal, "roleDefinitionId": definition}})

    def compute(self, name: str, nodes: int = 2, *, role: str = CONTRIBUTOR) -> str:
        """A cluster with an identity that has a role on the storage account, or none."""
        path = f"{self.ws}/computes/{name}"
        scale = {"vmSize": "Standard_D2ds_v5", "scaleSettings": {"minNodeCount": 0, "maxNodeCount": nodes}}
        made = self.put(
            path,
            {"identity": {"type": "SystemAssigned"}, "properties": {"computeType": "AmlCompute", "properties": scale}},
        )
        if role:
            self.may(made["identity"]["principalId"], role)
        return path

    def blob(self, name: str, content: bytes | None = None, *, container: str = "") -> bytes:
        """Write a blob of the default datastore, or read one of it or of another container."""
        store = self.sandbox.call("GET", f"{self.ws}/datastores/workspaceblobstore").body["properties"]
        headers = {"x-ms-version": "2024-11-04", "x-ms-blob-type": "BlockBlob", "Content-Type": "text/plain"}
        answer = self.sandbox.call(
            "GET" if content is None else "PUT",
            f"https://{store['accountName']}.blob.core.windows.net/{container or store['containerName']}/{name}",
            content, self.sandbox.token("https://storage.azure.com"), headers,
        )  # fmt: skip
        assert answer.status in (200, 201), answer
        return answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()

    def upload(self, prefix: str, files: dict[str, str]) -> str:
        """Put files below a prefix; returns its uri."""
        for name, content in files.items():
            self.blob(f"{prefix}/{name}", content.encode())
        return f"azureml://datastores/workspaceblobstore/paths/{prefix}/"

    def read(self, name: str, container: str = "") -> str:
        """A blob's text."""
        return self.blob(name, container=container).decode()

    def code(self, name: str, files: dict[str, str]) -> str:
        """A code asset."""
        self.upload(f"code/{name}", files)
        store = self.sandbox.call("GET", f"{self.ws}/datastores/workspaceblobstore").body["properties"]
        uri = f"https://{store['accountName']}.blob.core.windows.net/{store['containerName']}/code/{name}"
        return str(self.put(f"{self.ws}/codes/{name}/versions/1", {"properties": {"codeUri": uri}})["id"])

    def model(self, name: str, files: dict[str, str]) -> str:
        """A model whose files lie in a folder `model`."""
        uri = self.upload(f"models/{name}/model", files)
        body = {"properties": {"modelType": "custom_model", "modelUri": uri}}
        return str(self.put(f"{self.ws}/models/{name}/versions/1", body)["id"])

    def environment(self, name: str, *pins: str) -> str:
        """An environment with pins, or with only an image."""
        lines = "".join(f"  - {pin}\n" for pin in pins)
        conda = {"condaFile": f"dependencies:\n- python=3.11\n- pip:\n{lines}"} if pins else {}
        body = {"properties": {"image": "mcr.microsoft.com/azureml/minimal", **conda}}
        return str(self.put(f"{self.ws}/environments/{name}/versions/1", body)["id"])

    def submit(self, name: str, command: str, **more: Any) -> str:
        """Submit a command job on the cluster; returns its id."""
        properties = {
            "jobType": "Command", "command": command, "computeId": self.cluster,
            "environmentId": f"{self.ws}/environments/plain/versions/1", **more,
        }  # fmt: skip
        if self.sandbox.call("GET", properties["environmentId"]).status != 200:
            self.environment("plain")
        answer = self.sandbox.call("PUT", f"{self.ws}/jobs/{name}", {"properties": properties})
        assert answer.status == 201, answer
        return f"{self.ws}/jobs/{name}"

    def status(self, job: str) -> str:
        """A job's status."""
        return str(self.history(job)["status"])

    def ended(self, job: str, seconds: float = 60) -> str:
        """A job's final status."""
        return str(until(lambda: (now := self.status(job)) in OVER and now, seconds))

    def reaches(self, job: str, status: str) -> None:
        """Wait for a status on the way."""
        until(lambda: self.status(job) == status)

    def history(self, job: str, what: str = "") -> dict[str, Any]:
        """What run history says of a job."""
        workspace, _, name = job.partition("/jobs/")
        answer = self.sandbox.call(
            "GET", f"https://westeurope.api.azureml.ms/history/v1.0{workspace}/runs/{name}{what}?api-version=v1.0"
        )
        assert answer.status == 200, answer
        body: dict[str, Any] = answer.body
        return body

    def error(self, job: str) -> str:
        """Why a job failed."""
        return str(self.history(job)["error"]["error"]["message"])

    def log(self, job: str, name: str = "user_logs/std_log.txt") -> str:
        """A log of a job, by the link that run history gives."""
        link = self.history(job, "/details")["logFiles"][name]
        answer = self.sandbox.call("GET", link, token="")
        assert answer.status == 200, answer
        return str(answer.body.decode() if isinstance(answer.body, bytes) else answer.body)

    def endpoint(self, name: str, mode: str = "Key", *, role: str = READER) -> "Endpoint":
        """An online endpoint whose identity has a role on the storage account, or none."""
        path = f"{self.ws}/onlineEndpoints/{name}"
        body = {"location": "westeurope", "identity": {"type": "SystemAssigned"}, "properties": {"authMode": mode}}
        made = self.put(path, body)
        if role:
            self.may(made["identity"]["principalId"], role)
        return Endpoint(self, path)

    def processes(self) -> list[int]:
        """Every process that the sandbox runs."""
        return [pid for pid, _ in process._marked(str(self.sandbox.home.work))]

    def servers(self) -> dict[str, int]:
        """The same by the number that each has in its own namespace, and by when it was born."""
        found = {}
        for pid in self.processes():
            try:
                status, stat = Path(f"/proc/{pid}/status").read_text(), Path(f"/proc/{pid}/stat").read_text()
            except OSError:
                continue  # it ended meanwhile
            inside = next(line for line in status.splitlines() if line.startswith("NSpid:")).split()[-1]
            found[f"{inside} {stat.rpartition(')')[2].split()[19]}"] = pid
        return found

    def folder(self, area: str, name: str) -> Path:
        """The working folder of a job or deployment, by its name."""
        return next(self.sandbox.home.work.glob(f"{area}/{name}-*"))


SCORE = """
import json, os, time

def init():
    global weights
    with open(os.path.join(os.environ["AZUREML_MODEL_DIR"], "model", "weights.txt")) as file:
        weights = file.read()

def run(raw):
    asked = json.loads(raw)
    if "write" in asked:
        with open(asked["write"], "a") as file:
            file.write(os.environ["VARIANT"])
    if "exit" in asked:
        os._exit(3)
    if "raise" in asked:
        raise ValueError(os.environ[asked["raise"]])
    time.sleep(asked.get("sleep", 0))
    if "status" in asked:
        from azureml_inference_server_http.api.aml_response import AMLResponse
        return AMLResponse({"field": "is wrong"}, asked["status"], json_str=True)
    with open(f"/proc/{os.getppid()}/stat") as file:
        born = file.read().rpartition(")")[2].split()[19]
    return {"weights": weights, "variant": os.environ["VARIANT"], "server": f"{os.getppid()} {born}"}
"""


class Endpoint:
    """An online endpoint.

    Attributes:
        path: its id.
        url: where it scores.
    """

    def __init__(self, world: World, path: str) -> None:
        self.world = world
        self.path = path
        self.url: str = world.sandbox.call("GET", path).body["properties"]["scoringUri"]

    def body(self, variant: str = "b", **more: Any) -> dict[str, Any]:
        """What a deployment's PUT sends: the scoring code above with a model, both made when they are first needed."""
        ws = self.world.ws
        if self.world.sandbox.call("GET", f"{ws}/codes/score/versions/1").status != 200:
            self.world.code("score", {"score.py": SCORE})
            self.world.model("weights", {"weights.txt": "w1"})
            self.world.environment("serve", "azureml-inference-server-http==1.5.1", "numpy==2.4.6")
        properties = {
            "endpointComputeType": "Managed", "instanceType": "Standard_D2ds_v5",
            "model": f"{ws}/models/weights/versions/1",
            "codeConfiguration": {"codeId": f"{ws}/codes/score/versions/1", "scoringScript": "score.py"},
            "environmentId": f"{ws}/environments/serve/versions/1", "environmentVariables": {"VARIANT": variant},
            "requestSettings": {"maxConcurrentRequestsPerInstance": 16, "requestTimeout": "PT30S"}, **more,
        }  # fmt: skip
        return {"location": "westeurope", "sku": {"name": "Default", "capacity": 1}, "properties": properties}

    def deploy(self, name: str = "blue", variant: str = "b", **more: Any) -> str:
        """A deployment that is up; returns its id."""
        return str(self.world.put(f"{self.path}/deployments/{name}", self.body(variant, **more))["id"])

    def traffic(self, **shares: int) -> Answer:
        """Set the shares of the traffic."""
        return self.world.sandbox.call("PATCH", self.path, {"properties": {"traffic": shares}})

    def key(self, name: str = "primaryKey") -> str:
        """One of its keys."""
        return str(self.world.sandbox.call("POST", f"{self.path}/listKeys").body[name])

    def score(self, body: object = None, token: str | None = None, **headers: str) -> Answer:
        """Ask it; with its primary key unless another token is given."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.world.sandbox.call("POST", self.url, body or {}, self.key() if token is None else token, named)


def until(condition: Any, seconds: float = 60) -> Any:
    """Wait for a condition to become true; returns its value."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "the condition did not become true in time"
        time.sleep(0.02)
    return value
