"""Every operation of every address that is no resource's own, asked by each caller. One without a cell here fails.

What a role lets in is written down from Azure's table of operations, not read from the code that is tested.
"""

import dataclasses
import http.client
import inspect
import sqlite3
import time
from pathlib import Path
from typing import Any

import jwt
import pytest

from sandbox.arm.registry import Registry
from sandbox.arm.schema import Schema
from sandbox.gateway.hosts import Hosts
from sandbox.planes import azureml, blob, vault
from sandbox.planes.resource_manager import ResourceManager
from tests.sandbox.conftest import SUBSCRIPTION, Answer, Sandbox
from tests.sandbox.contract.samples import GROUP, ML, ML_REGISTRY, SAMPLES, STORAGE, VAULT, WORKSPACE, make
from tests.sandbox.planes.conftest import assign, make_stranger

READER = "acdd72a7-3385-48ef-bd42-f606fba81ae7"
CONTRIBUTOR = "b24988ac-6180-42a0-ab88-20f7382dd24c"
BLOB_READER = "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1"
SECRETS_USER = "4633458b-17de-408a-b874-0445c86b69e6"
SCIENTIST = "f6c7c914-8db3-469d-8ca1-694a8f32e121"
ENDPOINT = f"{WORKSPACE}/onlineEndpoints/contract-endpoint"
BY_TOKEN = f"{WORKSPACE}/onlineEndpoints/contract-aad"
MLHOST = "https://westeurope.api.azureml.ms"
# A caller with a role, and callers whose token is none for this service.
ROLES = {"nobody": "", "reader": READER, "neighbour": CONTRIBUTOR, "blobs": BLOB_READER, "secrets": SECRETS_USER,
         "scientist": SCIENTIST}  # fmt: skip
FAULTS = ("no token", "expired", "wrong tenant", "wrong audience", "forged")


class Callers:
    """Tokens of each caller for each service."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self._principals = {}
        self._tokens: dict[tuple[str, str], str] = {}
        for who, role in ROLES.items():
            self._principals[who] = principal = make_stranger(sandbox)
            if role:
                scope = sandbox.group("planes-beside") if who == "neighbour" else GROUP
                assign(sandbox, scope, principal.object_id, role)

    def token(self, who: str, audience: str) -> str:
        """A caller's token; for one of FAULTS, of the sandbox's owner, who may do everything."""
        key = (who, audience)
        return self._tokens.get(key) or self._tokens.setdefault(key, self._token(who, audience))

    def _token(self, who: str, audience: str) -> str:
        if who in self._principals:
            principal = self._principals[who]
            return self.sandbox.token(audience, (principal.client_id, principal.secret))
        return faulty(self.sandbox, who, audience)


def faulty(sandbox: Sandbox, fault: str, audience: str = "https://management.azure.com") -> str:
    """A token that is none: of the sandbox's owner, who may do everything, but for its fault."""
    connection = sqlite3.connect(sandbox.home.database, timeout=30)
    own = connection.execute("SELECT value FROM meta WHERE key = 'token-key'").fetchone()[0]
    connection.close()
    said = jwt.decode(sandbox.token(audience), options={"verify_signature": False})
    faults: dict[str, tuple[str, dict[str, Any]]] = {
        "no token": ("", {}), "expired": (own, {"exp": time.time() - 1}),
        "wrong tenant": (own, {"tid": "11111111-2222-4333-8444-555555555555"}),
        "wrong audience": (own, {"aud": "https://graph.microsoft.com"}), "forged": ("k" * 64, {}),
    }  # fmt: skip
    key, changed = faults[fault]
    return jwt.encode({**said, **changed}, key) if key else ""


@pytest.fixture(scope="module")
def callers(sandbox: Sandbox) -> Callers:
    make(sandbox, f"{ML}/workspaces/onlineEndpoints")
    make(sandbox, f"{ML}/registries")
    body = SAMPLES[f"{ML}/workspaces/onlineEndpoints"].content(sandbox)
    by_token = {**body, "properties": {"authMode": "AADToken"}}
    assert sandbox.call("PUT", BY_TOKEN, by_token).status in (200, 201)
    return Callers(sandbox)


def let_in(answer: Answer) -> bool:
    """Whether the caller got past the gate, whatever was behind it."""
    assert answer.status < 500 or answer.status == 501, answer
    return answer.status not in (401, 403)


# Blobs: what Azure's table of operations asks for, below Microsoft.Storage/storageAccounts/blobServices/.
BLOBS = {
    ("service", "GET", "list"): "containers/read",
    ("service", "GET", "properties"): "read",
    ("service", "POST", "userdelegationkey"): "generateUserDelegationKey/action",
    ("container", "PUT", ""): "containers/write",
    ("container", "GET", ""): "containers/read",
    ("container", "DELETE", ""): "containers/delete",
    ("container", "GET", "metadata"): "containers/read",
    ("container", "PUT", "metadata"): "containers/write",
    ("container", "GET", "acl"): "containers/getAcl/action",
    ("container", "GET", "list"): "containers/blobs/read",
    ("blob", "GET", ""): "containers/blobs/read",
    ("blob", "PUT", ""): "containers/blobs/write",
    ("blob", "DELETE", ""): "containers/blobs/delete",
    ("blob", "GET", "metadata"): "containers/blobs/read",
    ("blob", "PUT", "metadata"): "containers/blobs/write",
    ("blob", "PUT", "properties"): "containers/blobs/write",
    ("blob", "PUT", "block"): "containers/blobs/write",
    ("blob", "PUT", "blocklist"): "containers/blobs/write",
    ("blob", "GET", "blocklist"): "containers/blobs/read",
}
BLOB_ROLES = {
    "nobody": (), "neighbour": (), "secrets": (), "scientist": (), "reader": ("read", "containers/read"),
    "blobs": ("containers/read", "generateUserDelegationKey/action", "containers/blobs/read"),
}  # fmt: skip
every_blob = pytest.mark.parametrize("cell", sorted(BLOBS), ids=lambda cell: " ".join(cell).strip())


def ask_blob(sandbox: Sandbox, cell: tuple[str, str, str], token: str, method: str = "") -> Answer:
    level, verb, comp = cell
    path = {"service": "/", "container": "/absent", "blob": "/absent/blob"}[level]
    query = "&".join(part for part in (f"restype={level}" if level != "blob" else "", f"comp={comp}" if comp else "")
                     if part and (path != "/" or comp != "list" or part != "restype=service"))  # fmt: skip
    url = f"https://{STORAGE.rpartition('/')[2]}.blob.core.windows.net{path}?{query}"
    return sandbox.call(method or verb, url, b"" if verb != "GET" else None, token, {"x-ms-version": "2024-11-04"})


def test_every_operation_on_blobs_has_a_cell() -> None:
    served = {(level, *key): each for level, known in blob._OPERATIONS.items() for key, each in known.items()}
    assert {cell: each.action for cell, each in served.items()} == BLOBS
    assert all(each.data == ("/blobs/" in each.action) for each in served.values())


@every_blob
def test_blobs_are_for_who_has_the_role(callers: Callers, cell: tuple[str, str, str]) -> None:
    for who, may in BLOB_ROLES.items():
        token = callers.token(who, "https://storage.azure.com")
        for method in ("", "HEAD") if cell[1] == "GET" else ("",):
            answer = ask_blob(callers.sandbox, cell, token, method)
            assert let_in(answer) == (BLOBS[cell] in may), (who, answer)
    for fault in FAULTS:
        answer = ask_blob(callers.sandbox, cell, callers.token(fault, "https://storage.azure.com"))
        assert answer.status == 401, (fault, answer)


# Secrets: below Microsoft.KeyVault/vaults/secrets/.
SECRETS = {
    ("GET", "secrets"): ("secrets", "readMetadata/action"),
    ("GET", "secret"): ("secrets/one", "getSecret/action"),
    ("GET", "versions"): ("secrets/one/versions", "readMetadata/action"),
    ("PUT", "secret"): ("secrets/one", "setSecret/action"),
    ("PATCH", "secret"): ("secrets/one/" + "0" * 32, "update/action"),
    ("DELETE", "secret"): ("secrets/one", "delete"),
    ("GET", "deletedsecrets"): ("deletedsecrets", "readMetadata/action"),
    ("GET", "deletedsecret"): ("deletedsecrets/one", "readMetadata/action"),
    ("DELETE", "deletedsecret"): ("deletedsecrets/one", "purge/action"),
    ("POST", "recover"): ("deletedsecrets/one/recover", "recover/action"),
}
SECRET_ROLES = {"secrets": ("getSecret/action", "readMetadata/action")}
every_secret = pytest.mark.parametrize("cell", sorted(SECRETS), ids=" ".join)


def ask_secret(sandbox: Sandbox, cell: tuple[str, str], token: str) -> Answer:
    url = f"https://{VAULT.rpartition('/')[2]}.vault.azure.net/{SECRETS[cell][0]}?api-version=7.4"
    return sandbox.call(cell[0], url, {} if cell[0] in ("PUT", "PATCH", "POST") else None, token)


def test_every_operation_on_secrets_has_a_cell() -> None:
    assert {key: action for key, (action, _) in vault._OPERATIONS.items()} == {
        key: action for key, (_, action) in SECRETS.items()
    }


@every_secret
def test_secrets_are_for_who_has_the_role(callers: Callers, cell: tuple[str, str]) -> None:
    for who in (*ROLES, *FAULTS):
        answer = ask_secret(callers.sandbox, cell, callers.token(who, "https://vault.azure.net"))
        assert let_in(answer) == (SECRETS[cell][1] in SECRET_ROLES.get(who, ())), (who, answer)
        assert answer.status == 401 or who not in FAULTS


def test_a_vault_refuses_in_azures_words(callers: Callers) -> None:
    token = callers.token("reader", "https://vault.azure.net")
    said = jwt.decode(token, options={"verify_signature": False})
    error = ask_secret(callers.sandbox, ("GET", "secret"), token).body["error"]
    assert (error["code"], error["innererror"]) == ("Forbidden", {"code": "ForbiddenByRbac"})
    assert error["message"].split("\r\n")[0] == "Caller is not authorized to perform action on resource."
    assert error["message"].split("\r\n")[2:6] == [
        f"Caller: appid={said['appid']};oid={said['oid']};iss={said['iss']}",
        "Action: 'Microsoft.KeyVault/vaults/secrets/getSecret/action'",
        f"Resource: '{VAULT}/secrets/one'",
        "Assignment: (not found)",
    ]


@dataclasses.dataclass(frozen=True)
class Cell:
    """A request that is not a resource's own.

    Attributes:
        method: of HTTP.
        url: its address.
        roles: callers that it lets in; `anybody` also without a token, `signed in` with any.
        body: what is sent.
        refusal: what the others get.
    """

    method: str
    url: str
    roles: tuple[str, ...] = ()
    body: Any = None
    refusal: int = 403


# Azure ML's regional address, by the prefix of each service.
SERVICES = {
    "/history": (
        Cell("GET", f"/history/v1.0{WORKSPACE}/experiments/x/runs/none", ("reader", "scientist")),
        Cell("GET", f"/history/v1.0{WORKSPACE}/experiments/x/runs/none/details", ("reader", "scientist")),
        Cell("GET", f"/history/v1.0{WORKSPACE}/experiments/x/runs/none/children", ("reader", "scientist")),
        Cell("POST", f"/history/v1.0{WORKSPACE}/rundata", ("reader", "scientist"), {"runId": "none"}),
        Cell("PATCH", f"/history/v1.0{WORKSPACE}/experiments/x/runs/none", ("scientist",), {}),
    ),
    "/data": (
        Cell("POST", f"/data/v1.0{WORKSPACE}/dataversion/batchGetResolvedUris", ("reader", "scientist"),
             {"values": []}),
    ),
    "/discovery": (Cell("GET", f"/discovery{WORKSPACE}", ("anybody",)),),
    "/artifact": (
        Cell("GET", f"/artifact/v2.0{WORKSPACE}/artifacts/content/ExperimentRun/dcid.none/a.txt", refusal=401),
    ),
    "/registrymanagement": (
        Cell("GET", "/registrymanagement/v1.0/registries/contract-registry/discovery", ("signed in",)),
    ),
    "/mferp": (
        Cell("GET", f"/mferp/managementfrontend{ML_REGISTRY}?api-version=2025-12-01", ("reader",)),
        Cell("PUT", f"/mferp/managementfrontend{ML_REGISTRY}?api-version=2025-12-01", (), {}),
        Cell("POST", f"/mferp/managementfrontend{ML_REGISTRY}/import?api-version=2025-12-01", (), {}),
        Cell("POST", f"/mferp/managementfrontend{ML_REGISTRY}/tempdatarefs/a/versions/1", (), {}),
        Cell("POST", f"/mferp/managementfrontend{ML_REGISTRY}/datarefs/a/versions/1", ("reader",), {}),
    ),
}  # fmt: skip
# Azure Resource Manager, by the method that answers.
FILTER = "$filter=eventTimestamp%20ge%20'2026-01-01'"
OPERATIONS = f"{SUBSCRIPTION}/providers/{ML}/locations/westeurope"
EVENTS = f"{SUBSCRIPTION}/providers/Microsoft.Insights/eventtypes/management/values"
MANAGER = {
    "handle": (Cell("GET", "/metadata/endpoints", ("anybody",)),),
    "_answer": (),  # tells the others apart; what each lets in is theirs
    "_one": (Cell("GET", GROUP, ("reader",)),),
    "_post": (
        Cell("POST", f"{SUBSCRIPTION}/providers/Microsoft.Storage/checkNameAvailability", (), {"name": "x"}),
        Cell("POST", f"{GROUP}/providers/Microsoft.Resources/deployments/x/validate", (), {}),
        Cell("POST", f"{STORAGE}/listKeys", (), {}),
    ),
    "_list": (
        Cell("GET", "/subscriptions"), Cell("GET", f"{SUBSCRIPTION}/resourceGroups"),
        Cell("GET", f"{SUBSCRIPTION}/resources"), Cell("GET", f"{GROUP}/resources", ("reader",)),
        Cell("GET", f"{SUBSCRIPTION}/providers/Microsoft.Storage/storageAccounts"),
        Cell("GET", "/providers/Microsoft.Storage/storageAccounts"),
        Cell("GET", f"{GROUP}/providers/Microsoft.Storage/storageAccounts", ("reader",)),
    ),
    "_events": (
        Cell("GET", f"{EVENTS}?{FILTER}"),
        Cell("GET", f"{EVENTS}?{FILTER}%20and%20resourceGroupName%20eq%20'contract'", ("reader",)),
    ),
    "_operation": (
        Cell("GET", f"{OPERATIONS}/operationsStatus/OPERATION", ("reader", "scientist"), refusal=404),
        Cell("GET", f"{OPERATIONS}/operationResults/OPERATION", ("reader", "scientist"), refusal=404),
    ),
    "_require": (),  # is what the others ask
}  # fmt: skip
CELLS = [
    *((MLHOST, cell) for cells in SERVICES.values() for cell in cells),
    *(("", cell) for cells in MANAGER.values() for cell in cells),
]
every_cell = pytest.mark.parametrize(("host", "cell"), CELLS, ids=lambda each: getattr(each, "url", each)[-70:])


@pytest.fixture(scope="module")
def operation(callers: Callers) -> str:
    """An operation on the contract's workspace."""
    connection = sqlite3.connect(callers.sandbox.home.database, timeout=30)
    row = connection.execute("SELECT id FROM operations WHERE key = ?", (WORKSPACE.lower(),)).fetchone()
    connection.close()
    return str(row[0])


def ask(callers: Callers, host: str, cell: Cell, operation: str, token: str) -> Answer:
    return callers.sandbox.call(cell.method, host + cell.url.replace("OPERATION", operation), cell.body, token)


def test_every_service_and_way_of_the_resource_manager_has_a_cell() -> None:
    served = {prefix for service in azureml._find() for prefix in service.prefixes}
    assert set(SERVICES) == served
    ways = {name for name, each in vars(ResourceManager).items() if inspect.isfunction(each)
            and {"request", "caller"} & set(inspect.signature(each).parameters)}  # fmt: skip
    assert set(MANAGER) == ways - {"_async_headers"}


def test_every_address_has_its_cells() -> None:
    schema: Any = Schema(Path("unused"))
    azure: Any = type("Nothing", (), {"registry": Registry.find(schema)})()
    nothing: Any = None
    planes = {type(plane).__name__ for plane in Hosts.find(azure, nothing, nothing).planes}
    asked = {"ResourceManager", "AzureML", "BlobPlane", "VaultPlane", "Scoring", "Admin"}
    assert planes == asked | {"Login"}  # which is where callers come from: tests/sandbox/test_identity.py


@every_cell
def test_the_rest_is_for_who_has_the_role(callers: Callers, operation: str, host: str, cell: Cell) -> None:
    for who in (*ROLES, *FAULTS):
        answer = ask(callers, host, cell, operation, callers.token(who, "https://management.azure.com"))
        if "anybody" in cell.roles or (who in ROLES and {"signed in", who} & set(cell.roles)):
            assert let_in(answer), (who, answer)
        else:
            assert answer.status == (401 if who in FAULTS else cell.refusal), (who, answer)


def test_an_endpoint_is_asked_with_its_own_key_or_by_who_may_score(callers: Callers) -> None:
    sandbox = callers.sandbox

    def score(endpoint: str, token: str) -> bool:
        where = sandbox.call("GET", endpoint).body["properties"]["scoringUri"]
        return let_in(sandbox.call("POST", where, {}, token))

    other = f"{WORKSPACE}/onlineEndpoints/contract-other"
    sample = SAMPLES[f"{ML}/workspaces/onlineEndpoints"].content(sandbox)
    assert sandbox.call("PUT", other, sample).status in (200, 201)
    keys = [sandbox.call("POST", f"{each}/listKeys", {}).body for each in (ENDPOINT, other)]
    own, foreign = (each["primaryKey"] for each in keys)
    assert (score(ENDPOINT, own), score(ENDPOINT, foreign), score(ENDPOINT, "")) == (True, False, False)
    for who in (*ROLES, *FAULTS):
        token = callers.token(who, "https://ml.azure.com")
        assert score(BY_TOKEN, token) is (who == "scientist"), who
        assert not score(ENDPOINT, token), "a token is no key"
    assert not score(BY_TOKEN, own)


def test_the_sandboxs_own_address_wants_the_callers_secret(sandbox: Sandbox) -> None:
    owner = sandbox.token()
    for method, path in (
        ("GET", "/faults"), ("POST", "/faults"), ("DELETE", "/faults"), ("PUT", "/pace"), ("PUT", "/roles"),
        ("POST", "/mutate"), ("POST", "/refused"), ("POST", "/stop"), ("GET", "/identities"), ("PUT", "/identities/x"),
        ("POST", "/identities/x"), ("DELETE", "/identities/x"), ("GET", "/anything"),
    ):  # fmt: skip
        for header in ({}, {"Authorization": f"Bearer {owner}"}, {"Authorization": "Bearer "}):
            connection = http.client.HTTPConnection("127.0.0.1", sandbox.server.port, timeout=10)
            connection.request(method, path, b"{}", header)
            assert connection.getresponse().status == 401, (method, path, header)
            connection.close()
