"""The whole release against a workspace in memory: its order, its way back, and what it leaves alone."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from live_file import LiveFile
from ops import command, live
from ops import release as module
from ops.command import OpsError, SomeFailedError, UsageError
from ops.deploy import Deployments
from ops.endpoint import Call
from ops.gate import Verdict
from ops.model import Recipe
from ops.origin import Library, Origin, Trained
from ops.release import Release, release_all
from ops.report import Report
from ops.rollout_state import Held
from ops.scoring import Answer
from ops.stack import Model, Stack
from ops.views import ModelVersion, Run
from tests.ops.conftest import MODEL, FakeRegistry, FakeStore, FakeWorkspace, deployed, named, write_model

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


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Served:
    found = Served()
    monkeypatch.setattr(module, "Scorer", lambda *_: found)

    def gate(_azure: object, _endpoint: str, deployment: str, _budget: object) -> Callable[..., Verdict]:
        def judge(*_: object) -> Verdict:
            found.gated.append(deployment)
            return Verdict(healthy=deployment not in found.refused, says="as told")

        return judge

    monkeypatch.setattr(module, "ModelGate", gate)
    monkeypatch.setattr("ops.submit.time.sleep", lambda _: None)
    monkeypatch.setattr("ops.deploy.time.sleep", lambda _: None)
    return found


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


def other_data(version: str) -> Model:
    assert MODEL.training
    return replace(MODEL, training=replace(MODEL.training, data=f"flights:{version}"))


def test_from_nothing_to_an_answer(
    make: Callable[..., Release], azure: FakeWorkspace, applies: Applies, served: Served
) -> None:
    result = make().run()
    (name,) = named()
    assert result["model"] == "flight-delay:1"
    assert result["answer"] == PREDICTION
    assert name.startswith("v1-")
    assert azure.traffic == {name: 100}
    assert applies.runs == 1


def test_a_deployment_is_asked_by_its_name_before_callers_get_it(
    make: Callable[..., Release], azure: FakeWorkspace, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[dict[str, int]] = []
    monkeypatch.setattr(served, "ask", _watching(served.ask, azure, seen))
    make().run()
    make(other_data("d2")).run()
    first, second = named()
    assert set(served.asked) == {first, second}
    assert seen[-1] == {first: 100}, "callers got the one before while it was asked"


def _watching(ask: Callable[..., Answer], azure: FakeWorkspace, seen: list[dict[str, int]]) -> Callable[..., Answer]:
    def asked(*arguments: Any) -> Answer:
        seen.append(dict(azure.traffic))
        return ask(*arguments)

    return asked


def test_a_release_of_an_unchanged_model_does_nothing(
    make: Callable[..., Release], azure: FakeWorkspace, applies: Applies, store: FakeStore, served: Served,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    make().run()
    asked, tag, history = len(served.asked), store.tag, list(azure.history)
    capsys.readouterr()
    make().run()
    marks = [line[2] for line in capsys.readouterr().err.splitlines() if line.startswith("  ")]
    assert set(marks) == {"="}
    assert (len(served.asked), store.tag, azure.history, applies.runs) == (asked, tag, history, 1)
    assert len(azure.submitted) == len(azure.versions) == 1


def test_another_model_is_compared_with_the_live_one_and_comes_up_beside_it(
    make: Callable[..., Release], azure: FakeWorkspace
) -> None:
    make().run()
    (first,) = named()
    make(other_data("d2")).run()
    assert azure.submitted[1].models == {"champion": "flight-delay:1"}
    assert named()[0] == first, "the one before stays as the way back"
    assert azure.traffic == {named()[1]: 100}
    assert {first: 90, named()[1]: 10} in azure.history


def test_other_scoring_code_is_another_deployment_of_the_same_model(
    make: Callable[..., Release], azure: FakeWorkspace
) -> None:
    make().run()
    make(replace(MODEL, serving=replace(MODEL.serving, code="flight-delay-serving:c2"))).run()
    first, second = named()
    assert first.partition("-")[0] == second.partition("-")[0] == "v1"
    assert azure.there[first].code == "flight-delay-serving:c1", "the live one never changes"
    assert len(azure.submitted) == 1


def test_more_instances_are_the_same_deployment(make: Callable[..., Release], azure: FakeWorkspace) -> None:
    make().run()
    make(replace(MODEL, serving=replace(MODEL.serving, instance_count=3))).run()
    (name,) = named()
    assert azure.there[name].instance_count == 3
    assert azure.traffic == {name: 100}


@pytest.mark.parametrize("fails", ["apply", "smoke", "lineage", "gate"])
def test_a_no_gives_back_exactly_what_was_before(
    make: Callable[..., Release], azure: FakeWorkspace, applies: Applies, served: Served, live_folder: Path, fails: str
) -> None:
    make().run()
    file, there, traffic = (live_folder / "dev.yaml").read_bytes(), dict(azure.there), dict(azure.traffic)
    entry = live.entry(MODEL, replace(azure.versions[0], version="2"), "flight-delay:2")
    match fails:
        case "apply":
            applies.fails = {entry.name}
        case "smoke":
            served.broken = {entry.name}
        case "lineage":
            served.wrong = {"data_version": "d9"}
        case "gate":
            served.refused = {entry.name}
    with pytest.raises(OpsError):
        make(other_data("d2")).run()
    assert (live_folder / "dev.yaml").read_bytes() == file
    assert azure.there == there
    assert azure.traffic == traffic


def test_a_no_to_the_first_deployment_leaves_none(
    make: Callable[..., Release], azure: FakeWorkspace, applies: Applies, served: Served
) -> None:
    entry = live.entry(MODEL, ModelVersion(name="flight-delay", version="1", tags={}, properties={}), "flight-delay:1")
    served.broken = {entry.name}
    with pytest.raises(OpsError, match="answers of v1-"):
        make().run()
    assert (named(), azure.there, azure.traffic) == ([], {}, {})


def test_a_failed_deployment_is_made_anew_by_the_next_release(
    make: Callable[..., Release], azure: FakeWorkspace, applies: Applies
) -> None:
    """Killed after a deployment had failed: an apply alone would find it there and take it for done."""
    entry = live.entry(MODEL, ModelVersion(name="flight-delay", version="1", tags={}, properties={}), "flight-delay:1")
    live.write("dev", "flight-delay", [entry])
    azure.there[entry.name] = deployed(entry, "Failed")
    make().run()
    assert azure.removed == [entry.name]
    assert azure.traffic == {entry.name: 100}


def test_a_deployment_that_something_works_on_is_waited_for(
    make: Callable[..., Release], azure: FakeWorkspace, applies: Applies, monkeypatch: pytest.MonkeyPatch
) -> None:
    make().run()
    (name,) = named()
    busy = azure.there[name]
    azure.there[name] = replace(busy, state="Updating")
    monkeypatch.setattr("ops.deploy.time.sleep", lambda _: azure.there.update({name: busy}))
    make().run()
    assert azure.removed == []


def test_waiting_for_a_deployment_has_an_end(
    make: Callable[..., Release], azure: FakeWorkspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    make().run()
    (name,) = named()
    azure.there[name] = replace(azure.there[name], state="Updating")
    ticks = iter(range(0, 10**6, 1000))
    monkeypatch.setattr("ops.deploy.time.monotonic", lambda: next(ticks))
    with pytest.raises(OpsError, match=f"{name} is still Updating after 1800 s"):
        make().run()
    assert azure.traffic == {name: 100}
    assert named() == [name]


@pytest.mark.parametrize("stopped_at", ["submit", "register", "endpoint_secret", "set_traffic"])
def test_it_goes_on_where_it_was_stopped(
    make: Callable[..., Release], azure: FakeWorkspace, applies: Applies, stopped_at: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Stopped right after each of its writes, the next run repeats none of them."""
    real = getattr(azure, stopped_at)

    def then_stop(*arguments: Any) -> None:
        real(*arguments)
        monkeypatch.setattr(azure, stopped_at, real)
        raise KeyboardInterrupt

    monkeypatch.setattr(azure, stopped_at, then_stop)
    with pytest.raises(KeyboardInterrupt):
        make().run()
    assert make().run()["traffic"] == {named()[0]: 100}
    assert len(azure.submitted) == len(azure.versions) == applies.runs == 1


def test_an_apply_that_is_no_command_is_a_wrong_argument(
    make: Callable[..., Release], monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(*_: object, **__: object) -> None:
        raise FileNotFoundError("no-such-command")

    monkeypatch.setattr("ops.deploy.subprocess", type("Stub", (), {"run": staticmethod(missing)}))
    with pytest.raises(OpsError, match="apply: cannot be run"):
        make().run()


def test_a_failed_run_changes_nothing(make: Callable[..., Release], azure: FakeWorkspace, applies: Applies) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(azure, "run", lambda name: Run(name=name, status="Failed") if azure.submitted else None)
        with pytest.raises(OpsError, match="Failed"):
            make().run()
    assert (azure.versions, named(), applies.runs) == ([], [], 0)


def test_held_weights_stay_and_are_said(
    make: Callable[..., Release], azure: FakeWorkspace, store: FakeStore, applies: Applies,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    make().run()
    (first,) = named()
    held = Held(kind="rollback", weights={first: 100}, over={}, by="ada", why="late nights", at="2026-01-01")
    store.state = replace(store.state, held=held)
    make(other_data("d2")).run()
    assert azure.traffic == {first: 100}
    assert len(azure.submitted) == applies.runs == 1
    told = capsys.readouterr().err
    assert "rollback by ada, 2026-01-01: late nights" in told
    assert "ops.rollback --lift" in told


def test_a_split_that_somebody_set_past_these_commands_stays(
    make: Callable[..., Release], azure: FakeWorkspace, applies: Applies
) -> None:
    make().run()
    make(other_data("d2")).run()
    first, second = named()
    azure.traffic = {first: 10, second: 90}
    make(other_data("d3")).run()
    assert azure.traffic == {first: 10, second: 90}
    assert applies.runs == 2


def test_without_the_live_file_nothing_is_applied(
    make: Callable[..., Release], azure: FakeWorkspace, applies: Applies, live_folder: Path
) -> None:
    make().run()
    (name,) = named()
    (live_folder / "dev.yaml").unlink()
    with pytest.raises(OpsError, match=f"does not name {name}") as failure:
        make(other_data("d2")).run()
    assert "--restore" in failure.value.repair
    assert applies.runs == 1


def test_what_another_controller_works_on_is_not_taken_away(
    make: Callable[..., Release],
    azure: FakeWorkspace,
    store: FakeStore,
    served: Served,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make().run()
    (first,) = named()
    entry = live.entry(MODEL, replace(azure.versions[0], version="2"), "flight-delay:2")

    class Busy:
        def run(self, _name: str) -> None:
            store.state = replace(store.state, holder="bob/1", holder_until="2026-01-01T00:00:20+00:00", to=entry.name)
            raise OpsError("bob/1 works on this endpoint")

    monkeypatch.setattr(Release, "_rollout", lambda *_: Busy())
    with pytest.raises(OpsError, match="bob/1 works on this endpoint"):
        make(other_data("d2")).run()
    assert named() == [first, entry.name]
    assert entry.name in azure.there


def test_what_has_cooled_down_leaves_and_the_way_back_stays(
    make: Callable[..., Release], azure: FakeWorkspace, store: FakeStore
) -> None:
    make().run()
    make(other_data("d2")).run()
    make(other_data("d3")).run()
    _, second, third = named()
    store.pass_time(days=2)
    make(other_data("d3")).run()
    assert named() == [second, third]
    assert set(azure.there) == {second, third}


# Which version.


def test_a_version_that_was_judged_against_another_champion_is_judged_again(
    make: Callable[..., Release], azure: FakeWorkspace
) -> None:
    make().run()
    make(other_data("d2")).run()
    make().run()
    assert [request.models for request in azure.submitted] == [
        {},
        {"champion": "flight-delay:1"},
        {"champion": "flight-delay:2"},
    ]
    assert len({request.name for request in azure.submitted}) == 3
    assert azure.traffic == {named()[-1]: 100}
    assert named()[-1].startswith("v3-")


def test_again_trains_and_judges_though_nothing_changed(make: Callable[..., Release], azure: FakeWorkspace) -> None:
    make().run()
    make(again=True).run()
    assert len(azure.submitted) == len(azure.versions) == 2
    assert azure.submitted[1].models == {"champion": "flight-delay:1"}


def test_a_version_whose_gates_failed_does_not_go_live(
    make: Callable[..., Release], azure: FakeWorkspace, applies: Applies
) -> None:
    azure.versions.append(version("1", gates="failed: auc"))
    with pytest.raises(OpsError, match="may not go live: failed: auc"):
        make(asked="1").run()
    assert applies.runs == 0


def version(number: str, **properties: str) -> ModelVersion:
    given = {"gates": "passed", "run": f"r{number}", "commit": "c0ffee", "digest": "sha256:1", **properties}
    return ModelVersion(name="flight-delay", version=number, tags={}, properties=given)


def test_a_version_can_be_named(make: Callable[..., Release], azure: FakeWorkspace) -> None:
    azure.versions += [version("1"), version("2")]
    make(asked="1").run()
    assert azure.submitted == []
    assert azure.there[named()[0]].model == "flight-delay:1"


def test_a_version_that_is_not_there_is_a_wrong_argument(make: Callable[..., Release], azure: FakeWorkspace) -> None:
    azure.versions.append(version("1"))
    with pytest.raises(UsageError, match="--version 9") as failure:
        make(asked="9").run()
    assert failure.value.why == "it has 1"


def test_an_mlflow_model_needs_no_scoring_script_and_stays_live(
    make: Callable[..., Release], azure: FakeWorkspace
) -> None:
    elsewhere = {"gates": "none: trained elsewhere", "origin": "the lab's notebook"}
    azure.versions.append(
        ModelVersion(name="flight-delay", version="1", tags={}, properties=elsewhere, kind="mlflow_model")
    )
    make(asked="1").run()
    (entry,) = LiveFile.read("dev").of("flight-delay")
    assert (entry.code, entry.environment, entry.script) == (None, None, None)
    make().run()
    assert azure.submitted == [], "nobody asked to replace it"
    make(again=True).run()
    assert azure.submitted[0].models == {}, "these pipelines cannot ask it"


# From another stack.

PROMOTED = replace(MODEL, training=None)


@pytest.fixture
def registry() -> FakeRegistry:
    return FakeRegistry(known={"flight-delay:7": version("7", commit="a" * 40)})


def test_a_promoted_model_comes_from_the_registry_and_is_never_trained(
    make: Callable[..., Release], azure: FakeWorkspace, registry: FakeRegistry
) -> None:
    make(PROMOTED, asked="7", registry=registry).run()
    (entry,) = LiveFile.read("dev").of("flight-delay")
    assert entry.model == "azureml://registries/shared/models/flight-delay/versions/7"
    assert entry.name.startswith("v7-")
    assert azure.submitted == []
    make(PROMOTED, registry=registry).run()
    assert named() == [entry.name], "without a number the live one stays"


def test_it_takes_what_is_live_where_the_model_comes_from(
    make: Callable[..., Release], registry: FakeRegistry, stack: Stack
) -> None:
    release = make(PROMOTED, registry=registry, source=stack)
    dev = FakeWorkspace(traffic={"v7-abc": 100})
    entry = live.entry(MODEL, version("7"), "flight-delay:7")
    dev.there = {"v7-abc": replace(deployed(entry), name="v7-abc")}
    release.origin.library._open["source"] = dev
    assert release.run()["model"] == "flight-delay:7"


def test_a_model_that_was_not_promoted_is_told_how(make: Callable[..., Release], registry: FakeRegistry) -> None:
    with pytest.raises(OpsError, match="registry shared has no model flight-delay:8") as failure:
        make(PROMOTED, asked="8", registry=registry).run()
    assert "ops.promote" in failure.value.repair


def test_a_promoted_model_without_a_number_and_without_a_source_is_a_wrong_argument(
    make: Callable[..., Release], registry: FakeRegistry
) -> None:
    with pytest.raises(UsageError, match="--version or --from-outputs"):
        make(PROMOTED, registry=registry).run()


@pytest.mark.parametrize("commit", ["unknown", f"{'a' * 40}-dirty", ""])
def test_a_stack_that_wants_commits_refuses_a_model_of_a_dirty_one(
    make: Callable[..., Release], registry: FakeRegistry, stack: Stack, commit: str
) -> None:
    registry.known["flight-delay:7"] = version("7", commit=commit)
    with pytest.raises(OpsError, match="its code is that of commit"):
        make(PROMOTED, asked="7", registry=registry, stack=replace(stack, clean_commit=True)).run()


# Several models, arguments, closing lines.


def test_one_model_that_fails_does_not_keep_the_next_from_its_turn(capsys: pytest.CaptureFixture[str]) -> None:
    def fails() -> dict[str, object]:
        raise ConnectionError("reset")

    def refused() -> dict[str, object]:
        raise OpsError("the gate said no")

    with pytest.raises(SomeFailedError, match="2 of 3 models were not released: a, b") as failure:
        release_all({"a": fails, "b": refused, "c": lambda: {"traffic": {"v1": 100}}}, Report())
    assert failure.value.exit_code == command.FAILED
    assert failure.value.result == {"c": {"traffic": {"v1": 100}}}
    told = capsys.readouterr().err
    assert "error: the gate said no" in told
    assert "defect" in told or "cannot be reached" in told


def run(*arguments: str) -> int:
    return command.run(module.parser(), module._main, list(arguments))


@pytest.fixture
def outputs(project: Path, live_folder: Path) -> Path:
    path = project / "dev.json"
    path.write_text(json.dumps(OUTPUTS), encoding="utf-8")
    return path


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


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--apply", ""], "--apply is empty"),
        (["--apply", "x", "--version", "1", "--from-outputs", "dev.json"], "exclude each other"),
        (["--apply", "x", "--model", "wine"], "--model wine: the stack has no such model"),
    ],
)
def test_wrong_arguments_end_with_2_before_azure_is_asked(
    outputs: Path, arguments: list[str], says: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "Workspace", lambda _: pytest.fail("Azure was asked"))
    assert run("--outputs", str(outputs), *arguments) == 2
    assert says in capsys.readouterr().err


def test_every_wrong_model_file_is_told_at_once_and_ends_with_2(
    outputs: Path, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    models = dict.fromkeys(("flight-delay", "wine", "tips"), OUTPUTS["models"]["flight-delay"])
    outputs.write_text(json.dumps({**OUTPUTS, "models": models}), encoding="utf-8")
    write_model(project, training={**MODEL_TRAINING, "inputs": {"commit": "x"}})
    assert run("--outputs", str(outputs), "--apply", "x") == 2
    told = capsys.readouterr().err
    for what in ("ml_jobs/wine/model.yaml", "ml_jobs/tips/model.yaml", "training.inputs.commit is filled in"):
        assert what in told


MODEL_TRAINING = {"pipeline": "pipeline.yaml", "environment": "train", "code": [], "inputs": {}}


def test_a_stack_that_wants_commits_asks_for_one_and_for_a_reason(
    outputs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outputs.write_text(json.dumps({**OUTPUTS, "requireCleanCommit": True}), encoding="utf-8")
    assert run("--outputs", str(outputs), "--apply", "x") == 2
    told = capsys.readouterr().err
    assert "the checkout is not a commit" in told
    assert "--reason is missing" in told


def test_the_closing_lines_hold_no_key(make: Callable[..., Release], capsys: pytest.CaptureFixture[str]) -> None:
    make().run()
    out = capsys.readouterr().out
    assert "call it" in out
    assert "answered {" in out
    assert "Bearer" not in out
