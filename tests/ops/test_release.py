"""The whole release against a workspace in memory: its order, which version it takes, and what it leaves alone."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from live_file import LiveFile
from ops import live
from ops.command import OpsError
from ops.release import Release
from ops.rollout_state import Held, State
from ops.scoring import Answer
from tests.ops.conftest import MODEL, named, other_data
from tests.ops.fakes import PREDICTION, Applies, FakeStore, FakeWorkspace, Served, deployed, version


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


def test_a_file_of_before_asks_for_no_deployment(make: Callable[..., Release], applies: Applies) -> None:
    """It does not say what the live one was trained with."""
    make().run()
    (entry,) = LiveFile.read("dev").of("flight-delay")
    assert entry.trained is not None
    live.write("dev", "flight-delay", [replace(entry, trained=None)])
    before = applies.runs
    make().run()
    assert applies.runs == before


def test_instances_that_the_file_names_and_azure_lacks_are_made(
    make: Callable[..., Release], azure: FakeWorkspace, applies: Applies
) -> None:
    """Killed between the file and the apply."""
    make().run()
    three = replace(MODEL, serving=replace(MODEL.serving, instance_count=3))
    live.write("dev", "flight-delay", [live.entry(three, azure.versions[0], "flight-delay:1")])
    make(three).run()
    assert azure.there[named()[0]].instance_count == 3
    assert applies.runs == 2


def test_a_deployment_that_is_up_and_not_in_the_file_is_named(
    make: Callable[..., Release], azure: FakeWorkspace, store: FakeStore, live_folder: Path
) -> None:
    """Killed before its rollout, and the file taken back: the next apply would take it away."""
    make().run()
    (name,) = named()
    azure.traffic, store.state = {}, State()
    (live_folder / "dev.yaml").unlink()
    make().run()
    assert named() == [name]


def test_more_instances_move_nothing_in_the_file(make: Callable[..., Release]) -> None:
    make().run()
    make(other_data("d2")).run()
    first, second = named()
    make(asked="1").run()
    make(replace(MODEL, serving=replace(MODEL.serving, instance_count=3)), asked="1").run()
    assert named() == [first, second]


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
    out, told = capsys.readouterr()
    assert out.count("call it") == 2, "it answers all the same"
    assert "rollback by ada, 2026-01-01: late nights" in told
    lift = "python -m ops.rollback --outputs FILE --model flight-delay --lift, then python -m ops.release "
    assert f"nothing was released; new is a version that a run would train; to release it: {lift}" in told


def test_a_hold_says_which_version_waits(
    make: Callable[..., Release], azure: FakeWorkspace, store: FakeStore, capsys: pytest.CaptureFixture[str]
) -> None:
    make().run()
    make(other_data("d2")).run()
    first, second = named()
    azure.traffic = {first: 100}
    held = Held(kind="rollback", weights={first: 100}, over={}, by="ada", why="", at="2026-01-01")
    store.state = replace(store.state, held=held, weights={first: 100})
    make(other_data("d2")).run()
    assert f"nothing was released; new is {second} of flight-delay:2; to release it: " in capsys.readouterr().err
    make().run()
    assert "nothing was released, and nothing is new; the hold ends with: " in capsys.readouterr().err
    azure.versions.append(version("7"))
    make(asked="7").run()
    assert "of flight-delay:7; to release it: " in capsys.readouterr().err
    assert azure.traffic == {first: 100}


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


def test_weights_that_somebody_set_over_a_killed_rollout_stay(
    make: Callable[..., Release], azure: FakeWorkspace, store: FakeStore, applies: Applies
) -> None:
    make().run()
    make(other_data("d2")).run()
    first, second = named()
    azure.traffic = {first: 40, second: 60}
    store.state = replace(
        store.state, to=second, source=first, before={first: 100}, weights={first: 90, second: 10}, step=10
    )
    make(other_data("d3")).run()
    assert azure.traffic == {first: 40, second: 60}
    assert (len(azure.submitted), applies.runs) == (2, 2)


def half_way(azure: FakeWorkspace, store: FakeStore) -> tuple[str, str]:
    """A rollout to the second deployment was killed at 10 %."""
    first, second = named()
    azure.traffic = {first: 90, second: 10}
    store.state = replace(
        store.state, to=second, source=first, before={first: 100}, weights={first: 90, second: 10}, step=10
    )
    return first, second


@pytest.mark.parametrize("changed", [{"data": "d3"}, {"data": "d2", "again": True}], ids=["other data", "again"])
def test_what_a_killed_rollout_keeps_from_its_turn_is_not_trained(
    make: Callable[..., Release], azure: FakeWorkspace, store: FakeStore, applies: Applies, changed: dict[str, Any]
) -> None:
    make().run()
    make(other_data("d2")).run()
    first, second = half_way(azure, store)
    before = applies.runs
    with pytest.raises(OpsError) as caught:
        make(other_data(changed["data"]), again=changed.get("again", False)).run()
    assert f"the rollout to {second} is under way ({first} 90 %, {second} 10 %)" in str(caught.value)
    assert "python -m ops.abort" in caught.value.repair
    assert (len(azure.submitted), applies.runs, len(named())) == (2, before, 2)


def test_a_killed_rollout_goes_on_when_its_files_are_released_again(
    make: Callable[..., Release], azure: FakeWorkspace, store: FakeStore
) -> None:
    make().run()
    make(other_data("d2")).run()
    _, second = half_way(azure, store)
    make(other_data("d2")).run()
    assert azure.traffic == {second: 100}


def test_a_rollout_that_somebody_works_on_is_waited_for(
    make: Callable[..., Release], azure: FakeWorkspace, store: FakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may well be over when the training is."""
    monkeypatch.setattr("ops.hold.time.sleep", lambda seconds: store.pass_time(seconds=seconds))
    make().run()
    make(other_data("d2")).run()
    half_way(azure, store)
    until = (store.now() + timedelta(seconds=15)).isoformat()
    store.state = replace(store.state, holder="ada@host/1", holder_until=until)
    with pytest.raises(OpsError, match="cannot roll out"):
        make(other_data("d3")).run()
    assert len(azure.submitted) == 3


def test_a_rollout_that_was_killed_before_its_last_gate_is_not_called_live(
    make: Callable[..., Release], store: FakeStore, served: Served
) -> None:
    make().run()
    make(other_data("d2")).run()
    first, second = named()
    store.state = replace(store.state, to=second, source=first, before={first: 100}, step=100)
    served.gated.clear()
    make(other_data("d2")).run()
    assert served.gated == [second]
    assert store.state.to == ""


def test_a_deployment_that_no_release_made_is_released_beside(
    make: Callable[..., Release], azure: FakeWorkspace
) -> None:
    """The file never named it, so nothing was lost."""
    entry = live.entry(MODEL, version("1"), "flight-delay:1")
    azure.there["blue"] = replace(deployed(entry), name="blue")
    azure.traffic = {"blue": 100}
    make().run()
    assert azure.traffic == {named()[0]: 100}
    assert "blue" in azure.there


def test_nobody_else_releases_while_it_applies(
    make: Callable[..., Release], store: FakeStore, applies: Applies
) -> None:
    """Of two at once the second would take away what the first brings up."""
    holders: list[str | None] = []
    applies.happens = lambda: holders.append(store.state.holder)
    make().run()
    assert len(holders) == 1
    assert holders[0]
    assert store.state.holder is None


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
