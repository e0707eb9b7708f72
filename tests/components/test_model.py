"""A model: its own assets, its own endpoint, the deployments that releases made, and a word about the next one."""

import dataclasses
from pathlib import Path
from typing import Any

import pulumi
import pytest

import model_file
from components.access import Access
from components.ml_registry import RegistryRef
from components.model import Model, ModelArgs, next_release
from components.place import WorkspaceRef
from live_file import LiveDeployment, LiveTraining, live_deployment
from settings import ModelSettings
from tests.conftest import Declare, Declared, make_model

LIVE = live_deployment(
    model="late:1",
    code="late-serving:old",
    environment="serve:old",
    script="ml_jobs/late/score.py",
    instance_type="Standard_D2as_v4",
    instance_count=1,
)
DECLARED = {"code": "late-serving:old", "environment": "serve:old", "script": "ml_jobs/late/score.py"}
TRAINING = LiveTraining(pipeline="late_training:1", data="late-data:1", environment="train:1", inputs={"seed": 7})
TRAINED = dataclasses.replace(LIVE, trained=TRAINING)


@pytest.fixture
def declare_models(project: Path, declare: Declare, workspace: WorkspaceRef, access: Access) -> Any:
    def run(*models: str, live: tuple[LiveDeployment, ...] = (), **settings: Any) -> Declared:
        def program() -> None:
            for name in models:
                args = ModelArgs(
                    workspace=workspace,
                    names=access.names,
                    access=access,
                    settings=ModelSettings(name=name, **settings),
                    file=model_file.read(name),
                    live=live,
                    registry=RegistryRef(name="mlr", registry_id="/mlr"),
                )
                pulumi.export(name, Model(name, args).exports)

        return declare(program)

    return run


def test_operations_find_what_they_need(declare_models: Any, access: Access) -> None:
    got = declare_models("late").exports["late"]
    assert got["endpoint"] == access.names.endpoint("late")
    assert got["scoringUri"].startswith(f"https://{got['endpoint']}.")
    assert (got["promoted"], got["compute"]) == (False, "train")
    assert got["data"].startswith("late-data:")
    assert got["pipeline"].startswith("late_training:")
    assert got["trainingCode"].startswith("late-training:")
    assert got["trainEnvironment"].startswith("train:")
    assert got["serving"]["code"].startswith("late-serving:")
    assert got["serving"]["environment"].startswith("serve:")
    assert got["serving"]["script"] == "ml_jobs/late/score.py"
    assert (got["serving"]["instanceType"], got["serving"]["instanceCount"]) == ("Standard_D2as_v4", 1)


def test_a_promoted_model_is_served_and_not_trained(declare_models: Any) -> None:
    declared = declare_models("late", promoted=True)
    got = declared.exports["late"]
    assert [got[key] for key in ("compute", "data", "pipeline", "trainingCode", "trainEnvironment")] == [None] * 5
    assert {inputs["name"] for inputs in declared.inputs.values() if inputs.get("kind")} == {"late-serving", "serve"}
    assert "/mlr" in {inputs.get("scope") for inputs in declared.inputs.values()}


def test_a_model_that_is_trained_here_has_nothing_to_read_in_the_registry(declare_models: Any) -> None:
    assert "/mlr" not in {inputs.get("scope") for inputs in declare_models("late").inputs.values()}


def test_two_models_with_deployments_of_one_name_are_two(declare_models: Any, project: Path) -> None:
    """Recorder refuses a URN that is registered twice."""
    make_model(project, "late-serving")
    make_model(project, "rain")
    declared = declare_models("late", "rain", "late-serving", live=(LIVE,))
    assert len([urn for urn in declared.inputs if urn.endswith(f"{LIVE.name}-deployment")]) == 3


def test_a_name_with_a_hyphen_is_not_another_models_part(declare_models: Any, project: Path) -> None:
    """``late`` with an environment ``red-train``, ``late-red`` with one called ``train``."""
    folder = make_model(project, "late-red")
    late = project / "ml_jobs" / "late" / "model.yaml"
    late.write_text(
        late.read_text().replace("  train: {conda", "  red-train: {conda").replace(": train\n", ": red-train\n")
    )
    step = project / "ml_jobs" / "late"
    for file in ("train.yaml", "prepare.yaml"):
        (step / file).write_text((step / file).read_text().replace("azureml:train@", "azureml:red-train@"))
    assert folder.is_dir()
    declare_models("late", "late-red")


def test_twenty_models_share_nothing(declare_models: Any, project: Path) -> None:
    names = [f"model-{chr(ord('a') + i)}" for i in range(20)]
    for name in names:
        make_model(project, name)
    declared = declare_models(*names)
    assert len(declared.inputs) == 20 * len(declare_models(names[0]).inputs)
    physical = ("endpointName", "resourceName", "roleAssignmentName")
    for key in physical:
        made = [inputs[key] for inputs in declared.inputs.values() if key in inputs]
        assert len(made) == len(set(made)), key


def test_one_changed_model_changes_itself_alone(declare_models: Any, project: Path) -> None:
    make_model(project, "rain")
    before = declare_models("late", "rain").inputs
    (project / "ml_jobs" / "rain" / "train.py").write_text("changed")
    after = declare_models("late", "rain").inputs
    changed = {urn for urn in after if after[urn] != before[urn]}
    assert changed
    assert all("rain" in urn for urn in changed)


def test_a_changed_training_step_asks_for_no_new_deployment(declare_models: Any, project: Path) -> None:
    before = declare_models("late").exports["late"]
    (project / "ml_jobs" / "late" / "train.py").write_text("changed")
    after = declare_models("late").exports["late"]
    assert before["pipeline"] != after["pipeline"]
    assert before["serving"] == after["serving"]


@pytest.mark.parametrize("file", ["score.py", "serve.conda.yaml"])
def test_what_is_live_does_not_follow_what_is_declared(declare_models: Any, project: Path, file: str) -> None:
    """A live deployment names exact versions; a new one comes by a release."""

    def deployed() -> list[Any]:
        found = declare_models("late", live=(LIVE,))
        return [inputs for urn, inputs in found.inputs.items() if urn.endswith("-deployment")]

    before, path = deployed(), project / "ml_jobs" / "late" / file
    path.write_text(f"{path.read_text()}# changed\n")
    assert deployed() == before


def test_what_is_live_does_not_follow_the_settings(declare_models: Any) -> None:
    """A release brings them; an update in between would change what serves."""
    declared = declare_models("late", live=(LIVE,), instance_type="Standard_D4as_v4", instance_count=3)
    got = declared.only("machinelearningservices:OnlineDeployment")
    assert (got["properties"]["instanceType"], got["sku"]["capacity"]) == ("Standard_D2as_v4", 1)


def test_a_deployment_waits_for_the_versions_that_are_declared(declare_models: Any) -> None:
    """A stack that comes up again from nothing makes them first."""
    declared = declare_models("late", live=(LIVE,))
    urn = next(urn for urn in declared.options if urn.endswith(f"{LIVE.name}-deployment"))
    waits = {each.rpartition("::")[2] for each in declared.options[urn].dependencies}
    assert {"late.serving-version", "late.serve-version"} <= waits


# --- the next release


def told(live: tuple[LiveDeployment, ...], training: LiveTraining | None = TRAINING, **settings: Any) -> list[str]:
    return next_release(ModelSettings(name="late", **settings), DECLARED, training, live)


def test_nothing_live_is_said() -> None:
    assert told(()) == ["the live file names no deployment; the next release will train a model and put the first one"]
    assert "take a model from the ML registry" in told((), promoted=True)[0]


def test_nothing_is_said_when_nothing_differs() -> None:
    assert told((LIVE,)) == told((TRAINED,)) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"pipeline": "late_training:2"}, "pipeline late_training:1 -> late_training:2"),
        ({"data": "late-data:2"}, "data late-data:1 -> late-data:2"),
        ({"environment": "train:2"}, "training environment train:1 -> train:2"),
        ({"inputs": {"seed": 8, "depth": 3}}, "input depth nothing -> 3, input seed 7 -> 8"),
        ({"inputs": {}}, "input seed 7 -> nothing"),
    ],
)
def test_what_trains_again_is_said_with_both_values(change: dict[str, Any], said: str) -> None:
    assert told((TRAINED,), dataclasses.replace(TRAINING, **change)) == [
        f"the next release will train again and put a new deployment beside {LIVE.name}, because {said}"
    ]


def test_nothing_is_said_of_training_that_is_not_known() -> None:
    """Models that are promoted or were trained elsewhere, files of before, and data that is not on this machine."""
    other = dataclasses.replace(TRAINING, inputs={"seed": 8})
    assert told((LIVE,), other) == []
    assert told((TRAINED,), None, promoted=True) == []
    assert told((TRAINED,), dataclasses.replace(TRAINING, data=None)) == []


def test_one_that_was_released_before_gets_the_traffic_again() -> None:
    newest = dataclasses.replace(TRAINED, name="v1-000000", code="late-serving:other")
    assert told((TRAINED, newest)) == [
        f"the next release will give all traffic to {LIVE.name}, which is what the files say now"
    ]


def test_a_model_of_before_is_trained_again_unless_it_serves() -> None:
    """A version that was judged against another one in its place proves nothing any more."""
    newest = dataclasses.replace(
        TRAINED, name="v2-000000", model="late:2", trained=dataclasses.replace(TRAINING, inputs={"seed": 8})
    )
    (said,) = told((TRAINED, newest))
    assert said.endswith(f" because input seed 8 -> 7; or leave all as it is, where {LIVE.name} takes the traffic")


@pytest.mark.parametrize("part", ["code", "environment", "script"])
def test_what_differs_from_the_newest_is_said_with_both_values(part: str) -> None:
    changed: dict[str, Any] = {part: "other"}
    live = dataclasses.replace(LIVE, **changed)
    assert told((LIVE, live)) == [
        f"the next release will put a new deployment beside {LIVE.name}, because {part} other -> {DECLARED[part]}"
    ]


def test_another_size_is_another_deployment_and_another_number_is_not() -> None:
    assert "instance type Standard_D2as_v4 -> Standard_D4as_v4" in told((LIVE,), instance_type="Standard_D4as_v4")[0]
    assert told((LIVE,), instance_count=3) == [f"the next release will give {LIVE.name} 3 instances instead of 1"]


def test_a_model_that_brings_its_own_code_is_not_compared_with_ours() -> None:
    assert told((dataclasses.replace(LIVE, code=None, environment=None, script=None),)) == []


def test_a_preview_says_it(declare_models: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(pulumi.log, "info", lambda text, _resource: said.append(text))
    declare_models("late", live=(TRAINED,))
    assert said[0].startswith(
        f"late: the next release will train again and put a new deployment beside {LIVE.name}, because pipeline "
    )
    assert ", data late-data:1 -> late-data:" in said[0]
    assert "input seed 7 -> 13" in said[0]
    said.clear()
    declare_models("late", live=(LIVE,))
    assert said[0].startswith(f"late: the next release will put a new deployment beside {LIVE.name}, because code ")
