"""Which local Python stands in for an environment.

The sandbox builds no image. It looks among the virtual environments on this machine for one whose installed
distributions satisfy every pin of the environment's conda file; another minor version of Python may stand in. An
environment with no conda file says nothing about what it holds: the first runtime that can do the work stands in for
it.
"""

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import yaml
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from sandbox import yaml_error

# A requirement's hashes, each perhaps on a line of its own that the one before it announces.
_HASH = re.compile(r"\s*\\?\s*--hash[= ]\S+|\\\s*$")
# conda's way to ask for a version, and for a build of it.
_CONDA = re.compile(r"^\s*([A-Za-z0-9_.-]+?)\s*=\s*([^=<>!~\s]+)(?:=.*)?$")
_REPAIR = "pin what `make` installs (requirements*.lock), or run `make` to bring the environments up to date"


@dataclass(frozen=True)
class Runtime:
    """A virtual environment on this machine.

    Attributes:
        folder: its folder.
    """

    folder: Path

    @property
    def name(self) -> str:
        """Its folder's name, such as ``.venv-models``."""
        return self.folder.name

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"

    @property
    def distributions(self) -> dict[str, str]:
        """Installed distributions: canonical name to version."""
        return {
            name: version
            for site in sorted(self.folder.glob("lib/python*/site-packages"))
            for name, version in _installed(site, site.stat().st_mtime_ns)
        }

    @property
    def version(self) -> str:
        """Version of its Python."""
        for line in (self.folder / "pyvenv.cfg").read_text(encoding="utf-8").splitlines():
            key, _, value = line.partition("=")
            if key.strip() in ("version", "version_info"):
                return value.strip()
        return ""


class RuntimeMissingError(Exception):
    """No local runtime has what an environment pins. The message names the pins and the repair."""


@dataclass(frozen=True)
class Choice:
    """A runtime for an environment.

    Attributes:
        runtime: what stands in for it.
        note: a line for the log.
    """

    runtime: Runtime
    note: str


class Runtimes:
    """The virtual environments beside this one and beside the sandbox's folder.

    Args:
        root: the sandbox's folder.
    """

    def __init__(self, root: Path) -> None:
        own = Path(sys.prefix)
        folders = [own, *sorted(own.parent.glob(".venv*")), *sorted(root.parent.glob(".venv*"))]
        found = (folder.resolve() for folder in folders if (folder / "pyvenv.cfg").exists())
        self.all = [Runtime(folder) for folder in dict.fromkeys(found)]

    def choose(self, environment: str, conda: str | None, needs: str = "", added: tuple[str, ...] = ()) -> Choice:
        """The runtime for an environment.

        Args:
            environment: its name, for messages.
            conda: text of its conda file, if it has one.
            needs: a distribution that the work needs, and that the conda file must have.
            added: distributions that are asked for beside the pins.

        Raises:
            RuntimeMissingError: none satisfies it.
        """
        able = [runtime for runtime in self.all if not needs or canonicalize_name(needs) in runtime.distributions]
        if conda is None:
            if not able:
                raise RuntimeMissingError(f"no runtime here has {needs}, which the work needs; run `make`")
            return Choice(able[0], f"{environment} has no conda file: {able[0].name} stands in for its image")
        if needs and not any(_name(pin) == canonicalize_name(needs) for pin in pins(environment, conda)):
            raise RuntimeMissingError(f"the conda file of {environment} does not have {needs}, which the work needs")
        wanted = [*pins(environment, conda), *added]
        lacking = {runtime: list(_lacking(runtime, wanted)) for runtime in self.all}
        if able := [runtime for runtime, why in lacking.items() if not why]:
            runtime = min(able, key=lambda each: bool(_other_python(each, wanted)))
            note = f"{environment} runs in {runtime.name}, which has all of its pins"
            if asked := _other_python(runtime, wanted):
                note += f"; it asks for Python {asked}, and {runtime.version} stands in: what it does may differ"
            return Choice(runtime, note)
        nearest, why = min(lacking.items(), key=lambda entry: len(entry[1]))
        raise RuntimeMissingError(
            f"no runtime here satisfies the conda file of {environment}; {nearest.name} comes nearest: "
            f"{'; '.join(why)}. To repair: {_REPAIR}"
        )


def pins(environment: str, conda: str) -> list[str]:
    """What a conda file asks for, each as pip writes it; conda's ``name=version`` becomes ``name==version``.

    Hashes are left out: what is installed here was checked against them, if at all, when it was installed.

    Raises:
        RuntimeMissingError: the text is no conda file.
    """
    try:
        content = yaml.safe_load(conda)
    except yaml.YAMLError as error:
        line, reason = yaml_error.place(error)
        raise RuntimeMissingError(f"the conda file of {environment}, line {line}, is not YAML: {reason}") from error
    if not isinstance(content, dict) or not isinstance(content.get("dependencies", []), list):
        raise RuntimeMissingError(f"the conda file of {environment} has no list 'dependencies'")
    found: list[str] = []
    for entry in content.get("dependencies", []):
        if isinstance(entry, dict):
            lines = (_HASH.sub("", str(line)).strip() for line in entry.get("pip") or [])
            found += [line for line in lines if line and not line.startswith("-")]
        else:
            found.append(_CONDA.sub(r"\1==\2", str(entry)).strip())
    return found


def _lacking(runtime: Runtime, wanted: list[str]) -> Iterator[str]:
    installed = runtime.distributions
    python = {"python_version": ".".join(runtime.version.split(".")[:2]), "python_full_version": runtime.version}
    for pin in wanted:
        try:
            requirement = Requirement(pin)
        except InvalidRequirement:
            yield f"{pin} is no pin that can be checked"
            continue
        if requirement.marker and not requirement.marker.evaluate(python):
            continue
        name = canonicalize_name(requirement.name)
        if name == "python":
            if requirement.specifier and not str(requirement.specifier).lstrip("=~<>! ").startswith("3"):
                yield f"{pin}, but its Python is {runtime.version}"
        elif name == "pip":
            continue  # it installs, and is no part of what runs
        elif name not in installed:
            yield f"{pin} is missing"
        elif not requirement.specifier.contains(_version(installed[name]), prereleases=True):
            yield f"{pin}, but {installed[name]} is installed"


def _other_python(runtime: Runtime, wanted: list[str]) -> str:
    """The Python that is asked for, where the runtime's is another one; else ''. Its patches are all the same."""
    minor = ".".join(runtime.version.split(".")[:2])
    for pin in wanted:
        if _name(pin) != "python":
            continue
        asked = Requirement(pin).specifier
        exact = str(asked).removeprefix("==").removesuffix(".*")
        same = f"{exact}.".startswith(f"{minor}.") or f"{minor}.".startswith(f"{exact}.")
        if asked and not same and not asked.contains(runtime.version):
            return exact
    return ""


def _name(pin: str) -> str:
    try:
        return canonicalize_name(Requirement(pin).name)
    except InvalidRequirement:
        return ""


def _version(text: str) -> Version | str:
    try:
        return Version(text)
    except InvalidVersion:
        return text


@lru_cache(maxsize=16)
def _installed(site: Path, _changed: int) -> tuple[tuple[str, str], ...]:
    """Read from the names of the metadata folders; read again when the folder changes."""
    found = []
    for entry in site.glob("*.dist-info"):
        name, _, version = entry.name.removesuffix(".dist-info").partition("-")
        found.append((canonicalize_name(name), version))
    return tuple(found)
