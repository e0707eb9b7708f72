"""A model's file: read whole, and wrong in every way with its line."""

from pathlib import Path

import pytest

import model_file
from model_file import ModelFileError
from tests.conftest import ROOT, make_model

MODELS = sorted(path.parent.name.replace("_", "-") for path in (ROOT / "ml_jobs").glob("*/model.yaml"))


def problems(name: str = "late") -> list[str]:
    with pytest.raises(ModelFileError) as caught:
        model_file.read(name)
    return [str(problem) for problem in caught.value.problems]


def test_the_models_of_this_repository_are_right(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert [model_file.read(name).name for name in MODELS] == MODELS


def test_a_models_folder_is_its_name_with_underscores(project: Path) -> None:
    make_model(project, "red-wine")
    found = model_file.read("red-wine")
    assert found.folder == Path("ml_jobs/red_wine")
    assert found.environments["serve"].conda_file == "ml_jobs/red_wine/serve.conda.yaml"
    assert "red-wine" in model_file.known()


@pytest.mark.parametrize(
    ("change", "line", "said"),
    [
        (("name: late\n", "name: soon\n"), 1, "name: 'soon' stands in the folder of late"),
        (("description: Is", "descripton: Is"), 2, "descripton: unknown field, did you mean description?"),
        (("path: .data/late", "path: /data"), 3, "data.path: '/data'"),
        (("path: .data/late", "path: ../late"), 3, "data.path: '../late'"),
        (
            ("pipeline: pipeline", "pipeline: pipline"),
            5,
            "training.pipeline: 'ml_jobs/late/pipline.yaml': no such file",
        ),
        (
            ("environment: train\n", "environment: trian\n"),
            6,
            "environment: 'trian' is not declared, did you mean train",
        ),
        (("code: [ml_jobs/late/*.py]", "code: [ml_jobs/late/*.txt]"), 7, "training.code[0]: 'ml_jobs/late/*.txt'"),
        (("{seed: 13}", "{seed: [13]}"), 8, "training.inputs: {'seed': [13]}: seed: not a plain value"),
        (("script: ml_jobs/late/score.py", "script: ml_jobs/late/train.py"), 10, "is not among the serving code"),
        (
            ("serve.conda.yaml", "none.yaml"),
            15,
            "environments.serve.conda_file: 'ml_jobs/late/none.yaml': no such file",
        ),
        (("sha256:", "sha512:"), 14, "accepted: an image pinned as NAME@sha256:DIGEST"),
        (("sample: sample.json", "sample: none.json"), 16, "request.sample: 'ml_jobs/late/none.json': no such file"),
        (("smoke: {value:", "smoke: {valu:"), 17, "smoke.valu: unknown field, did you mean value?"),
        (("request: {", "training: {}\nrequest: {"), 16, "training: stands twice, first in line 4"),
    ],
)
def test_a_mistake_is_told_with_its_line(project: Path, change: tuple[str, str], line: int, said: str) -> None:
    file = project / "ml_jobs" / "late" / "model.yaml"
    text = file.read_text()
    assert change[0] in text
    file.write_text(text.replace(*change))
    found = [problem for problem in problems() if said in problem]
    assert found, problems()
    assert found[0].startswith(f"ml_jobs/late/model.yaml:{line}: ")


def test_what_is_no_yaml_says_where(project: Path) -> None:
    (project / "ml_jobs" / "late" / "model.yaml").write_text("name: late\ndata: [\n")
    assert "ml_jobs/late/model.yaml:3: not YAML" in problems()[0]


def test_a_missing_file_says_how_to_make_one(project: Path) -> None:
    assert problems("none") == [
        "ml_jobs/none/model.yaml: file: no such file; accepted: a model's file; repair: make model NAME=none"
    ]
