"""The Azure ML workspace as releases see it: the only file that knows `azure-ai-ml`.

Importing that package takes seconds, so it happens when a workspace is opened and not before.
"""

import logging
import tempfile
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ops.stack import Stack

# Tags of an endpoint while a rollout is under way.
_TO, _FROM = "rollout-to", "rollout-from"

FINISHED = frozenset({"Completed", "Failed", "Canceled", "NotResponding"})


@dataclass(frozen=True, kw_only=True)
class Run:
    """A job and how it stands.

    Attributes:
        name: unique in the workspace.
        status: Azure ML's word.
        label: what people call it; a step's name in its pipeline.
        studio_url: where the studio shows it.
        tags: given when it was submitted.
    """

    name: str
    status: str
    label: str = ""
    studio_url: str = ""
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def finished(self) -> bool:
        """True when its status no longer changes."""
        return self.status in FINISHED


@dataclass(frozen=True, kw_only=True)
class ModelVersion:
    """A registered model version with what is recorded on it."""

    name: str
    version: str
    tags: dict[str, str]
    properties: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Shift:
    """A rollout that is under way.

    Attributes:
        to: deployment that shall take the traffic.
        source: deployment that had it before; empty for the first deployment of an endpoint.
    """

    to: str
    source: str


@dataclass(frozen=True, kw_only=True)
class EndpointView:
    """An endpoint at one moment.

    Attributes:
        uri: where requests go.
        traffic: percent by deployment; those without traffic are left out.
        deployments: ``MODEL:VERSION`` by deployment.
        shift: the rollout that is under way, if there is one.
    """

    uri: str
    traffic: dict[str, int]
    deployments: dict[str, str]
    shift: Shift | None = None

    @property
    def live(self) -> str | None:
        """The deployment that takes most of the traffic, None when there is no traffic."""
        return max(self.traffic, key=lambda name: self.traffic[name], default=None)

    @property
    def champion(self) -> str | None:
        """``MODEL:VERSION`` behind most of the traffic, what a new model has to beat."""
        return self.deployments.get(self.live) if self.live else None


@dataclass(frozen=True, kw_only=True)
class RunRequest:
    """A training run to submit.

    Attributes:
        name: of the job.
        component: ``NAME:VERSION`` of the pipeline component.
        compute: cluster.
        experiment: group of runs in the studio.
        values: plain inputs.
        folders: ``NAME:VERSION`` of the data asset of each folder input.
        models: ``NAME:VERSION`` of the model of each model input.
        tags: what people search by.
    """

    name: str
    component: str
    compute: str
    experiment: str
    values: dict[str, Any]
    folders: dict[str, str]
    models: dict[str, str]
    tags: dict[str, str]


class Workspace:
    """An open workspace."""

    def __init__(self, stack: Stack) -> None:
        # The client announces its experimental classes and each download on standard error.
        warnings.filterwarnings("ignore", module=r"azure\.ai\.ml")
        logging.disable(logging.CRITICAL)
        from azure.ai.ml import MLClient
        from azure.identity import DefaultAzureCredential

        self._client = MLClient(
            DefaultAzureCredential(),
            stack.subscription_id,
            stack.resource_group,
            stack.workspace,
            enable_telemetry=False,
        )

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

    def output_file(self, run: str, output: str, file: str) -> bytes | None:
        """The bytes of one file of a finished run's output folder, or None."""
        with tempfile.TemporaryDirectory() as folder:
            self._client.jobs.download(run, output_name=output, download_path=folder)
            found = next(Path(folder).rglob(file), None)
            return found.read_bytes() if found else None

    def models(self, name: str) -> list[ModelVersion]:
        """All versions of a model; none when the model is unknown."""
        from azure.core.exceptions import ResourceNotFoundError

        try:
            return [
                ModelVersion(
                    name=name,
                    version=str(found.version),
                    tags=dict(found.tags or {}),
                    properties=dict(found.properties or {}),
                )
                for found in self._client.models.list(name=name)
            ]
        except ResourceNotFoundError:
            return []

    def register(self, model: ModelVersion, run: str, output: str, description: str) -> None:
        """Registers a run's output folder as a model version, by reference: nothing is copied."""
        from azure.ai.ml.entities import Model

        self._client.models.create_or_update(
            Model(
                name=model.name,
                version=model.version,
                type="custom_model",
                path=f"azureml://jobs/{run}/outputs/{output}",
                description=description,
                tags=model.tags,
                properties=model.properties,
            )
        )

    def endpoint(self, name: str) -> EndpointView:
        """The endpoint, its traffic and its deployments."""
        found = self._client.online_endpoints.get(name)
        deployments = {
            deployment.name: _short(str(deployment.model)) for deployment in self._client.online_deployments.list(name)
        }
        tags = found.tags or {}
        return EndpointView(
            uri=str(found.scoring_uri),
            traffic={colour: int(share) for colour, share in (found.traffic or {}).items() if share},
            deployments=deployments,
            shift=Shift(to=tags[_TO], source=tags.get(_FROM, "")) if _TO in tags else None,
        )

    def set_traffic(self, name: str, traffic: dict[str, int], shift: Shift | None) -> None:
        """Replaces the traffic weights, and what is noted about the rollout, in one request; waits until they hold."""
        found = self._client.online_endpoints.get(name)
        found.traffic = dict(traffic)
        kept = {key: value for key, value in (found.tags or {}).items() if key not in (_TO, _FROM)}
        found.tags = kept | ({_TO: shift.to, _FROM: shift.source} if shift else {})
        self._client.online_endpoints.begin_create_or_update(found).result()

    def endpoint_secret(self, name: str) -> str:
        """What a caller puts behind ``Bearer``: the key, or a token where callers prove who they are."""
        keys = self._client.online_endpoints.get_keys(name)
        return str(getattr(keys, "primary_key", None) or keys.access_token)


def _run(job: Any) -> Run:
    return Run(
        name=str(job.name),
        status=str(getattr(job.status, "value", job.status)),  # an enumeration for jobs, a text for steps
        label=str(job.display_name or job.name),
        studio_url=str(job.studio_url or ""),
        tags=dict(job.tags or {}),
    )


def _short(asset_id: str) -> str:
    """``MODEL:VERSION`` of an asset's resource id, or of the short form itself."""
    parts = asset_id.split("/")
    if len(parts) >= 4 and parts[-2] == "versions":
        return f"{parts[-3]}:{parts[-1]}"
    return asset_id.removeprefix("azureml:")
