"""A job's record as it changes: status, times, error. Status moves forward only, and not past an end."""

from sandbox import clock
from sandbox.arm.azure import Azure
from sandbox.arm.kind import Body
from sandbox.arm.resource import Resource, View

OVER = ("Completed", "Failed", "Canceled")
_ORDER = ("NotStarted", "Queued", "Preparing", "Running", "CancelRequested", "Finalizing", *OVER)


def status_of(me: Resource) -> str:
    """A job's status."""
    return str(me.get("properties.status", "NotStarted"))


def is_over(me: Resource) -> bool:
    """Whether a job has ended."""
    return status_of(me) in OVER


def workspace_of(me: Resource, view: View) -> Resource:
    """The workspace that a resource is in, at any depth."""
    return view.need("/".join(me.id.text.split("/")[:9]))


def children_of(me: Resource, view: View) -> list[Resource]:
    """The steps of a pipeline job, in order of their creation."""
    steps: list[str] = list(me.get("run.steps", {}).values())
    return [found for name in steps if (found := view.get(f"{me.id.parent}/jobs/{name}"))]


async def mark(me: Resource, azure: Azure, status: str, error: str = "", **facts: object) -> bool:
    """Write a new status, with the times and the error that belong to it.

    Args:
        me: the job.
        azure: where it is.
        status: the new status.
        error: why it failed.
        facts: more to keep in its record.

    Returns:
        False when the job is gone, over, or already further; then nothing is written.
    """
    written = False

    def write(current: Resource) -> None:
        nonlocal written
        before = status_of(current)
        if before in OVER or (status not in OVER and _ORDER.index(before) > _ORDER.index(status)):
            return
        written = True
        current.properties["status"] = status
        run: Body = current.body.setdefault("run", {})
        run.update(facts)
        if status == "Running":
            run.setdefault("started", clock.timestamp())
        if status in OVER:
            run["ended"] = clock.timestamp()
        if error:
            run["error"] = error

    await azure.revise(me, write)
    return written
