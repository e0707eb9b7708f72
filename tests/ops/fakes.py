"""A workspace, a registry, deployments and an apply in memory that behave as Azure does where ops relies on it."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from live_file import LiveDeployment, LiveFile
from ops.digest import digest
from ops.rollout_state import ConflictError, State
from ops.scoring import Answer
from ops.views import Deployed, EndpointView, ModelVersion, Run, RunRequest, TakenError

CARD: dict[str, Any] = {
    "commit": "c0ffee",
    "parameters": {"num_leaves": 31},
    "metrics": {"candidate": {"auc": 0.66}, "baseline": {"auc": 0.63}},
    "gates": [{"gate": "auc", "passed": True}],
    "checks": {"passed": True, "summary": "102 of 102 checks passed"},
    "export": {"passed": True},
}
REQUEST = {"flights": [{"day": 4, "month": 1, "carrier": "UA"}]}


class AzureError(Exception):
    """Stands for an answer that is no success."""

    def __init__(self, status_code: int) -> None:
        super().__init__(f"status {status_code}")
        self.status_code = status_code


@dataclass
class FakeWorkspace:
    """Runs, models and one endpoint.

    Attributes:
        runs: states of each run, in the order in which they are seen.
        outputs: files of each run's output.
        versions: models that are not archived.
        archived: numbers that were given and are hidden.
        there: deployments.
        conflicts: registrations that somebody else is quicker at.
        shared: what went to a registry.
    """

    runs: dict[str, list[Run]] = field(default_factory=dict)
    children: dict[str, list[Run]] = field(default_factory=dict)
    outputs: dict[str, dict[str, bytes]] = field(default_factory=dict)
    versions: list[ModelVersion] = field(default_factory=list)
    archived: list[str] = field(default_factory=list)
    model_files: dict[tuple[str, str], bytes] = field(default_factory=dict)
    logs: dict[str, str] = field(default_factory=dict)
    submitted: list[RunRequest] = field(default_factory=list)
    traffic: dict[str, int] = field(default_factory=dict)
    there: dict[str, Deployed] = field(default_factory=dict)
    removed: list[str] = field(default_factory=list)
    history: list[dict[str, int]] = field(default_factory=list)
    shared: list[tuple[str, str]] = field(default_factory=list)
    registered: list[tuple[ModelVersion, str]] = field(default_factory=list)
    conflicts: int = 0
    data_versions: list[str] = field(default_factory=lambda: ["flights:d1", "flights:d2"])

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
        card = {**CARD, "commit": request.values["commit"]}
        self.outputs.setdefault(request.name, {"model_card.json": json.dumps(card).encode(), "model.onnx": b"onnx"})
        return self.runs[request.name][0]

    def steps(self, name: str) -> list[Run]:
        return self.children.get(name, [])

    def running(self) -> list[Run]:
        return [states[0] for states in self.runs.values() if not states[0].finished]

    def log_of(self, name: str, folder: Path) -> Path | None:
        if name not in self.logs:
            return None
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "std_log.txt").write_text(self.logs[name], encoding="utf-8")
        return folder / "std_log.txt"

    def download_output(self, run: str, output: str, folder: Path) -> Path:
        assert output == "model"
        for name, content in self.outputs.get(run, {}).items():
            (folder / "named-outputs" / output).mkdir(parents=True, exist_ok=True)
            (folder / "named-outputs" / output / name).write_bytes(content)
        return folder

    def models(self, name: str) -> list[ModelVersion]:
        return [version for version in self.versions if version.name == name]

    def data(self) -> list[str]:
        return self.data_versions

    def model_names(self) -> list[str]:
        return sorted({version.name for version in self.versions})

    def numbers(self, name: str) -> list[str]:
        return [*self.archived, *(version.version for version in self.models(name))]

    def register(self, model: ModelVersion, source: str, description: str) -> None:
        if self.conflicts:
            self.conflicts -= 1
            self.versions.append(replace(model, tags={}, properties={}))
            raise TakenError(model.reference)
        assert model.version not in self.numbers(model.name), "Azure refuses a number that is there, archived or not"
        self.versions.append(model)
        self.registered.append((model, source))

    def share(self, model: ModelVersion, registry: str) -> None:
        self.shared.append((model.reference, registry))

    def endpoint_names(self) -> list[str]:
        return ["flight-delay-dev"]

    def endpoint(self, name: str) -> EndpointView:
        return EndpointView(
            uri="https://example/score",
            traffic=dict(self.traffic),
            deployments={each.name: short(each.model) for each in self.there.values()},
            states={each.name: each.state for each in self.there.values()},
            assets={each.name: each.model for each in self.there.values()},
            made="once",
        )

    def deployments(self, endpoint: str) -> list[Deployed]:
        return [self.there[name] for name in sorted(self.there)]

    def remove_deployment(self, endpoint: str, name: str) -> None:
        assert not self.traffic.get(name), "Azure refuses to remove what takes traffic"
        del self.there[name]
        self.removed.append(name)

    def endpoint_secret(self, name: str) -> str:
        return "key"

    def model_file(self, asset: str, file: str) -> bytes | None:
        return self.model_files.get((asset, file))

    def deployment_log(self, endpoint: str, deployment: str) -> str:
        return self.logs[deployment]

    def set_traffic(self, name: str, traffic: dict[str, int], mirror: dict[str, int], beat: Callable[[], None]) -> None:
        assert set(traffic) <= set(self.there), "Azure refuses traffic to a deployment that does not exist"
        assert sum(traffic.values()) in (0, 100), "Azure refuses weights that do not sum to 0 or 100"
        self.traffic = dict(traffic)
        self.history.append(dict(traffic))


@dataclass
class FakeStore:
    """The state of one endpoint's rollouts, with a clock that stands still."""

    state: State = field(default_factory=State)
    tag: int = 0
    time: datetime = datetime(2026, 1, 1, tzinfo=UTC)

    def read(self) -> tuple[State, str]:
        return self.state, str(self.tag) if self.tag else ""

    def write(self, state: State, tag: str) -> str:
        if tag != (str(self.tag) if self.tag else ""):
            raise ConflictError
        self.state, self.tag = state, self.tag + 1
        return str(self.tag)

    def now(self) -> datetime:
        return self.time

    def pass_time(self, **much: float) -> None:
        self.time += timedelta(**much)


@dataclass
class FakeRegistry:
    """An ML registry.

    Attributes:
        files: content of each version, by ``NAME:VERSION``.
    """

    name: str = "shared"
    known: dict[str, ModelVersion] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)

    def version(self, name: str, version: str) -> ModelVersion | None:
        return self.known.get(f"{name}:{version}")

    def versions(self, name: str) -> list[ModelVersion]:
        return [each for each in self.known.values() if each.name == name]

    def digest(self, name: str, version: str) -> str:
        return digest_of(self.files[f"{name}:{version}"])

    def describe(self, model: ModelVersion) -> None:
        self.known[model.reference] = model


def digest_of(content: bytes) -> str:
    """The digest of a model with this model.onnx."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "model.onnx").write_bytes(content)
        return digest(Path(folder))


def short(reference: str) -> str:
    """``NAME:VERSION`` of a model's reference."""
    parts = reference.split("/")
    return f"{parts[-3]}:{parts[-1]}" if len(parts) > 3 else reference


def deployed(entry: LiveDeployment, state: str = "Succeeded") -> Deployed:
    """A deployment as Azure has it after an apply."""
    return Deployed(state=state, **{key: value for key, value in vars(entry).items() if key != "trained"})


PREDICTION: dict[str, Any] = {"predictions": [{"late": False, "probability": 0.3}]}


@dataclass
class Served:
    """What deployments answer.

    Attributes:
        broken: deployments that answer with an error.
        wrong: what a deployment says about its model.
        asked: which were asked, by name.
        refused: those that the gate says no to.
    """

    broken: set[str] = field(default_factory=set)
    wrong: dict[str, Any] = field(default_factory=dict)
    asked: list[str | None] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)
    gated: list[str] = field(default_factory=list)

    def ask(self, request: Any, deployment: str | None = None) -> Answer:
        self.asked.append(deployment)
        if deployment in self.broken:
            return Answer(status=500, body="boom", seconds=0.001)
        if request["flights"][0]["month"] > 12:
            return Answer(status=424, body={"error": {"field": "flights[0].month"}}, seconds=0.001)
        body = {**PREDICTION, "model": self.wrong} if self.wrong else PREDICTION
        return Answer(status=200, body=body, seconds=0.001, deployment=deployment or "")


@dataclass
class Applies:
    """The apply command: makes what the live file names, and takes away the rest of what it made.

    Attributes:
        runs: how often it ran.
        fails: names of deployments that fail to come up; the apply then ends with 1.
        known: what it has made; a deployment that failed is not among it, as in the real engines.
        happens: called before each run.
    """

    azure: FakeWorkspace
    runs: int = 0
    fails: set[str] = field(default_factory=set)
    known: set[str] = field(default_factory=set)
    happens: Callable[[], None] = lambda: None

    def run(self, _command: object, **_: Any) -> Any:
        self.runs += 1
        self.happens()
        code = 0
        wanted = {each.name: each for each in LiveFile.read("dev").of("flight-delay")}
        for name in self.known - wanted.keys():
            assert not self.azure.traffic.get(name), "Azure refuses to remove what takes traffic"
            self.azure.there.pop(name, None)
        self.known &= wanted.keys()
        for name, each in wanted.items():
            if name in self.fails:
                self.azure.there[name], code = deployed(each, "Failed"), 1
            else:
                self.azure.there[name] = deployed(each)
                self.known.add(name)
        return type("Done", (), {"returncode": code})


def version(number: str, **properties: str) -> ModelVersion:
    """A version that may go live, unless its properties say otherwise."""
    given = {"gates": "passed", "run": f"r{number}", "commit": "c0ffee", "digest": "sha256:1", **properties}
    return ModelVersion(name="flight-delay", version=number, tags={}, properties=given)
