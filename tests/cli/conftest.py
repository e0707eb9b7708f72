"""The Pulumi CLI on a user's machine: one checkout and one released stack, shared by all tests here."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from sandbox.home import Home
from tests.machine import PYTHON, Machine, make_machine
from tests.sandbox.conftest import Sandbox

STACK = "trial"
FILE = f"Pulumi.{STACK}.yaml"
OUTPUTS = f".sandbox/outputs/{STACK}.json"
MODEL = "ml_jobs/flight_delay"
ML = "/providers/Microsoft.MachineLearningServices"

Changes = dict[str, list[str]]


@dataclass
class Trial:
    """A checkout, its sandbox, and a stack that the CLI keeps.

    Attributes:
        machine: the checkout.
        azure: the sandbox, asked as a client would.
    """

    machine: Machine
    azure: Sandbox

    def pulumi(self, command: str, *, code: int = 0, **extra: str) -> str:
        """Runs the CLI; returns what it printed.

        Args:
            command: without `pulumi` itself.
            code: the exit code it has to end with.
            extra: environment variables that come after those of the sandbox.
        """
        also = "".join(f"export {name}={value}; " for name, value in extra.items())
        local = f'eval "$({PYTHON} -m sandbox env --pulumi)" && {also}'
        return self.machine.run(f"{local}pulumi --non-interactive {command}", code=code)

    def preview(self) -> Changes:
        """Logical names by what a preview would do to them; what stays the same is left out."""
        printed = self.pulumi(f"preview -s {STACK} --json 2>/dev/null")
        return _changes((step["op"], step["urn"]) for step in json.loads(printed)["steps"])

    def up(self) -> None:
        """Brings the stack up and writes its outputs where operations read them."""
        self.pulumi(f"up --yes -s {STACK}")
        self.pulumi(f"stack output --json -s {STACK} >{OUTPUTS}")

    def apply(self, verb: str) -> Changes:
        """Logical names, in order, by what an `up`, a `refresh` or a `destroy` did to them."""
        printed = self.pulumi(f"{verb} -s {STACK} --yes --skip-preview --json 2>/dev/null")
        events = [json.loads(line) for line in printed.splitlines() if line.startswith("{")]
        done = [event["resOutputsEvent"]["metadata"] for event in events if "resOutputsEvent" in event]
        return _changes((each["op"], each["urn"]) for each in done)

    def release(self, arguments: str = "") -> str:
        """Releases what is new, applying the stack with the CLI."""
        apply = f"pulumi --non-interactive up --yes -s {STACK}"
        release = f"{PYTHON} -m ops.release --outputs {OUTPUTS} --stack {STACK} --apply '{apply}' {arguments}"
        return self.machine.run(f'eval "$({PYTHON} -m sandbox env --pulumi)" && {release}')

    @cached_property
    def outputs(self) -> dict[str, Any]:
        """The stack's exports."""
        known: dict[str, Any] = json.loads((self.machine.folder / OUTPUTS).read_text(encoding="utf-8"))
        return known

    @property
    def endpoint(self) -> str:
        """ARM id of the endpoint."""
        return f"{self.outputs['workspaceId']}/onlineEndpoints/{self.outputs['models']['flight-delay']['endpoint']}"

    def get(self, path: str) -> Any:
        """A resource, or what a list holds."""
        answer = self.azure.call("GET", path)
        assert answer.status == 200, answer
        return answer.body

    def split(self, traffic: dict[str, int]) -> None:
        """Sets weights as any client of Azure may."""
        body = self.get(self.endpoint)
        body["properties"]["traffic"] = traffic
        assert self.azure.call("PUT", self.endpoint, body).status in (200, 201, 202)

    def routing(self) -> tuple[Any, ...]:
        """Who gets how much, and what the rollouts remember."""
        found = self.get(self.endpoint)
        token = self.azure.token("https://storage.azure.com")
        state = f"{self.outputs['releaseStore']}/{found['name']}.json"
        memory = self.azure.call("GET", state, token=token, headers={"x-ms-version": "2023-11-03"})
        assert memory.status == 200
        return found["properties"]["traffic"], found["properties"].get("mirrorTraffic"), found["tags"], memory.body

    def deployments(self) -> dict[str, Any]:
        """The deployments as Azure has them, by name."""
        return {each["name"]: each for each in self.get(f"{self.endpoint}/deployments")["value"]}

    def versions(self, kind: str, name: str) -> set[str]:
        """Versions of an asset of the workspace."""
        return {each["name"] for each in self.get(f"{self.outputs['workspaceId']}/{kind}/{name}/versions")["value"]}

    @contextmanager
    def callers(self) -> Iterator[dict[str, Any]]:
        """Callers of the endpoint while the block lasts."""
        key = self.machine.run(f"{PYTHON} -m ops.endpoint --outputs {OUTPUTS} --key", local=True).strip()
        uri = self.outputs["models"]["flight-delay"]["scoringUri"]
        with self.machine.callers(uri, key, rate=20, body=f"{MODEL}/sample_request.json") as counts:
            yield counts

    @contextmanager
    def edited(self, *changes: tuple[str, str, str]) -> Iterator[None]:
        """Files with another text, back to what they were afterwards."""
        for name, old, new in changes:
            self.machine.edit(name, old, new)
        try:
            yield
        finally:
            for name, old, new in changes:
                self.machine.edit(name, new, old)


@pytest.fixture(scope="session")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trial]:
    """A stack that came up as docs/how-to/pulumi-cli.md says, with its first model live."""
    machine = make_machine(tmp_path_factory.mktemp("checkout"), tmp_path_factory.mktemp("home"))
    made = Trial(machine, Sandbox(Home(machine.folder / ".sandbox")))
    try:
        made.machine.run(f"cp Pulumi.dev.yaml {FILE} && mkdir -p {Path(OUTPUTS).parent}")
        made.pulumi(f"stack init {STACK}")
        made.up()
        made.release()
        yield made
    finally:
        made.azure.close()
        machine.close()


def _changes(steps: Any) -> Changes:
    found: Changes = {}
    for op, urn in steps:
        if op not in ("same", "read", "refresh"):
            found.setdefault(op, []).append(urn.rpartition("::")[2])
    return found
