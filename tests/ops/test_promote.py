"""Promotion: the same model on the far side, with its lineage, or a refusal."""

import json
from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ops import command, live
from ops import promote as module
from ops.command import OpsError, UsageError
from ops.origin import check
from ops.promote import choose, promote
from ops.views import ModelVersion
from tests.ops.conftest import MODEL, OUTPUTS
from tests.ops.fakes import FakeRegistry, FakeWorkspace, deployed, digest_of

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


def test_a_version_that_somebody_shared_without_a_word_gets_who_and_why(
    azure: FakeWorkspace, registry: FakeRegistry
) -> None:
    """Azure's own client shares too, and carries the properties over."""
    registry.known["flight-delay:3"] = version()
    promoted, is_new = promote(azure, registry, version(), TAGS)
    assert is_new
    assert registry.known["flight-delay:3"].tags == promoted.tags == {**version().tags, **TAGS}
    assert azure.shared == []


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


def test_code_that_is_not_committed_is_trained_again_where_it_was_trained(
    azure: FakeWorkspace, registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAKELEVEL", "1")
    monkeypatch.setattr(command, "_here", Namespace(outputs=Path("dev.json")))
    with pytest.raises(OpsError) as failure:
        promote(azure, registry, version(commit=f"{'a' * 40}-dirty"), TAGS)
    assert failure.value.repair == "commit the code, then train again: make up AGAIN=1 MODEL=flight-delay"
    monkeypatch.setattr(command, "_here", Namespace(outputs=Path("prod.json")))
    with pytest.raises(OpsError) as failure:
        check(version(commit="unknown"), clean_commit=True, outputs="dev.json")
    assert failure.value.repair == "commit the code, then train again: make up AGAIN=1 MODEL=flight-delay"


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
    dev, prod = ({**each, "models": _two(each)} for each in (OUTPUTS, PROD))
    assert run(tmp_path, {**dev, "registry": "shared"}, prod, "--reason", "a try", "--version", "3") == 2
    assert "--version needs --model" in capsys.readouterr().err


def test_a_stack_that_trains_its_models_takes_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "Workspace", lambda _: pytest.fail("Azure was asked"))
    assert run(tmp_path, OUTPUTS, OUTPUTS, "--reason", "a try") == 0
    assert "= promote    stack prod takes no model" in capsys.readouterr().err
    assert run(tmp_path, OUTPUTS, OUTPUTS, "--reason", "a try", "--model", "flight-delay") == 2
    assert "does not take flight-delay from a registry" in capsys.readouterr().err


@pytest.fixture
def declared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with stack dev, and stack prod that takes its model."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "Pulumi.yaml").write_text("name: mlops", encoding="utf-8")
    (tmp_path / "Pulumi.dev.yaml").write_text("config: {mlops:models: [{name: flight-delay}]}", encoding="utf-8")
    models = "[{name: flight-delay, promoted: true}]"
    (tmp_path / "Pulumi.prod.yaml").write_text(f"config: {{mlops:models: {models}}}", encoding="utf-8")
    return tmp_path


def before(stack: str, to: str = "prod") -> int:
    files = ["--outputs", f"{stack}.json", "--to-outputs", f"{to}.json", "--to-stack", to]
    return command.run(module.parser(), module._main, [*files, "--reason", "a try", "--check"])


@pytest.mark.parametrize(
    ("stack", "says", "repair"),
    [
        ("dev", "from stack dev, which is not up", "make up STACK=dev first"),
        ("nosuch", "which nobody has declared: there is no Pulumi.nosuch.yaml", "make up STACK=prod FROM=NAME"),
    ],
)
@pytest.mark.usefixtures("declared")
def test_a_stack_that_models_come_from_has_to_be_up_first(
    stack: str, says: str, repair: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert before(stack) == 2
    what, _, do = capsys.readouterr().err.splitlines()
    assert what.startswith("error: stack prod takes flight-delay from stack ")
    assert (what.endswith(says), do) == (True, f"  do: {repair}")


@pytest.mark.usefixtures("declared")
def test_a_stack_that_takes_no_model_needs_no_other() -> None:
    assert before("prod", to="dev") == 0


@pytest.mark.parametrize(("commit", "code"), [("a" * 40, 0), (f"{'a' * 40}-dirty", 1)])
def test_a_version_that_may_not_go_there_is_told_before_the_other_stack_is_up(
    declared: Path, azure: FakeWorkspace, commit: str, code: int,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    (declared / "dev.json").write_text(json.dumps(OUTPUTS), encoding="utf-8")
    monkeypatch.setattr(module, "Workspace", lambda _: azure)
    entry = live.entry(MODEL, version("3"), "flight-delay:3")
    azure.versions = [version("3", commit=commit)]
    azure.there[entry.name], azure.traffic = deployed(entry), {entry.name: 100}
    assert before("dev") == code
    assert ("may not go live" in capsys.readouterr().err) is bool(code)
    assert azure.shared == []


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


def test_a_missing_reason_ends_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, OUTPUTS, OUTPUTS) == 2
    assert "error: the following arguments are required: --reason" in capsys.readouterr().err
