# ruff: noqa: INP001 - a program beside conda files, not a package
"""Writes tabular.yaml from tabular.in and the models' lock: ``python generate.py UV`` (``make lock``).

Azure builds the image of every tabular model from that file, on Linux x86-64: each pin carries the hashes of the files
that pip may take there, so that two builds, whenever they are, install the same distributions or fail.
"""

import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parents[1]
PYTHON = "3.11.13"
_PLATFORM = "x86_64-manylinux_2_35"  # Ubuntu 22.04, which the pinned base image is

HEAD = f"""\
# What the steps and the scoring code of every tabular model run with, in Azure and here: one environment for training
# and serving, so that a model is served by what it was trained with. Written by `make lock` from tabular.in; a change
# here is lost. Every hash is of a file for Linux x86-64 and Python {PYTHON.rpartition(".")[0]}.
name: tabular
channels:
  - conda-forge
dependencies:
"""


def main(uv: str) -> None:
    """Writes the file."""
    lock = (ROOT / "requirements-models.lock").read_text(encoding="utf-8")
    pip = re.search(r"^pip==(\S+)", lock, re.MULTILINE)
    if pip is None:
        sys.exit("error: requirements-models.lock has no pip; want it in requirements-models.in")
    with tempfile.TemporaryDirectory() as scratch:
        found = Path(scratch) / "pylock.toml"
        subprocess.run(
            [uv, "pip", "compile", "--quiet", "--format", "pylock.toml", "--python-version", PYTHON,
             "--python-platform", _PLATFORM, "--only-binary", ":all:", "--constraints", "requirements-models.lock",
             "--output-file", str(found), "ml_jobs/environments/tabular.in"],
            cwd=ROOT, check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        packages = tomllib.loads(found.read_text(encoding="utf-8"))["packages"]
    lines = [f"  - python={PYTHON}", f"  - pip={pip[1]}", "  - pip:"]
    for package in sorted(packages, key=lambda each: str(each["name"])):
        hashes = sorted(wheel["hashes"]["sha256"] for wheel in package["wheels"])
        lines.append(f"      - {package['name']}=={package['version']}{''.join(f' --hash=sha256:{x}' for x in hashes)}")
    (FOLDER / "tabular.yaml").write_text(HEAD + "\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
