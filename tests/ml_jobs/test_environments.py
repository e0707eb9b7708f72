"""Environments: every package pinned, to what the lock files install here and nothing else."""

import ast
import importlib.metadata
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.ml_jobs.conftest import ROOT

# What the steps import, the rest is what these need; PyYAML and protobuf come with them but are imported too.
IMPORTED = ("duckdb", "lightgbm", "mlflow-skinny", "numpy", "onnx", "onnxmltools", "onnxruntime", "pyyaml")


def pins(environment: str) -> dict[str, str]:
    conda = yaml.safe_load((ROOT / "ml_jobs/environments" / f"{environment}.yaml").read_text())
    (listed,) = [entry["pip"] for entry in conda["dependencies"] if isinstance(entry, dict)]
    pairs = [line.split("==") for line in listed]
    assert all(len(pair) == 2 for pair in pairs), "want name==version in each line"
    assert len({name for name, _ in pairs}) == len(pairs), "a package is listed twice"
    return {canonicalize_name(name): version for name, version in pairs}


def locked(path: Path) -> dict[str, str]:
    found = re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^\s;]+)", path.read_text(), flags=re.MULTILINE)
    return {canonicalize_name(name): version for name, version in found}


def needed(names: tuple[str, ...]) -> Iterator[str]:
    """The packages and everything they need here, by their own metadata."""
    seen, waiting = set(), [Requirement(name) for name in names]
    while waiting:
        asked = waiting.pop()
        key = (canonicalize_name(asked.name), frozenset(asked.extras))
        if key in seen:
            continue
        seen.add(key)
        yield key[0]
        for line in importlib.metadata.requires(asked.name) or []:
            further = Requirement(line)
            extras = asked.extras or {""}
            if further.marker is None or any(further.marker.evaluate({"extra": extra}) for extra in extras):
                waiting.append(further)


@pytest.mark.parametrize(
    ("environment", "lock"), [("train", "requirements.lock"), ("serve", "requirements-serving.lock")]
)
def test_every_pin_is_the_locked_one(environment: str, lock: str) -> None:
    versions = locked(ROOT / lock)
    wrong = {name: version for name, version in pins(environment).items() if versions.get(name) != version}
    assert wrong == {}, f"ml_jobs/environments/{environment}.yaml differs from {lock}"


def test_training_has_all_that_the_steps_need_and_nothing_more() -> None:
    wanted, listed = set(needed(IMPORTED)), set(pins("train"))
    versions = locked(ROOT / "requirements.lock")
    missing = [f"      - {name}=={versions[name]}" for name in sorted(wanted - listed)]
    assert missing == [], "add to ml_jobs/environments/train.yaml:\n" + "\n".join(missing)
    assert listed - wanted == set()


def test_serving_is_the_whole_lock() -> None:
    assert pins("serve") == locked(ROOT / "requirements-serving.lock")


def test_training_imports_nothing_that_is_not_pinned() -> None:
    """By source: every top-level module imported below ml_jobs/ belongs to a pinned package, Python or the project."""
    owners = importlib.metadata.packages_distributions()
    known = {canonicalize_name(name) for name in (*pins("train"), *pins("serve"))}
    for path in sorted((ROOT / "ml_jobs").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            names = (
                [alias.name for alias in node.names] if isinstance(node, ast.Import)
                else [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            )  # fmt: skip
            for name in {name.partition(".")[0] for name in names}:
                if name in sys.stdlib_module_names or name in ("ml_jobs", "naming"):
                    continue
                packages = {canonicalize_name(owner) for owner in owners.get(name, [name.replace("_", "-")])}
                assert packages & {*known, "azureml-inference-server-http"}, f"{path.name} imports {name}"
