"""A pipeline job: its steps in the order of their data, each a job of its own, side by side where they may be."""

import asyncio
import logging
from collections.abc import Callable

from sandbox import clock
from sandbox.arm.azure import Azure
from sandbox.arm.errors import ArmError
from sandbox.arm.resource import Resource
from sandbox.types.ml import content, job_outputs
from sandbox.types.ml.job_state import is_over, mark, status_of, workspace_of
from sandbox.types.ml.job_steps import Step, child, plan
from sandbox.work import places
from sandbox.work.expressions import ExpressionError
from sandbox.work.jobs import Active

log = logging.getLogger("sandbox.jobs")
Begin = Callable[[Resource, Azure], None]
LOG = "artifacts/logs/azureml/executionlogs.txt"


class Run:
    """A pipeline job under way.

    Args:
        me: the job.
        azure: where it is.
        begin: starts the work of a step's job.
    """

    def __init__(self, me: Resource, azure: Azure, begin: Begin) -> None:
        self._me = me
        self._azure = azure
        self._begin = begin
        self._children: dict[str, Resource] = {}
        self._refused: dict[str, str] = {}
        self._folder = azure.work.folder("jobs", me.id.key)

    async def through(self, active: Active) -> None:
        """Bring it to its end, from wherever it is."""
        if is_over(self._me):
            return
        await mark(self._me, self._azure, "Running")
        try:
            steps = plan(self._me, self._azure)
            self._recover()
            status, error = await self._steps(steps, active)
            if status == "Completed":
                await mark(self._me, self._azure, "Finalizing")
                await job_outputs.register(self._me, self._azure)
        except (ArmError, ExpressionError) as refusal:
            status, error = "Failed", _words(refusal)
        self._say(f"{self._me.name}: {status} {error}".rstrip())
        await self._keep_log()
        await mark(self._me, self._azure, status, error)

    def _recover(self) -> None:
        """Steps that an earlier gateway began."""
        for name, job in (self._me.get("run.steps") or {}).items():
            if found := self._azure.get(f"{self._me.id.parent}/jobs/{job}"):
                self._children[name] = found

    async def _steps(self, steps: dict[str, Step], active: Active) -> tuple[str, str]:
        """Run every step that can run; returns the pipeline's status and its error."""
        # On Azure, too, a pipeline goes on unless it says not to (learn.microsoft.com, reference-yaml-job-pipeline).
        go_on = (self._me.get("properties.settings") or {}).get("continue_on_step_failure") is not False
        waiting: dict[str, asyncio.Task[None]] = {}
        halted = False
        for name, job in self._children.items():
            if not is_over(job):
                waiting[name] = self._follow(job)
        while True:
            halted = halted or active.canceled.is_set() or (self._failing() and not go_on)
            if halted:
                self._stop(waiting)
            else:
                for step in self._ready(steps):
                    await self._begin_step(step, waiting)
                if self._refused and not go_on:
                    continue
            if not waiting:
                break
            await self._any(waiting, active)
            for name in [name for name, task in waiting.items() if task.done()]:
                del waiting[name]
                self._children[name] = self._azure.need(self._children[name].id.text)
                self._say(f"{name}: {status_of(self._children[name])}")
        if active.canceled.is_set():
            return "Canceled", ""
        return self._verdict(steps)

    def _failing(self) -> bool:
        over = [status_of(job) for job in self._children.values() if is_over(job)]
        return bool(self._refused) or any(status != "Completed" for status in over)

    def _ready(self, steps: dict[str, Step]) -> list[Step]:
        done = {name for name, job in self._children.items() if status_of(job) == "Completed"}
        begun = self._children.keys() | self._refused.keys()
        return [step for step in steps.values() if step.name not in begun and step.waits <= done]

    async def _begin_step(self, step: Step, waiting: dict[str, asyncio.Task[None]]) -> None:
        """Start a step. One that is refused has failed, like one that ran: the others are still looked after."""
        try:
            waiting[step.name] = await self._launch(step)
        except (ArmError, ExpressionError) as refusal:
            self._refused[step.name] = _words(refusal)
            self._say(f"{step.name}: refused: {_words(refusal)}")

    async def _launch(self, step: Step) -> asyncio.Task[None]:
        """Make the step's job and start it. Its name is written down first: a crash in between loses nothing."""
        name = clock.new_id()
        where = f"{self._me.id.parent}/jobs/{name}"
        await self._azure.revise(self._me, lambda me: me.body["run"].setdefault("steps", {}).update({step.name: name}))
        body = child(step, self._azure.need(self._me.id.text), self._azure)
        job = await self._azure.change(self._me.author, lambda change: change.make(where, body))
        self._children[step.name] = job
        self._say(f"{step.name}: started as {job.name}")
        return self._follow(job)

    def _follow(self, job: Resource) -> asyncio.Task[None]:
        self._begin(job, self._azure)
        return asyncio.get_running_loop().create_task(self._azure.work.jobs.ended(job.id.key))

    def _stop(self, waiting: dict[str, asyncio.Task[None]]) -> None:
        for name in waiting:
            self._azure.work.jobs.cancel(self._children[name].id.key)

    async def _any(self, waiting: dict[str, asyncio.Task[None]], active: Active) -> None:
        """Until a step ends, or somebody asks for the pipeline's end."""
        asked = asyncio.ensure_future(active.canceled.wait())
        tasks = set(waiting.values()) | (set() if active.canceled.is_set() else {asked})
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        asked.cancel()

    def _verdict(self, steps: dict[str, Step]) -> tuple[str, str]:
        ran = {name: job for name, job in self._children.items() if status_of(job) == "Failed"}
        failed = {name: str(job.get("run.error", "")) for name, job in ran.items()} | self._refused
        skipped = [name for name in steps if name not in self._children and name not in self._refused]
        ended = [name for name, job in self._children.items() if status_of(job) == "Canceled"]
        if not failed and not ended:
            return "Completed", ""
        parts = [f"Step '{name}' failed: {error}" for name, error in failed.items()]
        parts += [f"Canceled: {', '.join(ended)}."] if ended else []
        parts += [f"Not run: {', '.join(skipped)}."] if skipped else []
        return ("Failed" if failed else "Canceled"), " ".join(parts)

    def _say(self, line: str) -> None:
        file = self._folder / LOG
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a", encoding="utf-8") as out:
            out.write(f"[{clock.timestamp()}] {line}\n")

    async def _keep_log(self) -> None:
        workspace = workspace_of(self._me, self._azure)
        where = content.output_uri(self._me, content.ARTIFACTS, workspace, self._azure)
        try:
            await places.store(
                self._azure.blobs, self._folder, "artifacts", content.locate(where, workspace, self._azure).place
            )
        except (places.PlaceError, ArmError, OSError) as error:
            log.warning("job %s: its log was not kept: %s", self._me.name, error)


def _words(refusal: Exception) -> str:
    return refusal.message if isinstance(refusal, ArmError) else str(refusal)


async def run_pipeline(me: Resource, azure: Azure, active: Active, begin: Begin) -> None:
    """Bring a pipeline job to its end, from wherever it is."""
    await Run(me, azure, begin).through(active)
