"""A model's file: read whole, and wrong in every way with its line."""

import re
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


def test_the_template_is_no_model_to_choose(project: Path) -> None:
    """Others are copied from it; a mistyped name is not answered with it."""
    assert (project / "ml_jobs" / "template" / "model.yaml").is_file()
    assert "template" not in model_file.known()


def test_a_pipeline_may_take_all_its_defaults(project: Path) -> None:
    file = project / "ml_jobs" / "late" / "model.yaml"
    file.write_text(file.read_text().replace("  inputs: {seed: 13}\n", ""))
    assert model_file.read("late").training.inputs == {}


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
        (("code: [ml_jobs/late/*.py]", "code: []"), 7, "training.code: []: not such a list"),
        (("{seed: 13}", "{seed: [13]}"), 8, "training.inputs: {'seed': [13]}: seed: not a plain value"),
        (
            ("{seed: 13}", "{sed: 13}"),
            8,
            "training.inputs.sed: unknown input, did you mean seed?; accepted: inputs of ml_jobs/late/pipeline.yaml: s",
        ),
        (
            ("{seed: 13}", "{seed: abc}"),
            8,
            "inputs.seed: 'abc' is of another type; accepted: type integer, such as 13, as",
        ),
        (("{seed: 13}", "{data: x}"), 8, "training.inputs.data: is filled in by the release"),
        (
            ("checks: []", "checks: [{name: a, change: {}, expect: not lowr}]"),
            17,
            "smoke.checks[0].expect: 'not lowr': not one of them, did you mean not lower",
        ),
        (("script: ml_jobs/late/score.py", "script: ml_jobs/late/train.py"), 10, "is not among the serving code"),
        (
            ("serve.conda.yaml", "none.yaml"),
            15,
            "environments.serve.conda_file: 'ml_jobs/late/none.yaml': no such file",
        ),
        (("sha256:", "sha512:"), 14, "accepted: an image pinned as NAME@sha256:DIGEST"),
        (("sample: sample.json", "sample: none.json"), 16, "request.sample: 'ml_jobs/late/none.json': no such file"),
        (("sample: sample.json", "sample: ."), 16, "request.sample: 'ml_jobs/late': no such file"),
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


def test_a_folder_without_a_file_says_how_to_get_one(project: Path) -> None:
    """`make model` writes no folder that is there."""
    (project / "ml_jobs" / "late" / "model.yaml").unlink()
    (said,) = problems()
    assert said.startswith("ml_jobs/late/model.yaml: file: no such file in this folder; ")
    assert said.endswith(
        "repair: git checkout ml_jobs/late/model.yaml, if a commit has it; "
        "else move ml_jobs/late away, then make model NAME=late"
    )


@pytest.mark.parametrize(
    ("kind", "text", "right"),
    [
        ("integer", "13", True),
        ("integer", "13.0", False),
        ("integer", "true", False),
        ("integer", '"13"', False),
        ("number", "13", True),
        ("number", "0.5", True),
        ("number", "true", False),
        ("boolean", "true", True),
        ("boolean", "1", False),
        ("string", "2013-01", True),
        ("string", "1.10", False),
        ("uri_folder", "x", False),
    ],
)
def test_an_input_is_of_the_type_that_the_pipeline_declares(project: Path, kind: str, text: str, right: bool) -> None:
    folder = project / "ml_jobs" / "late"
    pipeline, file = folder / "pipeline.yaml", folder / "model.yaml"
    pipeline.write_text(pipeline.read_text().replace("{type: integer, default: 7}", f"{{type: {kind}}}"))
    file.write_text(file.read_text().replace("seed: 13", f"seed: {text}"))
    if right:
        model_file.read("late")
    else:
        (said,) = problems()
        assert re.search(rf"accepted: type {kind}(, such as \S+)?, as ml_jobs/late/pipeline\.yaml:3 declares", said)


@pytest.mark.parametrize(
    ("declared", "text", "accepted"),
    [
        ("integer, min: 1, max: 100", "1", ""),
        ("integer, min: 1, max: 100", "100", ""),
        ("integer, min: 1, max: 100", "0", "1 to 100"),
        ("integer, min: 1, max: 100", "101", "1 to 100"),
        ("integer, min: 0", "-1", "0 or more"),
        ("number, max: 0.5", "0.6", "0.5 or less"),
        ("number, max: 0.5", "0", ""),
        ("number, min: '0.1'", "0.01", "0.1 or more"),  # Azure takes a bound as a text, too
        ("string, enum: [logistic, prior]", "prior", ""),
        ("string, enum: [logistic, prior]", "logstic", "logistic or prior"),
        ("string, enum: ['1', '2']", "'3'", "1 or 2"),
    ],
)
def test_an_input_is_one_that_the_pipeline_accepts(project: Path, declared: str, text: str, accepted: str) -> None:
    folder = project / "ml_jobs" / "late"
    pipeline, file = folder / "pipeline.yaml", folder / "model.yaml"
    pipeline.write_text(pipeline.read_text().replace("{type: integer, default: 7}", f"{{type: {declared}}}"))
    file.write_text(file.read_text().replace("seed: 13", f"seed: {text}"))
    if not accepted:
        model_file.read("late")
        return
    (said,) = problems()
    assert said.startswith("ml_jobs/late/model.yaml:8: training.inputs.seed: ")
    assert f"; accepted: {accepted}, as ml_jobs/late/pipeline.yaml:3 declares; repair: edit training.inputs." in said


def test_mistakes_in_the_inputs_are_told_with_the_others(project: Path) -> None:
    file = project / "ml_jobs" / "late" / "model.yaml"
    text = file.read_text().replace("{seed: 13}", "{sed: 13, seed: abc}").replace("sample: sample", "sample: none")
    file.write_text(text.replace("name: late\n", "nam: late\n").replace("checks: []", "checks: no"))
    said = "\n".join(problems())
    for what in ("nam: unknown", "name: missing", "inputs.sed", "inputs.seed", "request.sample", "smoke.checks"):
        assert what in said


def test_a_pipeline_that_is_no_yaml_is_told(project: Path) -> None:
    (project / "ml_jobs" / "late" / "pipeline.yaml").write_text("inputs: [\n")
    (said,) = problems()
    assert "training.pipeline: ml_jobs/late/pipeline.yaml:2: not YAML" in said


def test_a_step_that_names_no_file_is_told(project: Path) -> None:
    pipeline = project / "ml_jobs" / "late" / "pipeline.yaml"
    pipeline.write_text(pipeline.read_text().replace("./train.yaml", "./trian.yaml"))
    (said,) = problems()
    assert said.startswith("ml_jobs/late/model.yaml:5: training.pipeline: ml_jobs/late/pipeline.yaml:12: ")
    assert "jobs.train.component: './trian.yaml': no such file; accepted: a file of a command component; " in said
    assert said.endswith("repair: edit ml_jobs/late/pipeline.yaml")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("dependencies: [\n", "ml_jobs/late/train.conda.yaml:2: not YAML: "),
        ("name: x\n", "'ml_jobs/late/train.conda.yaml': no list of dependencies; accepted: a conda file; repair: edit"),
    ],
)
def test_a_conda_file_that_is_none_is_told(project: Path, text: str, said: str) -> None:
    (project / "ml_jobs" / "late" / "train.conda.yaml").write_text(text)
    (found,) = problems()
    assert found.startswith("ml_jobs/late/model.yaml:14: environments.train.conda_file: ")
    assert said in found
