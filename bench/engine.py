"""Creating many resources in the sandbox: our engine, and the Pulumi CLI with its file backend where it is installed.

Both run the same flat program against a gateway of the same kind; the CLI through our provider as its plugin.
"""

import json
import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from bench.stage import Run, bare, folder, run, sandbox_command
from bench.table import Row, times, verdict
from sandbox import launch
from sandbox.home import Home

SIZES = (100, 400, 800)
_PULUMI = Path("/opt/pulumi/bin")

_PROGRAM = """\
import pulumi_azure_native as azure

group = azure.resources.ResourceGroup("group", resource_group_name="rg-bench", location="westeurope")
for number in range({count} - 1):
    azure.managedidentity.UserAssignedIdentity(
        f"identity-{{number}}", resource_name_=f"id-bench-{{number}}", resource_group_name=group.name,
        location="westeurope", tags={{"number": str(number)}},
    )
"""


def rows() -> Iterator[Row]:
    """Seconds for each size, how they grow, and both engines side by side."""
    ours = {size: _ours(size) for size in SIZES}
    few, many = SIZES[0], SIZES[-1]
    growth = (ours[many] / many) / (ours[few] / few)
    shown = ", ".join(f"{size}: {seconds:.1f} s" for size, seconds in ours.items())
    yield Row(
        what="engine: first up of N resources", ours=shown, ratio=times(growth),
        bar=f"linear: at {many} no dearer a resource than at {few} (at most 1.1x)", verdict=verdict(growth <= 1.1),
    )  # fmt: skip
    if (pulumi := _pulumi()) is None:
        yield Row(what=f"engine against the Pulumi CLI, {many} resources", ours=f"{ours[many]:.1f} s",
                  other="Pulumi CLI is not installed here", bar="at least 5x")  # fmt: skip
        return
    theirs = {size: _theirs(pulumi, size) for size in (few, many)}
    for size, seconds in theirs.items():
        bar = size == many
        yield Row(
            what=f"engine against the Pulumi CLI, file backend, {size} resources", ours=f"{ours[size]:.1f} s",
            other=f"{_version(pulumi)} {seconds:.1f} s", ratio=times(seconds / ours[size]),
            bar="at least 5x" if bar else "", verdict=verdict(seconds / ours[size] >= 5) if bar else "",
        )  # fmt: skip


def project(place: Path, count: int) -> None:
    """Write a flat program of `count` resources."""
    runtime = {"name": "python", "options": {"toolchain": "pip", "virtualenv": sys.prefix}}
    place.joinpath("Pulumi.yaml").write_text(json.dumps({"name": "bench", "runtime": runtime}), encoding="utf-8")
    place.joinpath("Pulumi.dev.yaml").write_text("config: {}\n", encoding="utf-8")
    place.joinpath("__main__.py").write_text(_PROGRAM.format(count=count), encoding="utf-8")


def _ours(count: int) -> float:
    with folder() as place:
        project(place, count)
        environment = bare(place / ".sandbox")
        launch.ensure(Home(place / ".sandbox"))
        done = run(sandbox_command("up", "--json"), place, environment)
        _expect(done, f'"create": {count + 1}')  # and the stack itself
        return done.seconds


def _theirs(pulumi: Path, count: int) -> float:
    with folder() as place:
        project(place, count)
        launch.ensure(Home(place / ".sandbox"))
        environment = bare(place / ".sandbox")
        printed = run(sandbox_command("env", "--pulumi"), place, environment).output
        environment |= dict(re.findall(r"^export (\w+)='(.*)'$", printed, re.MULTILINE))
        environment["PATH"] = f"{pulumi.parent}{os.pathsep}{environment['PATH']}"
        run([str(pulumi), "stack", "init", "dev", "--non-interactive"], place, environment)
        done = run([str(pulumi), "up", "--yes", "--skip-preview", "--non-interactive"], place, environment)
        _expect(done, f"+ {count + 1} created")
        return done.seconds


def _expect(done: Run, words: str) -> None:
    if words not in done.output:
        raise AssertionError(f"{words!r} is not in what the run printed:\n{done.output[-2000:]}")


def _pulumi() -> Path | None:
    found = shutil.which("pulumi", path=f"{os.environ.get('PATH', '')}{os.pathsep}{_PULUMI}")
    return Path(found) if found else None


def _version(pulumi: Path) -> str:
    return "Pulumi " + run([str(pulumi), "version"], Path.cwd(), dict(os.environ)).output.strip()
