"""Run history: how a job and its steps went, their logs, and where their outputs are.

Azure ML's resource manager knows jobs that somebody submitted; clients read everything else about a run here.
"""

import asyncio
from contextlib import suppress
from typing import Any
from urllib.parse import quote

from sandbox.arm.errors import ArmError
from sandbox.arm.resource import Resource, merge
from sandbox.gateway.http import Request, Response, json_response, streamed
from sandbox.planes.azureml import Service
from sandbox.types.ml import content
from sandbox.types.ml.job_state import OVER, children_of, status_of, workspace_of
from sandbox.work import paths, places
from sandbox.work.tracking import TrackingError

_LOG_SECONDS = 3600
_TEXT = {"content-type": "text/plain; charset=utf-8"}
_CHANGEABLE = ("displayName", "description", "tags", "properties")


class History(Service):
    """``/history``: runs, their details and children."""

    prefixes = ("/history",)

    async def handle(self, request: Request, path: str) -> Response:
        """Reads by GET, metadata changes by PATCH, both by run id, with or without the experiment before it."""
        write = request.method == "PATCH"
        workspace, rest = self.workspace(request, path, f"experiments/runs/{'write' if write else 'read'}")
        if request.method == "POST" and rest == "/rundata":
            asked = await request.json() or {}
            return json_response({"runMetadata": await _run(self._job(workspace, str(asked.get("runId"))), self)})
        _, _, rest = rest.partition("/runs/")
        name, _, what = rest.partition("/")
        job = self._job(workspace, name)
        if write and not what:
            return json_response(await _run(await self._change(job, await request.json() or {}), self))
        if request.method == "GET":
            if what == "":
                return json_response(await _run(job, self))
            if what == "details":
                return json_response(await self._details(job, request.host))
            if what == "children":
                return json_response({"value": [await _run(each, self) for each in children_of(job, self.azure)]})
            if what.startswith("serviceinstances"):
                return json_response({"instances": {}})
        raise ArmError(404, "NotFound", f"{request.method} {request.path} is not served by run history.")

    def _job(self, workspace: Resource, name: str) -> Resource:
        if found := self.azure.get(f"{workspace.id.text}/jobs/{name}"):
            return found
        raise ArmError(404, "UserError", f"Run '{name}' was not found in workspace '{workspace.name}'.")

    async def _change(self, job: Resource, asked: dict[str, Any]) -> Resource:
        """Tags and properties are merged; a hidden run is an archived job."""

        def write(current: Resource) -> None:
            given = {key: asked[key] for key in _CHANGEABLE if asked.get(key) is not None}
            merge(current.properties, given)
            if asked.get("hidden") is not None:
                current.properties["isArchived"] = bool(asked["hidden"])

        await self.azure.revise(job, write)
        return self.azure.need(job.id.text)

    async def _details(self, job: Resource, host: str) -> dict[str, Any]:
        return {**await _run(job, self), "logFiles": await asyncio.to_thread(_logs, job, self, host)}


class Discovery(Service):
    """``/discovery``: under which address each service of a region is. All are at one here."""

    prefixes = ("/discovery",)

    async def handle(self, request: Request, path: str) -> Response:
        """The same for every workspace of the region, and for anybody."""
        names = ("api", "catalog", "experimentation", "history", "hyperdrive", "inference", "modelmanagement")
        return json_response(dict.fromkeys(names, f"https://{request.host}"))


class Artifacts(Service):
    """``/artifact``: a job's log by a link that holds its own permission, as Azure's does."""

    prefixes = ("/artifact",)

    async def handle(self, request: Request, path: str) -> Response:
        """``GET .../artifacts/content/ExperimentRun/dcid.JOB/PATH?sig=...``."""
        self.tokens.read(f"Bearer {request.query.get('sig', '')}", (request.path,))
        before, _, name = path.partition("/artifacts/content/ExperimentRun/dcid.")
        job_name, _, log = name.partition("/")
        job = self.azure.need(f"{before.removeprefix('/v2.0')}/jobs/{job_name}")
        with suppress(FileNotFoundError):  # the job ends: its logs are blobs from then on
            if log in _live_logs(job, self):
                live = paths.opened(self.azure.work.folder("jobs", job.id.key) / "artifacts", log)
                return Response(200, streamed(paths.pieces(live)), _TEXT)
        place = _artifacts(job, self).below(log)
        blob = self.azure.blobs.head(place.account, place.container, place.path)
        if blob is None:
            raise ArmError(404, "UserError", f"Job '{job_name}' has no log '{log}'.")
        return Response(200, streamed(self.azure.blobs.read(blob)), _TEXT)


class DataPlane(Service):
    """``/data``: where an output is that run history names by an asset id."""

    prefixes = ("/data",)

    async def handle(self, request: Request, path: str) -> Response:
        """``POST .../dataversion/batchGetResolvedUris``."""
        workspace, rest = self.workspace(request, path, "data/versions/read")
        if request.method != "POST" or rest != "/dataversion/batchGetResolvedUris":
            raise ArmError(404, "NotFound", f"{request.method} {request.path} is not served by the data plane.")
        found = {}
        for asset in (await request.json() or {}).get("values", []):
            job, _, output = asset.split("/data/azureml_")[-1].removesuffix("/versions/1").rpartition("_output_data_")
            me = self.azure.need(f"{workspace.id.text}/jobs/{job}")
            found[asset] = {"uri": content.output_uri(me, output, workspace, self.azure), "type": "UriFolder"}
        return json_response({"values": found})


async def _run(job: Resource, service: Service) -> dict[str, Any]:
    """A job as run history shows it."""
    record = job.get("run", {})
    workspace = workspace_of(job, service.azure)
    compute = str(job.get("properties.computeId", "")).rpartition("/")[2]
    error = record.get("error")
    return {
        "runId": job.name, "parentRunId": record.get("parent"), "rootRunId": record.get("root", job.name),
        "dataContainerId": f"dcid.{job.name}", "status": status_of(job),
        "displayName": job.get("properties.displayName"), "description": job.get("properties.description"),
        "experimentId": job.get("properties.experimentName"), "hidden": bool(job.get("properties.isArchived")),
        "createdUtc": job.created, "startTimeUtc": record.get("started"), "endTimeUtc": record.get("ended"),
        "createdBy": {"userObjectId": job.author, "userName": job.author}, "target": compute or None,
        "compute": {"target": compute, "targetType": "AmlCompute"} if compute else None,
        "tags": job.get("properties.tags", {}), "properties": await _properties(job, workspace, service),
        "runType": "azureml.PipelineRun" if job.get("properties.jobType") == "Pipeline" else "azureml.scriptrun",
        "error": {"error": {"code": "UserError", "message": error}, "time": record.get("ended")} if error else None,
        "inputs": {}, "outputs": _outputs(job, workspace),
    }  # fmt: skip


async def _properties(job: Resource, workspace: Resource, service: Service) -> dict[str, str]:
    """The job's own, and what it logged to MLflow: ``metrics.NAME`` and ``params.NAME``."""
    try:
        measured = await service.azure.work.tracking.read(
            str(workspace["properties.workspaceId"]), job.name, service.azure.work.folder("jobs", job.id.key)
        )
    except TrackingError as error:
        raise ArmError(503, "ServiceUnavailable", f"What job '{job.name}' logged cannot be read: {error}.") from error
    return {
        **job.get("properties.properties", {}),
        **{f"metrics.{name}": str(value) for name, value in measured.metrics.items()},
        **{f"params.{name}": value for name, value in measured.parameters.items()},
    }


def _outputs(job: Resource, workspace: Resource) -> dict[str, Any]:
    """Named outputs of a job that has completed. All as data: clients resolve models by the same uri."""
    if status_of(job) != "Completed":
        return {}
    base = f"azureml://locations/{workspace['location']}/workspaces/{workspace['properties.workspaceId']}/data"
    return {
        name: {
            "assetId": f"{base}/azureml_{job.name}_output_data_{name}/versions/1",
            "type": "uri_file" if (given or {}).get("jobOutputType") == "uri_file" else "uri_folder",
        }
        for name, given in (job.get("properties.outputs") or {}).items()
    }


def _artifacts(job: Resource, service: Service) -> places.Place:
    workspace = workspace_of(job, service.azure)
    return content.locate(
        content.output_uri(job, content.ARTIFACTS, workspace, service.azure), workspace, service.azure
    ).place


def _live_logs(job: Resource, service: Service) -> list[str]:
    """Logs that are still in the job's folder."""
    folder = service.azure.work.folder("jobs", job.id.key) / "artifacts"
    return [name for name in paths.files(folder)[0] if _is_log(name)]


def _is_log(name: str) -> bool:
    return name.startswith(("user_logs/", "system_logs/", "logs/"))


def _logs(job: Resource, service: Service, host: str) -> dict[str, str]:
    """Log name to a link that can be read without a token for an hour."""
    names = set(_live_logs(job, service))
    if status_of(job) in OVER:
        place = _artifacts(job, service)
        if service.azure.blobs.container(place.account, place.container):
            for blob in service.azure.blobs.walk(place.account, place.container, f"{place.path}/"):
                name = blob.name.removeprefix(f"{place.path}/")
                names |= {name} if _is_log(name) else set()
    workspace = workspace_of(job, service.azure)
    links = {}
    for name in sorted(names):
        path = f"/artifact/v2.0{workspace.id.text}/artifacts/content/ExperimentRun/dcid.{job.name}/{name}"
        links[name] = f"https://{host}{quote(path)}?sig={service.tokens.issue('', '', path, _LOG_SECONDS)}"
    return links
