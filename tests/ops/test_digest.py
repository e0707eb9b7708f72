"""A model's digest: the same wherever its files lie."""

import hashlib
from pathlib import Path

import pytest

from ops.digest import digest


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content, encoding="utf-8")
    return folder


def test_it_is_that_of_the_file_that_answers(tmp_path: Path) -> None:
    folder = write(tmp_path, {"named-outputs/model/model.onnx": "weights", "named-outputs/model/card.json": "{}"})
    assert digest(folder) == f"sha256:{hashlib.sha256(b'weights').hexdigest()}"


def test_without_one_it_is_that_of_all_files_wherever_they_lie(tmp_path: Path) -> None:
    files = {"MLmodel": "flavors", "data/model.pkl": "weights"}
    here = write(tmp_path / "here", files)
    there = write(tmp_path / "there", {f"wine/model/{name}": content for name, content in files.items()})
    assert digest(here) == digest(there)


@pytest.mark.parametrize(
    "files",
    [
        {"MLmodel": "flavors", "data/model.pkl": "other"},
        {"MLmodel": "flavors", "data/other.pkl": "weights"},
        {"MLmodel": "flavors", "data/model.pkl": "weights", "more": ""},
    ],
)
def test_other_files_have_another_digest(tmp_path: Path, files: dict[str, str]) -> None:
    before = write(tmp_path / "before", {"MLmodel": "flavors", "data/model.pkl": "weights"})
    assert digest(write(tmp_path / "after", files)) != digest(before)
