"""What Azure ML tells about runs, models, endpoints and deployments, in the words of this project."""

from dataclasses import dataclass, field
from typing import Any

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


CUSTOM, MLFLOW = "custom_model", "mlflow_model"


@dataclass(frozen=True, kw_only=True)
class ModelVersion:
    """A registered model version with what is recorded on it.

    Attributes:
        kind: an ``mlflow_model`` brings its own scoring, a ``custom_model`` does not.
    """

    name: str
    version: str
    tags: dict[str, str]
    properties: dict[str, str]
    kind: str = CUSTOM

    @property
    def reference(self) -> str:
        """``NAME:VERSION``."""
        return f"{self.name}:{self.version}"


@dataclass(frozen=True, kw_only=True)
class Deployed:
    """A deployment as Azure has it.

    Attributes:
        name: of the deployment.
        state: ``Succeeded``, ``Failed``, ``Updating``, ``Deleting`` and so on.
        model: ``NAME:VERSION``, or the ``azureml://`` id of a registry's model.
        code: ``NAME:VERSION``; None where the model brings its own.
        environment: the same.
        script: entry script, None where the model brings its own.
        instance_type: size of its instances.
        instance_count: instances kept running.
    """

    name: str
    state: str
    model: str
    code: str | None
    environment: str | None
    script: str | None
    instance_type: str
    instance_count: int

    @property
    def ready(self) -> bool:
        """True when it answers."""
        return self.state == "Succeeded"


@dataclass(frozen=True, kw_only=True)
class EndpointView:
    """An endpoint at one moment.

    Attributes:
        uri: where requests go.
        traffic: percent by deployment; those without traffic are left out.
        deployments: ``MODEL:VERSION`` by deployment.
        mirror: percent of the requests that a deployment gets a copy of.
        states: Azure's word for how a deployment was made, such as ``Succeeded`` or ``Failed``.
        assets: the whole id of the model of each deployment, in the workspace or in a registry.
        made: when the endpoint was made.
    """

    uri: str
    traffic: dict[str, int]
    deployments: dict[str, str]
    mirror: dict[str, int] = field(default_factory=dict)
    states: dict[str, str] = field(default_factory=dict)
    assets: dict[str, str] = field(default_factory=dict)
    made: str = ""

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


class TakenError(Exception):
    """A version of this name and number is there already."""
