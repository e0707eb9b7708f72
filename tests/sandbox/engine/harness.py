"""A stack to play with: a program of a few lines, a fake cloud, a state of its own."""

import textwrap
from pathlib import Path

from sandbox.engine.events import Diagnostic, Event, Mode, Outcome, StepDone
from sandbox.engine.run import Request, run
from sandbox.home import Home
from tests.sandbox.engine.fake import FakeCloud, FakeProvider

PREAMBLE = """
import pulumi
from pulumi import ResourceOptions as Opts, Alias, export


class R(pulumi.CustomResource):
    def __init__(self, name, opts=None, **props):
        super().__init__("fake:x:R", name, {**props, "out": None}, opts)


class C(pulumi.ComponentResource):
    def __init__(self, name, opts=None):
        super().__init__("my:x:C", name, None, opts)


class P(pulumi.ProviderResource):
    def __init__(self, name, opts=None, **props):
        super().__init__("fake", name, props, opts)

"""


class Stack:
    """One stack of one project."""

    def __init__(self, folder: Path, name: str = "dev") -> None:
        self.folder = folder / "program"
        self.folder.mkdir(exist_ok=True)
        (self.folder / "Pulumi.yaml").write_text("name: proj\nruntime: python\n", encoding="utf-8")
        (self.folder / f"Pulumi.{name}.yaml").write_text("config: {}\n", encoding="utf-8")
        self.name = name
        self.home = Home(folder / "home")
        self.cloud = FakeCloud(folder / "cloud.json")
        self.events: list[Event] = []

    def write(self, program: str) -> None:
        (self.folder / "__main__.py").write_text(PREAMBLE + textwrap.dedent(program), encoding="utf-8")

    def run(self, mode: Mode, program: str | None = None) -> Outcome:
        if program is not None:
            self.write(program)
        self.events = []
        self.cloud.clear_log()
        request = Request(mode, self.folder, self.name, self.home)
        return run(request, self.events.append, {"fake": lambda config: FakeProvider(self.cloud, config)})

    def up(self, program: str | None = None) -> Outcome:
        outcome = self.run("up", program)
        assert outcome.ok, self.errors
        return outcome

    def failing(self, program: str | None = None) -> str:
        outcome = self.run("up", program)
        assert not outcome.ok
        return "\n".join(self.errors)

    @property
    def errors(self) -> list[str]:
        return [each.message for each in self.events if isinstance(each, Diagnostic) and each.severity == "error"]

    @property
    def steps(self) -> list[str]:
        """What was done, ``op name``, without the stack and what stayed the same."""
        return [
            f"{each.op} {each.urn.rpartition('::')[2]}" for each in self.events
            if isinstance(each, StepDone) and each.op != "same" and each.type != "pulumi:pulumi:Stack"
        ]  # fmt: skip
