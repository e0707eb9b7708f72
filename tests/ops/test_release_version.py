"""Which version a release takes: trained here, named, promoted, or trained elsewhere; and which it refuses."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from live_file import LiveFile
from ops import live
from ops.command import OpsError, UsageError
from ops.release import Release
from ops.stack import Stack
from ops.views import ModelVersion
from tests.ops.conftest import MODEL, named, other_data
from tests.ops.fakes import Applies, FakeRegistry, FakeWorkspace, deployed, version


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


def test_a_version_that_was_named_stays_live_though_a_newer_one_would_do(
    make: Callable[..., Release], azure: FakeWorkspace
) -> None:
    make().run()
    make(again=True).run()
    make(asked="1").run()
    assert make().run()["model"] == "flight-delay:1"
    assert len(azure.submitted) == 2


def test_a_version_whose_gates_failed_does_not_go_live(
    make: Callable[..., Release], azure: FakeWorkspace, applies: Applies
) -> None:
    azure.versions.append(version("1", gates="failed: auc"))
    with pytest.raises(OpsError, match="may not go live: failed: auc"):
        make(asked="1").run()
    assert applies.runs == 0


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


def test_what_is_live_where_the_model_comes_from_goes_before_what_is_live_here(
    make: Callable[..., Release], registry: FakeRegistry, stack: Stack
) -> None:
    make(PROMOTED, asked="7", registry=registry).run()
    registry.known["flight-delay:8"] = version("8", commit="b" * 40)
    release = make(PROMOTED, registry=registry, source=stack)
    dev = FakeWorkspace(traffic={"v8-abc": 100})
    dev.there = {"v8-abc": replace(deployed(live.entry(MODEL, version("8"), "flight-delay:8")), name="v8-abc")}
    release.origin.library._open["source"] = dev
    assert release.run()["model"] == "flight-delay:8"


def test_a_stack_that_wants_commits_refuses_a_model_that_was_trained_elsewhere(
    make: Callable[..., Release], azure: FakeWorkspace, stack: Stack, applies: Applies
) -> None:
    azure.versions.append(version("1", gates="none: trained elsewhere", origin="the lab's notebook"))
    with pytest.raises(OpsError, match="may not go live: none: trained elsewhere"):
        make(asked="1", stack=replace(stack, clean_commit=True)).run()
    assert applies.runs == 0


@pytest.mark.parametrize("commit", ["unknown", f"{'a' * 40}-dirty", ""])
def test_a_stack_that_wants_commits_refuses_a_model_of_a_dirty_one(
    make: Callable[..., Release], registry: FakeRegistry, stack: Stack, commit: str
) -> None:
    registry.known["flight-delay:7"] = version("7", commit=commit)
    with pytest.raises(OpsError, match="its code is that of commit"):
        make(PROMOTED, asked="7", registry=registry, stack=replace(stack, clean_commit=True)).run()
