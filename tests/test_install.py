"""Environments are what their locks and their Python say, and a failure says what to do. With wheels made here."""

import hashlib
import json
import os
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@dataclass
class Place:
    """A folder with wheels, locks and the environments that come of them."""

    folder: Path

    def lock(self, name: str, *pins: str, spoilt: bool = False) -> None:
        """Writes a lock file, and the wheels that it names."""
        lines = []
        for pin in pins:
            package, _, version = pin.partition("==")
            wheel = self.folder / "wheels" / f"{package}-{version}-py3-none-any.whl"
            wheel.parent.mkdir(exist_ok=True)
            with zipfile.ZipFile(wheel, "w") as file:
                info = f"{package}-{version}.dist-info"
                file.writestr(zipfile.ZipInfo(f"{package}.py"), "")
                file.writestr(zipfile.ZipInfo(f"{info}/METADATA"), f"Name: {package}\nVersion: {version}\n")
                file.writestr(zipfile.ZipInfo(f"{info}/WHEEL"), "Wheel-Version: 1.0\nTag: py3-none-any\n")
                file.writestr(zipfile.ZipInfo(f"{info}/RECORD"), "")
            digest = "0" * 64 if spoilt else hashlib.sha256(wheel.read_bytes()).hexdigest()
            lines.append(f"{package}=={version} \\\n    --hash=sha256:{digest}\n")
        (self.folder / name).write_text("".join(lines), encoding="utf-8")

    def install(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Runs the installer where no package index is asked."""
        offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(self.folder / "wheels"), "PIP_CONFIG_FILE": os.devnull}
        kept = {"PATH": os.environ["PATH"], "HOME": str(self.folder)}
        return subprocess.run(
            [sys.executable, str(ROOT / "install.py"), *(arguments or ("a=core.lock+dev.lock", "b=models.lock"))],
            cwd=self.folder, env={**kept, **(environment or offline)}, capture_output=True, text=True, timeout=120,
            check=False,
        )  # fmt: skip

    def packages(self, environment: str) -> set[str]:
        """What is installed, pip and what comes with it aside."""
        found = {path.stem for path in (self.folder / environment).glob("lib/python*/site-packages/*.dist-info")}
        return {name for name in found if not name.startswith(("pip-", "setuptools-"))}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Two environments, one with a lock upon the other."""
    place = Place(tmp_path_factory.mktemp("place"))
    place.lock("core.lock", "alpha==1.0", "beta==1.0")
    place.lock("dev.lock", "tester==1.0")
    place.lock("models.lock", "alpha==2.0")
    done = place.install()
    assert done.returncode == 0, done.stderr
    assert "✓ install" in done.stdout
    return place


def test_each_environment_has_its_locks_and_no_more(made: Place) -> None:
    assert made.packages("a") >= {"alpha-1.0", "beta-1.0"}
    assert made.packages("b") == {"alpha-2.0"}
    assert json.loads((made.folder / "b/installed.json").read_text())["python"].endswith(
        str(Path(sys.executable).resolve())
    )


def test_what_is_there_is_left_alone(made: Place) -> None:
    assert (made.install().stdout, made.install("b=models.lock").stdout) == ("", "")


def test_a_changed_lock_changes_its_environment_only(made: Place) -> None:
    for name in ("a", "b"):
        (made.folder / name / "mine").touch()
    made.lock("dev.lock", "tester==2.0")
    assert made.install().returncode == 0
    assert made.packages("a") == {"alpha-1.0", "beta-1.0", "tester-2.0"}
    assert (made.folder / "a/mine").exists(), "a lock upon another completes"
    made.lock("core.lock", "alpha==1.0")
    assert made.install().returncode == 0
    assert made.packages("a") == {"alpha-1.0", "tester-2.0"}
    assert not (made.folder / "a/mine").exists(), "the first lock's change makes it anew"
    assert (made.folder / "b/mine").exists()


def test_another_python_makes_it_anew(made: Place) -> None:
    stamp = made.folder / "b/installed.json"
    (made.folder / "b/mine").touch()
    stamp.write_text(json.dumps(json.loads(stamp.read_text()) | {"python": "3.11 /another/python"}))
    assert made.install().returncode == 0
    assert (made.packages("b"), (made.folder / "b/mine").exists()) == ({"alpha-2.0"}, False)


def test_a_file_that_was_not_locked_is_refused(made: Place) -> None:
    made.lock("spoilt.lock", "gamma==1.0", spoilt=True)
    done = made.install("a=core.lock", "c=spoilt.lock")
    assert done.returncode == 2
    assert "error: spoilt.lock cannot be installed" in done.stderr
    assert "a file is not the one that was locked" in done.stderr
    assert "gamma-1.0" not in made.packages("c")
    assert not (made.folder / "c/installed.json").exists(), "it is not taken for done"


def test_without_a_package_index_it_says_what_to_do(made: Place) -> None:
    made.lock("far.lock", "delta==1.0")
    closed = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "1", "PIP_CONFIG_FILE": os.devnull}
    done = made.install("a=core.lock", "d=far.lock", "e=far.lock", **closed)
    told = done.stderr.splitlines()
    assert (done.returncode, told[0], told[1]) == (
        2, "error: far.lock cannot be installed (delta==1.0): the package index does not answer",
        "  why: Connection refused",
    )  # fmt: skip
    assert told[2].startswith("  do: check the network; ")
    assert "PIP_INDEX_URL" in told[2]
    assert len(told) == 4, "once for both, and none of pip's own text"
    missing = made.install("a=core.lock", "d=far.lock", PIP_NO_INDEX="1", PIP_CONFIG_FILE=os.devnull)
    assert "far.lock cannot be installed (delta==1.0): the package index does not have it" in missing.stderr
