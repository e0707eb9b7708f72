"""What nothing refers to: found by following every reference, archived and never deleted."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from ops import command, live
from ops import unreferenced as module
from ops.assets import Asset, named_in
from ops.stack import Stack
from ops.unreferenced import named_by, unreferenced
from ops.views import ModelVersion
from tests.ops.conftest import MODEL, OUTPUTS
from tests.ops.test_live import entry

WS = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.MachineLearningServices/workspaces/ws"


def ident(kind: str, reference: str) -> str:
    name, _, version = reference.partition(":")
    return f"{WS}/{kind}/{name}/versions/{version}"


@dataclass
class FakeAssets:
    """Versions in the order in which they were made, and what uses them."""

    bodies: dict[tuple[str, str], list[dict[str, Any]]] = field(default_factory=dict)
    uses: list[dict[str, Any]] = field(default_factory=list)

    def add(self, kind: str, reference: str, **properties: Any) -> None:
        name, _, version = reference.partition(":")
        there = self.bodies.setdefault((kind, name), [])
        made = {"createdAt": f"2026-01-01T00:00:{len(there):02}Z"}
        there.append({"name": version, "properties": properties, "systemData": made})

    def versions(self, kind: str, name: str) -> list[dict[str, Any]]:
        return self.bodies.get((kind, name), [])

    def users(self) -> Iterator[dict[str, Any]]:
        yield from self.uses

    def archive(self, asset: Asset) -> None:
        raise AssertionError("nobody asked for it")


@pytest.fixture
def azure() -> FakeAssets:
    """Three generations: version 1 of everything is old, 2 is live, 3 is what the stack holds now."""
    made = FakeAssets()
    for number in "123":
        made.add("codes", f"training:{number}", codeUri=f"https://x/{number}")
        made.add("codes", f"serving:{number}")
        made.add("data", f"flights:{number}")
        made.add("environments", f"train:{number}")
        step = {"code": f"azureml:{ident('codes', f'training:{number}')}",
                "environment": ident("environments", f"train:{number}")}  # fmt: skip
        made.add("components", f"step:{number}", componentSpec=step)
        steps = {"jobs": {"train": {"componentId": ident("components", f"step:{number}")}}}
        made.add("components", f"pipeline:{number}", componentSpec=steps)
        lineage = {"data": f"flights:{number}", "pipeline": f"pipeline:{number}", "code": f"training:{number}"}
        made.add("models", f"m:{number}", properties=lineage)
    made.uses = [{"properties": {"model": ident("models", "m:2"), "codeId": ident("codes", "serving:2")}}]
    return made


NOW = [
    Asset("codes", "training", "3"), Asset("codes", "serving", "3"), Asset("data", "flights", "3"),
    Asset("environments", "train", "3"), Asset("components", "pipeline", "3"), Asset("models", "m", ""),
]  # fmt: skip


def test_only_the_old_generation_is_free(azure: FakeAssets) -> None:
    assert {str(each) for each in unreferenced(azure, NOW)} == {
        "codes training:1", "codes serving:1", "data flights:1", "environments train:1", "components step:1",
        "components pipeline:1", "models m:1",
    }  # fmt: skip


def test_what_a_deployment_uses_is_held_with_all_that_made_it(azure: FakeAssets) -> None:
    azure.uses = [{"properties": {"model": ident("models", "m:1")}}]
    free = {str(each) for each in unreferenced(azure, NOW)}
    assert not free & {"models m:1", "data flights:1", "components pipeline:1", "components step:1", "codes training:1"}
    assert "models m:2" in free


def test_a_run_that_is_not_over_holds_what_it_reads(azure: FakeAssets) -> None:
    azure.uses.append({"properties": {"inputs": {"data": {"uri": f"azureml:{ident('data', 'flights:1')}"}}}})
    assert "data flights:1" not in {str(each) for each in unreferenced(azure, NOW)}


def test_the_newest_of_each_name_is_held_though_nobody_names_it(azure: FakeAssets) -> None:
    azure.add("data", "flights:4")
    assert "data flights:4" not in {str(each) for each in unreferenced(azure, NOW)}


def test_the_newest_is_the_last_that_was_made_whatever_it_is_called(azure: FakeAssets) -> None:
    """Versions are digests, except those of models."""
    azure.add("data", "flights:0")
    free = {str(each) for each in unreferenced(azure, [each for each in NOW if each.kind != "models"])}
    assert "data flights:0" not in free


def test_names_that_this_stack_does_not_use_are_left_alone(azure: FakeAssets) -> None:
    for number in "12":
        azure.add("data", f"of-another-team:{number}")
    assert not any(each.name == "of-another-team" for each in unreferenced(azure, NOW))


def test_a_model_of_the_registry_is_held(azure: FakeAssets) -> None:
    free = {str(each) for each in unreferenced(azure, [*NOW, Asset("models", "m", "1")])}
    assert free == {"codes serving:1"}


def test_a_stack_names_what_its_outputs_and_its_live_file_name(stack: Stack, live_folder: Path) -> None:
    live.write("dev", "flight-delay", [entry("7")])
    found = {str(each) for each in named_by(stack, "dev")}
    assert MODEL.training
    assert {f"data {MODEL.training.data}", "models flight-delay:7", f"codes {MODEL.serving.code}"} <= found
    assert f"components {MODEL.training.pipeline}" in found
    assert "models flight-delay:" in found, "its versions are looked at even while none is live"
    serving = replace(MODEL.serving, code="flight-delay-serving:c0", environment="serve:s0")
    old = ModelVersion(name="flight-delay", version="6", tags={}, properties={})
    live.write("dev", "flight-delay", [live.entry(replace(MODEL, serving=serving), old, old.reference), entry("7")])
    assert {"codes flight-delay-serving:c0", "environments serve:s0"} <= {str(each) for each in named_by(stack, "dev")}


@pytest.mark.parametrize("asked", [True, False])
def test_only_who_asks_archives(
    azure: FakeAssets, tmp_path: Path, live_folder: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str], asked: bool,
) -> None:  # fmt: skip
    for number in ("d0", "d1"):
        azure.add("data", f"flights:{number}")
    archived: list[str] = []
    monkeypatch.setattr(azure, "archive", lambda asset: archived.append(str(asset)))
    monkeypatch.setattr(module, "Assets", lambda _: azure)
    monkeypatch.setattr(module, "Arm", lambda _: None)
    (tmp_path / "dev.json").write_text(json.dumps(OUTPUTS), encoding="utf-8")
    given = ["--outputs", str(tmp_path / "dev.json"), *(["--archive"] if asked else [])]
    assert command.run(module.parser(), module._main, given) == 0
    listed = capsys.readouterr().out.splitlines()
    assert "data flights:d0" in listed
    assert "data flights:d1" not in listed
    assert archived == (listed if asked else [])


def test_ids_are_found_however_they_are_written() -> None:
    text = f'{{"a": "azureml:{ident("codes", "c:1")}", "b": "azureml://registries/r/models/m/versions/2"}}'
    assert named_in(text) == {Asset("codes", "c", "1"), Asset("models", "m", "2")}
