"""What a look at a stack shows."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import live_file
from live_file import LiveTraining
from ops import command, live, status
from ops.rollout_state import Held, State
from ops.status import of_model, told
from tests.ops.conftest import MODEL, OUTPUTS
from tests.ops.fakes import FakeStore, FakeWorkspace, deployed
from tests.ops.test_lineage import version
from tests.ops.test_live import entry

TRAINED = LiveTraining(
    pipeline="flight_delay_training:abc", data="flights:d1", environment="train:e1", inputs={"seed": 7}
)


@pytest.fixture
def look(azure: FakeWorkspace, store: FakeStore, live_folder: Path) -> Any:
    """Two deployments, both in the live file; returns what the status is and how it is shown."""
    azure.versions = [version("1"), version("2")]
    azure.there = {each.name: deployed(each) for each in (entry("1"), entry("2"))}
    azure.traffic = {entry("2").name: 100}
    live.write("dev", "flight-delay", [entry("1"), entry("2")])
    store.state = State(weights=dict(azure.traffic), source=entry("1").name, made="once")

    def looked() -> tuple[Any, str]:
        found = of_model(azure, store, "dev", MODEL, {"seed": 7})
        return found, told("flight-delay", found)

    return looked


def test_it_shows_traffic_versions_and_where_they_come_from(look: Any) -> None:
    found, shown = look()
    assert found["traffic"] == {entry("2").name: 100}
    first, second = shown.splitlines()[1:3]
    assert first.split()[:3] == [entry("1").name, "0", "%"]
    assert "run r1, flights:d1" in first
    assert "the way back" in first
    assert second.split()[:5] == [entry("2").name, "100", "%", "Succeeded", "flight-delay:2"]
    assert not any(found[key] for key in ("held", "rollout", "works", "live_file"))


def test_it_shows_what_holds_the_traffic(look: Any, store: FakeStore) -> None:
    held = Held(kind="rollback", weights={entry("2").name: 100}, over={}, by="ada", why="late nights", at="2026-01-01")
    store.state = replace(store.state, held=held)
    lift = "python -m ops.rollback --outputs FILE --model flight-delay --lift"
    assert f"held by name: rollback by ada, 2026-01-01: late nights; {lift} ends it" in look()[1]


def test_what_holds_the_traffic_is_told_once(look: Any, store: FakeStore) -> None:
    held = Held(kind="rollback", weights={entry("2").name: 100}, over={}, by="ada", why="late nights", at="2026-01-01")
    store.state = replace(store.state, held=held)
    found, shown = look()
    assert shown.count("late nights") == 1
    assert [row["stays"] for row in found["deployments"]] == ["held", ""]


def test_it_shows_a_rollout_under_way_and_who_works_on_it(look: Any, store: FakeStore, azure: FakeWorkspace) -> None:
    azure.traffic = {entry("1").name: 90, entry("2").name: 10}
    store.state = replace(
        store.state, to=entry("2").name, weights=dict(azure.traffic), holder="ada@laptop/1",
        holder_until="2026-01-01T00:00:30+00:00",
    )  # fmt: skip
    shown = look()[1]
    assert f"a rollout is under way to {entry('2').name}, at 10 %" in shown
    assert "ada@laptop/1 works on it" in shown


def test_it_shows_what_a_release_left_on_its_way(look: Any, azure: FakeWorkspace, store: FakeStore) -> None:
    """Killed before the rollout, or rolled back and lifted; a preview cannot know, for it asks nobody."""
    says = f"the next release goes on with {entry('2').name}, which has not all of the traffic yet"
    assert says not in look()[1]
    azure.traffic = {entry("1").name: 100}
    store.state = replace(store.state, weights=dict(azure.traffic), source=entry("2").name)
    assert says in look()[1]
    store.state = replace(store.state, to=entry("2").name)
    assert says in look()[1]
    held = Held(kind="rollback", weights=dict(azure.traffic), over={}, by="ada", why="late", at="2026-01-01")
    store.state = replace(store.state, to="", held=held)
    assert says not in look()[1]


def test_a_change_that_was_taken_back_leaves_the_one_in_place(
    look: Any, azure: FakeWorkspace, store: FakeStore
) -> None:
    """A preview says either, for it does not know who has the traffic."""
    other = replace(entry("2"), trained=replace(TRAINED, inputs={"seed": 8}))
    live.write("dev", "flight-delay", [replace(entry("1"), trained=TRAINED), other])
    azure.traffic = {entry("1").name: 100}
    store.state = State(weights=dict(azure.traffic), made="once")
    assert f"the next release keeps to {entry('1').name}, which is what the last update declared" in look()[1]
    azure.traffic = {entry("1").name: 90, other.name: 10}
    store.state = State(weights=dict(azure.traffic), to=other.name, made="once")
    abort = "python -m ops.abort --outputs FILE --model flight-delay"
    shown = look()[1]
    assert f"the last update does not declare {other.name} any more; {abort} gives the traffic back" in shown
    assert "goes on with" not in shown
    azure.traffic = {other.name: 100}
    store.state = State(weights=dict(azure.traffic), made="once")
    assert "keeps to" not in look()[1], "it trains again: the older one was not judged against this one"


def test_what_the_files_do_not_say_any_more_is_left_where_it_is(look: Any, azure: FakeWorkspace) -> None:
    azure.traffic = {entry("1").name: 100}
    for change in ({"script": "other.py"}, {"trained": replace(TRAINED, inputs={"seed": 8})}):
        newest = replace(entry("2"), **change)
        live.write(
            "dev",
            "flight-delay",
            [
                entry("1"),
                replace(
                    newest,
                    name=live_file.deployment_name(
                        model=newest.model,
                        code=newest.code,
                        environment=newest.environment,
                        script=newest.script,
                        instance_type=newest.instance_type,
                    ),
                ),
            ],
        )
        assert "goes on with" not in look()[1]


def test_it_shows_what_differs_from_the_live_file(look: Any, azure: FakeWorkspace) -> None:
    azure.there["blue"] = replace(deployed(entry("1"), "Failed"), name="blue")
    shown = look()[1]
    assert "the live file differs: on the endpoint and not in the file: blue; does not answer: blue" in shown


def test_a_file_with_mistakes_hides_nothing_of_what_serves(
    project: Path, look: Any, azure: FakeWorkspace, store: FakeStore, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    (outputs := project / "dev.json").write_text(json.dumps(OUTPUTS), encoding="utf-8")
    (project / "ml_jobs" / "flight_delay" / "model.yaml").write_text("nam: x\n", encoding="utf-8")
    monkeypatch.setattr(status, "Workspace", lambda _: azure)
    monkeypatch.setattr(status, "BlobStore", lambda *_: store)
    assert command.run(status.parser(), status._main, ["--outputs", str(outputs)]) == 0
    shown = capsys.readouterr().out
    assert f"flight-delay  flight-delay-dev  {entry('2').name} 100 %" in shown
    assert "model.yaml has mistakes, so what the next release does is not known; a preview names them" in shown


def test_without_a_network_it_shows_what_releases_wrote(
    project: Path, live_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (outputs := project / "dev.json").write_text(json.dumps(OUTPUTS), encoding="utf-8")
    ask = ["--outputs", str(outputs), "--offline"]
    assert command.run(status.parser(), status._main, ask) == 0
    assert f"there is no {live_folder / 'dev.yaml'}, so nothing is live" in capsys.readouterr().out
    live.write("dev", "flight-delay", [entry("1"), replace(entry("2"), trained=TRAINED)])
    assert command.run(status.parser(), status._main, ask) == 0
    head, model, first, second = capsys.readouterr().out.splitlines()
    assert head.startswith("nothing was asked, so the traffic is not known; ")
    assert head.endswith(" UTC")
    assert model.split() == ["flight-delay", "flight-delay-dev"]
    assert first.split() == [entry("1").name, "flight-delay:1"]
    assert second.split(maxsplit=1) == [entry("2").name, "flight-delay:2 of flight_delay_training:abc and flights:d1"]


def test_an_endpoint_without_deployments_is_shown(look: Any, azure: FakeWorkspace, store: FakeStore) -> None:
    azure.there, azure.traffic, store.state = {}, {}, State()
    live.write("dev", "flight-delay", [])
    assert look()[1].splitlines() == ["flight-delay  flight-delay-dev  no traffic yet", "  no deployment"]
