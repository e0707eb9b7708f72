"""What a user can get wrong: told with the thing, the value, what is accepted and the repair; nothing is lost."""

import os
import re
import resource
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox import launch
from tests.robustness.conftest import ROOT, Forks, Place, Program, clean

MISTAKES = {
    "an unknown key": (
        "mlops:nameSalt: example", "mlops:nameSalt: example\n  mlops:clustres: []", 1,
        ("mlops:clustres: unknown key, did you mean clusters?", "accepted: keys location, owner,", "repair: edit"),
    ),
    "a misspelt key": (
        "mlops:softDeleteDays: 7", "mlops:softDeletDays: 7", 2,
        ("mlops:softDeleteDays: missing (mlops:softDeletDays is set but not known", "want integer",
         "pulumi config set softDeleteDays"),
    ),
    "a wrong type": (
        "mlops:softDeleteDays: 7", "mlops:softDeleteDays: seven", 2,
        ("mlops:softDeleteDays: \"seven\" is a string", "want integer", "bad.yaml"),
    ),
    "a bad name": (
        "mlops:nameSalt: example", "mlops:nameSalt: Ex_ample", 1,
        ("mlops:nameSalt: 'Ex_ample'", "accepted: 3-24 lower case letters, digits and single hyphens", "repair: edit"),
    ),
    "an unknown size": (
        "vm_size: Standard_D4ds_v5", "vm_size: Standard_D4ds_v99", 1,
        ("mlops:clusters[0].vm_size: 'Standard_D4ds_v99': unknown size", "accepted: a current size", "repair: edit"),
    ),
    "a deployment without a model version": (
        "mlops:deployments: []",
        "mlops:deployments:\n  - {name: blue, model: m, instance_type: Standard_D2ds_v5, instance_count: 1}", 1,
        ("mlops:deployments[0].version: missing", 'accepted: an exact version in quotes, such as "3"', "repair: edit"),
    ),
}  # fmt: skip
BLUE = """mlops:deployments:
    - name: blue
      model: flight-delay
      version: "99"
      instance_type: Standard_D2ds_v5
      instance_count: 1"""


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory, schema_cache: Path) -> Iterator[Program]:
    """The repository's own program, with a sandbox elsewhere."""
    found = Program(ROOT, tmp_path_factory.mktemp("dev") / "home", schema_cache)
    yield found
    found.close()


def changed(folder: Path, old: str, new: str) -> str:
    """A copy of dev's configuration with one mistake in it."""
    text = (ROOT / "Pulumi.dev.yaml").read_text(encoding="utf-8")
    assert text.count(old) == 1, old
    path = folder / "bad.yaml"
    path.write_text(text.replace(old, new), encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_the_configuration(dev: Program, forks: Forks, tmp_path: Path, mistake: str) -> None:
    old, new, code, words = MISTAKES[mistake]
    done = forks.run(dev, "preview", "--config-file", changed(tmp_path, old, new))
    assert done.code == code, done.said
    for word in words:
        assert word in done.err
    assert not dev.home.database.exists()


def test_a_model_version_that_is_not_there(dev: Program, forks: Forks, tmp_path: Path) -> None:
    assert forks.run(dev, "up").code == 0
    done = forks.run(dev, "up", "--config-file", changed(tmp_path, "mlops:deployments: []", BLUE))
    assert done.code == 1
    assert "models/flight-delay/versions/99' does not exist among the models of" in done.err
    assert "which has none" in done.err
    assert "blue-deployment" in done.err
    again = forks.run(dev, "up", "--json")
    assert again.code == 0
    assert set(again.envelope["result"]["changes"]) <= {"same", "delete"}, "only the failed component's row goes"


def test_a_port_that_is_taken(place: Place, forks: Forks) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = place.run("serve", "--port", str(port))
        assert done.code == 1
        assert f"port {port} on 127.0.0.1 cannot be taken (Address already in use)" in done.err
        assert "choose another with --port, or 0 for any free one" in done.err
        # The port of the last time is a wish only: what others use is left to them.
        (place.home.root / "port").write_text(str(port), encoding="utf-8")
        up = forks.run(place, "up")
        assert up.code == 0, up.said
        assert place.gateway().port != port


@pytest.mark.parametrize("port", ["99999", "-1", "http"])
def test_a_port_that_is_none(place: Place, forks: Forks, port: str) -> None:
    done = forks.run(place, "serve", f"--port={port}")
    assert done.code == 2
    assert f"argument --port: '{port}' is no port; accepted: 0 (any free one) to 65535" in done.err


def test_a_closed_gateway(place: Place, forks: Forks) -> None:
    """A client whose gateway is gone says which host does not answer; the state stays as it was."""
    gateway = place.gateway()
    environment = {**os.environ, **launch.client_environment(place.home, gateway)}
    place.close()
    code = "from sandbox.provider.client import Client, Credential; Client(Credential.find({}), print).token()"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, text=True, capture_output=True, check=False
    )
    assert done.returncode == 1
    assert "login.microsoftonline.com" in done.stderr
    assert forks.run(place, "env").err == "error: the sandbox is not running; start it with: make up\n"
    assert forks.run(place, "up").code == 0


def test_a_full_disk(place: Place, forks: Forks) -> None:
    """Neither the gateway nor the command can write any more; what was there stays, and it goes on after."""
    assert forks.run(place, "up").code == 0
    mark, before = place.last_write(), place.resources("dev1")
    place.configure("dev", owner="full@example.com", identities=5)
    pid, kind = place.gateway().pid, resource.RLIMIT_FSIZE
    limits = resource.prlimit(pid, kind)
    resource.prlimit(pid, kind, (1, limits[1]))
    try:
        full = subprocess.run(
            ["prlimit", "--fsize=1:", sys.executable, "-m", "sandbox", "up"], cwd=place.folder, env=clean(place.home),
            text=True, capture_output=True, timeout=60, check=False,
        )  # fmt: skip
    finally:
        resource.prlimit(pid, kind, limits)
    assert full.returncode == 1
    assert re.search(rf"{re.escape(str(place.home.database))}: .* (\d+) (more )?bytes", full.stderr), full.stderr
    assert "Traceback" not in full.stderr
    assert (place.last_write(), place.resources("dev1")) == (mark, before)
    again = forks.run(place, "up")
    assert again.code == 0, again.said
    assert sorted(name for verb, name, status in place.writes(mark) if status == 201) == ["id-3", "id-4"]
