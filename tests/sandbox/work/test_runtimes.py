from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from sandbox.work.runtimes import Runtime, RuntimeMissingError, Runtimes, pins


def runtime(folder: Path, **distributions: str) -> Runtime:
    """A virtual environment with distributions and nothing in them."""
    site = folder / "lib/python3.11/site-packages"
    site.mkdir(parents=True)
    (folder / "pyvenv.cfg").write_text("home = /usr\nversion = 3.11.7\n")
    for name, version in distributions.items():
        (site / f"{name}-{version}.dist-info").mkdir()
    return Runtime(folder)


@pytest.fixture
def runtimes(tmp_path: Path) -> Runtimes:
    runtime(tmp_path / ".venv", pip="23.2", numpy="2.4.6", mlflow_skinny="3.17.2")
    runtime(tmp_path / ".venv-models", pip="23.2", numpy="2.4.6", azureml_inference_server_http="1.5.1")
    found = Runtimes(tmp_path / ".sandbox")
    found.all = [each for each in found.all if each.folder.is_relative_to(tmp_path)]
    return found


def conda(*lines: str, python: str = "3.11") -> str:
    return f"dependencies:\n- python={python}\n- pip\n- pip:\n" + "".join(f"  - {line}\n" for line in lines)


def test_the_one_that_has_every_pin_is_chosen(runtimes: Runtimes) -> None:
    choice = runtimes.choose("env:1", conda("numpy==2.4.6", "mlflow-skinny==3.17.2"))
    assert (choice.runtime.name, choice.note) == (".venv", "env:1 runs in .venv, which has all of its pins")
    serving = conda("azureml-inference-server-http==1.5.1")
    assert runtimes.choose("env:1", serving).runtime.name == ".venv-models"


def test_names_are_compared_as_pip_compares_them(runtimes: Runtimes) -> None:
    assert runtimes.choose("env:1", conda("MLflow_Skinny==3.17.2")).runtime.name == ".venv"


def test_conda_packages_are_pins_as_well(runtimes: Runtimes) -> None:
    assert runtimes.choose("e", "dependencies: [python=3.11, numpy=2.4.6=py311]").runtime.name == ".venv"
    with pytest.raises(RuntimeMissingError, match=r"numpy==1\.0"):
        runtimes.choose("e", "dependencies: [numpy=1.0]")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (conda("numpy==2.4.5"), "numpy==2.4.5, but 2.4.6 is installed"),
        (conda("polars==1.0"), "polars==1.0 is missing"),
        (conda("numpy==2.4.6", python="2.7"), "python==2.7, but its Python is 3.11.7"),
        (conda("numpy==2.4.5 --hash=sha256:0a"), "numpy==2.4.5, but 2.4.6 is installed"),
        (conda("git+https://example.com/x"), "no pin that can be checked"),
        (conda("numpy==2.4.5"), "To repair: pin what `make` installs"),
        ("a: 1\nb: [", "line 2, is not YAML: expected the node content, but found '<stream end>'"),
        ("dependencies: 3", "has no list 'dependencies'"),
        ("just text", "has no list 'dependencies'"),
    ],
)
def test_when_none_has_them_the_pins_and_the_repair_are_named(runtimes: Runtimes, text: str, says: str) -> None:
    with pytest.raises(RuntimeMissingError) as refused:
        runtimes.choose("env:1", text)
    assert says in str(refused.value)
    assert "env:1" in str(refused.value)


def test_an_image_alone_runs_in_the_first_that_can_do_the_work_and_says_so(runtimes: Runtimes) -> None:
    choice = runtimes.choose("curated:1", None)
    assert (choice.runtime.name, "stands in for its image" in choice.note) == (".venv", True)
    assert runtimes.choose("curated:1", None, "azureml-inference-server-http").runtime.name == ".venv-models"
    with pytest.raises(RuntimeMissingError, match="no runtime here has tritonserver"):
        runtimes.choose("curated:1", None, "tritonserver")


def test_what_the_work_needs_must_be_pinned(runtimes: Runtimes) -> None:
    with pytest.raises(RuntimeMissingError, match="does not have azureml-inference-server-http"):
        runtimes.choose("env:1", conda("numpy==2.4.6"), "azureml-inference-server-http")


def test_what_is_installed_later_is_seen(tmp_path: Path) -> None:
    found = runtime(tmp_path / ".venv", numpy="1.0")
    assert found.distributions == {"numpy": "1.0"}
    (tmp_path / ".venv/lib/python3.11/site-packages/polars-2.0.dist-info").mkdir()
    assert found.distributions == {"numpy": "1.0", "polars": "2.0"}


@pytest.mark.parametrize("python", ["3.11.13", "3.11", "3"])
def test_every_patch_of_the_python_that_is_asked_for_is_that_python(runtimes: Runtimes, python: str) -> None:
    choice = runtimes.choose("env:1", conda("numpy==2.4.6", "mlflow-skinny==3.17.2", python=python))
    assert choice.note == "env:1 runs in .venv, which has all of its pins"


@pytest.mark.parametrize("python", ["3.12", "3.12.4", "3.10", "3.1"])
def test_another_minor_version_of_python_stands_in_and_is_told(runtimes: Runtimes, python: str) -> None:
    choice = runtimes.choose("env:1", conda("numpy==2.4.6", "mlflow-skinny==3.17.2", python=python))
    assert choice.runtime.name == ".venv"
    assert choice.note.endswith(f"; it asks for Python {python}, and 3.11.7 stands in: what it does may differ")


def test_the_python_that_is_asked_for_comes_before_one_that_stands_in(tmp_path: Path, runtimes: Runtimes) -> None:
    newer = runtime(tmp_path / ".venv-newer", numpy="2.4.6")
    (newer.folder / "pyvenv.cfg").write_text("home = /usr\nversion = 3.12.4\n")
    runtimes.all.append(newer)
    choice = runtimes.choose("env:1", conda("numpy==2.4.6", python="3.12"))
    assert (choice.runtime.name, choice.note) == (".venv-newer", "env:1 runs in .venv-newer, which has all of its pins")


def test_markers_are_those_of_the_python_that_runs_it(tmp_path: Path, runtimes: Runtimes) -> None:
    newer = runtime(tmp_path / ".venv-newer", numpy="2.4.6")
    (newer.folder / "pyvenv.cfg").write_text("home = /usr\nversion = 3.99.1\n")
    runtimes.all = [newer]
    wanted = conda("numpy==2.4.6", "polars==1.0 ; python_version < '3.99'", python="3.99")
    assert runtimes.choose("env:1", wanted).runtime == newer


@pytest.mark.parametrize(
    "line",
    [
        "numpy==2.4.6 --hash=sha256:0a",
        "numpy==2.4.6 --hash=sha256:0a --hash=sha256:0b",
        "numpy==2.4.6 \\\n    --hash=sha256:0a \\\n    --hash=sha256:0b",
        "numpy==2.4.6 ; python_version > '3' --hash=sha256:0a",
    ],
)
def test_hashes_of_a_requirement_leave_its_pin(line: str) -> None:
    (found,) = pins("e", yaml.safe_dump({"dependencies": [{"pip": [line]}]}))
    assert Requirement(found).specifier == "==2.4.6"


@pytest.mark.parametrize("line", ["pip=24.3", "pip<=25.3", "pip"])
def test_pip_itself_is_asked_for_in_any_version(runtimes: Runtimes, line: str) -> None:
    assert (
        runtimes.choose("e", f"dependencies: [python=3.11, '{line}', {{pip: [numpy==2.4.6]}}]").runtime.name == ".venv"
    )


def test_conda_compares_versions_in_other_ways_too(runtimes: Runtimes) -> None:
    assert runtimes.choose("e", "dependencies: ['python>=3.9', 'numpy>=2,<3']").runtime.name == ".venv"
    with pytest.raises(RuntimeMissingError, match=r"numpy>=3, but 2\.4\.6"):
        runtimes.choose("e", "dependencies: ['numpy>=3']")


def test_options_of_pip_are_no_pins() -> None:
    assert pins("e", conda("--index-url https://x", "numpy==1.0")) == ["python==3.11", "pip", "numpy==1.0"]


def test_a_version_before_its_release_is_one_that_a_range_accepts(tmp_path: Path, runtimes: Runtimes) -> None:
    early = runtime(tmp_path / ".venv-early", polars="2.0rc1")
    runtimes.all.append(early)
    assert runtimes.choose("e", conda("polars>=1.0")).runtime == early


def test_of_those_that_lack_something_the_nearest_is_named(runtimes: Runtimes) -> None:
    with pytest.raises(RuntimeMissingError, match=r"\.venv-models comes nearest: polars==1\.0 is missing\. To repair"):
        runtimes.choose("e", conda("numpy==2.4.6", "azureml-inference-server-http==1.5.1", "polars==1.0"))


def test_what_the_work_adds_is_asked_for_beside_the_pins(runtimes: Runtimes) -> None:
    added = ("azureml-inference-server-http",)
    assert runtimes.choose("e", conda("numpy==2.4.6"), added=added).runtime.name == ".venv-models"
    with pytest.raises(RuntimeMissingError, match="polars is missing"):
        runtimes.choose("e", conda("numpy==2.4.6"), added=("polars",))
