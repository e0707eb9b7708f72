"""Many models in one stack, all copies of the template: what a preview costs, how it grows, what one change shows."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from bench.clone import clone
from bench.stage import BenchError, Run, bare, run, sandbox_command
from bench.table import Row, times, verdict

SIZES = (0, 1, 5, 10, 20)
_MOST = SIZES[-1]
_SECONDS, _BYTES, _CONSTANT = 15, 600e6, 0.2
_ROUNDS = 7
_CHANGED = "copy-7"

# Previews every size in one process, which has imported everything by then, and prints their processor time.
_TIMED = """\
import gc, json, os, sys, time
from pathlib import Path

from sandbox import launch
from sandbox.engine import run as engine
from sandbox.home import Home

home, seconds = Home.find(), {}
os.environ.update(launch.program_environment(home))
for stack in (sys.argv[1], *sys.argv[1:]):
    gc.collect()
    begun = time.process_time()
    outcome = engine.run(engine.Request("preview", Path.cwd(), stack, home, offline=True), lambda event: None)
    seconds[stack] = time.process_time() - begun
    assert outcome.ok, stack
print(json.dumps(seconds))
"""


def rows() -> Iterator[Row]:
    """A preview's time and memory, its time a model, and a preview after one model changed."""
    with clone(installed=True) as place:
        write(place)
        many = _stack(_MOST)
        first = _preview(place, many).seconds
        again = _preview(place, many).seconds
        memory = _preview(place, many, memory=True).memory
        yield Row(
            what=f"preview of {_MOST} models, no sandbox",
            ours=f"first {first:.1f} s, then {again:.1f} s; {memory / 1e6:.0f} MB",
            bar=f"under {_SECONDS} s and {_BYTES / 1e6:.0f} MB",
            verdict=verdict(max(first, again) < _SECONDS and memory < _BYTES),
        )
        each = per_model([_timed(place) for _ in range(_ROUNDS)])
        growth = each[_MOST] / each[1]
        yield Row(
            what="preview: processor time a model, in a stack of N",
            ours=", ".join(f"{size}: {1000 * seconds:.0f} ms" for size, seconds in each.items()), ratio=times(growth),
            bar=f"constant from 1 to {_MOST} within {100 * _CONSTANT:.0f} %", verdict=verdict(constant(each)),
        )  # fmt: skip
        yield from _one_changed(place, many)


def write(place: Path) -> None:
    """Scaffold the models and make their data; a stack of each size with the first so many of them."""
    file = place / "Pulumi.dev.yaml"
    stack: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    stack["config"]["mlops:models"] = []
    for size in SIZES:
        place.joinpath(f"Pulumi.{_stack(size)}.yaml").write_text(yaml.safe_dump(stack), encoding="utf-8")
    environment = _environment(place)
    python = str(place / ".venv" / "bin" / "python")
    for number in range(1, _MOST + 1):
        model = ["--name", f"copy-{number}", "--stack", _stack(_MOST)]
        run([python, "-m", "ml_jobs.scaffold", *model], place, environment)
    stack = yaml.safe_load(place.joinpath(f"Pulumi.{_stack(_MOST)}.yaml").read_text(encoding="utf-8"))
    models = stack["config"]["mlops:models"]
    for size in SIZES[1:-1]:
        stack["config"]["mlops:models"] = models[:size]
        place.joinpath(f"Pulumi.{_stack(size)}.yaml").write_text(yaml.safe_dump(stack), encoding="utf-8")
    run([python, "-m", "ops.data", "--stack", _stack(_MOST)], place, environment)


def per_model(rounds: list[dict[int, float]]) -> dict[int, float]:
    """Seconds above those of a stack without models, divided among the models; each size at its fastest.

    Other work on the machine only ever adds, also to processor time.
    """
    best = {size: min(seconds[size] for seconds in rounds) for size in rounds[0]}
    return {size: (seconds - best[0]) / size for size, seconds in best.items() if size}


def constant(each: dict[int, float]) -> bool:
    """Whether a model of the largest stack costs what the one model of the smallest does."""
    return abs(each[max(each)] / each[min(each)] - 1) <= _CONSTANT


def changed(preview: str) -> set[str]:
    """Names with their types of what a preview, told as JSON, would change; a replacement is one change."""
    steps = json.loads(preview)["result"]["steps"]
    return {step["urn"].partition("::")[2] for step in steps if step["op"] != "same"}


def foreign(names: set[str], model: str) -> set[str]:
    """Those that are not of a model."""
    return {name for name in names if name.rpartition("::")[2].partition(".")[0] != model}


def _one_changed(place: Path, stack: str) -> Iterator[Row]:
    made = run(sandbox_command("up", "--json", "--stack", stack), place, _environment(place))
    yield Row(
        what=f"first up of {_MOST} models, before any is trained",
        ours=f"{made.seconds:.0f} s, {json.loads(made.output)['result']['changes']['create']} resources",
    )
    if changes := changed(_preview(place, stack, "--json").output):
        raise BenchError(f"a preview after an up shows changes: {sorted(changes)[:5]}")
    with place.joinpath("ml_jobs", _CHANGED.replace("-", "_"), "train.py").open("a", encoding="utf-8") as file:
        file.write("# Changed.\n")
    done = _preview(place, stack, "--json")
    changes = changed(done.output)
    others = foreign(changes, _CHANGED)
    yield Row(
        what=f"preview of {_MOST} models that are up, one model's file changed",
        ours=f"{done.seconds:.1f} s; {len(changes)} changes, {len(others)} of others",
        bar=f"under {_SECONDS} s, changes of that model only",
        verdict=verdict(bool(changes) and not others and done.seconds < _SECONDS),
    )


def _stack(size: int) -> str:
    return f"models-{size}"


def _environment(place: Path) -> dict[str, str]:
    return bare(place / ".sandbox", PYTHONPATH=str(place))


def _preview(place: Path, stack: str, *arguments: str, memory: bool = False) -> Run:
    return run(sandbox_command("preview", "--stack", stack, *arguments), place, _environment(place), memory=memory)


def _timed(place: Path) -> dict[int, float]:
    stacks = {_stack(size): size for size in SIZES}
    command = sandbox_command()[0], "-c", _TIMED, *stacks
    seconds: dict[str, float] = json.loads(run(command, place, _environment(place)).output)
    return {stacks[stack]: each for stack, each in seconds.items()}
