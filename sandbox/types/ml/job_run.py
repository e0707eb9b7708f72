"""A command job: content in, a process in a folder of its own, content out.

Every step can be done again, and the folder says how far it came: a job whose gateway was killed is adopted while
its process lives, finished when that has ended, and run from the start when it never began.
"""

import logging
import shutil
from pathlib import Path

from sandbox.arm.azure import Azure
from sandbox.arm.errors import ArmError
from sandbox.arm.resource import Resource
from sandbox.store.db import DiskFullError
from sandbox.types.ml import content, job_outputs
from sandbox.types.ml.credentials import READ
from sandbox.types.ml.job_needs import choose_runtime, identity, input_uri, pool, time_limit
from sandbox.types.ml.job_state import is_over, mark, status_of, workspace_of
from sandbox.work import paths, places, process
from sandbox.work.expressions import ExpressionError, fill
from sandbox.work.jobs import Active
from sandbox.work.paths import PathError
from sandbox.work.places import PlaceError
from sandbox.work.process import Exit, Process, StartError
from sandbox.work.runtimes import Choice, RuntimeMissingError
from sandbox.work.tracking import TrackingError

log = logging.getLogger("sandbox.jobs")
_USER_ERRORS = (
    ArmError, PathError, PlaceError, ExpressionError, RuntimeMissingError, StartError, DiskFullError, OSError,
)  # fmt: skip
LOG = "artifacts/user_logs/std_log.txt"
FLOOR_BYTES = 128 * 1024 * 1024  # what must be left on the disk while a job runs


class LostError(Exception):
    """The job's process ended with nobody to see how."""


async def run_command(me: Resource, azure: Azure, active: Active) -> None:
    """Bring a command job to its end, from wherever it is."""
    if is_over(me):
        return
    folder = azure.work.folder("jobs", me.id.key)
    where, limit = pool(me, azure)
    running = await azure.work.adopt(folder)
    try:
        async with azure.work.jobs.turn(where, limit, active, at_once=running is not None) as turn:
            exit_ = await _through(me, azure, active, folder, running) if turn else None
        if exit_ is None:
            await _end(me, azure, folder, "Canceled")
            return
        await mark(me, azure, "Finalizing")
        error = _verdict(me, exit_)
        if not error:
            await job_outputs.keep(me, azure, folder)
        await _end(me, azure, folder, "Failed" if error else "Completed", error)
    except _USER_ERRORS as error:
        await _end(me, azure, folder, "Failed", _say(error))
    except LostError:
        await _end(me, azure, folder, "Failed", "The job's process was lost: it ended with nobody to see how.")


async def _through(
    me: Resource, azure: Azure, active: Active, folder: Path, running: Process | None
) -> Exit | None:  # fmt: skip
    """Start the process if it never began and wait for its end; None when the job was canceled."""
    if running is None and (known := process.ended(folder)):
        return None if status_of(azure.get(me.id.text) or me) == "CancelRequested" else known
    if running is None and process.began(folder):
        raise LostError
    if running is None:
        if active.canceled.is_set():
            return None
        await mark(me, azure, "Preparing")
        running = await _start(me, azure, folder)
    await mark(me, azure, "Running")
    if not await active.first(running.wait()):
        await running.stop()
        return None
    return await running.wait()


async def _start(me: Resource, azure: Azure, folder: Path) -> Process:
    """Bring everything the command needs to its folder, and start it."""
    shutil.rmtree(folder, ignore_errors=True)
    for name in ("wd", "named", "inputs", "artifacts/user_logs", "artifacts/system_logs", "artifacts/outputs"):
        (folder / name).mkdir(parents=True)
    workspace = workspace_of(me, azure)
    choice = choose_runtime(str(me["properties.environmentId"]), azure, workspace)
    note(folder, choice.note)
    values = {
        **await _code_and_inputs(me, azure, workspace, folder),
        **job_outputs.prepare(me, azure, workspace, folder),
    }
    environment = {
        **azure.work.environment(choice.runtime, folder),
        **_about(me, workspace),
        **{_variable(name): value for name, value in values.items()},
        **await _track(me, azure, workspace, folder, choice),
        **{key: str(value) for key, value in (me.get("properties.environmentVariables") or {}).items()},
    }
    return await azure.work.run(
        folder,
        ["/bin/bash", "-c", fill(str(me["properties.command"]), values)],
        environment, folder / "wd", folder / LOG, timeout=time_limit(me), floor=FLOOR_BYTES,
    )  # fmt: skip


async def _code_and_inputs(me: Resource, azure: Azure, workspace: Resource, folder: Path) -> dict[str, str]:
    """Fetch code and inputs as the job's identity; returns what the expressions stand for."""
    who, principal = identity(me, azure, workspace)
    if code := me.get("properties.codeId"):
        where = content.locate(content.asset_uri(code, "codes", workspace, azure), workspace, azure)
        content.need_access(principal, who, where, READ, azure)
        await places.fetch(azure.blobs, where.place, folder / "wd")
    for name in ("outputs", "logs"):
        if not (folder / "wd" / name).exists():
            (folder / "artifacts" / name).mkdir(exist_ok=True)
            (folder / "wd" / name).symlink_to(folder / "artifacts" / name)
    values: dict[str, str] = {}
    for name, given in (me.get("properties.inputs") or {}).items():
        if given is None:
            continue
        if given.get("jobInputType") == "literal":
            values[f"inputs.{name}"] = str(given.get("value", ""))
            continue
        target = paths.inside(folder, f"inputs/{name}")
        uri = input_uri(given, workspace, azure)
        if given.get("mode") == "Direct":
            values[f"inputs.{name}"] = uri
            continue
        where = content.locate(uri, workspace, azure)
        content.need_access(principal, who, where, READ, azure)
        values[f"inputs.{name}"] = str(await places.fetch(azure.blobs, where.place, target))
    return values


async def _track(me: Resource, azure: Azure, workspace: Resource, folder: Path, choice: Choice) -> dict[str, str]:
    """The job's MLflow run, and the variables that lead MLflow to it."""
    which = str(workspace["properties.workspaceId"])
    if not await azure.work.tracking.prepare(which, choice.runtime, folder):
        return {}
    experiment = str(me["properties.experimentName"])
    parent = str(me.get("run.parent", ""))
    await azure.work.tracking.begin(which, experiment, me.name, folder, parent)
    return {
        "MLFLOW_TRACKING_URI": f"sqlite:///{azure.work.tracking.own(folder)}", "MLFLOW_RUN_ID": me.name,
        "MLFLOW_EXPERIMENT_NAME": experiment,
    }  # fmt: skip


def _about(me: Resource, workspace: Resource) -> dict[str, str]:
    """What Azure ML tells a job about itself."""
    return {
        "AZUREML_RUN_ID": me.name, "AZUREML_ROOT_RUN_ID": str(me.get("run.root", me.name)),
        "AZUREML_EXPERIMENT_NAME": str(me["properties.experimentName"]),
        "AZUREML_ARM_PROJECT_NAME": str(me["properties.experimentName"]),
        "AZUREML_ARM_SUBSCRIPTION": workspace.id.subscription, "AZUREML_ARM_RESOURCEGROUP": workspace.id.group,
        "AZUREML_ARM_WORKSPACE_NAME": workspace.name, "AZUREML_WORKSPACE_ID": str(workspace["properties.workspaceId"]),
        "AZUREML_WORKSPACE_SCOPE": workspace.id.text,
    }  # fmt: skip


def _variable(name: str) -> str:
    """The variable in which a job finds an input or output: ``AZURE_ML_OUTPUT_model`` for ``outputs.model``."""
    side, _, rest = name.partition(".")
    return f"AZURE_ML_{side.removesuffix('s').upper()}_{rest.replace('.', '_')}"


async def _end(me: Resource, azure: Azure, folder: Path, status: str, error: str = "") -> None:
    """Keep what was logged, then write the end. A failure to keep logs does not hide the job's own error."""
    kept = False
    if folder.exists():
        try:
            if error:
                note(folder, error)
            await job_outputs.keep_artifacts(me, azure, folder)
            kept = True
        except _USER_ERRORS as failure:
            status, error = "Failed", error or _say(failure)
            log.warning("job %s: its logs were not kept: %s", me.name, failure)
    try:
        workspace = str(workspace_of(me, azure)["properties.workspaceId"])
        await azure.work.tracking.end(workspace, me.name, status, folder)
    except TrackingError as failure:
        log.warning("job %s: its MLflow run was not ended: %s", me.name, failure)
    await mark(me, azure, status, error)
    # Logs and the outputs folder are blobs now; those that could not be kept stay here.
    for name in ("wd", "inputs", "named", "tmp", "home", *(("artifacts",) if kept else ())):
        shutil.rmtree(folder / name, ignore_errors=True)


def note(folder: Path, line: str) -> None:
    """Add a line to the log that tells what the sandbox did for a job.

    Raises:
        PathError: the job put a link in its place.
    """
    name = "artifacts/system_logs/sandbox.log"
    paths.inside(folder, name).parent.mkdir(parents=True, exist_ok=True)
    with paths.opened(folder, name, "ab") as out:
        out.write(f"{line}\n".encode(errors="replace"))


def _verdict(me: Resource, exit_: Exit) -> str:
    """Why a job failed; '' when it did not."""
    if exit_.reason == "timeout":
        return f"The job ran longer than its limit of {me.get('properties.limits.timeout')} and was ended."
    if exit_.reason == "full":
        left = f"less than {FLOOR_BYTES >> 20} MiB were left on the disk"
        return f"The job was ended because {left}. Free some, then submit it again."
    if exit_.reason == "stopped":
        return "The job was ended because the sandbox was stopped. Submit it again."
    if exit_.reason == "lost" or exit_.code is None:
        return "The job's process was lost: it ended with nobody to see how."
    if exit_.code < 0:
        return f"Execution failed: the process was killed by signal {-exit_.code}. See user_logs/std_log.txt."
    return f"Execution failed with exit code {exit_.code}. See user_logs/std_log.txt." if exit_.code else ""


def _say(error: Exception) -> str:
    if isinstance(error, ArmError):
        return error.message
    if isinstance(error, OSError) and error.filename:
        return f"{error.strerror}: {error.filename}"
    return str(error)
