import asyncio
import collections
import concurrent.futures
import contextlib
import secrets
import sqlite3
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sandbox.arm.errors import ArmError
from sandbox.arm.keys import hash_secret
from sandbox.constants import OBJECT_ID
from sandbox.planes import scoring
from sandbox.work.http1 import Reply
from tests.sandbox.conftest import SUBSCRIPTION, Sandbox
from tests.sandbox.world import Endpoint, World, until

runs = pytest.mark.runs("Microsoft.MachineLearningServices/workspaces/onlineEndpoints")


@pytest.fixture(scope="module")
def world(sandbox: Sandbox) -> World:
    return World(sandbox)


@pytest.fixture(scope="module")
def endpoint(world: World) -> Endpoint:
    """An endpoint with two deployments; blue takes all traffic."""
    endpoint = world.endpoint("scores")
    endpoint.deploy("blue", "b")
    endpoint.deploy("green", "g")
    return endpoint


@pytest.fixture(autouse=True)
def all_blue(endpoint: Endpoint) -> None:
    answer = endpoint.world.sandbox.call(
        "PATCH",
        endpoint.path,
        {"properties": {"traffic": {"blue": 100, "green": None}, "mirrorTraffic": {"green": None}}},
    )
    assert answer.status == 200, answer


@runs
def test_the_answer_names_the_deployment(endpoint: Endpoint) -> None:
    answer = endpoint.score({})
    assert (answer.status, answer.headers["azureml-model-deployment"]) == (200, "blue")


@runs
def test_a_request_may_name_its_deployment(endpoint: Endpoint) -> None:
    answer = endpoint.score({}, azureml_model_deployment="green")
    assert (answer.body["variant"], answer.headers["azureml-model-deployment"]) == ("g", "green")
    missing = endpoint.score({}, azureml_model_deployment="red")
    assert (missing.status, missing.body["message"]) == (404, "Endpoint 'scores' has no deployment 'red'.")


@runs
def test_traffic_is_split_by_weight(endpoint: Endpoint) -> None:
    assert endpoint.traffic(blue=75, green=25).status == 200
    key = endpoint.key()
    seen = collections.Counter(endpoint.score({}, key).body["variant"] for _ in range(300))
    assert seen["b"] + seen["g"] == 300
    assert 180 <= seen["b"] <= 270, seen


@runs
def test_mirrored_requests_reach_the_other_deployment_and_nobody_waits_for_them(
    endpoint: Endpoint, tmp_path: Path
) -> None:
    mirror = {"properties": {"mirrorTraffic": {"green": 50}}}
    assert endpoint.world.sandbox.call("PATCH", endpoint.path, mirror).status == 200
    file, key = tmp_path / "who", endpoint.key()
    answers = [endpoint.score({"write": str(file)}, key) for _ in range(40)]
    assert {answer.body["variant"] for answer in answers} == {"b"}
    until(lambda: file.read_text().count("g") >= 5)
    assert file.read_text().count("b") == 40
    assert file.read_text().count("g") < 40


@pytest.mark.parametrize("header", [None, "wrong", ""])
def test_without_the_key_it_is_401(endpoint: Endpoint, header: str | None) -> None:
    answer = endpoint.score({}, header or "")
    assert answer.status == 401
    assert "wants a valid Key" in answer.body["message"]


@runs
@pytest.mark.parametrize("status", [400, 404, 503])
def test_what_the_model_answers_but_200_becomes_424(endpoint: Endpoint, status: int) -> None:
    answer = endpoint.score({"status": status})
    assert answer.status == 424
    assert answer.headers["ms-azureml-model-error-statuscode"] == str(status)
    assert answer.headers["ms-azureml-model-error-reason"]
    assert answer.body == {"field": "is wrong"}


@runs
def test_a_server_that_dies_over_a_request_is_a_model_error_and_is_back_for_the_next(endpoint: Endpoint) -> None:
    answer = endpoint.score({"exit": 1})
    assert (answer.status, answer.headers["ms-azureml-model-error-statuscode"]) == (424, "502")
    assert until(lambda: endpoint.score({}).status == 200)


@runs
def test_a_request_that_takes_too_long_is_408(world: World) -> None:
    endpoint = world.endpoint("slow")
    endpoint.deploy("blue", requestSettings={"requestTimeout": "PT0.3S"})
    endpoint.traffic(blue=100)
    assert endpoint.score({"sleep": 1}).status == 408
    until(lambda: endpoint.score({}).status == 200)


@runs
def test_more_than_twice_the_concurrency_is_429(world: World) -> None:
    endpoint = world.endpoint("busy")
    endpoint.deploy("blue", requestSettings={"maxConcurrentRequestsPerInstance": 1, "requestTimeout": "PT30S"})
    endpoint.traffic(blue=100)
    key = endpoint.key()
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: endpoint.score({"sleep": 0.7}, key), range(4)))
    assert sorted(answer.status for answer in answers) == [200, 200, 429, 429]


def test_a_body_over_the_limit_is_413(endpoint: Endpoint) -> None:
    assert endpoint.score({"x": "y" * (10 * 1024 * 1024)}).status == 413


def test_other_paths_and_endpoints_are_404(endpoint: Endpoint) -> None:
    world, key = endpoint.world, endpoint.key()
    assert world.sandbox.call("POST", endpoint.url.removesuffix("score") + "other", {}, key).status == 404
    assert world.sandbox.call("POST", endpoint.url.replace("scores.", "nobody."), {}, key).status == 404
    assert world.sandbox.call("POST", endpoint.url.replace("westeurope", "eastus"), {}, key).status == 404


def test_without_traffic_it_is_404(endpoint: Endpoint) -> None:
    endpoint.traffic(blue=0)
    answer = endpoint.score({})
    assert (answer.status, answer.body["message"]) == (404, "Endpoint 'scores' has no deployment with traffic.")


@runs
def test_the_swagger_of_the_script_is_served(endpoint: Endpoint) -> None:
    where = endpoint.url.removesuffix("score") + "swagger.json?version=3"
    answer = endpoint.world.sandbox.call("GET", where, token=endpoint.key())
    assert (answer.status, answer.body["openapi"][0]) == (200, "3")


@runs
def test_an_aml_token_signs_in_until_it_ends(world: World) -> None:
    endpoint = world.endpoint("tokens", "AMLToken")
    endpoint.deploy("blue")
    endpoint.traffic(blue=100)
    given = world.sandbox.call("POST", f"{endpoint.path}/token").body
    assert given["expiryTimeUtc"] > time.time() > given["refreshAfterTimeUtc"] - 12 * 3600
    assert endpoint.score({}, given["accessToken"]).status == 200
    ends, _, signature = given["accessToken"].partition(".")
    for forged in (f"{int(ends) + 9999}.{signature}", f"1000.{signature}", "x"):
        assert endpoint.score({}, forged).status == 401
    refused = world.sandbox.call("POST", f"{endpoint.path}/listKeys")
    assert (refused.status, "it has no keys" in refused.body["error"]["message"]) == (400, True)


@pytest.mark.parametrize(("ends", "admitted"), [(4_000_000_000, True), (1_000, False)])
def test_an_aml_token_that_has_ended_admits_nobody(
    monkeypatch: pytest.MonkeyPatch, ends: int, *, admitted: bool
) -> None:
    """However well it was signed."""
    monkeypatch.setattr(scoring, "token_of", lambda _, until, __: f"{until}.signed")
    plane: Any = SimpleNamespace(azure=None)
    endpoint: Any = type("Endpoint", (dict,), {"name": "e"})({"properties.authMode": "AMLToken"})
    request: Any = SimpleNamespace(headers={"authorization": f"Bearer {ends}.signed"})
    with contextlib.nullcontext() if admitted else pytest.raises(ArmError, match="wants a valid AMLToken"):
        scoring.Scoring._admit(plane, endpoint, request)


def test_the_callers_key_is_not_shown_to_the_model() -> None:
    seen: list[tuple[str, str]] = []

    async def ask(*asked: Any) -> Reply:
        seen.extend(asked[3])
        return Reply(200)

    async def body(_: int) -> bytes:
        return b"{}"

    plane: Any = SimpleNamespace(
        azure=SimpleNamespace(named=lambda *_: "endpoint"), _admit=lambda *_: None, _pick=lambda *_: "blue",
        _mirror=lambda *_: None, _ask=ask,
    )  # fmt: skip
    headers = {"authorization": "Bearer key", "host": "h", "azureml-model-deployment": "blue", "x-own": "kept"}
    request: Any = SimpleNamespace(headers=headers, method="POST", path="/score", body=body)
    asyncio.run(scoring.Scoring.handle(plane, request, {"endpoint": "e", "region": "westeurope"}))
    assert seen == [("x-own", "kept")]


@runs
def test_an_entra_token_needs_the_right_to_score(world: World) -> None:
    endpoint = world.endpoint("entra", "AADToken")
    endpoint.deploy("blue")
    endpoint.traffic(blue=100)
    sandbox = world.sandbox
    assert endpoint.score({}, sandbox.token("https://ml.azure.com")).status == 200
    assert endpoint.score({}, sandbox.token("https://management.azure.com")).status == 401
    assert endpoint.score({}, "").status == 401
    secret = secrets.token_hex(8)
    with sqlite3.connect(sandbox.home.database) as connection:
        connection.execute(
            "INSERT INTO principals VALUES ('stranger-object', 'stranger', 'stranger', ?, '')", (hash_secret(secret),)
        )
    stranger = sandbox.token("https://ml.azure.com", ("stranger", secret))
    assert endpoint.score({}, stranger).status == 403
    where = f"{endpoint.path}/providers/Microsoft.Authorization/roleAssignments/00000000-0000-4000-8000-00000000aaaa"
    role = f"{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/f6c7c914-8db3-469d-8ca1-694a8f32e121"
    body = {"properties": {"principalId": "stranger-object", "roleDefinitionId": role}}
    assert sandbox.call("PUT", where, body).status == 201
    assert endpoint.score({}, stranger).status == 200
    assert OBJECT_ID != "stranger-object"
