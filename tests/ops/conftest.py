"""A workspace in memory that behaves as Azure does where ops relies on it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ops.report import Report, Step
from ops.stack import Stack
from ops.workspace import EndpointView, ModelVersion, Run, RunRequest, Shift


class AzureError(Exception):
    """Stands for an answer that is no success."""

    def __init__(self, status_code: int) -> None:
        super().__init__(f"status {status_code}")
        self.status_code = status_code


class Killed(BaseException):
    """The process is gone: nothing after this point runs, no clean-up either."""


@dataclass
class FakeWorkspace:
    """Runs, models and one endpoint.

    Attributes:
        before_request: called with the number of each request to the endpoint; may raise, as a network does.
        after_request: the same, after the request has been taken.
    """

    runs: dict[str, list[Run]] = field(default_factory=dict)
    children: dict[str, list[Run]] = field(default_factory=dict)
    versions: list[ModelVersion] = field(default_factory=list)
    files: dict[tuple[str, str], bytes] = field(default_factory=dict)
    logs: dict[str, str] = field(default_factory=dict)
    submitted: list[RunRequest] = field(default_factory=list)
    traffic: dict[str, int] = field(default_factory=dict)
    deployments: dict[str, str] = field(default_factory=lambda: {"blue": "m:1", "green": "m:2"})
    shift: Shift | None = None
    history: list[dict[str, int]] = field(default_factory=list)
    conflicts: int = 0
    before_request: Callable[[int], None] = lambda _: None
    after_request: Callable[[int], None] = lambda _: None
    requests: int = 0

    def run(self, name: str) -> Run | None:
        states = self.runs.get(name)
        if not states:
            return None
        return states.pop(0) if len(states) > 1 else states[0]

    def submit(self, request: RunRequest) -> Run:
        self.submitted.append(request)
        self.runs[request.name] = [
            Run(name=request.name, status="Running", tags=request.tags),
            Run(name=request.name, status="Completed", tags=request.tags),
        ]
        return self.runs[request.name][0]

    def steps(self, name: str) -> list[Run]:
        return self.children.get(name, [])

    def log_of(self, name: str, folder: Path) -> Path | None:
        if name not in self.logs:
            return None
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "std_log.txt").write_text(self.logs[name], encoding="utf-8")
        return folder / "std_log.txt"

    def output_file(self, run: str, output: str, file: str) -> bytes | None:
        assert output == "model"
        return self.files.get((run, file))

    def models(self, name: str) -> list[ModelVersion]:
        return [version for version in self.versions if version.name == name]

    def register(self, model: ModelVersion, run: str, output: str, description: str) -> None:
        if self.conflicts:
            self.conflicts -= 1
            self.versions.append(ModelVersion(name=model.name, version=model.version, tags={}, properties={}))
            raise AzureError(409)
        assert model.version not in {known.version for known in self.models(model.name)}
        self.versions.append(model)

    def endpoint(self, name: str) -> EndpointView:
        return EndpointView(
            uri="https://example/score",
            traffic=dict(self.traffic),
            deployments=dict(self.deployments),
            shift=self.shift,
        )

    def endpoint_secret(self, name: str) -> str:
        return "key"

    def set_traffic(self, name: str, traffic: dict[str, int], shift: Shift | None) -> None:
        assert set(traffic) <= set(self.deployments), "Azure refuses traffic to a deployment that does not exist"
        assert sum(traffic.values()) in (0, 100), "Azure refuses weights that do not sum to 0 or 100"
        self.requests += 1
        self.before_request(self.requests)
        self.traffic, self.shift = dict(traffic), shift
        self.history.append(dict(traffic))
        self.after_request(self.requests)


@pytest.fixture
def azure() -> FakeWorkspace:
    """A workspace with two deployments and no traffic."""
    return FakeWorkspace()


@pytest.fixture
def step() -> Step:
    """Where progress goes."""
    return Step("test", Report())


@pytest.fixture
def stack() -> Stack:
    """What a stack made."""
    return Stack(
        subscription_id="s",
        resource_group="rg",
        workspace="ws",
        compute="train",
        pipeline="flight_delay_training:abc",
        data="flights:d1",
        environments={"train": "train:e1"},
        endpoint="flight-delay",
    )
