"""Promotion: the same model on the far side, with its lineage, or a refusal."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ops import command
from ops import promote as module
from ops.command import OpsError, UsageError
from ops.promote import choose, promote
from ops.views import ModelVersion
from tests.ops.conftest import MODEL, FakeRegistry, FakeWorkspace, deployed, digest_of
from tests.ops.test_release import OUTPUTS

GOOD = {
    "gates": "passed",
    "commit": "a" * 40,
    "run": "r1",
    "data": "flights:d1",
    "digest": digest_of(b"onnx"),
}
TAGS = {"promoted_by": "Ada", "promoted_reason": "the summer", "promoted_from": "/subscriptions/s"}


def version(number: str = "3", **properties: Any) -> ModelVersion:
    given = {key: value for key, value in {**GOOD, **properties}.items() if value is not None}
    return ModelVersion(name="flight-delay", version=number, tags={"fingerprint": "f"}, properties=given)


@pytest.fixture
def registry(azure: FakeWorkspace, monkeypatch: pytest.MonkeyPatch) -> FakeRegistry:
    """One that a share copies the files into, and nothing else: properties do not come by themselves."""
    made = FakeRegistry()

    def share(model: ModelVersion, name: str) -> None:
        azure.shared.append((model.reference, name))
        made.known[model.reference] = replace(model, tags={}, properties={})
        made.files[model.reference] = b"onnx"

    monkeypatch.setattr(azure, "share", share)
    return made


def test_the_far_side_has_the_same_name_number_files_and_lineage(azure: FakeWorkspace, registry: FakeRegistry) -> None:
    shared, is_new = promote(azure, registry, version(), TAGS)
    far = registry.known["flight-delay:3"]
    assert is_new
    assert azure.shared == [("flight-delay:3", "shared")]
    assert far.properties == version().properties
    assert registry.digest("flight-delay", "3") == far.properties["digest"]
    assert far.tags == {**version().tags, **TAGS}
    assert shared == far


def test_promoting_twice_is_once(azure: FakeWorkspace, registry: FakeRegistry) -> None:
    promote(azure, registry, version(), TAGS)
    again, is_new = promote(azure, registry, version(), {**TAGS, "promoted_reason": "the winter"})
    assert not is_new
    assert again.tags["promoted_reason"] == "the summer"
    assert len(azure.shared) == 1


def test_a_promotion_that_was_stopped_is_completed(azure: FakeWorkspace, registry: FakeRegistry) -> None:
    azure.share(version(), "shared")
    promote(azure, registry, version(), TAGS)
    assert registry.known["flight-delay:3"].properties == version().properties
    assert len(azure.shared) == 1


@pytest.mark.parametrize(
    ("properties", "says"),
    [
        ({"gates": "failed: auc"}, "may not go live: failed: auc"),
        ({"gates": None}, "no gate is recorded"),
        ({"gates": "none: trained elsewhere", "origin": "a lab"}, "none: trained elsewhere"),
        ({"commit": f"{'a' * 40}-dirty"}, "-dirty"),
        ({"commit": "unknown"}, "commit unknown"),
        ({"commit": None}, "commit unknown"),
        ({"digest": None}, "no property 'digest'"),
    ],
)
def test_refuses_a_model_that_may_not_go_there(
    azure: FakeWorkspace, registry: FakeRegistry, properties: dict[str, Any], says: str
) -> None:
    with pytest.raises(OpsError, match=says):
        promote(azure, registry, version(**properties), TAGS)
    assert azure.shared == []


@pytest.mark.parametrize("recorded", [{}, {"digest": "sha256:other"}], ids=["by its files", "by what is recorded"])
def test_refuses_a_number_that_has_other_content(
    azure: FakeWorkspace, registry: FakeRegistry, recorded: dict[str, str]
) -> None:
    registry.known["flight-delay:3"] = replace(version(), properties=recorded)
    registry.files["flight-delay:3"] = b"another model"
    with pytest.raises(OpsError, match="has other content under flight-delay:3"):
        promote(azure, registry, version(), TAGS)
    assert registry.known["flight-delay:3"].properties == recorded


def test_without_a_number_it_is_the_live_one(azure: FakeWorkspace) -> None:
    azure.versions += [version("3"), version("4")]
    from ops import live

    entry = live.entry(MODEL, version("3"), "flight-delay:3")
    azure.there[entry.name], azure.traffic = deployed(entry), {entry.name: 100}
    assert choose(azure, MODEL, None).version == "3"
    assert choose(azure, MODEL, "4").version == "4"


def test_nothing_live_and_an_unknown_number_are_told(azure: FakeWorkspace) -> None:
    with pytest.raises(OpsError, match="is not live"):
        choose(azure, MODEL, None)
    azure.versions.append(version("3"))
    with pytest.raises(UsageError, match="--version 9") as failure:
        choose(azure, MODEL, "9")
    assert failure.value.why == "it has 3"


def run(tmp_path: Path, dev: dict[str, Any], prod: dict[str, Any], *arguments: str) -> int:
    for name, content in (("dev", dev), ("prod", prod)):
        (tmp_path / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    files = ["--outputs", str(tmp_path / "dev.json"), "--to-outputs", str(tmp_path / "prod.json")]
    return command.run(module.parser(), module._main, [*files, "--to-stack", "prod", *arguments])


def test_every_wrong_argument_is_told_at_once_and_ends_with_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "Workspace", lambda _: pytest.fail("Azure was asked"))
    assert run(tmp_path, OUTPUTS, PROD, "--reason", " ") == 2
    told = capsys.readouterr().err
    for what in ("--reason is empty", "registry is null"):
        assert what in told


def test_a_stack_that_trains_its_models_takes_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "Workspace", lambda _: pytest.fail("Azure was asked"))
    assert run(tmp_path, OUTPUTS, OUTPUTS, "--reason", "a try") == 0
    assert "= promote    stack prod takes no model" in capsys.readouterr().err
    assert run(tmp_path, OUTPUTS, OUTPUTS, "--reason", "a try", "--model", "flight-delay") == 2
    assert "does not take flight-delay from a registry" in capsys.readouterr().err


def test_every_model_that_the_other_stack_takes_goes_there(
    tmp_path: Path, azure: FakeWorkspace, registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "Workspace", lambda _: azure)
    monkeypatch.setattr(module, "Registry", lambda _: registry)
    azure.versions = [version("3"), replace(version("3"), name="wine")]
    monkeypatch.setattr(module, "choose", lambda source, model, _: source.models(model.name)[0])
    dev, prod = ({**each, "models": _two(each)} for each in (OUTPUTS, PROD))
    assert run(tmp_path, {**dev, "registry": "shared"}, prod, "--reason", "a try") == 0
    assert azure.shared == [("flight-delay:3", "shared"), ("wine:3", "shared")]


def _two(outputs: dict[str, Any]) -> dict[str, Any]:
    return dict.fromkeys(("flight-delay", "wine"), outputs["models"]["flight-delay"])


PROD: dict[str, Any] = {
    **OUTPUTS,
    "models": {
        "flight-delay": {
            "endpoint": "flight-delay-prod",
            "promoted": True,
            "serving": OUTPUTS["models"]["flight-delay"]["serving"],
        }
    },
}


def test_a_missing_reason_ends_with_2(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as failure:
        run(tmp_path, OUTPUTS, OUTPUTS)
    assert failure.value.code == 2
