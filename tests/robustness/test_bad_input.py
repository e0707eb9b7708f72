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
from tests.robustness.conftest import ROOT, Forks, Place, Program, clean, kill, until

MISTAKES = {
    "an unknown group": (
        "mlops:registry:", "mlops:registri:", ("mlops:registri: unknown", "did you mean registry?"),
    ),
    "a misspelt key": (
        "soft_delete_days: 7", "soft_delet_days: 7",
        ("Pulumi.dev.yaml:", "mlops:platform.soft_delet_days: unknown", "did you mean soft_delete_days?"),
    ),
    "a wrong type": (
        "soft_delete_days: 7", "soft_delete_days: seven", ("mlops:platform.soft_delete_days: 'seven'", "accepted: "),
    ),
    "a bad name": ("name_salt: example", "name_salt: Ex_ample", ("mlops:platform.name_salt: 'Ex_ample'", "repair: ")),
    "an unknown size": (
        "vm_size: Standard_D4ds_v5", "vm_size: Standard_D4ds_v99",
        ("mlops:platform.clusters[0].vm_size: 'Standard_D4ds_v99'", "repair: "),
    ),
    "a model without a folder": (
        "name: flight-delay", "name: fraud", ("no such folder: ml_jobs/fraud", "repair: make model NAME=fraud"),
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory, schema_cache: Path) -> Iterator[Program]:
    """The repository's own program below other stack files, with a sandbox elsewhere."""
    folder = tmp_path_factory.mktemp("dev")
    for path in ROOT.iterdir():
        if not path.match("Pulumi.*.yaml") and path.name not in (".git", ".sandbox"):
            (folder / path.name).symlink_to(path)
    found = Program(folder, tmp_path_factory.mktemp("home") / "home", schema_cache)
    change(found)
    yield found
    found.close()


def change(program: Program, old: str = "", new: str = "") -> None:
    """Write dev's configuration with one mistake in it."""
    text = (ROOT / "Pulumi.dev.yaml").read_text(encoding="utf-8")
    assert not old or text.count(old) == 1, old
    (program.folder / "Pulumi.dev.yaml").write_text(text.replace(old, new) if old else text, encoding="utf-8")


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_the_configuration(dev: Program, forks: Forks, mistake: str) -> None:
    old, new, words = MISTAKES[mistake]
    change(dev, old, new)
    done = forks.run(dev, "preview")
    assert done.code == 2, done.said
    for word in words:
        assert word in done.err
    assert not dev.home.database.exists()


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
        assert f"another program has port {port} now" in up.out


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
    stopped = r"the gateway is not running since \d{4}-\d\d-\d\dT[\d:]+Z; start it with: make up$"
    assert re.search(stopped, forks.run(place, "status").out, re.MULTILINE)
    assert forks.run(place, "up").code == 0


def test_a_gateway_that_is_killed_meanwhile(place: Place, forks: Forks) -> None:
    """The message says that the sandbox stopped, not what else could be wrong with a network."""
    match = {"method": "PUT", "path": "/resourcegroups/rg-dev1$"}
    place.admin("POST", "/faults", {"match": match, "script": [{"delay": 60}]})
    process = place.start("up")
    until("it waits", lambda: place.admin("GET", "/faults")["value"][0]["fired"] == 1)
    kill(place.gateway().pid)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "the sandbox's gateway stopped meanwhile; its log is" in err
    assert "Go on with the same command" in err
    done = forks.run(place, "up")
    assert done.code == 0, done.said


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
