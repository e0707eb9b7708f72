"""Scored requests a second through the gateway, by 1 and 16 clients, beside the same server asked directly.

The script does next to nothing, so that what is measured is the way to it: TLS, the key, the share of the traffic,
the limits. A model that thinks brings the two closer together.
"""

import itertools
import json
import ssl
import time
import urllib.request
import uuid
from pathlib import Path
from typing import Any

from bench.azure import GROUP, Cloud, cloud
from bench.load import Server, rate, request
from bench.stage import BenchError
from bench.table import Row, times, verdict
from sandbox.constants import OBJECT_ID, SUBSCRIPTION_ID, TENANT_ID

_ML = f"{GROUP}/providers/Microsoft.MachineLearningServices/workspaces/bench"
_STORAGE = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/benchstore"
_VAULT = f"{GROUP}/providers/Microsoft.KeyVault/vaults/benchvault"
_ENDPOINT = f"{_ML}/onlineEndpoints/bench"
_CONTRIBUTOR = "ba92f5b4-2d11-453d-a403-e96b0029c9fe"
_SCRIPT = (
    b"import json\ndef init():\n    pass\ndef run(raw):\n    return [sum(row) for row in json.loads(raw)['data']]\n"
)
_BODY = json.dumps({"data": [[0.5] * 64]}).encode()
_BAR = 0.4
_WAIT_SECONDS = 60


def rows() -> list[Row]:
    """Requests a second, both ways."""
    with cloud() as azure:
        socket = _deploy(azure)
        key = _send(azure, "POST", f"{_ENDPOINT}/listKeys")["primaryKey"]
        url = _send(azure, "GET", _ENDPOINT)["properties"]["scoringUri"]
        through = azure.server(url.split("/")[2])
        direct = Server("http://127.0.0.1", socket=socket)
        headers = {"Content-Type": "application/json"}
        asked = request(through, "POST", "/score", {**headers, "Authorization": f"Bearer {key}"}, _BODY)
        bare = request(direct, "POST", "/score", headers, _BODY)
        found = []
        for clients in (1, 16):
            theirs = rate(direct, itertools.repeat(bare), clients)
            ours = rate(through, itertools.repeat(asked), clients)
            found.append(
                Row(
                    what=f"scored requests, {clients} client{'s' if clients > 1 else ''}",
                    ours=f"{ours:.0f}/s",
                    other=f"bare inference server {theirs:.0f}/s",
                    ratio=times(ours / theirs),
                    bar=f"at least {times(_BAR)}",
                    verdict=verdict(ours >= _BAR * theirs),
                )
            )
        return found


def _deploy(azure: Cloud) -> Path:
    """A deployment that takes all traffic of an endpoint; returns the socket of its server."""
    where = {"location": "westeurope"}
    azure.put(_STORAGE, {**where, "kind": "StorageV2", "sku": {"name": "Standard_LRS"}})
    sku = {"family": "A", "name": "standard"}
    azure.put(_VAULT, {**where, "properties": {"tenantId": TENANT_ID, "sku": sku, "accessPolicies": []}})
    place = {"storageAccount": _STORAGE, "keyVault": _VAULT}
    azure.put(_ML, {**where, "identity": {"type": "SystemAssigned"}, "properties": place})
    azure.put(f"{_STORAGE}/blobServices/default/containers/code", {"properties": {}})
    role = f"/subscriptions/{SUBSCRIPTION_ID}/providers/Microsoft.Authorization/roleDefinitions/{_CONTRIBUTOR}"
    grant = {"principalId": OBJECT_ID, "roleDefinitionId": role}
    azure.put(f"{_STORAGE}/providers/Microsoft.Authorization/roleAssignments/{uuid.uuid4()}", {"properties": grant})
    _upload(azure, "https://benchstore.blob.core.windows.net/code/score/score.py", _SCRIPT)
    uri = "https://benchstore.blob.core.windows.net/code/score"
    azure.put(f"{_ML}/codes/score/versions/1", {"properties": {"codeUri": uri}})
    azure.put(f"{_ML}/environments/serve/versions/1", {"properties": {"image": "mcr.microsoft.com/azureml/minimal"}})
    azure.put(_ENDPOINT, {**where, "identity": {"type": "SystemAssigned"}, "properties": {"authMode": "Key"}})
    properties = {
        "endpointComputeType": "Managed", "instanceType": "Standard_D2ds_v5",
        "codeConfiguration": {"codeId": f"{_ML}/codes/score/versions/1", "scoringScript": "score.py"},
        "environmentId": f"{_ML}/environments/serve/versions/1",
        "requestSettings": {"maxConcurrentRequestsPerInstance": 32, "requestTimeout": "PT30S"},
    }  # fmt: skip
    azure.put(f"{_ENDPOINT}/deployments/blue", {**where, "sku": {"name": "Default", "capacity": 1},
                                               "properties": properties})  # fmt: skip
    deadline = time.monotonic() + _WAIT_SECONDS
    while (
        state := _send(azure, "GET", f"{_ENDPOINT}/deployments/blue")["properties"]["provisioningState"]
    ) != "Succeeded":
        if state == "Failed" or time.monotonic() > deadline:
            raise BenchError(f"the deployment is {state}")
        time.sleep(0.1)
    _send(azure, "PATCH", _ENDPOINT, {"properties": {"traffic": {"blue": 100}}})
    return next(Path(azure.server("").trusted or "").parents[1].glob("work/deployments/blue-*/*/*/server.sock"))


def _upload(azure: Cloud, url: str, content: bytes) -> None:
    token = azure.token("https://storage.azure.com")
    headers = {"Authorization": f"Bearer {token}", "x-ms-version": "2024-11-04", "x-ms-blob-type": "BlockBlob"}
    with _opener(azure).open(urllib.request.Request(url, content, headers, method="PUT"), timeout=30):  # noqa: S310 - https
        pass


def _send(azure: Cloud, method: str, path: str, body: object = None) -> Any:
    url = f"https://management.azure.com{path}?api-version=2025-12-01"
    headers = {"Authorization": f"Bearer {azure.token('https://management.azure.com')}"}
    content = json.dumps(body).encode() if body is not None else None
    with _opener(azure).open(urllib.request.Request(url, content, headers, method=method), timeout=30) as answer:
        return json.load(answer)


def _opener(azure: Cloud) -> urllib.request.OpenerDirector:
    context = ssl.create_default_context(cafile=azure.server("").trusted)
    proxy = urllib.request.ProxyHandler({"https": f"http://127.0.0.1:{azure.port}"})
    return urllib.request.build_opener(proxy, urllib.request.HTTPSHandler(context=context))
