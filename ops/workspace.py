"""What is done in an Azure ML workspace: the only file that knows `azure-ai-ml`.

Importing that package takes seconds, so it happens when something is to be done and not before.
"""

import logging
import re
import tempfile
import time
import warnings
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

from azure_client import credential
from ops.arm import Arm
from ops.command import OpsError
from ops.looks import Looks, short
from ops.stack import Stack
from ops.views import ModelVersion, Run, RunRequest, TakenError

# Azure needs about a minute for new weights; what takes longer than this is lost.
TRAFFIC_SECONDS = 240


def client(**where: str) -> tuple[Any, Any]:
    """Who asks, and a client of Azure ML, of a workspace or of a registry."""
    # It announces its experimental classes and each download on standard error.
    warnings.filterwarnings("ignore", module=r"azure\.ai\.ml")
    from azure.ai.ml import MLClient

    # Its loggers get their handlers, to standard output, only when they are used.
    logging.disable(logging.CRITICAL)
    who = credential()
    return who, MLClient(who, enable_telemetry=False, **where)


class Workspace(Looks):
    """An open workspace: what it holds, and all that can be done in it."""

    def __init__(self, stack: Stack) -> None:
        super().__init__(Arm(stack.workspace_id))
        self._stack = stack

    @cached_property
    def _opened(self) -> tuple[Any, Any]:
        return client(
            subscription_id=self._stack.subscription_id,
            resource_group_name=self._stack.resource_group,
            workspace_name=self._stack.workspace,
        )

    @property
    def _client(self) -> Any:
        return self._opened[1]

    def submit(self, request: RunRequest) -> Run:
        """Submits a pipeline job that references a registered pipeline component."""
        from azure.ai.ml import Input
        from azure.ai.ml.entities import PipelineJob, PipelineJobSettings

        inputs: dict[str, Any] = dict(request.values)
        for name, asset in request.folders.items():
            inputs[name] = Input(type="uri_folder", path=f"azureml:{asset}", mode="ro_mount")
        for name, model in request.models.items():
            inputs[name] = Input(type="custom_model", path=f"azureml:{model}", mode="ro_mount")
        component = self._client.components.get(*request.component.split(":"))
        job = PipelineJob(
            name=request.name,
            experiment_name=request.experiment,
            display_name=request.name,
            component=component.id,
            inputs=inputs,
            settings=PipelineJobSettings(default_compute=request.compute),
            tags=request.tags,
        )
        return _run(self._client.jobs.create_or_update(job))

    def run(self, name: str) -> Run | None:
        """A run by name, or None."""
        from azure.core.exceptions import ResourceNotFoundError

        try:
            return _run(self._client.jobs.get(name))
        except ResourceNotFoundError:
            return None

    def steps(self, name: str) -> list[Run]:
        """The steps of a pipeline run that have been started."""
        return [_run(child) for child in self._client.jobs.list(parent_job_name=name)]

    def log_of(self, name: str, folder: Path) -> Path | None:
        """Downloads a finished run's logs below a folder; returns the one that the run's own code wrote."""
        self._client.jobs.download(name, download_path=folder)
        logs = sorted(folder.rglob("*.txt")) + sorted(folder.rglob("*.log"))
        own = [path for path in logs if path.name == "std_log.txt"]
        return next(iter(own + logs), None)

    def download_output(self, run: str, output: str, folder: Path) -> Path:
        """Downloads a finished run's output; returns the folder that it is in."""
        self._client.jobs.download(run, output_name=output, download_path=folder)
        return folder

    def register(self, model: ModelVersion, source: str, description: str) -> None:
        """Registers a model version: a run's output by reference, or a local folder, which is uploaded.

        Raises:
            TakenError: the version is there already.
        """
        from azure.ai.ml.entities import Model
        from azure.ai.ml.exceptions import AssetPathException
        from azure.core.exceptions import HttpResponseError

        wanted = Model(
            name=model.name,
            version=model.version,
            type=model.kind,
            path=source,
            description=description,
            tags=model.tags,
            properties=model.properties,
        )
        try:
            self._client.models.create_or_update(wanted)
        except AssetPathException as error:  # what the client makes of Azure's "Asset paths cannot be updated"
            raise TakenError(model.reference) from error
        except HttpResponseError as error:
            if error.status_code == 409 or "Asset paths cannot be updated" in str(error):
                raise TakenError(model.reference) from error
            raise

    def share(self, model: ModelVersion, registry: str) -> None:
        """Copies a model version into an ML registry, by reference, under the same name and number."""
        self._client.models.share(
            model.name,
            model.version,
            share_with_name=model.name,
            share_with_version=model.version,
            registry_name=registry,
        )

    def remove_deployment(self, endpoint: str, name: str) -> None:
        """Removes a deployment and waits until it is gone."""
        self._client.online_deployments.begin_delete(name, endpoint).result()

    def set_traffic(
        self, name: str, traffic: dict[str, int], mirror: dict[str, int], beat: Callable[[], None] = lambda: None
    ) -> None:
        """Replaces the traffic weights and the mirrored shares in one request; waits until they hold.

        Args:
            name: of the endpoint.
            traffic: percent by deployment.
            mirror: percent by deployment.
            beat: called about every second; whatever it raises ends the wait.

        Raises:
            OpsError: they do not hold after a long time.
        """
        from azure.core.exceptions import ResourceExistsError

        end = time.monotonic() + TRAFFIC_SECONDS
        late = f"the traffic of endpoint {name} does not hold after {TRAFFIC_SECONDS} s"
        while True:
            found = self._client.online_endpoints.get(name)
            found.traffic, found.mirror_traffic = dict(traffic), dict(mirror)
            try:
                poller = self._client.online_endpoints.begin_create_or_update(found)
                break
            except ResourceExistsError:  # 409: another change of the endpoint is under way
                if time.monotonic() > end:
                    raise OpsError(late, why="another change of the endpoint is under way") from None
                beat()
                time.sleep(1)
        while not poller.done():
            if time.monotonic() > end:
                raise OpsError(late, why="Azure still works on it", repair="run the same command again")
            poller.wait(1)
            beat()
        poller.result()

    def model_file(self, asset: str, file: str) -> bytes | None:
        """The bytes of one file of a model's folder, or None.

        Args:
            asset: the model's whole id, in this workspace or in a registry.
            file: its name.
        """
        registry = re.match(r"azureml://registries/([^/]+)/", asset)
        client = self._registry(registry[1]) if registry else self._client
        name, _, version = short(asset).partition(":")
        with tempfile.TemporaryDirectory() as folder:
            client.models.download(name, version, download_path=folder)
            found = next(Path(folder).rglob(file), None)
            return found.read_bytes() if found else None

    def deployment_log(self, endpoint: str, deployment: str, lines: int = 200) -> str:
        """The end of what a deployment's scoring script has written."""
        return str(self._client.online_deployments.get_logs(deployment, endpoint, lines))

    def endpoint_secret(self, name: str) -> str:
        """What a caller puts behind ``Bearer``: the key, or a token where callers prove who they are."""
        keys = self._client.online_endpoints.get_keys(name)
        return str(getattr(keys, "primary_key", None) or keys.access_token)

    def _registry(self, name: str) -> Any:
        from azure.ai.ml import MLClient

        return MLClient(self._opened[0], registry_name=name, enable_telemetry=False)


def _word(state: Any) -> str:
    """A state as Azure calls it; the client gives some as texts and some as enumerations."""
    return str(getattr(state, "value", state) or "")


def _run(job: Any) -> Run:
    return Run(
        name=str(job.name),
        status=_word(job.status),
        label=str(job.display_name or job.name),
        studio_url=str(job.studio_url or ""),
        tags=dict(job.tags or {}),
    )
