"""The outputs that every command reads: keyed by model, every mistake told at once."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from ops.command import UsageError
from ops.stack import Stack
from tests.ops.conftest import MODEL, OUTPUTS

HOW = "docs/how-to/team-stack.md"


def write(tmp_path: Path, content: object) -> Path:
    path = tmp_path / "dev.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def changed(**changes: Any) -> dict[str, Any]:
    """The outputs with other values at dotted places below the model; None removes one."""
    found = copy.deepcopy(OUTPUTS)
    for place, value in changes.items():
        holder: dict[str, Any] = found["models"]["flight-delay"]
        *way, last = place.split("__")
        for part in way:
            holder = holder[part]
        if value is None:
            del holder[last]
        else:
            holder[last] = value
    return found


def test_the_models_have_one_order(tmp_path: Path) -> None:
    one = OUTPUTS["models"]["flight-delay"]
    for names in (["wine", "flight-delay"], ["flight-delay", "wine"]):
        content = OUTPUTS | {"models": dict.fromkeys(names, one)}
        assert list(Stack.read(write(tmp_path, content)).models) == ["flight-delay", "wine"]


def test_reads_what_the_stack_made(tmp_path: Path) -> None:
    stack = Stack.read(write(tmp_path, OUTPUTS))
    assert stack.models == {"flight-delay": MODEL}
    assert stack.workspace_id == OUTPUTS["workspaceId"]
    assert (stack.registry, stack.clean_commit) == (None, False)


def test_a_promoted_model_has_no_training(tmp_path: Path) -> None:
    nothing = dict.fromkeys(("compute", "data", "pipeline", "trainingCode", "trainEnvironment"))
    stack = Stack.read(write(tmp_path, changed(promoted=True, **nothing)))
    assert stack.models["flight-delay"].promoted


def test_a_model_may_be_left_out_when_it_is_the_only_one(tmp_path: Path) -> None:
    stack = Stack.read(write(tmp_path, OUTPUTS))
    assert stack.model(None) == stack.model("flight-delay") == MODEL


def test_of_several_models_one_has_to_be_named(tmp_path: Path) -> None:
    two = {**OUTPUTS, "models": dict.fromkeys(("flight-delay", "wine"), OUTPUTS["models"]["flight-delay"])}
    with pytest.raises(UsageError, match="no model is named: the stack has 2 models") as failure:
        Stack.read(write(tmp_path, two)).model(None)
    assert "flight-delay, wine" in failure.value.why
    assert failure.value.repair == "say which one with --model NAME"


def test_beneath_make_a_model_is_a_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAKELEVEL", "1")
    with pytest.raises(UsageError, match="MODEL=wine: the stack has no such model"):
        Stack.read(write(tmp_path, OUTPUTS)).model("wine")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "not JSON"),
        ([], "workspaceId is missing"),
        (changed(data=3), "models.flight-delay.data=3, want NAME:VERSION"),
        (changed(serving__instanceCount=0), "models.flight-delay.serving.instanceCount=0, want a whole number from 1"),
        (changed(serving__code=None), "models.flight-delay.serving.code is missing, want NAME:VERSION"),
        (changed(promoted="yes"), "models.flight-delay.promoted='yes', want true or false"),
        ({**OUTPUTS, "workspaceId": "/subscriptions/s"}, "workspaceId='/subscriptions/s', want a workspace's"),
        ({**OUTPUTS, "registry": 1}, "registry=1, want a name or null"),
    ],
)
def test_refuses_outputs_that_lack_something(tmp_path: Path, content: object, says: str) -> None:
    with pytest.raises(UsageError) as failure:
        Stack.read(write(tmp_path, content))
    assert says in failure.value.what


def test_tells_everything_that_is_wrong_at_once(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as failure:
        Stack.read(write(tmp_path, {**changed(endpoint="", data=None), "releaseStore": None}))
    for what in ("models.flight-delay.endpoint=''", "models.flight-delay.data is missing", "releaseStore=None"):
        assert what in failure.value.what


def test_missing_outputs_say_how_to_write_them(project: Path) -> None:
    with pytest.raises(UsageError, match=r"stack dev is not up: there is no dev\.json") as failure:
        Stack.read(Path("dev.json"))
    assert "pulumi stack output --json > dev.json" in failure.value.repair


@pytest.mark.parametrize(
    ("stack", "repair"),
    [
        ("prod", "make up STACK=prod"),
        ("nosuch", f"say STACK=dev or STACK=prod; or write Pulumi.nosuch.yaml ({HOW}), then make up STACK=nosuch"),
    ],
)
def test_beneath_make_a_stack_that_is_not_up_is_told_with_those_there_are(
    project: Path, monkeypatch: pytest.MonkeyPatch, stack: str, repair: str
) -> None:
    monkeypatch.setenv("MAKELEVEL", "1")
    write(project, OUTPUTS)
    for name in ("dev", "prod"):
        (project / f"Pulumi.{name}.yaml").touch()
    with pytest.raises(UsageError, match=f"stack {stack} is not up") as failure:
        Stack.read(Path(f"{stack}.json"))
    assert failure.value.why == "stacks that are up: dev; that have a Pulumi.<stack>.yaml: dev, prod"
    assert failure.value.repair == repair
