"""A release that is refused, fails or is stopped: what was before is there again, or the next one goes on."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ops import live
from ops.command import OpsError
from ops.release import Release
from ops.views import ModelVersion, Run
from tests.ops.conftest import MODEL, named, other_data
from tests.ops.fakes import Applies, FakeStore, FakeWorkspace, Served, deployed


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


def test_other_numbers_that_fail_do_not_take_away_what_was_live(
    make: Callable[..., Release], azure: FakeWorkspace, applies: Applies, served: Served
) -> None:
    """Somebody gives the traffic back while its instances change: it was there before, so it stays."""
    make().run()
    make(other_data("d2")).run()
    first, second = named()
    served.broken = {second}
    applies.happens = lambda: setattr(azure, "traffic", {first: 100})
    three = replace(other_data("d2"), serving=replace(MODEL.serving, instance_count=3))
    with pytest.raises(OpsError, match=f"answers of {second}"):
        make(three).run()
    assert named() == [first, second]
    assert azure.there[second].instance_count == 1


def test_a_way_back_takes_away_nothing_that_no_release_named(
    make: Callable[..., Release], azure: FakeWorkspace, served: Served
) -> None:
    make().run()
    entry = live.entry(MODEL, ModelVersion(name="flight-delay", version="2", tags={}, properties={}), "flight-delay:2")
    azure.there["mine"] = replace(deployed(entry), name="mine")
    served.broken = {entry.name}
    with pytest.raises(OpsError, match=f"answers of {entry.name}"):
        make(other_data("d2")).run()
    assert set(azure.there) == {*named(), "mine"}


@pytest.mark.parametrize(
    ("fails", "code", "says"),
    [(True, 0, "is Failed after the apply"), (False, 3, "apply ended with exit code 3")],
)
def test_apply_and_deployment_both_have_to_be_well(
    make: Callable[..., Release], azure: FakeWorkspace, applies: Applies, monkeypatch: pytest.MonkeyPatch,
    fails: bool, code: int, says: str,
) -> None:  # fmt: skip
    entry = live.entry(MODEL, ModelVersion(name="flight-delay", version="1", tags={}, properties={}), "flight-delay:1")
    applies.fails = {entry.name} if fails else set()
    real = applies.run

    def ends(*arguments: Any, **options: Any) -> Any:
        real(*arguments, **options)
        return type("Done", (), {"returncode": code if entry.name in named() else 0})

    monkeypatch.setattr(applies, "run", ends)
    with pytest.raises(OpsError, match=says):
        make().run()
    assert (named(), azure.there, azure.traffic) == ([], {}, {})


def test_what_callers_get_is_not_taken_away(
    make: Callable[..., Release], azure: FakeWorkspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    make().run()
    (first,) = named()
    entry = live.entry(MODEL, replace(azure.versions[0], version="2"), "flight-delay:2")

    class Overtaken:
        def run(self, name: str) -> None:
            azure.traffic = {name: 100}
            raise OpsError("somebody set the traffic")

    monkeypatch.setattr(Release, "_rollout", lambda *_: Overtaken())
    with pytest.raises(OpsError, match="somebody set the traffic"):
        make(other_data("d2")).run()
    assert named() == [first, entry.name]
