import contextlib
import errno
import os
import subprocess
import time
from pathlib import Path

import pytest

from sandbox.work.paths import PathError, files, inside, opened, pieces


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
    os.mkfifo(folder / "pipe")
    assert files(folder) == (["deep/own"], ["deep/file", "out"])
    for name in ("deep/file", "out/secret", "out/new"):
        with pytest.raises(PathError, match="links are not followed"):
            inside(folder, name)
    for name, error in (("deep/file", errno.ELOOP), ("out/secret", errno.ENOTDIR), ("pipe", errno.EINVAL)):
        with pytest.raises(OSError, match=name.rpartition("/")[2] if error != errno.ENOTDIR else "out") as refused:
            opened(folder, name)
        assert refused.value.errno == error


def test_names_that_are_swapped_all_the_time_never_lead_out(tmp_path: Path) -> None:
    """What a job that runs can do while its log is read: a check of the name first would lose this race."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/log").write_text("secret")
    (tmp_path / "job/logs").mkdir(parents=True)
    (tmp_path / "job/logs/log").write_text("own")
    swaps = f"cd {tmp_path}/job; while true; do mv logs away; ln -s ../outside logs; rm logs; mv away logs; done"
    read, swapping = 0, subprocess.Popen(["/bin/bash", "-c", swaps], stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 1
        while time.monotonic() < end:
            assert set(files(tmp_path / "job")[0]) <= {"logs/log", "away/log"}
            with contextlib.suppress(OSError), opened(tmp_path / "job", "logs/log") as file:
                assert b"".join(pieces(file)) == b"own"
                read += 1
    finally:
        swapping.kill()
        swapping.wait()
    assert read


def test_what_is_added_to_a_file_while_it_is_read_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"x" * 3_000_000)
    file = opened(tmp_path, "log")
    found = 0
    for piece in pieces(file):
        found += len(piece)
        with (tmp_path / "log").open("ab") as more:
            more.write(b"y" * 1_000_000)
    assert found == 3_000_000
    assert file.closed
