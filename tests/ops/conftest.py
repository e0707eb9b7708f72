"""What the tests of ops begin with: a workspace and a project with one model, and releases of it."""

import json
from argparse import Namespace
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from live_file import LiveFile
from ops import command
from ops import model as model_module
from ops import release as release_module
from ops.deploy import Deployments
from ops.endpoint import Call
from ops.gate import Verdict
from ops.model import Recipe
from ops.origin import Library, Origin, Trained
from ops.release import Release
from ops.report import Report, Step
from ops.stack import Model, Serving, Stack, Training
from tests.ops.fakes import REQUEST, Applies, FakeRegistry, FakeStore, FakeWorkspace, Served
from tests.ops.world import World


@pytest.fixture(autouse=True)
def called_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not beneath the make that runs the tests, after no other command, and by the ``python`` on PATH."""
    monkeypatch.delenv("MAKELEVEL", raising=False)
    monkeypatch.setattr(command, "_here", Namespace())
    monkeypatch.setattr(command, "interpreter", lambda: "python")


@pytest.fixture
def azure() -> FakeWorkspace:
    """A workspace with nothing in it."""
    return FakeWorkspace()


@pytest.fixture
def store() -> FakeStore:
    """No rollout was there yet."""
    return FakeStore()


@pytest.fixture
def step() -> Step:
    """Where progress goes."""
    return Step("test", Report())


SERVING = Serving(
    code="flight-delay-serving:c1",
    environment="serve:s1",
    script="ml_jobs/serving/score.py",
    instance_type="Standard_D2as_v4",
    instance_count=1,
)
TRAINING = Training(
    compute="train",
    data="flights:d1",
    pipeline="flight_delay_training:abc",
    code="flight-delay-training:t1",
    environment="train:e1",
)
MODEL = Model(name="flight-delay", endpoint="flight-delay-dev", serving=SERVING, training=TRAINING)


def other_data(version: str) -> Model:
    """The model, to be trained on another version of its data."""
    assert MODEL.training
    return replace(MODEL, training=replace(MODEL.training, data=f"flights:{version}"))


@pytest.fixture
def stack() -> Stack:
    """What a stack with one model made."""
    return Stack(
        file=Path("dev.json"),
        subscription_id="s",
        resource_group="rg",
        workspace="ws",
        release_store="https://account.blob.core.windows.net/releases",
        registry="shared",
        clean_commit=False,
        models={"flight-delay": MODEL},
    )


@pytest.fixture
def live_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the live files are, of this test alone."""
    monkeypatch.setenv("MLOPS_LIVE", str(tmp_path / "live"))
    return tmp_path / "live"


def named(stack: str = "dev", model: str = "flight-delay") -> list[str]:
    """What the live file names."""
    return [each.name for each in LiveFile.read(stack).of(model)]


# What `pulumi stack output --json` prints of it.
OUTPUTS: dict[str, Any] = {
    "workspaceId": "/subscriptions/s/resourceGroups/rg/providers/Microsoft.MachineLearningServices/workspaces/ws",
    "releaseStore": "https://account.blob.core.windows.net/releases",
    "registry": None,
    "requireCleanCommit": False,
    "models": {
        "flight-delay": {
            "endpoint": "flight-delay-dev",
            "promoted": False,
            "compute": "train",
            "data": "flights:d1",
            "pipeline": "flight_delay_training:abc",
            "trainingCode": "flight-delay-training:t1",
            "trainEnvironment": "train:e1",
            "serving": {
                "code": "flight-delay-serving:c1", "environment": "serve:s1", "script": "ml_jobs/serving/score.py",
                "instanceType": "Standard_D2as_v4", "instanceCount": 1,
            },
        }
    },
}  # fmt: skip

MODEL_FILE: dict[str, Any] = {
    "name": "flight-delay",
    "description": "Will it be late?",
    "data": {"name": "flights", "path": ".data/flights", "made_by": "make data", "description": "Flights"},
    "training": {
        "pipeline": "pipeline.yaml",
        "environment": "train",
        "code": ["ml_jobs/flight_delay/*.py"],
        "inputs": {"train_month": "2013-01", "seed": 13},
    },
    "serving": {
        "script": "ml_jobs/serving/score.py",
        "environment": "serve",
        "code": ["ml_jobs/serving/score.py"],
    },
    "environments": {
        name: {"conda_file": "ml_jobs/environments/one.yaml", "image": f"example.io/image@sha256:{'0' * 64}"}
        for name in ("train", "serve")
    },
    "request": {"schema": "request.schema.json", "sample": "sample_request.json"},
    "smoke": {
        "value": "predictions[0].probability",
        "checks": [
            {"name": "a week later", "change": {"flights[0].day": 11}, "expect": "same"},
            {
                "name": "a month that no year has", "change": {"flights[0].month": 13}, "expect": "refused",
                "field": "flights[0].month",
            },
        ],
    },
}  # fmt: skip


def write_model(root: Path, name: str = "flight-delay", **changes: Any) -> None:
    """Writes a model's folder into a project."""
    folder = root / "ml_jobs" / name.replace("-", "_")
    folder.mkdir(parents=True, exist_ok=True)
    content = json.loads(json.dumps({**MODEL_FILE, "name": name, **changes}))
    content["training"]["code"] = [f"ml_jobs/{name.replace('-', '_')}/*.py"]
    (folder / "model.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    (folder / "train.py").write_text("# trains\n", encoding="utf-8")
    (folder / "request.schema.json").write_text("{}", encoding="utf-8")
    declared = {"train_month": {"type": "string"}, "seed": {"type": "integer"}}
    (folder / "pipeline.yaml").write_text(json.dumps({"inputs": declared}), encoding="utf-8")
    (folder / "sample_request.json").write_text(json.dumps(REQUEST), encoding="utf-8")
    for file, text in {"ml_jobs/serving/score.py": "", "ml_jobs/environments/one.yaml": "dependencies: []\n"}.items():
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_text(text, encoding="utf-8")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with one model, which is the working directory."""
    write_model(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    return tmp_path


@pytest.fixture
def recipe(project: Path) -> Recipe:
    """What the model's file says."""
    return model_module.read(["flight-delay"])["flight-delay"]


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Served:
    found = Served()
    monkeypatch.setattr(release_module, "Scorer", lambda *_: found)

    def gate(_azure: object, _endpoint: str, deployment: str, _budget: object) -> Callable[..., Verdict]:
        def judge(*_: object) -> Verdict:
            found.gated.append(deployment)
            return Verdict(healthy=deployment not in found.refused, says="as told")

        return judge

    monkeypatch.setattr(release_module, "ModelGate", gate)
    monkeypatch.setattr("ops.submit.time.sleep", lambda _: None)
    monkeypatch.setattr("ops.deploy.time.sleep", lambda _: None)
    return found


@pytest.fixture
def applies(azure: FakeWorkspace, monkeypatch: pytest.MonkeyPatch) -> Applies:
    made = Applies(azure)
    monkeypatch.setattr("ops.deploy.subprocess", made)
    return made


@pytest.fixture
def make(
    azure: FakeWorkspace, store: FakeStore, stack: Stack, recipe: Recipe, served: Served, applies: Applies,
    live_folder: Path,
) -> Callable[..., Release]:  # fmt: skip
    """A release; arguments change what it is made of."""

    def made(
        model: Model = MODEL, *, asked: str | None = None, again: bool = False, registry: FakeRegistry | None = None,
        source: Any = None, stack: Stack = stack,
    ) -> Release:  # fmt: skip
        report = Report()
        library = Library(stack=stack, source=source)
        if registry:
            library._open["registry"] = registry
        trained = Trained(azure=azure, recipe=recipe, reason="a test", again=again)
        return Release(
            model=model,
            recipe=recipe,
            origin=Origin(model=model, library=library, trained=trained, asked=asked),
            deployments=Deployments(
                stack="dev", model=model.name, endpoint=model.endpoint, azure=azure, apply=["apply"], report=report
            ),
            azure=azure,
            store=store,
            report=report,
            call=Call(Path("dev.json"), model.name, recipe.smoke.file),
            quiet=False,
        )

    return made


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """An endpoint beside which time passes when somebody waits."""
    made = World()
    monkeypatch.setattr("ops.hold.time.sleep", made.pass_time)
    monkeypatch.setattr("ops.hold.BEAT", -1.0)
    return made
