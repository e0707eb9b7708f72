"""Managed online deployment: real scoring servers behind an endpoint.

Not here: shares of the traffic (online_endpoint.py), how servers are watched (sandbox/work/scoring.py).
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from sandbox.arm.azure import Azure
from sandbox.arm.kind import Body, Kind, Name, Refusal, action
from sandbox.arm.resource import Change, Resource, View
from sandbox.types.ml import asset, content, no_code
from sandbox.types.ml.asset import ML
from sandbox.types.ml.credentials import READ
from sandbox.types.ml.duration import seconds_of
from sandbox.types.ml.job_needs import choose_runtime
from sandbox.types.ml.job_state import workspace_of
from sandbox.types.ml.vm_sizes import need_size
from sandbox.work import paths, places
from sandbox.work.paths import PathError
from sandbox.work.places import PlaceError
from sandbox.work.process import StartError
from sandbox.work.runtimes import Choice, RuntimeMissingError
from sandbox.work.scoring import Probe, Serving, UnhealthyError

SERVER = "azureml-inference-server-http"
_TYPES = ("Managed", "Kubernetes")
_PROBE = {"failureThreshold": 30, "successThreshold": 1, "initialDelay": "PT10S", "period": "PT10S", "timeout": "PT2S"}
_REQUESTS = {"maxConcurrentRequestsPerInstance": 1, "maxQueueWait": "PT0.5S", "requestTimeout": "PT5S"}
# What its servers run with: its own settings, unless the last change of them failed.
_SERVED = "served"
_DURATIONS = ("initialDelay", "period", "timeout", "maxQueueWait", "requestTimeout")


class OnlineDeployment(Kind):
    """``workspaces/onlineEndpoints/deployments``."""

    arm_type = f"{ML}/workspaces/onlineEndpoints/deployments"
    level = "runs"
    name = Name(
        r"[A-Za-z][-A-Za-z0-9]{1,30}[A-Za-z0-9]",
        "3-32 letters, digits or hyphens, starting with a letter and not ending with a hyphen",
        source="learn.microsoft.com: concept-endpoints-online",
    )
    tracked = True
    system_data = True
    frozen = ("properties.endpointComputeType",)
    hidden = (_SERVED,)
    sealed = ("properties.environmentVariables", f"{_SERVED}.properties.environmentVariables")
    defaults = {
        "sku": {"name": "Default", "capacity": 1},
        "properties.endpointComputeType": "Managed",
        "properties.appInsightsEnabled": False,
        "properties.egressPublicNetworkAccess": "Enabled",
        "properties.scaleSettings": {"scaleType": "Default"},
    }
    differs = {
        "properties.endpointComputeType": "Managed is run; Kubernetes fails",
        "properties.environmentId": "a local runtime that has the pins; for an image without a conda file the first",
        "properties.instanceType": "known sizes only; cores and memory are not limited",
        "properties.model": "without scoring code an MLflow model is served, a Triton model is not",
        "properties.appInsightsEnabled": "kept; nothing is sent",
        "properties.dataCollector": "kept; nothing is collected",
        "properties.scaleSettings": "kept; the number of instances is sku.capacity",
        "sku.capacity": "at most as many servers as this machine has cores",
    }

    def uses(self, me: Resource) -> set[str]:
        """What its servers were started with."""
        return asset.versions_in(me)

    def fill(self, new: Resource, old: Resource | None, change: Change) -> None:
        """Settings that Azure fills in."""
        for name, standard in (("requestSettings", _REQUESTS), ("livenessProbe", _PROBE), ("readinessProbe", _PROBE)):
            given = new.properties.get(name) or {}
            new.properties[name] = {**standard, **{key: value for key, value in given.items() if value is not None}}
        if new.properties.get("environmentVariables") is None:
            new.properties["environmentVariables"] = {}
        if new.body["sku"].get("capacity") is None:
            new.body["sku"]["capacity"] = 1
        if old and _SERVED in old.body:
            new.body[_SERVED] = old.body[_SERVED]

    def check(self, new: Resource, old: Resource | None, view: View) -> None:
        """What it runs exists, on a size that exists, with settings that can be read."""
        kind, capacity = new["properties.endpointComputeType"], new["sku.capacity"]
        if kind not in _TYPES:
            raise _refuse(new, f"endpointComputeType is '{kind}': want one of {', '.join(_TYPES)}")
        if not isinstance(capacity, int) or capacity < 1:
            raise _refuse(new, f"sku.capacity is {capacity}: want 1 or more")
        if kind == "Managed":
            if not new.get("properties.instanceType"):
                raise _refuse(new, "properties.instanceType is missing")
            need_size(str(new["properties.instanceType"]), f"deployment '{new.name}'")
        workspace = workspace_of(new, view)
        for path, segment in (
            ("model", "models"), ("environmentId", "environments"), ("codeConfiguration.codeId", "codes")
        ):  # fmt: skip
            if reference := new.get(f"properties.{path}"):
                asset.need(str(reference), segment, workspace.id.text, view)
        _check_settings(new)

    def check_delete(self, me: Resource, view: View) -> None:
        """Not while requests are sent to it."""
        endpoint = view.parent(me)
        for what in ("traffic", "mirrorTraffic"):
            if share := (endpoint.get(f"properties.{what}") or {}).get(me.name):
                raise Refusal(
                    409, "Conflict",
                    f"Deployment '{me.name}' takes {share} % of the {what} of '{endpoint.name}': make that 0 first.",
                )  # fmt: skip

    async def apply(self, me: Resource, azure: Azure) -> None:
        """Bring its servers up; what ran before serves until they are healthy."""
        if me["properties.endpointComputeType"] != "Managed":
            raise Refusal(400, "UserError", f"Deployment '{me.name}': the sandbox runs managed deployments only.")
        try:
            await azure.work.scoring.deploy(me.id.key, await _prepare(me, azure))
            served = {"sku": me.body["sku"], "properties": me.properties}
            await azure.revise(me, lambda current: current.body.update({_SERVED: served}))
        except UnhealthyError as error:
            raise Refusal(400, "ResourceNotReady", f"Deployment '{me.name}': {error}") from error
        except (RuntimeMissingError, PathError, PlaceError, StartError) as error:
            raise Refusal(400, "UserError", f"Deployment '{me.name}': {error}.") from error

    async def start(self, me: Resource, azure: Azure) -> None:
        """Adopt its servers, or start them again, without holding up anybody else."""
        if served := me.get(_SERVED):
            azure.work.again(me.id.key, _bring_back(replace(me, body={**me.body, **served}), azure))

    async def remove(self, me: Resource, azure: Azure) -> None:
        """Stop its servers."""
        await azure.work.scoring.remove(me.id.key)

    @action("getLogs")
    def logs(self, me: Resource, body: Body, azure: Azure) -> Body:
        """The end of the server's log; StorageInitializer says what was fetched."""
        lines = int(body.get("tail") or 500)
        if str(body.get("containerType") or "InferenceServer") == "StorageInitializer":
            code = me.get("properties.codeConfiguration.codeId")
            return {"content": f"model: {me.get('properties.model')}\ncode: {code}\n"}
        return {"content": azure.work.scoring.log_of(me.id.key, lines)}


async def _prepare(me: Resource, azure: Azure) -> Serving:
    """Choose a runtime and fetch code and model, unless they are there; returns how the servers are run."""
    workspace, endpoint = workspace_of(me, azure), azure.parent(me)
    script, alone = me.get("properties.codeConfiguration.scoringScript"), no_code.applies(me, workspace, azure)
    if not script and not alone:
        raise PlaceError("it has no scoring script (codeConfiguration), and its model is not of type mlflow_model")
    environment, choice = str(me.get("properties.environmentId", "")), None
    if environment or not alone:
        choice = choose_runtime(environment, azure, workspace, SERVER)
    folder = azure.work.scoring.folder(me.id.key, _digest(me, choice))
    if not (folder / "fetched").exists():
        await _fetch(me, azure, workspace, endpoint, folder)
        (folder / "fetched").touch()
    if alone:
        script = no_code.write_script(folder / "code")
    if choice is None:
        choice = no_code.choose(_model_name(me, azure, workspace), _model_folder(me, azure, workspace, folder), azure)
    file = paths.inside(folder / "code", str(script))
    if not file.is_file():
        raise PlaceError(f"its scoring script '{script}' is not in its code")
    return _serving(me, azure, workspace, endpoint, choice, folder, file)


async def _bring_back(me: Resource, azure: Azure) -> None:
    azure.work.scoring.bring_back(me.id.key, await _prepare(me, azure))


async def _fetch(me: Resource, azure: Azure, workspace: Resource, endpoint: Resource, folder: Path) -> None:
    """Code and model as the endpoint's identity, else the workspace's."""
    principal = content.identity_of(endpoint) or content.identity_of(workspace)
    who = f"the identity of endpoint '{endpoint.name}'"
    (folder / "code").mkdir(parents=True, exist_ok=True)
    if environment := me.get("properties.environmentId"):
        content.need_asset(principal, who, str(environment), "environments", workspace, azure)
    if code := me.get("properties.codeConfiguration.codeId"):
        where = content.locate(content.asset_uri(str(code), "codes", workspace, azure), workspace, azure)
        content.need_access(principal, who, where, READ, azure)
        await places.fetch(azure.blobs, where.place, folder / "code")
    if model := me.get("properties.model"):
        where = content.locate(content.asset_uri(str(model), "models", workspace, azure), workspace, azure)
        content.need_access(principal, who, where, READ, azure)
        target = _model_folder(me, azure, workspace, folder)
        whole = azure.blobs.head(where.place.account, where.place.container, where.place.path) is None
        last = where.place.path.rpartition("/")[2]
        await places.fetch(azure.blobs, where.place, paths.inside(target, last) if whole and last else target)


def _model_folder(me: Resource, azure: Azure, workspace: Resource, folder: Path) -> Path:
    """Where the model's file or folder lies, as on Azure: below its name and version."""
    name, _, version = _model_name(me, azure, workspace).rpartition(":")
    return paths.inside(folder, f"azureml-models/{name}/{version}")


def _model_name(me: Resource, azure: Azure, workspace: Resource) -> str:
    found = asset.need(str(me["properties.model"]), "models", workspace.id.text, azure)
    return f"{found.id.parent.rsplit('/', 1)[-1]}:{found.name}"


def _serving(
    me: Resource, azure: Azure, workspace: Resource, endpoint: Resource, choice: Choice, folder: Path, script: Path
) -> Serving:  # fmt: skip
    argv = [str(choice.runtime.folder / "bin" / "azmlinfsrv"), "--entry_script", str(script)]
    given = {key: str(value) for key, value in me["properties.environmentVariables"].items()}
    if me.get("properties.model"):
        argv += ["--model_dir", str(_model_folder(me, azure, workspace, folder))]
    requests = me["properties.requestSettings"]
    return Serving(
        digest=folder.name, argv=tuple(argv), cwd=folder / "code",
        environment={
            **azure.work.environment(choice.runtime, folder), "AML_APP_ROOT": str(folder / "code"),
            "GUNICORN_CMD_ARGS": "--no-control-socket", "SERVICE_NAME": endpoint.name,
            "WORKSPACE_NAME": workspace.name, "HOSTNAME": me.name, **given,
        },
        instances=min(int(me["sku.capacity"]), os.cpu_count() or 1),
        ready=_probe(me["properties.readinessProbe"]), alive=_probe(me["properties.livenessProbe"]),
        concurrency=int(requests["maxConcurrentRequestsPerInstance"]), timeout=seconds_of(requests["requestTimeout"]),
        note=choice.note,
    )  # fmt: skip


def _probe(given: Mapping[str, Any]) -> Probe:
    return Probe(
        seconds_of(given["initialDelay"]), seconds_of(given["period"]), seconds_of(given["timeout"]),
        int(given["failureThreshold"]),
    )  # fmt: skip


def _digest(me: Resource, choice: Choice | None) -> str:
    """Changes with everything that a server is started with; assets are immutable, so their ids stand for them.

    Where the model itself says what it runs in, its id stands for the runtime too.
    """
    names = ("model", "codeConfiguration", "environmentVariables", "requestSettings", "livenessProbe", "readinessProbe")
    facts = {name: me.get(f"properties.{name}") for name in names}
    text = json.dumps([facts, me["sku.capacity"], str(choice.runtime.folder) if choice else ""], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _check_settings(me: Resource) -> None:
    for name in ("requestSettings", "livenessProbe", "readinessProbe"):
        settings = me[f"properties.{name}"]
        for key in _DURATIONS:
            try:
                seconds_of(str(settings.get(key, "PT1S")))
            except ValueError as error:
                raise _refuse(me, f"{name}.{key}: {error}") from error
        for key in ("failureThreshold", "successThreshold", "maxConcurrentRequestsPerInstance"):
            if not isinstance(settings.get(key, 1), int) or settings.get(key, 1) < 1:
                raise _refuse(me, f"{name}.{key} is {settings.get(key)}: want 1 or more")


def _refuse(me: Resource, what: str) -> Refusal:
    return Refusal(400, "BadArgument", f"Online deployment '{me.name}': {what}.")
