"""R5: on a disk that is full at any write, the state stays, nothing partial is left, and the message names the place.

The disk is one of its own, some MiB large; it takes a namespace, which no privilege is needed for on most machines.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.robustness.conftest import ROOT, clean

MOUNTED = 'mount -t tmpfs -o size=8m tmpfs "$1" && shift && exec "$@"'


def on_a_small_disk(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command that sees a small disk of its own at a folder."""
    folder.mkdir()
    unshare = ["unshare", "--user", "--map-root-user", "--mount", "--propagation", "private"]
    return subprocess.run(
        [*unshare, "sh", "-c", MOUNTED, "sh", str(folder), *command], cwd=ROOT, env=clean(), text=True,
        capture_output=True, timeout=120, check=False,
    )  # fmt: skip


def test_every_write_without_room_is_refused_whole(tmp_path: Path) -> None:
    if on_a_small_disk(tmp_path / "probe", "true").returncode:
        pytest.skip("this machine permits no namespaces: no disk can be filled")
    program, state = Path(__file__).with_name("full_disk.py"), Path(__file__).with_name("states") / "1.tar.xz"
    done = on_a_small_disk(tmp_path / "disk", sys.executable, str(program), str(tmp_path / "disk"), str(state))
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert {name: wrong for name, (*wrong, _) in found.items() if wrong} == {}
    assert min(int(refused) for *_, refused in found.values()) > 1, "it was full"
