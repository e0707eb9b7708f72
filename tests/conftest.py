"""What tests of the program share: a Pulumi engine that only remembers, and a project folder of their own."""

import asyncio
import json
import runpy
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
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

from components.access import Access
from components.place import UploadTarget, WorkspacePlace
from naming import Names

ROOT = Path(__file__).parent.parent
TENANT = "11111111-1111-1111-1111-111111111111"
SUBSCRIPTION = "22222222-2222-2222-2222-222222222222"
DEPLOYER = "33333333-3333-3333-3333-333333333333"


_LOOPS: list[asyncio.AbstractEventLoop] = []


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Pulumi's SDK asks for the main thread's event loop, and ``asyncio.run`` in an earlier test leaves none."""
    try:
        asyncio.get_event_loop_policy().get_event_loop()
    except RuntimeError:
        _LOOPS.append(asyncio.new_event_loop())
        asyncio.set_event_loop(_LOOPS[-1])


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


def run_program(program: Callable[[], Any], stack: str = "test") -> Declared:
    """Runs a program and returns what it registered."""
    recorder = Recorder()
    reset_options()  # a root resource of its own: the last program's would keep its exports and its children
    pulumi.runtime.set_mocks(recorder.mocks, "mlops", stack, preview=False, monitor=recorder)

    def run_and_export() -> Any:
        program()
        root = pulumi.runtime.get_root_resource()
        assert isinstance(root, Stack)
        return pulumi.Output.all(**root.outputs).apply(recorder.declared.exports.update)

    run_and_wait = pulumi.runtime.test(run_and_export)  # type: ignore[no-untyped-call] # the SDK's own
    run_and_wait()  # returns only when every registration has landed
    return recorder.declared


def run_stack(stack: str, changes: dict[str, Any] | None = None, name: str | None = None) -> Declared:
    """Runs the whole program with a stack's real configuration, some values changed, perhaps as another stack."""
    set_all_config(as_engine_sends(stack_config(stack) | (changes or {})))
    try:
        return run_program(lambda: runpy.run_path(str(ROOT / "__main__.py")), stack=name or stack)
    finally:
        set_all_config({})


def stack_config(stack: str) -> dict[str, Any]:
    """Plain values of a stack's file, by full key."""
    config: dict[str, Any] = yaml.safe_load((ROOT / f"Pulumi.{stack}.yaml").read_text())["config"]
    return config


def as_engine_sends(config: dict[str, Any]) -> dict[str, str]:
    """An engine hands configuration to a program as text: JSON for all that is not a string."""
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in config.items()}


def make_project(root: Path) -> None:
    """Puts into a folder what the stacks name, with data of its own."""
    shutil.copytree(ROOT / "ml_jobs", root / "ml_jobs", ignore=shutil.ignore_patterns("__pycache__"))
    month = root / ".data" / "flights" / "month=2013-01"
    month.mkdir(parents=True)
    (month / "flights.parquet").write_bytes(b"PAR1")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project folder of its own; the working directory of the test."""
    make_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def declare() -> Declare:
    """Runs a program and returns what it registered."""
    return run_program


@pytest.fixture
def place() -> WorkspacePlace:
    """Where components under test live."""
    return WorkspacePlace(
        resource_group_name="rg", workspace_name="ws", location="westeurope", tags={"owner": "me@example.com"}
    )


@pytest.fixture
def access() -> Access:
    """Grants roles in a stack called test."""
    return Access(
        names=Names(project="mlops", stack="test", salt="example"),
        subscription_id=pulumi.Output.from_input(SUBSCRIPTION),
        tenant_id=pulumi.Output.from_input(TENANT),
        deployer_id=pulumi.Output.from_input(DEPLOYER),
    )


@pytest.fixture
def target() -> UploadTarget:
    """Where components under test upload to."""
    return UploadTarget(blob_endpoint="https://account.blob.core.windows.net/", container="code")
