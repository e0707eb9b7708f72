"""One step: its version is its file, its code and its packages together."""

from typing import Any

import pulumi
import pytest

from components import component_spec
from components.command_component import CommandComponent, CommandComponentArgs
from components.place import WorkspaceRef
from tests.conftest import ROOT, Declare

KEY = "mlops:azure:CommandComponent$pulumi-python:dynamic:AssetVersion::step-version"
GOOD: dict[str, Any] = {"code_reference": "c1", "environment_reference": "e1"}


@pytest.fixture
def step(declare: Declare, workspace: WorkspaceRef) -> Any:
    def run(**changes: Any) -> dict[str, Any]:
        def program() -> None:
            CommandComponent(
                "step",
                CommandComponentArgs(
                    workspace=workspace,
                    source=component_spec.read(
                        ROOT / "ml_jobs" / "flight_delay" / "components" / "train.yaml", "command"
                    ),
                    code_id=pulumi.Output.from_input("/code"),
                    environment_id=pulumi.Output.from_input("/environment"),
                    **(GOOD | changes),
                ),
            )

        return declare(program)[KEY]

    return run


def test_the_step_is_registered_under_its_own_name(step: Any, workspace: WorkspaceRef) -> None:
    got = step()
    assert (got["kind"], got["name"], got["workspace_id"]) == ("components", "flight_delay_train", "/ws")
    assert got["properties"]["componentSpec"]["name"] == "flight_delay_train"
    assert got["properties"]["componentSpec"]["version"] == got["version"]
    assert got["properties"]["tags"] == workspace.tags


def test_the_same_step_is_the_same_version(step: Any) -> None:
    assert step()["version"] == step()["version"]


@pytest.mark.parametrize("change", [{"code_reference": "c2"}, {"environment_reference": "e2"}])
def test_other_code_or_packages_are_another_version(step: Any, change: dict[str, str]) -> None:
    assert step(**change)["version"] != step()["version"]
