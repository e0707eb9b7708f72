"""From an endpoint to commit and data, and from a data version to everything that was made of it."""

from dataclasses import replace
from typing import Any

import pytest

from ops import facts
from ops.command import UsageError
from ops.lineage import of_data, of_endpoint, told
from ops.versions import Place, rows
from ops.views import ModelVersion
from tests.ops.conftest import MODEL
from tests.ops.fakes import FakeRegistry, FakeWorkspace, deployed
from tests.ops.test_live import entry

FAR = "azureml://registries/shared/models/flight-delay/versions/1"


def version(number: str, data: str = "flights:d1", name: str = "flight-delay", **more: str) -> ModelVersion:
    properties = {"run": f"r{number}", "data": data, "commit": "c" * 40, "code": "t:1", "gates": "passed", **more}
    return ModelVersion(name=name, version=number, tags={}, properties=properties)


@pytest.fixture
def dev(azure: FakeWorkspace) -> FakeWorkspace:
    azure.versions = [version("1"), version("2", data="flights:d2"), version("1", name="wine")]
    azure.there = {each.name: deployed(each) for each in (entry("1"), entry("2"))}
    azure.traffic = {entry("2").name: 100}
    return azure


@pytest.fixture
def prod(monkeypatch: pytest.MonkeyPatch) -> FakeWorkspace:
    """Its only deployment is of the registry's model; its own model of that number is another one."""
    registry = FakeRegistry(known={"flight-delay:1": replace(version("1"), tags={"promoted_reason": "the summer"})})
    monkeypatch.setattr(facts, "Registry", lambda _: registry)
    far = replace(deployed(entry("1")), name="v1-far", model=FAR)
    return FakeWorkspace(there={"v1-far": far}, traffic={"v1-far": 100}, versions=[version("1", data="other:d9")])


def test_from_a_live_endpoint_to_commit_data_and_run(dev: FakeWorkspace) -> None:
    found: Any = of_endpoint(dev, MODEL)
    live = found["deployments"][entry("2").name]
    assert {key: live[key] for key in ("traffic", "model", "run", "commit", "data", "code")} == {
        "traffic": 100,
        "model": "flight-delay:2",
        "run": "r2",
        "commit": "c" * 40,
        "data": "flights:d2",
        "code": "t:1",
    }
    assert live["serving_code"] == "flight-delay-serving:c1"
    assert found["deployments"][entry("1").name]["traffic"] == 0


def test_lineage_is_intact_on_the_far_side(prod: FakeWorkspace) -> None:
    found: Any = of_endpoint(prod, MODEL)
    live = found["deployments"]["v1-far"]
    assert (live["run"], live["data"], live["promoted_reason"]) == ("r1", "flights:d1", "the summer")


def test_a_version_that_is_gone_does_not_hide_its_deployment(dev: FakeWorkspace) -> None:
    dev.versions = []
    found: Any = of_endpoint(dev, MODEL)
    assert found["deployments"][entry("2").name]["model"] == "flight-delay:2"


def test_from_a_data_version_to_every_model_and_deployment(dev: FakeWorkspace, prod: FakeWorkspace) -> None:
    found: Any = of_data(dev, "flights:d1", [version("1"), version("2", data="flights:d2")], [prod])
    assert sorted(found["models"]) == ["flight-delay:1", "wine:1"]
    assert sorted(found["promoted"]) == ["flight-delay:1"]
    assert [(each["deployment"], each["traffic"]) for each in found["deployments"]] == [
        (entry("1").name, 0),
        ("v1-far", 100),
    ]


def test_a_number_means_something_in_its_own_workspace_only(dev: FakeWorkspace, prod: FakeWorkspace) -> None:
    """Each workspace counts for itself; the registry's address is the same everywhere."""
    dev.there["v1-far"] = prod.there["v1-far"]
    prod.there = {entry("1").name: deployed(entry("1"))}
    found: Any = of_data(dev, "flights:d1", [version("1")], [prod])
    assert [each["model"] for each in found["deployments"]] == ["flight-delay:1", FAR]
    found = of_data(dev, "flights:d1", [], [prod])
    assert [each["model"] for each in found["deployments"]] == ["flight-delay:1"], "another model of that number"


def test_a_data_version_of_which_nothing_was_made(dev: FakeWorkspace) -> None:
    dev.data_versions.append("flights:d9")
    assert of_data(dev, "flights:d9", []) == {"data": "flights:d9", "models": {}, "promoted": {}, "deployments": []}
    assert "none" in told(of_data(dev, "flights:d9", []))


def test_a_data_version_that_is_not_there_is_a_wrong_argument(dev: FakeWorkspace) -> None:
    with pytest.raises(UsageError, match="--data flights:d9: there is no such version of data") as failure:
        of_data(dev, "flights:d9", [version("3", data="flights:d3")])
    assert failure.value.why == "want NAME:VERSION; there are flights:d1, flights:d2, flights:d3"
    assert "lineage --outputs FILE --data flights:d3" in failure.value.repair


def test_data_that_only_the_registry_knows_is_found(dev: FakeWorkspace) -> None:
    """A stack that takes its models from the registry has no data of its own."""
    found: Any = of_data(FakeWorkspace(data_versions=[]), "flights:d3", [version("3", data="flights:d3")])
    assert list(found["promoted"]) == ["flight-delay:3"]


def test_versions_say_where_they_come_from_and_where_they_are_live(
    dev: FakeWorkspace, prod: FakeWorkspace, stack: Any
) -> None:
    places = [Place(name="dev", stack=stack, azure=dev), Place(name="prod", stack=stack, azure=prod)]
    elsewhere = ModelVersion(name="flight-delay", version="3", tags={}, properties={"origin": "a lab"})
    found = rows(MODEL, [version("1", metrics='{"auc": 0.66}'), version("2"), elsewhere], places)
    assert [row["version"] for row in found] == ["flight-delay:3", "flight-delay:2", "flight-delay:1"]
    assert [row["live"] for row in found] == [
        "-",
        f"dev {entry('2').name} 100 %",
        f"dev {entry('1').name} 0 %, prod v1-far 100 %",
    ]
    assert found[0]["from"] == "trained elsewhere: a lab"
    assert found[2]["from"] == "run r1, flights:d1, commit cccccccccccc"
    assert found[2]["metrics"] == "auc: 0.66"
