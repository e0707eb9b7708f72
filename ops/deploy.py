"""Brings deployments up and takes them down: the live file names them, the stack's apply makes them so.

Not a command: a release, a promotion to another stack and a retirement are.
"""

import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from live_file import LiveDeployment
from ops import live
from ops.command import OpsError, UsageError
from ops.report import Report, Step
from ops.views import Deployed

# What a deployment is while something works on it.
_BUSY = frozenset({"Creating", "Updating", "Scaling", "Deleting"})


class Endpoint(Protocol):
    """What deployments need from Azure."""

    def deployments(self, endpoint: str) -> list[Deployed]:  # noqa: D102 - see Workspace
        ...

    def remove_deployment(self, endpoint: str, name: str) -> None:  # noqa: D102 - see Workspace
        ...


@dataclass(frozen=True, kw_only=True)
class Deployments:
    """The deployments of one model in one stack.

    Attributes:
        stack: name of the stack, whose live file is written.
        model: name of the model.
        endpoint: that the deployments stand behind.
        azure: where they run.
        apply: command that applies the stack.
        report: where progress goes.
        timeout: seconds to wait for a deployment that something else works on.
    """

    stack: str
    model: str
    endpoint: str
    azure: Endpoint
    apply: Sequence[str]
    report: Report
    timeout: float = 1800.0

    def named(self) -> tuple[LiveDeployment, ...]:
        """What the live file names."""
        return live.entries(self.stack, self.model)

    def there(self) -> dict[str, Deployed]:
        """What Azure has."""
        return {each.name: each for each in self.azure.deployments(self.endpoint)}

    def is_up(self, wanted: LiveDeployment) -> bool:
        """True when the file names it and it answers with as many instances as wanted."""
        found = self.there().get(wanted.name)
        # The name stands for everything else.
        same = {(each.name, each.instance_count) for each in self.named()}
        wants = (wanted.name, wanted.instance_count)
        return wants in same and found is not None and found.ready and found.instance_count == wanted.instance_count

    def bring_up(self, wanted: LiveDeployment, step: Step) -> None:
        """Names a deployment and applies; a failed one of that name is taken away first, and tried anew.

        Raises:
            OpsError: the apply failed, or the deployment does not answer; nothing is given back here.
        """
        rest = [each for each in self.named() if each.name != wanted.name]
        found = self._settled(wanted.name, step)
        if found is not None and not found.ready:
            step.note(f"{wanted.name} is {found.state}: taken away and tried again")
            self.reduce_to(rest)
        # In the place that it has, so that a changed number of instances moves nothing.
        order = {each.name: number for number, each in enumerate(self.named())}
        entries = sorted([*rest, wanted], key=lambda each: order.get(each.name, len(order)))
        live.write(self.stack, self.model, entries)
        self._apply()
        found = self._settled(wanted.name, step)
        if found is None or not found.ready:
            raise OpsError(
                f"deployment {wanted.name} is {found.state if found else 'not there'} after the apply",
                why="the messages of the apply are above; the deployment's log says why it does not answer",
                repair="correct the cause and release again; a failed deployment is tried anew",
            )

    def reduce_to(self, entries: Sequence[LiveDeployment]) -> None:
        """Names these deployments only, applies, and takes away what the apply left of those that were named.

        An apply does not know a deployment that failed while it was being made, so it cannot take it away.
        """
        left = {each.name for each in self.named()} - {each.name for each in entries}
        live.write(self.stack, self.model, entries)
        self._apply()
        for name in sorted(left & set(self.there())):
            self.azure.remove_deployment(self.endpoint, name)

    def _settled(self, name: str, step: Step) -> Deployed | None:
        deadline = time.monotonic() + self.timeout
        while True:
            found = self.there().get(name)
            if found is None or found.state not in _BUSY:
                return found
            step.now(f"waits for {name}: {found.state}")
            if time.monotonic() > deadline:
                raise OpsError(
                    f"deployment {name} is still {found.state} after {self.timeout:.0f} s",
                    why="something else works on it, or Azure has no machine for it",
                    repair="look at it in the studio and run the same command again",
                )
            time.sleep(min(5.0, 0.5 + step.elapsed / 60))

    def _apply(self) -> None:
        try:
            with self.report.handed_over():
                done = subprocess.run(self.apply, stdout=sys.stderr, check=False)
        except OSError as error:
            raise UsageError(f"--apply {shlex.join(self.apply)}: cannot be run", why=str(error)) from None
        if done.returncode != 0:
            raise OpsError(
                f"apply ended with exit code {done.returncode}",
                why=f"{shlex.join(self.apply)}; its messages are above",
                repair="correct what they name and run the same command again",
            )
