"""One model of a stack: what it is trained with, how it is served, and the deployments that releases made.

Not here: training runs, model versions and traffic, which belong to releases.
"""

from dataclasses import dataclass
from typing import Any

import pulumi

from components.access import Access
from components.code_asset import CodeAsset, CodeAssetArgs
from components.data_asset import DataAsset, DataAssetArgs
from components.environment import Environment, EnvironmentArgs
from components.ml_registry import RegistryRef
from components.online_deployment import OnlineDeployment, OnlineDeploymentArgs
from components.online_endpoint import OnlineEndpoint, OnlineEndpointArgs
from components.place import WorkspaceRef
from components.serving import Serving
from components.training_pipeline import TrainingPipeline, TrainingPipelineArgs
from live_file import LiveDeployment, LiveTraining
from model_file import ModelFile
from naming import Names
from settings import ModelSettings


@dataclass(frozen=True, kw_only=True)
class ModelArgs:
    """Inputs of a model.

    Attributes:
        workspace: where it lives.
        names: physical names of the stack.
        access: grants its endpoint what it needs.
        settings: what the stack decides.
        file: what the model is.
        live: deployments that releases made.
        registry: ML registry that a promoted model comes from.
    """

    workspace: WorkspaceRef
    names: Names
    access: Access
    settings: ModelSettings
    file: ModelFile
    live: tuple[LiveDeployment, ...] = ()
    registry: RegistryRef | None = None


class Model(pulumi.ComponentResource):
    """Creates the model's assets, its endpoint, and its deployments.

    A promoted model has neither data nor a pipeline: it was trained in another stack.
    Outputs: ``exports`` (what operations need to know of it).
    """

    def __init__(self, name: str, args: ModelArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("mlops:azure:Model", name, None, opts)
        file, settings = args.file, args.settings
        self._name, self._args, self._child = name, args, pulumi.ResourceOptions(parent=self)
        environment = self._environment(file.serving.environment)
        code = self._code("serving", file.serving.code)
        endpoint = OnlineEndpoint(
            name,
            OnlineEndpointArgs(
                workspace=args.workspace,
                endpoint_name=args.names.endpoint(name),
                identity_name=args.names.identity(f"endpoint-{name}"),
                auth_mode=settings.auth_mode,
                access=args.access,
                model_registry_id=args.registry.registry_id if args.registry and settings.promoted else None,
            ),
            opts=self._child,
        )
        for live in args.live:
            self._deployment(live, endpoint, (code, environment))
        trained: dict[str, Any] = dict.fromkeys(("compute", "data", "pipeline", "trainingCode", "trainEnvironment"))
        if not settings.promoted:
            trained = self._training(environment)
        declared = {"code": code.reference, "environment": environment.reference, "script": file.serving.script}
        self._tell(declared, trained)
        self.exports: dict[str, Any] = {
            "endpoint": endpoint.endpoint_name,
            "scoringUri": endpoint.scoring_uri,
            "promoted": settings.promoted,
            **trained,
            "serving": {
                **declared,
                "instanceType": settings.instance_type,
                "instanceCount": settings.instance_count,
            },
        }
        self.register_outputs(self.exports)

    def _tell(self, declared: dict[str, str], trained: dict[str, Any]) -> None:
        """Says what the next release will do; without the data, whose version is then unknown, what else differs."""
        args = self._args

        def tell(data: object) -> None:
            training = None
            if not args.settings.promoted:
                training = LiveTraining(
                    pipeline=trained["pipeline"],
                    data=data if isinstance(data, str) else None,
                    environment=trained["trainEnvironment"],
                    inputs=args.file.training.inputs,
                )
            for line in next_release(args.settings, declared, training, args.live):
                pulumi.log.info(f"{self._name}: {line}", self)

        pulumi.Output.from_input(trained["data"]).apply(tell, run_with_unknowns=True)

    def _part(self, part: str) -> str:
        """Logical name of a part. Names of models hold no full stop, so two models never share one."""
        return f"{self._name}.{part}"

    def _environment(self, key: str) -> Environment:
        declared = self._args.file.environments[key]
        return Environment(
            self._part(key),
            EnvironmentArgs(
                workspace=self._args.workspace,
                environment_name=key,
                conda_file=declared.conda_file,
                image=declared.image,
            ),
            opts=self._child,
        )

    def _code(self, part: str, include: tuple[str, ...]) -> CodeAsset:
        # Training and serving are two assets: a change to a training step must not ask for a new deployment.
        args = CodeAssetArgs(workspace=self._args.workspace, code_name=f"{self._name}-{part}", include=include)
        return CodeAsset(self._part(part), args, opts=self._child)

    def _training(self, serving: Environment) -> dict[str, Any]:
        """Data, environments and pipeline of a model that is trained here; what operations need to know of them."""
        file = self._args.file
        data = DataAsset(
            self._part(file.data.name),
            DataAssetArgs(
                workspace=self._args.workspace,
                data_name=file.data.name,
                folder=file.data.path,
                description=file.data.description,
            ),
            opts=self._child,
        )
        environments = {
            key: serving if key == file.serving.environment else self._environment(key) for key in file.environments
        }
        code = self._code("training", file.training.code)
        pipeline = TrainingPipeline(
            self._part("training"),
            TrainingPipelineArgs(
                workspace=self._args.workspace,
                pipeline_file=(file.folder / file.training.pipeline).as_posix(),
                code=code,
                environments=environments,
            ),
            opts=self._child,
        )
        return {
            "compute": self._args.settings.cluster,
            "data": data.reference,
            "pipeline": pipeline.reference,
            "trainingCode": code.reference,
            "trainEnvironment": environments[file.training.environment].reference,
        }

    def _deployment(
        self, live: LiveDeployment, endpoint: OnlineEndpoint, needs: tuple[pulumi.Resource, ...]
    ) -> OnlineDeployment:
        return OnlineDeployment(
            self._part(live.name),
            OnlineDeploymentArgs(
                workspace=self._args.workspace,
                endpoint=endpoint,
                deployment_name=live.name,
                serving=Serving.of(live, self._args.workspace),
                instance_type=live.instance_type,
                instance_count=live.instance_count,
                needs=needs,
            ),
            opts=self._child,
        )


def next_release(
    settings: ModelSettings,
    declared: dict[str, str],
    training: LiveTraining | None,
    live: tuple[LiveDeployment, ...],
) -> list[str]:
    """What the next release will do, as far as it can be told from what is declared and what is live.

    Args:
        settings: what the stack decides.
        declared: ``code``, ``environment`` and ``script`` that the program declares.
        training: what the program would train with; None for a promoted model.
        live: deployments behind the endpoint, the newest last.
    """
    where = "take a model from the ML registry" if settings.promoted else "train a model"
    if not live:
        return [f"the live file names no deployment; the next release will {where} and put the first one"]
    newest, wanted = live[-1], declared | {"instance type": settings.instance_type}
    trains, serves = _trains(newest, training), _serves(newest, wanted)
    same = next(
        (each for each in live[:-1] if each.trained and not _trains(each, training) + _serves(each, wanted)), None
    )
    said = []
    if trains:
        differs = f"train again and put a new deployment beside {newest.name}, because {', '.join(trains + serves)}"
        # A version that was judged against another one than the present proves nothing any more.
        kept = f"; or leave all as it is, where {same.name} takes the traffic" if same else ""
        said.append(f"the next release will {differs}{kept}")
    elif serves and same:
        said.append(f"the next release will give all traffic to {same.name}, which is what the files say now")
    elif serves:
        said.append(f"the next release will put a new deployment beside {newest.name}, because {', '.join(serves)}")
    if settings.instance_count != newest.instance_count:
        said.append(
            f"the next release will give {newest.name} {settings.instance_count} instances instead of "
            f"{newest.instance_count}"
        )
    return said


def _serves(live: LiveDeployment, wanted: dict[str, str]) -> list[str]:
    """How a deployment differs from one that would be made now, its model aside."""
    has = {
        "code": live.code,
        "environment": live.environment,
        "script": live.script,
        "instance type": live.instance_type,
    }
    # A model that brings its own code and environment is not served with ours.
    return [f"{what} {has[what]} -> {wanted[what]}" for what in has if has[what] not in (None, wanted[what])]


def _trains(live: LiveDeployment, wanted: LiveTraining | None) -> list[str]:
    """How what a model was trained with differs from what it would be trained with now; what is unknown does not."""
    had = live.trained
    if had is None or wanted is None:
        return []
    parts = {
        "pipeline": (had.pipeline, wanted.pipeline),
        "data": (had.data, wanted.data),
        "training environment": (had.environment, wanted.environment),
    }
    named = [f"{what} {old} -> {new}" for what, (old, new) in parts.items() if new not in (None, old)]
    return named + [
        f"input {key} {had.inputs.get(key, 'nothing')} -> {wanted.inputs.get(key, 'nothing')}"
        for key in sorted({*had.inputs, *wanted.inputs})
        if had.inputs.get(key) != wanted.inputs.get(key)
    ]
