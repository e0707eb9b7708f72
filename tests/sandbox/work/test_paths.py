from pathlib import Path

import pytest

from sandbox.work.paths import PathError, files, inside, opened


@pytest.mark.parametrize(
    ("name", "below"), [("a", "a"), ("a/b.txt", "a/b.txt"), ("./a/./b", "a/b"), ("..a/b..", "..a/b.."), ("ü", "ü")]
)
def test_a_name_is_a_file_below_the_folder(tmp_path: Path, name: str, below: str) -> None:
    assert inside(tmp_path, name) == tmp_path / below


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "a/..", "../a", "a/../../b", "/etc/passwd", "//etc/passwd", "a//b", "a/", "a\0b", "a\\..\\b"],
)
def test_a_name_that_leads_out_is_refused_and_shown(tmp_path: Path, name: str) -> None:
    with pytest.raises(PathError) as caught:
        inside(tmp_path, name)
    assert repr(name) in str(caught.value)


def test_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s")
    folder = tmp_path / "folder"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep/own").write_text("o")
    (folder / "deep/file").symlink_to(tmp_path / "secret")
    (folder / "out").symlink_to(tmp_path)
    assert files(folder) == (["deep/own"], ["deep/file", "out"])
    for name in ("deep/file", "out/secret", "out/new"):
        with pytest.raises(PathError, match="links are not followed"):
            inside(folder, name)
    with pytest.raises(OSError, match="deep/file"):
        opened(folder / "deep/file", "ab")
