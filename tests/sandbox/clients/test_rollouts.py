"""Rollouts through Microsoft's clients: real weights, real blobs, real servers that answer."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ops.abort import abort
from ops.command import OpsError
from ops.gate import Budget
from ops.probes import ModelGate
from ops.report import Report, Step
from ops.rollback import lift, rollback
from ops.rollout import Rollout
from ops.rollout_state import BlobStore, ConflictError, State
from ops.stack import Stack
from ops.workspace import Workspace
from sandbox.constants import SUBSCRIPTION_ID
from tests.sandbox.world import Endpoint, World

SCORE = """
import json, os, time

def init():
    pass

def run(raw):
    row = json.loads(raw)["row"]
    how = os.environ["VARIANT"]
    if how == "crash":
        os._exit(3)
    if how == "errors" and row % 5 == 0:
        raise ValueError("no such column")
    if how == "slow":
        time.sleep(0.7)
    return {"predictions": [{"label": True, "probability": 1.0 if how == "wrong" else row / 200}]}
"""
PROBES = {
    "requests": [{"row": row} for row in range(200)],
    "answers": [{"predictions": [{"label": True, "probability": row / 200}]} for row in range(200)],
}


BAD = {"wrong": "wrong answer", "errors": "errors of errors", "slow": "take longer than 500 ms", "crash": "status 424"}


@pytest.fixture(scope="module")
def container(world: World) -> str:
    """A container for the state of rollouts."""
    path = f"{world.storage}/blobServices/default/containers/releases"
    world.put(path, {"properties": {}})
    return "https://worldstore.blob.core.windows.net/releases"


@pytest.fixture(scope="module")
def azure(world: World, container: str) -> Workspace:
    stack = Stack(
        file=Path("outputs.json"), subscription_id=SUBSCRIPTION_ID, resource_group="world", workspace="world",
        release_store=container, registry=None, clean_commit=False, models={},
    )  # fmt: skip
    return Workspace(stack)


@pytest.fixture(scope="module")
def served(world: World) -> Endpoint:
    """An endpoint with one good deployment, and one of each kind of bad."""
    made = world.endpoint("rolls")
    world.code("rolls", {"score.py": SCORE})
    model = world.model("rolls", {"probes.json": json.dumps(PROBES)})
    code = {"codeId": f"{world.ws}/codes/rolls/versions/1", "scoringScript": "score.py"}
    for name in ("blue", "green", *BAD):
        made.deploy(name, name, model=model, codeConfiguration=code)
    return made


@pytest.fixture
def store(container: str) -> BlobStore:
    return BlobStore(container, "rolls")


def rollout(azure: Workspace, store: BlobStore, to: str, **options: Any) -> Rollout:
    return Rollout(
        azure=azure, store=store, name="rolls", step=Step("rollout", Report()),
        gate=ModelGate(azure, "rolls", to, Budget()), **options,
    )  # fmt: skip


def test_of_two_writers_of_the_state_one_is_refused(container: str) -> None:
    one, other = BlobStore(container, "writers"), BlobStore(container, "writers")
    assert one.read() == (State(), "")
    tag = one.write(State(to="a"), "")
    with pytest.raises(ConflictError):
        other.write(State(to="b"), "")
    assert other.read() == (State(to="a"), tag)
    newer = other.write(State(to="b"), tag)
    with pytest.raises(ConflictError):
        one.write(State(to="c"), tag)
    assert one.read() == (State(to="b"), newer)
    assert abs((one.now() - datetime.now(UTC)).total_seconds()) < 60


def test_a_store_without_its_container_says_what_makes_it() -> None:
    with pytest.raises(OpsError, match="has no container"):
        BlobStore("https://worldstore.blob.core.windows.net/nowhere", "rolls").read()


@pytest.mark.usefixtures("served")
def test_a_rollout_through_the_real_clients(
    azure: Workspace, store: BlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first deployment, the next in steps, each kind of bad one, and the way back."""
    monkeypatch.chdir(tmp_path)
    assert rollout(azure, store, "blue").run("blue") == {"blue": 100}
    assert rollout(azure, store, "green", mirror=10).run("green") == {"green": 100}
    history = [entry["what"] for entry in store.read()[0].history]
    assert "blue 90 %, green 10 %" in history
    assert "blue 50 %, green 50 %" in history
    for name, says in BAD.items():
        with pytest.raises(OpsError, match=f"deployment {name} at 0 %: .*{says}") as refused:
            rollout(azure, store, name).run(name)
        assert Path(refused.value.log).is_file()
        assert azure.endpoint("rolls").traffic == {"green": 100}
    step = Step("back", Report())
    assert rollback(azure, store, "rolls", step, why="a test") == {"blue": 100}
    view = azure.endpoint("rolls")
    assert (view.traffic, view.mirror) == ({"blue": 100}, {})
    assert rollout(azure, store, "green").run("green") == {"blue": 100}
    assert abort(azure, store, "rolls", step) == {"blue": 100}
    assert lift(azure, store, "rolls", step) == {"blue": 100}
    state = store.read()[0]
    assert (state.held, state.holder, state.next) == (None, None, None)
