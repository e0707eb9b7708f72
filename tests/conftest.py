"""What tests of the program share: a Pulumi engine that only remembers, and a project folder of their own."""

import asyncio
import json
import os
import pickle
import runpy
import shutil
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml
from pulumi.runtime import rpc
from pulumi.runtime.config import set_all_config
from pulumi.runtime.mocks import MockCallArgs, MockMonitor, MockResourceArgs, Mocks
from pulumi.runtime.settings import reset_options
from pulumi.runtime.stack import Stack

import model_file
import settings_load
from components.access import Access
from components.place import GroupPlace, UploadTarget, WorkspaceRef
from naming import Names
from settings import Settings

ROOT = Path(__file__).parent.parent
TODAY = date(2026, 11, 21)
Load = Callable[..., Settings]
TENANT = "11111111-1111-1111-1111-111111111111"
SUBSCRIPTION = "22222222-2222-2222-2222-222222222222"
DEPLOYER = "33333333-3333-3333-3333-333333333333"
IMAGE = "mcr.microsoft.com/azureml/base@sha256:" + "a" * 64
STACKS = sorted(path.name.removeprefix("Pulumi.").removesuffix(".yaml") for path in ROOT.glob("Pulumi.*.yaml"))


_LOOPS: list[asyncio.AbstractEventLoop] = []


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Pulumi's SDK asks for the main thread's event loop, and ``asyncio.run`` in an earlier test leaves none."""
    try:
        asyncio.get_event_loop_policy().get_event_loop()
    except RuntimeError:
        _LOOPS.append(asyncio.new_event_loop())
        asyncio.set_event_loop(_LOOPS[-1])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files whose tests take minutes begin first, so that no worker waits for the last of them (a stable sort)."""
    items.sort(key=lambda item: not hasattr(getattr(item, "module", None), "Machine"))


_PICKLING = {name: getattr(pickle._Pickler, name) for name in ("_batch_setitems", "save_dict")}


def pytest_runtest_teardown() -> None:
    """Pulumi's SDK wraps the pickler once more for each dynamic provider and never takes that back.

    A program has a handful of them; a whole run of tests would reach Python's limit.
    """
    for name, method in _PICKLING.items():
        setattr(pickle._Pickler, name, method)


def pytest_sessionfinish() -> None:
    """Close the loops that were made."""
    for loop in _LOOPS:
        loop.close()


class Echo(Mocks):
    """Fake id, inputs echoed back with what Azure would add; a lookup nobody planned is an error."""

    def new_resource(self, args: MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        state = dict(args.inputs)
        # azure-native calls its output "name" whatever the input was called
        for key in (
            "deploymentName",
            "endpointName",
            "computeName",
            "containerName",
            "accountName",
            "workspaceName",
            "resourceGroupName",
        ):
            if key in state:
                state.setdefault("name", state[key])
        if args.typ == "azure-native:storage:StorageAccount":
            state["primaryEndpoints"] = {"blob": f"https://{state['accountName']}.blob.core.windows.net/"}
        if args.typ == "azure-native:machinelearningservices:OnlineEndpoint":
            uri = f"https://{state['endpointName']}.westeurope.inference.ml.azure.com/score"
            state["properties"] = {**state["properties"], "scoringUri": uri}
        if args.typ == "azure-native:managedidentity:UserAssignedIdentity":
            state["principalId"] = f"{args.name}-principal"
        identity = state.get("identity") or {}
        if identity.get("type") == "SystemAssigned":
            state["identity"] = {**identity, "principalId": f"{args.name}-principal"}
        if "userAssignedIdentities" in identity:  # a list on the way in, a map by id on the way out
            ids = identity["userAssignedIdentities"]
            state["identity"] = {**identity, "userAssignedIdentities": {i: {} for i in ids}}
        return f"{args.name}-id", state

    def call(self, args: MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]] | None]:
        if args.token == "azure-native:authorization:getClientConfig":
            return {"tenantId": TENANT, "subscriptionId": SUBSCRIPTION, "objectId": DEPLOYER}, []
        raise AssertionError(f"unexpected cloud lookup: {args.token}")


@dataclass
class Declared:
    """What a program registered, by URN without stack and project.

    Attributes:
        inputs: what reaches the provider.
        options: the registration itself: protect, ignoreChanges, dependencies, deleteBeforeReplace.
        exports: outputs of the stack.
    """

    inputs: dict[str, dict[str, Any]] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    exports: dict[str, Any] = field(default_factory=dict)

    def __getitem__(self, urn: str) -> dict[str, Any]:
        return self.inputs[urn]

    def only(self, token: str) -> dict[str, Any]:
        """Inputs of the one resource of a type."""
        found = [inputs for urn, inputs in self.inputs.items() if urn.split("::")[0].endswith(token)]
        assert len(found) == 1, f"{len(found)} resources of type {token}: {sorted(self.inputs)}"
        return found[0]


class Recorder(MockMonitor):
    """Pulumi's mock engine, keeping each registration as it arrived."""

    def __init__(self) -> None:
        super().__init__(Echo())
        self.declared = Declared()

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 - name of the gRPC method
        response = super().RegisterResource(request)  # type: ignore[no-untyped-call] # the SDK's own
        if request.type != "pulumi:pulumi:Stack":
            key = response.urn.split("::", 2)[2]
            assert key not in self.declared.inputs, f"{key} is registered twice"
            self.declared.inputs[key] = rpc.deserialize_properties(request.object)
            self.declared.options[key] = request
        return response


Declare = Callable[..., Declared]


def run_program(program: Callable[[], Any], stack: str = "test", *, preview: bool = False) -> Declared:
    """Runs a program and returns what it registered."""
    recorder = Recorder()
    reset_options()  # a root resource of its own: the last program's would keep its exports and its children
    pulumi.runtime.set_mocks(recorder.mocks, "mlops", stack, preview=preview, monitor=recorder)

    def run_and_export() -> Any:
        program()
        root = pulumi.runtime.get_root_resource()
        assert isinstance(root, Stack)
        return pulumi.Output.all(**root.outputs).apply(recorder.declared.exports.update)

    run_and_wait = pulumi.runtime.test(run_and_export)  # type: ignore[no-untyped-call] # the SDK's own
    run_and_wait()  # returns only when every registration has landed
    return recorder.declared


def run_config(config: dict[str, Any], stack: str = "test", *, preview: bool = False) -> Declared:
    """Runs the whole program with a configuration."""
    set_all_config(as_engine_sends(config))
    try:
        return run_program(lambda: runpy.run_path(str(ROOT / "__main__.py")), stack=stack, preview=preview)
    finally:
        set_all_config({})


def run_stack(stack: str, name: str | None = None, *, preview: bool = False, **platform: Any) -> Declared:
    """Runs the whole program with a stack's real file, fields of its platform changed, perhaps as another stack.

    No commit is asked for: tests run in a folder that is no repository.
    """
    config = stack_config(stack)
    config["mlops:platform"] |= {"require_clean_commit": False, **platform}
    return run_config(config, stack=name or stack, preview=preview)


def stack_config(stack: str) -> dict[str, Any]:
    """Plain values of a stack's file, by full key."""
    config: dict[str, Any] = yaml.safe_load((ROOT / f"Pulumi.{stack}.yaml").read_text())["config"]
    return config


def as_engine_sends(config: dict[str, Any]) -> dict[str, str]:
    """An engine hands configuration to a program as text: JSON for all that is not a string."""
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in config.items()}


def small_config(**platform: Any) -> dict[str, Any]:
    """A small stack of its own with a platform, the registry and one model."""
    own = {
        "subscription_id": SUBSCRIPTION,
        "tenant_id": TENANT,
        "location": "westeurope",
        "owner": "me@example.com",
        "name_salt": "example",
        "clusters": [{"name": "train", "vm_size": "Standard_D4ds_v5", "max_nodes": 2}],
        "require_clean_commit": False,
    }
    return {"mlops:platform": own | platform, "mlops:models": [{"name": "late"}]}


MODEL = """\
name: {name}
description: Is it late?
data: {{name: {name}-data, path: .data/{name}, made_by: make data, description: Days}}
training:
  pipeline: pipeline.yaml
  environment: train
  code: [ml_jobs/{folder}/*.py]
  inputs: {{seed: 13}}
serving:
  script: ml_jobs/{folder}/score.py
  environment: serve
  code: [ml_jobs/{folder}/score.py]
environments:
  train: {{conda_file: ml_jobs/{folder}/train.conda.yaml, image: {image}}}
  serve: {{conda_file: ml_jobs/{folder}/serve.conda.yaml, image: {image}}}
request: {{schema: request.schema.json, sample: sample.json}}
smoke: {{value: "predictions[0].probability", checks: []}}
"""
PIPELINE = """\
type: pipeline
name: {folder}_training
inputs: {{data: {{type: uri_folder}}, seed: {{type: integer, default: 7}}}}
outputs: {{model: {{type: uri_folder}}}}
jobs:
  prepare:
    type: command
    component: ./prepare.yaml
    inputs: {{data: "${{{{parent.inputs.data}}}}"}}
  train:
    type: command
    component: ./train.yaml
    inputs: {{data: "${{{{parent.jobs.prepare.outputs.model}}}}"}}
    outputs: {{model: "${{{{parent.outputs.model}}}}"}}
"""
STEP = """\
type: command
name: {folder}_{step}
description: One step.
command: python -m ml_jobs.{folder}.{step}
environment: azureml:train@latest
inputs: {{data: {{type: uri_folder}}}}
outputs: {{model: {{type: uri_folder}}}}
"""


def make_model(root: Path, name: str) -> Path:
    """Writes a whole small model and its data; returns its folder."""
    folder = root / model_file.folder_of(name)
    filled = {"name": name, "folder": folder.name, "image": IMAGE}
    files = {
        "model.yaml": MODEL.format(**filled),
        "pipeline.yaml": PIPELINE.format(**filled),
        "prepare.yaml": STEP.format(step="prepare", **filled),
        "prepare.py": "",
        "train.yaml": STEP.format(step="train", **filled),
        "train.py": "",
        "score.py": "",
        "train.conda.yaml": "dependencies: [python=3.11]\n",
        "serve.conda.yaml": "dependencies: [python=3.11]\n",
        "request.schema.json": "{}",
        "sample.json": "{}",
    }
    folder.mkdir(parents=True, exist_ok=True)
    for file, text in files.items():
        (folder / file).write_text(text)
    data = root / ".data" / name
    data.mkdir(parents=True)
    (data / "day.csv").write_text("1\n")
    return folder


def make_live(root: Path, stack: str, text: str) -> None:
    """Writes what releases made live."""
    path = root / "live" / f"{stack}.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(textwrap.dedent(text))


def make_project(root: Path) -> None:
    """Puts into a folder what the stacks name, with data of its own, and one small model called late."""
    shutil.copytree(ROOT / "ml_jobs", root / "ml_jobs", ignore=shutil.ignore_patterns("__pycache__"))
    for file in ROOT.glob("Pulumi*.yaml"):
        shutil.copy(file, root)
    make_model(root, "late")
    for model in (root / "ml_jobs").glob("*/model.yaml"):
        data = root / yaml.safe_load(model.read_text())["data"]["path"]
        data.mkdir(parents=True, exist_ok=True)
        (data / "day.csv").write_text("1\n")


def enter(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Goes into a project's folder, where what the shell says about Azure is not heard."""
    make_project(root)
    monkeypatch.chdir(root)
    for name in list(os.environ):
        if name.startswith(("ARM_", "AZURE_")) or name == "MLOPS_LIVE":
            monkeypatch.delenv(name)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project folder of its own; the working directory of the test."""
    enter(tmp_path, monkeypatch)
    return tmp_path


@pytest.fixture
def declare() -> Declare:
    """Runs a program and returns what it registered."""
    return run_program


@pytest.fixture
def place() -> GroupPlace:
    """Where components under test live."""
    return GroupPlace(resource_group_name="rg", location="westeurope", tags={"owner": "me@example.com"})


@pytest.fixture
def workspace(place: GroupPlace) -> WorkspaceRef:
    """Workspace that components under test live in."""
    blobs = "https://account.blob.core.windows.net/"
    return WorkspaceRef(
        **vars(place),
        workspace_name="ws",
        workspace_id="/ws",
        storage_account_id="/storage",
        registry_id="/registry",
        code=UploadTarget(blob_endpoint=blobs, container="code"),
        data=UploadTarget(blob_endpoint=blobs, container="data"),
        data_store_uri="azureml://store/paths/",
        release_store=f"{blobs}releases",
    )


@pytest.fixture
def access() -> Access:
    """Grants roles in a stack called test."""
    return Access(
        names=Names(project="mlops", stack="test", salt="example", location="westeurope"), subscription_id=SUBSCRIPTION
    )


@pytest.fixture
def load(project: Path) -> Load:
    """Writes a stack file, hands its values over as an engine does, and reads them."""

    def run(
        config: dict[str, Any] | None = None,
        stack: str = "test",
        *,
        preview: bool = True,
        today: date = TODAY,
    ) -> Settings:
        config = small_config() if config is None else config
        if stack not in STACKS:
            Path(f"Pulumi.{stack}.yaml").write_text(yaml.safe_dump({"config": config}, sort_keys=False))
        set_all_config(as_engine_sends(config))
        pulumi.runtime.set_mocks(Echo(), "mlops", stack, preview=preview)
        return settings_load.load(today)

    return run
