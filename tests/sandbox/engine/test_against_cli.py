"""The engine and the Pulumi CLI on the same generated programs, against the same sandbox: step for step the same.

Runs where the CLI is installed.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from sandbox.engine.events import Event, StepDone
from sandbox.engine.run import Request, run
from sandbox.home import Home
from sandbox.provider.plugin import install
from sandbox.values import is_secret, plain
from tests.sandbox.conftest import SUBSCRIPTION, Sandbox
from tests.sandbox.engine.programs import Program, versions

pytestmark = pytest.mark.skipif(shutil.which("pulumi") is None, reason="the Pulumi CLI is not installed")
Step = tuple[str, str, tuple[str, ...]]
_RANDOM = re.compile(r"[0-9a-f]{8}\b|[0-9a-f-]{36}")


class Result:
    """What one engine did with one version of a program."""

    def __init__(self, ok: bool, steps: list[Step], outputs: dict[str, Any]) -> None:
        self.ok = ok
        self.steps = [step for step in steps if step[0] != "same"]  # the CLI does not tell all of them
        self.outputs = {name: _RANDOM.sub("*", str(value)) for name, value in outputs.items()}

    def violations(self, program: Program) -> list[str]:
        """Steps out of order: what is needed must be there before and go after."""
        end = len(self.steps)
        ops = ("create", "create-replacement", "update")
        made = {name: at for at, (op, name, _) in enumerate(self.steps) if op in ops}
        gone = {name: at for at, (op, name, _) in enumerate(self.steps) if op == "delete"}
        needs = [(item.name, need) for item in program.items for need in (*item.needs, *item.after)]
        return [
            f"{need} / {name}" for name, need in needs
            if made.get(need, -1) > made.get(name, end) or gone.get(need, end) < gone.get(name, -1)
        ]  # fmt: skip


class Ours:
    """The sandbox's engine."""

    def __init__(self, folder: Path, home: Home) -> None:
        self.folder, self.home = folder, home

    def up(self) -> Result:
        return self._run("up")

    def preview(self) -> Result:
        return self._run("preview")

    def destroy(self) -> Result:
        return self._run("destroy")

    def _run(self, mode: Any) -> Result:
        events: list[Event] = []
        outcome = run(Request(mode, self.folder, "dev", self.home), events.append)
        done = [each for each in events if isinstance(each, StepDone) and not each.error]
        steps = [_step(each.op, each.urn, sorted(each.changes)) for each in done]
        outputs = {name: "[secret]" if is_secret(value) else plain(value) for name, value in outcome.outputs.items()}
        return Result(outcome.ok, steps, outputs)


class Theirs:
    """The Pulumi CLI with a file backend."""

    def __init__(self, folder: Path, variables: dict[str, str]) -> None:
        self.folder = folder
        self.environment = {**os.environ, **variables}
        self._call("stack", "init", "dev")

    def up(self) -> Result:
        return self._steps("up", "--yes", "--skip-preview", "--json")

    def preview(self) -> Result:
        done = self._call("preview", "--json", "--show-replacement-steps", check=False)
        content = json.loads(done.stdout) if done.stdout.strip().startswith("{") else {}
        steps = [
            _step(each["op"], each["urn"], sorted(each.get("detailedDiff") or {})) for each in content.get("steps", [])
        ]
        return Result(done.returncode == 0, steps, {})

    def destroy(self) -> Result:
        return self._steps("destroy", "--yes", "--skip-preview", "--json")

    def _steps(self, *arguments: str) -> Result:
        done = self._call(*arguments, check=False)
        steps = []
        for line in done.stdout.splitlines():
            found = json.loads(line).get("resOutputsEvent") if line.startswith("{") else None
            if found:
                metadata = found["metadata"]
                steps.append(_step(metadata["op"], metadata["urn"], sorted(metadata.get("detailedDiff") or {})))
        outputs = json.loads(self._call("stack", "output", "--json").stdout or "{}")
        return Result(done.returncode == 0, steps, outputs)

    def _call(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            ["pulumi", "--non-interactive", *arguments], cwd=self.folder, env=self.environment, text=True,
            capture_output=True, timeout=300, check=False,
        )  # fmt: skip
        assert not check or done.returncode == 0, done.stderr
        return done


def _step(op: str, urn: str, changes: list[str]) -> Step:
    told = tuple(changes) if op in ("update", "replace") else ()
    # The CLI has no word of its own for what leaves the state and stays in the cloud.
    op = "delete" if op in ("forget", "delete-replaced") else op
    return (op, urn.rpartition("::")[2], told)


def _folder(parent: Path) -> Path:
    parent.mkdir()
    virtualenv = Path(sys.prefix)
    (parent / "Pulumi.yaml").write_text(
        f"name: proj\nruntime: {{name: python, options: {{toolchain: pip, virtualenv: '{virtualenv}'}}}}\n"
    )
    (parent / "Pulumi.dev.yaml").write_text("config: {}\n")
    return parent


def _same(ours: Result, theirs: Result) -> None:
    assert ours.ok == theirs.ok
    if ours.ok:  # how far a failing run comes is left to chance, and ours deletes nothing if anything is protected
        assert differences(ours, theirs) == ([], [])


def differences(ours: Result, theirs: Result) -> tuple[list[Step], list[Step]]:
    """Steps that only one of them took."""
    # The CLI does not say why a resource is replaced because another is; ours names the property.
    silent = {name for op, name, told in theirs.steps if op == "replace" and not told}
    said = Counter((op, name, () if op == "replace" and name in silent else told) for op, name, told in ours.steps)
    other = Counter(theirs.steps)
    return sorted((said - other).elements()), sorted((other - said).elements())


@pytest.mark.parametrize("seed", range(4))
def test_both_do_the_same_with_every_version(
    sandbox: Sandbox, tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    variables = {
        **sandbox.environment,
        **install(Home(tmp_path / "pulumi-home")),
        "SANDBOX_HOME": str(sandbox.home.root),
    }
    for name, value in sandbox.environment.items():
        monkeypatch.setenv(name, value)
    programs = versions(seed)
    ours = Ours(_folder(tmp_path / "ours"), Home(tmp_path / "home"))
    results = [_play(ours, program) for program in programs]
    last = ours.destroy()
    _clean(sandbox)
    theirs = Theirs(_folder(tmp_path / "theirs"), variables)
    for number, program in enumerate(programs):
        preview, up = _play(theirs, program)
        _same(results[number][0], preview)
        _same(results[number][1], up)
        assert results[number][1].outputs == up.outputs
        assert results[number][1].violations(program) == up.violations(program) == []
    _same(last, theirs.destroy())
    _clean(sandbox)


def _play(engine: Ours | Theirs, program: Program) -> tuple[Result, Result]:
    (engine.folder / "__main__.py").write_text(program.text())
    return engine.preview(), engine.up()


def _clean(sandbox: Sandbox) -> None:
    """What a program retained must not be in the other engine's way."""
    for group in sandbox.call("GET", f"{SUBSCRIPTION}/resourcegroups").body["value"]:
        sandbox.call("DELETE", group["id"])
