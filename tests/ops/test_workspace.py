"""What is made of the client's own objects and errors."""

import enum
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ops import workspace as module
from ops.arm import Arm
from ops.rollout_state import BlobStore
from ops.stack import Stack
from ops.views import MLFLOW, ModelVersion, Run, TakenError
from ops.workspace import Workspace

WHO = "11111111-1111-1111-1111-111111111111"
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


@pytest.mark.parametrize(
    ("variables", "kind"),
    [
        ({"ARM_USE_OIDC": "true", "ARM_OIDC_TOKEN": "t"}, "ClientAssertionCredential"),
        ({"ARM_CLIENT_SECRET": "s"}, "ClientSecretCredential"),
        ({}, "DefaultAzureCredential"),
    ],
)
def test_a_release_signs_in_as_an_update_does(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], kind: str
) -> None:
    """A pipeline that has the provider's variables alone could update and not release."""
    for name in list(os.environ):
        if name.startswith(("ARM_", "AZURE_", "ACTIONS_", "SYSTEM_")):
            monkeypatch.delenv(name)
    for name, value in {"ARM_TENANT_ID": WHO, "ARM_CLIENT_ID": WHO, **variables}.items():
        monkeypatch.setenv(name, value)
    # Each in its own way: the ML client is given it, ARM and the blobs put it behind a policy.
    given, _ = module.client(subscription_id=WHO, resource_group_name="rg", workspace_name="ws")
    in_arm: Any = Arm(WS)._client._pipeline._impl_policies[2]
    store: Any = BlobStore("https://account.blob.core.windows.net/releases", "e")
    found = {type(each).__name__ for each in (given, in_arm._credential, store._blob.credential)}
    assert found == {kind}


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


def test_a_models_file_is_read_from_the_version(workspace: Any) -> None:
    here, client = workspace

    def download(name: str, version: str, download_path: str) -> None:
        assert (name, version) == ("m", "1")
        Path(download_path, "model").mkdir()
        Path(download_path, "model", "probes.json").write_bytes(b"{}")

    client.models = SimpleNamespace(download=download)
    assert here.model_file(f"{WS}/models/m/versions/1", "probes.json") == b"{}"
    assert here.model_file(f"{WS}/models/m/versions/1", "other.json") is None
