"""Previews, without a sandbox and without credentials: of production, and of our program beside a flat one.

The flat program declares the same resources with the same inputs, written out from a preview of ours, as somebody
would who had no components, no settings and no content to hash. The difference is what our program costs by itself.
"""

import importlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pulumi._types import input_type_py_to_pulumi_names

from bench.stage import ROOT, BenchError, Run, bare, folder, run, sandbox_command
from bench.table import Row, times, verdict

_ROUNDS = 7
_SECONDS, _BYTES, _RATIO = 10, 400e6, 1.15
_PULUMI_YAML = "name: mlops\nruntime: python\n"
_HEAD = """\
from pulumi import dynamic
from pulumi_azure_native import {modules}


class Provider(dynamic.ResourceProvider):
    serialize_as_secret_always = False


"""
_CLASS = """\
class {kind}(dynamic.Resource, name="{kind}"):
    pass


"""

Declared = dict[tuple[str, str], Mapping[str, Any]]


def rows() -> Iterator[Row]:
    """Time and memory of a preview of prod; dev against the flat program, each at its fastest."""
    with folder() as place:
        first = _preview(ROOT, place, "prod").seconds
        again = _preview(ROOT, place, "prod").seconds
        largest = _preview(ROOT, place, "prod", memory=True).memory
        yield Row(
            what="preview of prod, no sandbox, no credentials",
            ours=f"first {first:.1f} s, then {again:.1f} s; {largest / 1e6:.0f} MB",
            bar=f"under {_SECONDS} s and {_BYTES / 1e6:.0f} MB",
            verdict=verdict(max(first, again) < _SECONDS and largest < _BYTES),
        )
        flat = place / "flat"
        count = _write_flat(place, flat)
        ours, theirs = [], []
        for _ in range(_ROUNDS):  # in turn: what else the machine does weighs on both
            ours.append(_preview(ROOT, place, "dev").seconds)
            theirs.append(_preview(flat, place, "dev").seconds)
        # The fastest: other work on the machine only ever adds.
        mine, other = min(ours), min(theirs)
        yield Row(
            what=f"preview of dev beside a flat program of the same {count} resources",
            ours=f"{mine:.2f} s", other=f"flat {other:.2f} s", ratio=times(mine / other),
            bar=f"at most {_RATIO}x", verdict=verdict(mine / other <= _RATIO),
        )  # fmt: skip


def _preview(project: Path, place: Path, stack: str, *arguments: str, memory: bool = False) -> Run:
    return run(
        sandbox_command("preview", "--stack", stack, *arguments), project, bare(place / ".sandbox"), memory=memory
    )


def _write_flat(place: Path, flat: Path) -> int:
    """Write the flat program, and hold it against ours; returns how many resources it declares."""
    ours = _declared(ROOT, place)
    told = json.loads(_preview(ROOT, place, "dev", "--json").output)
    dynamic = [
        (step["type"].rpartition(":")[2], step["urn"].rpartition("::")[2])
        for step in told["result"]["steps"]
        if step["type"].startswith("pulumi-python:")
    ]
    flat.mkdir()
    (flat / "Pulumi.yaml").write_text(_PULUMI_YAML, encoding="utf-8")
    (flat / "Pulumi.dev.yaml").write_text("config: {}\n", encoding="utf-8")
    modules = sorted({token.split(":")[1] for token, _ in ours})
    lines = [_resource(token, name, inputs) for (token, name), inputs in ours.items()]
    # Without components above them, two parts of ours can have one name.
    lines += [f"{kind}(Provider(), '{name}-{n}', {{'prefix': {name!r}}})" for n, (kind, name) in enumerate(dynamic)]
    head = _HEAD.format(modules=", ".join(modules))
    head += "".join(_CLASS.format(kind=kind) for kind in sorted({kind for kind, _ in dynamic}))
    (flat / "__main__.py").write_text(head + "\n".join(lines) + "\n", encoding="utf-8")
    theirs = _declared(flat, place)
    # The SDK's classes may fill in a default where ours are told to leave a property out.
    different = [key for key, inputs in ours.items() if {**theirs.get(key, {}), **inputs} != theirs.get(key)]
    if different or ours.keys() != theirs.keys():
        raise BenchError(f"the flat program declares something else: {different}")
    return len(ours) + len(dynamic)


def _declared(project: Path, place: Path) -> Declared:
    file = place / "declared.json"
    _preview(project, place, "dev", "--json", str(file))
    rows: list[dict[str, Any]] = json.loads(file.read_text(encoding="utf-8"))
    return {(row["type"], row["urn"].rpartition("::")[2]): row["inputs"] for row in rows}


def _resource(token: str, name: str, inputs: Mapping[str, Any]) -> str:
    """A line of the flat program. Below the first level the SDK takes wire names as they are."""
    _, module, kind = token.split(":")
    arguments = getattr(importlib.import_module(f"pulumi_azure_native.{module}"), f"{kind}Args", None)
    if arguments is None:
        arguments = vars(importlib.import_module(f"pulumi_azure_native.{module}.{_snake(kind)}"))[f"{kind}Args"]
    spelled = {wire: python for python, wire in input_type_py_to_pulumi_names(arguments).items()}
    spelled["resourceName"] = "resource_name_"  # the SDK's first parameter has the plain name
    given = ", ".join(f"{spelled[key]}={value!r}" for key, value in inputs.items())
    return f"{module}.{kind}({name!r}, {given})"


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")
