"""The scaffold: a second model that trains, answers and passes its tests as written, and touches nothing else."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ml_jobs import scaffold
from tests.ml_jobs.conftest import ROOT

STACK = """# what dev is for
config:
  mlops:models: # one line a model
    - name: flight-delay
      instance_count: 1 # enough

    # the last one
    - name: other
  mlops:platform: {owner: me@example.com}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """What the scaffold needs of the project, and one stack."""
    ignore = shutil.ignore_patterns("__pycache__")
    for room in ("ml_jobs", "tests/ml_jobs"):
        shutil.copytree(ROOT / room, tmp_path / room, ignore=ignore)
    shutil.copy(ROOT / "tests/shared.py", tmp_path / "tests")
    (tmp_path / "Pulumi.dev.yaml").write_text(STACK)
    return tmp_path


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_second_model_passes_its_tests_as_written(project: Path) -> None:
    """It runs its pipeline in them, from the snapshot to the answers; the name has a hyphen, so it shows everywhere."""
    assert scaffold.scaffold(project, "red-wine", "dev") == []
    shutil.copy(ROOT / "naming.py", project)
    (project / "pytest.ini").write_text("[pytest]\npythonpath = .\naddopts = --import-mode=importlib\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/ml_jobs/red_wine"]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout
    assert "10 passed" in done.stdout


def test_it_says_that_it_is_an_example_and_what_to_replace(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(project)
    monkeypatch.setattr(sys, "argv", ["scaffold", "--name", "rain"])
    scaffold.main()
    said = capsys.readouterr().out
    assert "It is an example, about wines." in said
    named = [line.split()[0] for line in said.splitlines() if line.startswith("    ml_jobs/rain/")]
    assert named[0] == "ml_jobs/rain/snapshot.py"
    assert [name for name in named if not (project / name).is_file()] == []


@pytest.mark.parametrize("name", ["abc", "a-very-long-model-name-x"])
def test_what_is_written_keeps_the_project_s_style_under_any_name(project: Path, name: str) -> None:
    assert scaffold.scaffold(project, name, "dev") == []
    shutil.copy(ROOT / "pyproject.toml", project)
    folder = name.replace("-", "_")
    for verb in (["format", "--check"], ["check"]):
        command = [sys.executable, "-m", "ruff", *verb, "--no-cache", f"ml_jobs/{folder}", f"tests/ml_jobs/{folder}"]
        done = subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_every_name_in_the_folder_is_the_new_one(project: Path) -> None:
    assert scaffold.scaffold(project, "red-wine", "dev") == []
    written = content(project / "ml_jobs/red_wine") | content(project / "tests/ml_jobs/red_wine")
    assert [path for path, text in written.items() if b"template" in text.lower()] == []
    model = yaml.safe_load(written["model.yaml"])
    assert (model["name"], model["data"]["name"], model["data"]["path"]) == ("red-wine", "red-wine", ".data/red-wine")
    assert model["data"]["made_by"].endswith("-m ml_jobs.red_wine.snapshot")
    assert {"ml_jobs/red_wine/train.py", "ml_jobs/red_wine/contract.yaml"} <= set(model["training"]["code"])
    assert yaml.safe_load(written["pipeline.yaml"])["name"] == "red_wine_training"
    assert yaml.safe_load(written["components/prepare.yaml"])["name"] == "red_wine_prepare"


def test_nothing_else_changes_but_one_line_of_the_stack(project: Path) -> None:
    before = content(project)
    assert scaffold.scaffold(project, "wine", "dev") == []
    after = content(project)
    new = {path for path in after if path not in before}
    assert new
    assert all(path.startswith(("ml_jobs/wine/", "tests/ml_jobs/wine/")) for path in new)
    changed = {path for path in before if after[path] != before[path]}
    assert changed == {"Pulumi.dev.yaml"}
    assert after["Pulumi.dev.yaml"].decode() == STACK.replace("name: other\n", "name: other\n    - name: wine\n")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("config:\n  mlops:models: []\n  a: 1\n", "config:\n  mlops:models:\n    - name: wine\n  a: 1\n"),
        ("config:\n  mlops:models:\n", "config:\n  mlops:models:\n    - name: wine\n"),
        (
            "config:\n  mlops:models:\n  - name: x\n  a: 1\n",
            "config:\n  mlops:models:\n  - name: x\n  - name: wine\n  a: 1\n",
        ),
        ("config:\n  mlops:models:\n    - name: x", "config:\n  mlops:models:\n    - name: x\n    - name: wine\n"),
        (
            "config:\r\n  mlops:models:\r\n    - name: x\r\n",
            "config:\r\n  mlops:models:\r\n    - name: x\r\n    - name: wine\r\n",
        ),
    ],
    ids=["empty", "nothing", "flush", "no last newline", "carriage returns"],
)  # fmt: skip
def test_the_line_goes_to_the_end_of_the_list_however_it_is_written(project: Path, text: str, expected: str) -> None:
    (project / "Pulumi.dev.yaml").write_bytes(text.encode())
    assert scaffold.scaffold(project, "wine", "dev") == []
    assert (project / "Pulumi.dev.yaml").read_bytes().decode() == expected
    assert {"name": "wine"} in yaml.safe_load(expected)["config"]["mlops:models"]


@pytest.mark.parametrize(
    ("name", "stack", "problem"),
    [
        ("Wine", "dev", "NAME=Wine: want 3 to 24 lower-case letters"),
        ("w", "dev", "NAME=w: want 3 to 24"),
        ("wine--two", "dev", "single hyphens"),
        ("wine-", "dev", "single hyphens"),
        ("../x", "dev", "NAME=../x: want"),
        ("a" * 25, "dev", "want 3 to 24"),
        ("class", "dev", "a word of Python's own"),
        ("flight-delay", "dev", "ml_jobs/flight_delay is there already"),
        ("metrics", "dev", "ml_jobs/metrics.py is there already"),
        ("serving", "dev", "ml_jobs/serving is there already"),
        ("wine", "test", "STACK=test: Pulumi.test.yaml is missing; want one of dev"),
    ],
)
def test_a_name_or_stack_that_will_not_do_is_refused_and_nothing_written(
    project: Path, name: str, stack: str, problem: str
) -> None:
    before = content(project)
    assert any(problem in found for found in scaffold.scaffold(project, name, stack))
    assert content(project) == before


@pytest.mark.parametrize("line", ["- name: wine", "- {name: wine, auth_mode: Key}"])
def test_a_listed_name_without_a_folder_gets_one_and_keeps_its_line(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], line: str
) -> None:
    """Settings send people here who have listed a model first."""
    (project / "Pulumi.dev.yaml").write_text(text := STACK.replace("- name: other", line))
    monkeypatch.chdir(project)
    monkeypatch.setattr(sys, "argv", ["scaffold", "--name", "wine"])
    scaffold.main()
    assert (project / "ml_jobs/wine/model.yaml").is_file()
    assert (project / "Pulumi.dev.yaml").read_text() == text
    said = capsys.readouterr().out.splitlines()[0]
    assert said == "written: ml_jobs/wine/, tests/ml_jobs/wine/; Pulumi.dev.yaml lists it already"
    assert any("is there already" in found for found in scaffold.scaffold(project, "wine", "dev"))


PROMOTED = "config:\n  mlops:platform: {}\n  mlops:models:\n    - name: other\n      promoted: true\n"


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        (PROMOTED, True),
        (PROMOTED.replace("{}", "{clusters: [{name: train}]}"), False),
        (PROMOTED.replace("{}", "{existing: dev}"), False),
        (PROMOTED.replace("{}", "{existing: stage}"), True),
        (PROMOTED.replace("other", "wine"), False),
    ],
    ids=["nothing trains", "trains too", "trains on another's", "another's does not train", "listed"],
)
def test_a_stack_that_only_takes_promoted_models_gets_no_line_of_its_own(
    project: Path, text: str, refused: bool
) -> None:
    (project / "Pulumi.dev.yaml").write_text(STACK.replace("{owner", "{clusters: [{name: train}], owner"))
    (project / "Pulumi.stage.yaml").write_text(PROMOTED)
    (project / "Pulumi.prod.yaml").write_text(text)
    before = content(project)
    found = scaffold.scaffold(project, "wine", "prod")
    if not refused:
        assert found == []
        return
    assert content(project) == before
    repair = "make model NAME=wine; then list it in Pulumi.prod.yaml with `promoted: true`"
    assert found == [
        f"STACK=prod: takes promoted models and has no cluster; write it in a stack that trains, {repair}",
    ]


def test_tests_of_that_name_are_not_written_over(project: Path) -> None:
    (project / "tests" / "ml_jobs" / "wine").mkdir()
    assert any("tests/ml_jobs/wine is there already" in found for found in scaffold.scaffold(project, "wine", "dev"))


def test_all_problems_are_told_at_once_with_exit_code_2(project: Path) -> None:
    (project / "Pulumi.dev.yaml").write_text("config: {}\n")
    command = [sys.executable, "-m", "ml_jobs.scaffold", "--name", "Wine", "--stack", "dev"]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    wanted = "3 to 24 lower-case letters, digits and single hyphens, a letter first"
    assert done.stderr.splitlines() == [
        f"error: NAME=Wine: want {wanted}; for example: make model NAME=wine",
        "error: Pulumi.dev.yaml: has no list mlops:models; add the line `  mlops:models: []` under config",
    ]
