"""The gateway as a process: one at a time has a home, and nothing it keeps is open to others or stops a start."""

import os
import subprocess
import sys
from pathlib import Path

from sandbox import launch
from sandbox.home import Home
from tests.sandbox.conftest import SUBSCRIPTION, Sandbox


def start(home: Home) -> subprocess.Popen[bytes]:
    """A gateway of a home, without looking whether there is one."""
    code = "from sandbox.server import serve; from sandbox.home import Home; serve(Home.find())"
    environment = {**os.environ, "SANDBOX_HOME": str(home.root)}
    return subprocess.Popen([sys.executable, "-c", code], env=environment, stderr=subprocess.PIPE)


def test_a_second_gateway_of_a_home_is_refused_and_the_first_goes_on(fresh_sandbox: Sandbox) -> None:
    second = start(fresh_sandbox.home)
    _, said = second.communicate(timeout=60)
    assert second.returncode != 0
    assert f"another gateway has it (process {fresh_sandbox.server.pid}" in said.decode()
    assert launch.running(fresh_sandbox.home) == fresh_sandbox.server


def test_two_that_start_at_once_find_the_same_gateway(tmp_path: Path, schema_cache: Path) -> None:
    home = Home(tmp_path / "home")
    home.root.mkdir()
    (home.root / "cache").symlink_to(schema_cache)
    code = "from sandbox import launch; from sandbox.home import Home; print(launch.ensure(Home.find())[0].pid)"
    environment = {**os.environ, "SANDBOX_HOME": str(home.root)}
    both = [subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE) for _ in range(2)]
    try:
        found = [each.communicate(timeout=90)[0] for each in both]
        assert found[0] == found[1] != b""
        assert [each.returncode for each in both] == [0, 0]
    finally:
        launch.stop(home)


def test_a_port_file_cut_short_does_not_keep_the_gateway_from_starting(fresh_sandbox: Sandbox) -> None:
    fresh_sandbox.kill()
    for content in (b"", b"\xff", b"99999999"):
        (fresh_sandbox.home.root / "port").write_bytes(content)
        fresh_sandbox.start()
        assert fresh_sandbox.call("GET", SUBSCRIPTION).status == 200
        fresh_sandbox.kill()
    fresh_sandbox.start()


def test_no_file_of_the_gateway_is_open_to_others(fresh_sandbox: Sandbox) -> None:
    fresh_sandbox.call("GET", SUBSCRIPTION)
    cache = fresh_sandbox.home.cache.resolve()
    ours = [path for path in fresh_sandbox.home.root.rglob("*") if not path.is_symlink() and cache not in path.parents]
    made_before = {fresh_sandbox.home.logs / "gateway.out"}  # by whoever started it, in a folder of the owner's
    assert [path for path in ours if path.is_file() and path.stat().st_mode & 0o077 and path not in made_before] == []


def test_a_folder_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.root.mkdir(mode=0o755)
    home.make()
    assert home.root.stat().st_mode & 0o777 == 0o700
