"""Job: a command or a pipeline of them, run as processes of this machine.

Not here: how a command runs (job_run.py), how a pipeline does (job_pipeline.py), what is left (job_outputs.py).
"""

import asyncio
import re
import shutil
from collections.abc import Mapping

from sandbox.arm.azure import Azure
from sandbox.arm.kind import Body, Kind, Name, Ref, Refusal, action
from sandbox.arm.resource import Change, Listing, Resource, View
from sandbox.types.ml import asset, content, job_logs
from sandbox.types.ml.asset import ML, shown
from sandbox.types.ml.duration import seconds_of
from sandbox.types.ml.job_needs import identity
from sandbox.types.ml.job_pipeline import run_pipeline
from sandbox.types.ml.job_run import run_command
from sandbox.types.ml.job_state import is_over, mark, status_of, workspace_of
from sandbox.types.ml.job_steps import check_inputs, plan, specification
from sandbox.work.jobs import Active

_RUN = ("Command", "Pipeline")
_KEPT = ("AutoML", "FineTuning", "Labeling", "Spark", "Sweep")
_IO_NAME = re.compile(r"[A-Za-z_][-.\w]{0,254}")
_MUTABLE = frozenset({"description", "displayName", "tags", "properties", "isArchived", "status", "services"})


class Job(Kind):
    """``workspaces/jobs``."""

    arm_type = f"{ML}/workspaces/jobs"
    level = "runs"
    name = Name(
        r"[A-Za-z0-9][-\w]{0,254}", "1-255 letters, digits, hyphens or underscores, starting with a letter or digit"
    )
    provisioning = False
    system_data = True
    refs = (Ref("properties.computeId", f"{ML}/workspaces/computes", f"{ML}/workspaces/computes/read"),)
    hidden = ("run",)
    sealed = ("properties.environmentVariables", "properties.jobs.*.environment_variables")
    extra = ("properties.parentJobName", "properties.outputs")
    defaults = {"properties.experimentName": "Default", "properties.isArchived": False}
    differs = {
        "properties.jobType": f"{', '.join(_KEPT)} jobs are kept and fail when they would run",
        "properties.resources.instanceCount": "one process on this machine, whatever the count",
        "properties.resources.instanceType": "kept; cores and memory are not limited",
        "properties.distribution": "kept; the command runs once",
        "properties.experimentName": "in MLflow a job finds its own run, and no other of the experiment",
        "properties.environmentId": "a local runtime that has the pins; for an image without a conda file the first",
        "properties.inputs.mode": "a mount is a copy made before the job starts",
        "properties.outputs.mode": "a mount is written when the command has succeeded",
        "properties.queueSettings": "kept; jobs start in order of arrival",
        "properties.services": "kept; nothing listens",
    }

    def fill(self, new: Resource, old: Resource | None, change: Change) -> None:
        """Status and record stay as they are; a name to show."""
        new.properties["status"] = status_of(old) if old else "NotStarted"
        new.properties.setdefault("displayName", old.get("properties.displayName", new.name) if old else new.name)
        for empty in ("tags", "properties"):
            if new.properties.get(empty) is None:
                new.properties[empty] = {}
        if old and "run" in old.body:
            new.body["run"] = old.body["run"]
        if old is None and new.get("properties.componentId"):
            new.properties["outputs"] = {
                **{name: {"jobOutputType": (given or {}).get("type", "uri_folder")}
                   for name, given in (specification(new, change).get("outputs") or {}).items()},
                **(new.get("properties.outputs") or {}),
            }  # fmt: skip

    def check(self, new: Resource, old: Resource | None, view: View) -> None:
        """A type that Azure has, with what it needs; a job that was submitted does not change."""
        kind = new.get("properties.jobType")
        if kind not in (*_RUN, *_KEPT):
            raise _refuse(new, f"jobType is '{kind}': want one of {', '.join((*_RUN, *_KEPT))}")
        if old:
            _check_unchanged(new, old)
            return
        _check_names(new)
        identity(new, view, workspace_of(new, view))
        if kind == "Command":
            _check_command(new, view)
        if kind == "Pipeline":
            check_inputs(new, view)
            plan(new, view)

    def outputs(self, me: Resource, view: View) -> Body:
        """Addresses of the run; a step of a pipeline shows nothing here, as on Azure (see run history)."""
        if me.get("run.parent"):
            return {"properties": None}
        workspace = workspace_of(me, view)
        region = workspace["location"]
        services = {
            "Tracking": {
                "jobServiceType": "Tracking",
                "endpoint": f"azureml://{region}.api.azureml.ms/mlflow/v1.0{workspace.id.text}?",
            },
            "Studio": {
                "jobServiceType": "Studio",
                "endpoint": f"https://ml.azure.com/runs/{me.name}?wsid={workspace.id.text}",
            },
        }
        properties: Body = {"services": {**services, **(me.get("properties.services") or {})}}
        if is_over(me) and (outputs := me.get("properties.outputs")):
            properties["outputs"] = {name: {"uri": content.output_uri(me, name, workspace, view)} for name in outputs}
        return {"properties": properties}

    def listed(self, scope: str, query: Mapping[str, str], view: View) -> Listing:
        """Jobs that somebody submitted, the newest first; steps are listed by run history."""
        view.need(scope)
        wanted, tag = query.get("jobType"), query.get("tag")
        return view.listing(scope, self.arm_type, "newest").where(
            lambda each: (
                not each.get("run.parent")
                and shown(each, query)
                and (not wanted or each.get("properties.jobType") == wanted)
                and (not tag or tag in each.properties["tags"])
            )
        )

    def uses(self, me: Resource) -> set[str]:
        """Versions, until it is over."""
        return asset.versions_in(me)

    def rests(self, me: Resource) -> bool:
        """Once it is over."""
        return is_over(me)

    def check_delete(self, me: Resource, view: View) -> None:
        """A job that runs is canceled first."""
        if not is_over(me):
            raise Refusal(409, "UserError", f"Job '{me.name}' is {status_of(me)}: cancel it before deleting it.")

    async def apply(self, me: Resource, azure: Azure) -> None:
        """Hand it to the workshop; the operation is done, the job goes on."""
        begin(me, azure)

    async def start(self, me: Resource, azure: Azure) -> None:
        """Go on with a job that an earlier gateway had under way."""
        if not is_over(me) and not me.get("run.parent"):
            begin(me, azure)

    async def forget(self, azure: Azure) -> None:
        """Logs of jobs that are gone."""
        await job_logs.forget(azure)

    async def remove(self, me: Resource, azure: Azure) -> None:
        """End it if it goes with its workspace, and forget its files; what it kept in storage stays."""
        azure.work.jobs.cancel(me.id.key)
        await azure.work.jobs.ended(me.id.key)
        await asyncio.to_thread(shutil.rmtree, azure.work.folder("jobs", me.id.key), True)

    @action("cancel")
    async def cancel(self, me: Resource, body: Body, azure: Azure) -> Body:
        """Ask a job to end. One that is over stays as it is."""
        if await mark(me, azure, "CancelRequested"):
            begin(me, azure)
            azure.work.jobs.cancel(me.id.key)
        return {}


def begin(me: Resource, azure: Azure) -> None:
    """Start a job's work, unless it is under way."""

    async def run(active: Active) -> None:
        current = azure.get(me.id.text)
        if current is None:
            return
        if status_of(current) == "CancelRequested":
            active.canceled.set()
        kind = current["properties.jobType"]
        try:
            if kind == "Command":
                await run_command(current, azure, active)
            elif kind == "Pipeline":
                await run_pipeline(current, azure, active, begin)
            else:
                ran = " and ".join(_RUN)
                await mark(current, azure, "Failed", f"{kind} jobs are not run by the sandbox; it runs {ran} jobs.")
        except Exception as error:
            # Whatever it was, the job is over: nobody would ever end it.
            await mark(current, azure, "Failed", f"The sandbox could not run the job: {type(error).__name__}: {error}.")
            raise

    azure.work.jobs.begin(me.id.key, run)


def _check_names(new: Resource) -> None:
    """An input or output is a file of the job's folder, and a part of a variable's name."""
    for what in ("inputs", "outputs"):
        for name in new.get(f"properties.{what}") or {}:
            if not _IO_NAME.fullmatch(name):
                raise _refuse(
                    new, f"{what} has {name!r}: want letters, digits, '_', '-' and '.', starting with a letter or '_'"
                )


def _check_command(new: Resource, view: View) -> None:
    workspace = workspace_of(new, view)
    if not new.get("properties.command"):
        raise _refuse(new, "properties.command is missing")
    if not new.get("properties.environmentId"):
        raise _refuse(new, "properties.environmentId is missing")
    asset.need(str(new["properties.environmentId"]), "environments", workspace.id.text, view)
    if code := new.get("properties.codeId"):
        asset.need(str(code), "codes", workspace.id.text, view)
    if timeout := new.get("properties.limits.timeout"):
        try:
            seconds_of(str(timeout))
        except ValueError as error:
            raise _refuse(new, f"limits.timeout: {error}") from error


def _check_unchanged(new: Resource, old: Resource) -> None:
    for key in sorted(new.properties.keys() | old.properties.keys()):
        if (
            key not in _MUTABLE
            and new.properties.get(key) is not None
            and new.properties[key] != old.properties.get(key)
        ):
            raise Refusal(409, "UserError", f"Job '{new.name}' was submitted: {key} cannot change. Submit another job.")


def _refuse(me: Resource, what: str) -> Refusal:
    return Refusal(400, "UserError", f"Job '{me.name}': {what}.")
