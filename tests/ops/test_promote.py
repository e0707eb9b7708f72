"""Promotion: which colour gets a version, and which versions may be promoted."""

from pathlib import Path

import pytest

from ops.command import OpsError, UsageError
from ops.promote import promote
from ops.stack_file import Deployment, StackFile
from ops.workspace import EndpointView, ModelVersion, Shift


def version(number: str, gates: str | None = "passed") -> ModelVersion:
    return ModelVersion(name="m", version=number, tags={}, properties={"gates": gates} if gates else {})


def entry(name: str, number: str, size: str = "Standard_D2as_v5", count: int = 1) -> Deployment:
    return Deployment(name=name, model="m", version=number, instance_type=size, instance_count=count)


def endpoint(traffic: dict[str, int], shift: Shift | None = None) -> EndpointView:
    return EndpointView(uri="", traffic=traffic, deployments={}, shift=shift)


MODELS = [version("1"), version("2"), version("3", "failed: auc against baseline"), version("4", None)]


@pytest.fixture
def file(tmp_path: Path) -> StackFile:
    path = tmp_path / "Pulumi.dev.yaml"
    path.write_text("config:\n  mlops:deployments: []\n", encoding="utf-8")
    return StackFile(path)


def with_entries(file: StackFile, *entries: Deployment) -> StackFile:
    file.write(file.with_deployments(list(entries)))
    return StackFile(file.path)


def test_the_first_version_is_blue(file: StackFile) -> None:
    assert promote(file, MODELS, endpoint({}), "m", "1") == (entry("blue", "1"), True)
    assert StackFile(file.path).deployments == [entry("blue", "1")]


def test_the_next_version_is_green_and_takes_over_the_size_of_the_live_one(file: StackFile) -> None:
    live = entry("blue", "1", "Standard_D8as_v5", 3)
    file = with_entries(file, live)
    promote(file, MODELS, endpoint({"blue": 100}), "m", "2")
    assert StackFile(file.path).deployments == [live, entry("green", "2", "Standard_D8as_v5", 3)]


def test_the_colour_without_traffic_takes_the_version_and_the_live_one_stays(file: StackFile) -> None:
    file = with_entries(file, entry("blue", "1"), entry("green", "2"))
    promote(file, [*MODELS, version("5")], endpoint({"green": 100}), "m", "5")
    assert StackFile(file.path).deployments == [entry("blue", "5"), entry("green", "2")]


def test_a_version_that_is_there_changes_nothing(file: StackFile) -> None:
    file = with_entries(file, entry("blue", "1"), entry("green", "2"))
    before = file.path.read_bytes()
    assert promote(file, MODELS, endpoint({"blue": 50, "green": 50}), "m", "2") == (entry("green", "2"), False)
    assert file.path.read_bytes() == before


def test_a_failed_first_deployment_is_replaced(file: StackFile) -> None:
    file = with_entries(file, entry("blue", "1"))
    assert promote(file, MODELS, endpoint({}), "m", "2") == (entry("blue", "2"), True)


@pytest.mark.parametrize(
    ("number", "kind", "says"),
    [
        ("9", UsageError, "it has 1, 2, 3, 4"),
        ("3", OpsError, "auc against baseline"),
        ("4", OpsError, "no gate is recorded"),
    ],
)
def test_refuses_a_version_that_is_missing_or_failed(
    file: StackFile, number: str, kind: type[OpsError], says: str
) -> None:
    before = file.path.read_bytes()
    with pytest.raises(kind) as failure:
        promote(file, MODELS, endpoint({}), "m", number)
    assert says in failure.value.why
    assert file.path.read_bytes() == before


@pytest.mark.parametrize(
    "view",
    [
        endpoint({"blue": 50, "green": 50}),
        endpoint({"green": 100}, Shift(to="green", source="blue")),
    ],
    ids=["two take traffic", "the last gate is missing"],
)
def test_refuses_while_a_rollout_is_under_way(file: StackFile, view: EndpointView) -> None:
    file = with_entries(file, entry("blue", "8"), entry("green", "1"))
    with pytest.raises(OpsError, match="a rollout is under way") as failure:
        promote(file, MODELS, view, "m", "2")
    assert "--abort" in failure.value.repair
