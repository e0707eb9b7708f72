import json
import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from sandbox.work import process
from tests.sandbox.conftest import Sandbox
from tests.sandbox.world import READER, Endpoint, World, until

runs = pytest.mark.runs("Microsoft.MachineLearningServices/workspaces/onlineEndpoints/deployments")


@pytest.fixture(scope="module")
def world(sandbox: Sandbox) -> World:
    return World(sandbox)


@pytest.fixture(scope="module")
def served(world: World) -> Endpoint:
    """An endpoint with one deployment that takes all traffic."""
    endpoint = world.endpoint("served")
    endpoint.deploy("blue")
    assert endpoint.traffic(blue=100).status == 200
    return endpoint


def keeper(world: World, deployment: str) -> int:
    return int(json.loads(record(world, deployment).read_text())["pid"])


def record(world: World, deployment: str) -> Path:
    return next(world.folder("deployments", deployment).rglob("process.json"))


def listening(world: World) -> set[tuple[str, int]]:
    """Addresses on which the sandbox's own processes listen."""
    inodes = set()
    for pid in world.processes():
        for link in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(FileNotFoundError):  # closed since it was listed
                target = os.readlink(link)  # noqa: PTH115 - no file: "socket:[1]"
                inodes |= {target[8:-1]} if target.startswith("socket:[") else set()
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            parts = line.split()
            if parts[3] == "0A" and parts[9] in inodes:
                address, port = parts[1].split(":")
                found.add((address, int(port, 16)))
    return found


@runs
def test_the_scoring_script_answers_with_the_model(served: Endpoint) -> None:
    answer = served.score({})
    assert answer.status == 200
    assert (answer.body["weights"], answer.body["variant"]) == ("w1", "b")
    assert answer.headers["x-ms-server-version"] == "azmlinfsrv/1.5.1"


@runs
def test_nobody_asks_a_server_past_the_gateway(world: World, served: Endpoint) -> None:
    assert listening(world) == set()
    (address,) = world.folder("deployments", "blue").rglob("server.sock")
    home = world.sandbox.home
    assert [oct(folder.stat().st_mode & 0o777) for folder in (home.root, home.work, address.parent)] == ["0o700"] * 3


@runs
def test_the_server_sees_nothing_of_the_callers(world: World, served: Endpoint) -> None:
    environment = process._environment(keeper(world, "blue"))
    assert environment
    assert not [name for name in environment if name.startswith(("AZURE_CLIENT", "ARM_", "PYTEST"))]
    secret = world.sandbox.home.secret.read_text(encoding="utf-8").strip()
    assert not [value for value in environment.values() if secret in value]


@runs
@pytest.mark.parametrize("victim", ["keeper", "server"])
def test_a_server_that_is_killed_is_started_again(world: World, served: Endpoint, victim: str) -> None:
    before = served.score({}).body["server"]
    os.kill(keeper(world, "blue") if victim == "keeper" else world.servers()[before], signal.SIGKILL)

    def anew() -> Any:
        """An answer of another server, not of an orphan that is about to end."""
        answer = served.score({})
        return answer if answer.status == 200 and answer.body["server"] in world.servers().keys() - {before} else None

    after = until(anew)
    assert after.body["weights"] == "w1"
    assert before not in world.servers()


@runs
def test_a_deployment_survives_a_killed_gateway(world: World, served: Endpoint) -> None:
    before = served.score({}).body["server"]
    world.sandbox.kill()
    world.sandbox.start()
    assert until(lambda: (answer := served.score({})).status == 200 and answer).body["server"] == before


@runs
def test_a_deployment_comes_back_after_a_stop_which_leaves_no_process(world: World, served: Endpoint) -> None:
    from sandbox import launch

    launch.stop(world.sandbox.home)
    assert world.processes() == []
    world.sandbox.start()
    assert until(lambda: (answer := served.score({})).status == 200 and answer).body["weights"] == "w1"


@runs
def test_a_server_killed_while_the_gateway_was_away_is_started_again(world: World, served: Endpoint) -> None:
    world.sandbox.kill()
    os.kill(keeper(world, "blue"), signal.SIGKILL)
    world.sandbox.start()
    assert until(lambda: (answer := served.score({})).status == 200 and answer).body["weights"] == "w1"


@runs
@pytest.mark.parametrize("wait", [0.0, 0.3, 0.8])
def test_a_deployment_goes_on_when_the_gateway_was_killed_over_its_creation(world: World, wait: float) -> None:
    endpoint = world.endpoint(f"cut{int(wait * 10)}")
    where = f"{endpoint.path}/deployments/once{int(wait * 10)}"
    assert world.sandbox.call("PUT", where, endpoint.body()).status == 201
    time.sleep(wait)  # the moment of the kill
    world.sandbox.kill()
    world.sandbox.start()
    world.settle(where)
    name = where.rpartition("/")[2]
    assert len(list(world.folder("deployments", name).rglob("process.json"))) == 1
    marks = [mark for _, mark in process._marked(str(world.sandbox.home.work)) if f"/{name}-" in mark]
    assert len(set(marks)) == 1
    assert endpoint.score({}, azureml_model_deployment=name).status == 200


@runs
def test_settings_change_in_place_without_a_failed_request(world: World, served: Endpoint) -> None:
    where = f"{served.path}/deployments/blue"
    before = served.score({}).body["server"]
    assert world.sandbox.call("PUT", where, served.body("changed")).status == 200
    seen = []
    until(lambda: seen.append(served.score({})) or seen[-1].body["variant"] == "changed")  # type: ignore[func-returns-value]
    assert {answer.status for answer in seen} == {200}
    assert seen[-1].body["server"] != before
    world.settle(where)
    until(lambda: before not in world.servers())
    time.sleep(0.5)  # as long as it would take to start the old one again
    assert len(list(world.folder("deployments", "blue").iterdir())) == 1
    served.deploy("blue")


@runs
def test_what_does_not_become_healthy_fails_with_the_log_and_the_old_goes_on(world: World, served: Endpoint) -> None:
    world.code(
        "broken", {"score.py": "def init():\n    raise RuntimeError('no weights here')\ndef run(raw):\n    pass\n"}
    )
    code = {"codeId": f"{world.ws}/codes/broken/versions/1", "scoringScript": "score.py"}
    error = world.operation_error(f"{served.path}/deployments/blue", served.body(codeConfiguration=code))
    assert "before it was ready" in error
    assert "no weights here" in error
    assert served.score({}).body["weights"] == "w1"
    world.settle(f"{served.path}/deployments/blue", "Failed")
    world.sandbox.restart()
    assert until(lambda: (answer := served.score({})).status == 200 and answer).body["weights"] == "w1"
    served.deploy("blue")


@runs
def test_a_server_that_never_answers_fails_within_its_readiness_probe(world: World, served: Endpoint) -> None:
    world.code("hangs", {"score.py": "import time\ndef init():\n    time.sleep(600)\ndef run(raw):\n    pass\n"})
    code = {"codeId": f"{world.ws}/codes/hangs/versions/1", "scoringScript": "score.py"}
    probe = {"initialDelay": "PT0.5S", "period": "PT0.5S", "failureThreshold": 1}
    body = served.body(codeConfiguration=code, readinessProbe=probe)
    assert "no answer to GET / within 1 s" in world.operation_error(f"{served.path}/deployments/hangs", body)
    until(lambda: not list(world.folder("deployments", "hangs").rglob("process.json")) or not _alive(world, "hangs"))


def _alive(world: World, deployment: str) -> bool:
    return any(
        str(world.folder("deployments", deployment)) in mark
        for _, mark in process._marked(str(world.sandbox.home.work))
    )


@runs
def test_a_server_whose_liveness_probe_fails_is_started_again(world: World) -> None:
    endpoint = world.endpoint("livens")
    probe = {"initialDelay": "PT0S", "period": "PT0.2S", "timeout": "PT0.2S", "failureThreshold": 2}
    endpoint.deploy("blue", livenessProbe=probe, requestSettings={"requestTimeout": "PT0.3S"})
    endpoint.traffic(blue=100)
    before = endpoint.score({}).body["server"]
    assert endpoint.score({"sleep": 600}).status == 408
    until(lambda: (answer := endpoint.score({})).status == 200 and answer.body["server"] != before)


@runs
def test_logs_are_read_by_their_end(world: World, served: Endpoint) -> None:
    served.score({"status": 418})
    where = f"{served.path}/deployments/blue/getLogs"
    until(lambda: "POST /score 418" in world.sandbox.call("POST", where, {"tail": 50}).body["content"])
    assert len(world.sandbox.call("POST", where, {"tail": 2}).body["content"].splitlines()) == 2
    fetched = world.sandbox.call("POST", where, {"containerType": "StorageInitializer"}).body["content"]
    assert "models/weights/versions/1" in fetched


@runs
def test_the_log_says_when_another_python_stands_in(world: World) -> None:
    conda = "dependencies:\n- python=3.99\n- pip:\n  - azureml-inference-server-http==1.5.1\n"
    body = {"properties": {"image": "mcr.microsoft.com/azureml/minimal", "condaFile": conda}}
    newer = world.put(f"{world.ws}/environments/newer/versions/1", body)["id"]
    endpoint = world.endpoint("newer")
    where = endpoint.deploy("blue", environmentId=newer)
    log = world.sandbox.call("POST", f"{where}/getLogs", {"tail": 1000}).body["content"]
    assert "it asks for Python 3.99, and 3." in log.splitlines()[0]


@runs
def test_each_instance_is_a_server(world: World) -> None:
    endpoint = world.endpoint("two")
    body = endpoint.body()
    body["sku"]["capacity"] = 2
    world.put(f"{endpoint.path}/deployments/blue", body)
    endpoint.traffic(blue=100)
    expected = min(2, os.cpu_count() or 1)
    assert len(list(world.folder("deployments", "blue").parent.glob("blue-*/*/instance-*"))) >= expected
    assert len(list(world.folder("deployments", "blue").parent.glob("blue-*/*/instance-*/server.sock"))) >= expected


@runs
def test_an_environment_without_the_inference_server_is_refused_by_name(world: World, served: Endpoint) -> None:
    environment = world.environment("bare", "numpy==2.4.6")
    error = world.operation_error(f"{served.path}/deployments/bare", served.body(environmentId=environment))
    assert "azureml-inference-server-http" in error


@runs
@pytest.mark.parametrize(
    ("name", "more", "says"),
    [
        (
            "no-script",
            {"codeConfiguration": {"scoringScript": "other.py"}},
            "scoring script 'other.py' is not in its code",
        ),
        ("no-code", {"codeConfiguration": None}, "no scoring script"),
        ("kubernetes", {"endpointComputeType": "Kubernetes"}, "runs managed deployments only"),
    ],
)
def test_a_deployment_that_cannot_be_served_says_why(
    world: World, served: Endpoint, name: str, more: dict[str, Any], says: str
) -> None:
    if more.get("codeConfiguration"):
        more["codeConfiguration"]["codeId"] = f"{world.ws}/codes/score/versions/1"
    assert says in world.operation_error(f"{served.path}/deployments/{name}", served.body(**more))


@runs
def test_without_a_role_on_the_storage_it_fails_and_with_it_it_serves(world: World) -> None:
    endpoint = world.endpoint("roleless", role="")
    error = world.operation_error(f"{endpoint.path}/deployments/blue", endpoint.body())
    assert "the identity of endpoint 'roleless' may not read" in error
    assert world.settle(f"{endpoint.path}/deployments/blue", "Failed")["properties"]["model"]
    listed = world.sandbox.call("GET", f"{endpoint.path}/deployments").body["value"]
    assert [each["properties"]["provisioningState"] for each in listed] == ["Failed"]
    assert world.sandbox.call("POST", f"{endpoint.path}/deployments/blue/getLogs", {}).body == {"content": ""}
    world.may(world.sandbox.call("GET", endpoint.path).body["identity"]["principalId"], READER)
    endpoint.deploy("blue")


def test_what_is_wrong_with_a_deployment_is_refused_at_once(world: World, served: Endpoint) -> None:
    where = f"{served.path}/deployments/wrong"
    for changed, says in (
        ({"instanceType": "Standard_Nothing"}, "Standard_Nothing"),
        ({"instanceType": None}, "instanceType is missing"),
        ({"model": f"{world.ws}/models/no/versions/1"}, "does not exist"),
        ({"environmentId": f"{world.ws}/environments/no/versions/1"}, "does not exist"),
        ({"codeConfiguration": {"codeId": f"{world.ws}/codes/no/versions/1", "scoringScript": "s"}}, "does not exist"),
        ({"requestSettings": {"requestTimeout": "soon"}}, "'soon' is no ISO 8601 duration"),
        ({"livenessProbe": {"failureThreshold": 0}}, "failureThreshold is 0"),
    ):
        answer = world.refused(where, served.body(**changed))
        assert answer.status == 400
        assert says in answer.body["error"]["message"], answer
    body = served.body()
    body["sku"]["capacity"] = 0
    assert "sku.capacity is 0" in world.refused(where, body).body["error"]["message"]
    assert world.refused(where.replace("wrong", "9"), served.body()).code == "InvalidResourceName"


def test_a_deployment_with_traffic_is_not_deleted_and_one_without_leaves_nothing(world: World) -> None:
    endpoint = world.endpoint("deletes")
    path = endpoint.deploy("gone")
    endpoint.traffic(gone=100)
    refused = world.refused(path, {}, "DELETE")
    assert refused.status == 409
    assert "takes 100 % of the traffic" in refused.body["error"]["message"]
    endpoint.traffic(gone=0)
    world.sandbox.call("PATCH", endpoint.path, {"properties": {"mirrorTraffic": {"gone": 10}}})
    assert "takes 10 % of the mirrorTraffic" in world.refused(path, {}, "DELETE").body["error"]["message"]
    world.sandbox.call("PATCH", endpoint.path, {"properties": {"mirrorTraffic": {"gone": 0}}})
    assert world.sandbox.call("DELETE", path).status == 202
    until(lambda: world.sandbox.call("GET", path).status == 404)
    assert not _alive(world, "gone") if list(world.sandbox.home.work.glob("deployments/gone-*")) else True
    assert list(world.sandbox.home.work.glob("deployments/gone-*")) == []


def test_an_endpoint_takes_its_deployments_along(world: World) -> None:
    endpoint = world.endpoint("whole")
    endpoint.deploy("inside")
    assert endpoint.traffic(inside=100).status == 200
    server = endpoint.score({}).body["server"]
    assert world.sandbox.call("DELETE", endpoint.path).status == 202
    until(lambda: world.sandbox.call("GET", endpoint.path).status == 404)
    assert list(world.sandbox.home.work.glob("deployments/inside-*")) == []
    assert server not in world.servers()
    assert world.sandbox.call("GET", f"{endpoint.path}/deployments/inside").status == 404
