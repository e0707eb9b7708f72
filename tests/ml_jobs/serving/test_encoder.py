"""The encoding that travels with a model: loaded from the model's folder, each its own, without a trace."""

import sys
from pathlib import Path

import pytest

from ml_jobs import step
from ml_jobs.serving.encoder import CODE, FITTED, Encoder

FEATURES = """
from dataclasses import dataclass

NUMBERS, CATEGORIES, FIELDS = ("{field}",), (), ("{field}",)


@dataclass(frozen=True)
class Encoding:
    features: tuple[str, ...]

    @classmethod
    def load(cls, path):
        return cls((path.read_text()[0],))
"""


def model(folder: Path, field: str = "age") -> Path:
    folder.mkdir()
    (folder / CODE).write_text(FEATURES.format(field=field), encoding="utf-8")
    (folder / FITTED).write_text("x", encoding="utf-8")
    return folder


def test_two_models_of_one_file_name_are_loaded_side_by_side(tmp_path: Path) -> None:
    """As champion and candidate are."""
    one, two = (Encoder(model(tmp_path / field, field)) for field in ("age", "height"))
    assert (one.fields.NUMBERS, two.fields.NUMBERS) == (("age",), ("height",))
    for each in (one, two):
        assert sys.modules[type(each.encoding).__module__] is each.fields


def test_a_model_s_folder_keeps_its_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    folder = model(tmp_path / "m")
    assert Encoder(folder).encoding.features == ("x",)
    assert sorted(path.name for path in folder.iterdir()) == [FITTED, CODE]


def test_what_no_schema_can_say_is_optional(tmp_path: Path) -> None:
    folder = model(tmp_path / "m")
    assert Encoder(folder).check_row is None
    with (folder / CODE).open("a", encoding="utf-8") as file:
        file.write("def check_row(row):\n    return 'age', 'too young'\n")
    check = Encoder(folder).check_row
    assert check
    assert check({}) == ("age", "too young")


def test_code_that_cannot_be_imported_is_named_and_leaves_nothing(tmp_path: Path) -> None:
    folder, before = model(tmp_path / "m"), set(sys.modules)
    (folder / CODE).write_text("import nothing_of_this_name\n", encoding="utf-8")
    with pytest.raises(step.StepError, match=r"m/features\.py: cannot be imported \(ModuleNotFoundError: No module"):
        Encoder(folder)
    assert set(sys.modules) == before


@pytest.mark.parametrize("wrong", ["missing_key", "no_class", "no_text"])
def test_an_encoding_of_another_code_is_named(tmp_path: Path, wrong: str) -> None:
    folder = model(tmp_path / "m")
    code = (folder / CODE).read_text(encoding="utf-8")
    other = {
        "missing_key": code.replace("path.read_text()[0]", "{}[path.read_text()]"),
        "no_class": code.replace("class Encoding", "class Encoded"),
        "no_text": code.replace("path.read_text()[0]", "path.read_text() + 1"),
    }
    (folder / CODE).write_text(other[wrong], encoding="utf-8")
    with pytest.raises(step.StepError, match=r"m/encoding\.json: not what features\.py beside it writes"):
        Encoder(folder)


@pytest.mark.parametrize("name", [CODE, FITTED])
def test_a_file_that_is_missing_is_named(tmp_path: Path, name: str) -> None:
    folder = model(tmp_path / "m")
    (folder / name).unlink()
    with pytest.raises(step.StepError, match=f"m/{name}: no such file; want the folder of a trained or registered mod"):
        Encoder(folder)
