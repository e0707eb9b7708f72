"""What is made of the client's own objects and errors."""

import enum
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ops.stack import Stack
from ops.views import MLFLOW, ModelVersion, Run, TakenError
from ops.workspace import Workspace

WS = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.MachineLearningServices/workspaces/ws"


class State(str, enum.Enum):  # noqa: UP042 - whose text would be its value
    """As the client's own: its text is not its value."""

    COMPLETED = "Completed"


class Operations:
    """One group of the client's calls."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.made: list[Any] = []

    def create_or_update(self, wanted: Any) -> Any:
        if self.error:
            raise self.error
        self.made.append(wanted)
        return wanted


@pytest.fixture
def workspace(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A workspace on a client that a test fills."""
    client = SimpleNamespace()
    monkeypatch.setattr("ops.workspace.client", lambda **_: (None, client))
    monkeypatch.setattr("ops.workspace.Arm", lambda _: None)
    return Workspace(stack), client


def test_a_state_is_azures_word_whatever_the_client_calls_it(workspace: Any) -> None:
    here, client = workspace
    job = SimpleNamespace(name="r", status=State.COMPLETED, display_name="train", studio_url=None, tags=None)
    client.jobs = SimpleNamespace(get=lambda _: job)
    assert here.run("r") == Run(name="r", status="Completed", label="train")


def _http(status: int, text: str) -> Exception:
    from azure.core.exceptions import HttpResponseError

    error = HttpResponseError(message=text)
    error.status_code = status
    return error


def _path_error() -> Exception:
    from azure.ai.ml.exceptions import AssetPathException

    target: Any = "Model"
    return AssetPathException(message="changed", target=target, no_personal_data_message="changed")


@pytest.mark.parametrize(
    "error",
    [
        _path_error(),
        _http(409, "(Conflict) taken"),
        _http(400, "(UserError) Asset paths cannot be updated.\nCode: UserError"),
    ],
    ids=["the client's own", "conflict", "azure's words"],
)
def test_a_number_that_is_taken_is_one_error_whatever_the_client_raises(workspace: Any, error: Exception) -> None:
    here, client = workspace
    client.models = Operations(error=error)
    with pytest.raises(TakenError):
        here.register(model(), "azureml://jobs/r/outputs/model", "why")


def test_another_refusal_stays_what_it_is(workspace: Any) -> None:
    here, client = workspace
    client.models = Operations(error=_http(403, "(Forbidden) no"))
    with pytest.raises(Exception, match="Forbidden"):
        here.register(model(), "azureml://jobs/r/outputs/model", "why")


def test_a_model_keeps_its_kind(workspace: Any) -> None:
    here, client = workspace
    client.models = Operations()
    here.register(model(), "azureml://jobs/r/outputs/model", "why")
    assert client.models.made[0].type == MLFLOW


def model() -> ModelVersion:
    return ModelVersion(name="m", version="1", tags={"a": "b"}, properties={"run": "r"}, kind=MLFLOW)


@pytest.mark.parametrize(
    ("path", "calls"),
    [
        ("azureml://jobs/r1/outputs/model", [("job", "r1", "model")]),
        ("azureml://subscriptions/s/datastores/blobs/paths/r1/model", [("model", "m", "1")]),
    ],
)
def test_a_models_file_is_read_wherever_the_version_says_it_is(
    workspace: Any, path: str, calls: list[tuple[str, ...]]
) -> None:
    here, client = workspace
    done: list[tuple[str, ...]] = []

    def from_job(name: str, output_name: str, download_path: str) -> None:
        done.append(("job", name, output_name))
        Path(download_path, "probes.json").write_bytes(b"{}")

    def from_model(name: str, version: str, download_path: str) -> None:
        done.append(("model", name, version))
        Path(download_path, "probes.json").write_bytes(b"{}")

    client.jobs = SimpleNamespace(download=from_job)
    client.models = SimpleNamespace(get=lambda *_: SimpleNamespace(path=path), download=from_model)
    assert here.model_file(f"{WS}/models/m/versions/1", "probes.json") == b"{}"
    assert done == calls
