"""A small platform in a folder of its own, and the real command that runs it."""

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from sandbox import launch
from sandbox.home import Home

ROOT = Path(__file__).parents[2]
GATEWAY_SECONDS = 30

PROJECT = """\
name: small
runtime: python
config:
  prefix: {type: string}
  identities: {type: integer}
  owner: {type: string}
  container: {type: string}
  secret: {type: string, secret: true}
"""

# Declared without azure-native's classes: importing them costs more than all the rest of a run. The log workspace is
# a long-running operation; another name of the container replaces it.
PROGRAM = """\
import pulumi

config = pulumi.Config()
group = f"rg-{config.require('prefix')}"
tags = {"owner": config.require("owner")}


class Logs(pulumi.CustomResource):
    customerId: pulumi.Output[str]


def make(token, name, needs, cls=pulumi.CustomResource, **inputs):
    options = pulumi.ResourceOptions(depends_on=needs)
    return cls(f"azure-native:{token}", name, inputs, options)


top = make("resources:ResourceGroup", "group", [], resourceGroupName=group, location="westeurope", tags=tags)
within = {"resourceGroupName": group, "location": "westeurope", "tags": tags}
logs = make(
    "operationalinsights:Workspace", "logs", [top], Logs, workspaceName=f"log-{config.require('prefix')}",
    sku={"name": "PerGB2018"}, retentionInDays=30, customerId=None, **within,
)
account = make(
    "storage:StorageAccount", "account", [top], accountName=f"st{config.require('prefix')}", kind="StorageV2",
    sku={"name": "Standard_LRS"}, **within,
)
for name in ("code", config.require("container")):
    make(
        "storage:BlobContainer", "code" if name == "code" else "data", [account], resourceGroupName=group,
        accountName=f"st{config.require('prefix')}", containerName=name,
    )
for number in range(config.require_int("identities")):
    make(
        "managedidentity:UserAssignedIdentity", f"id-{number}", [logs], resourceName=f"id-{number}",
        **{**within, "tags": {**tags, "logs": logs.customerId}},
    )
pulumi.export("group", group)
pulumi.export("secret", config.require_secret("secret"))
"""


@dataclass(frozen=True)
class Done:
    """A run of the command that has ended.

    Attributes:
        code: exit code; minus the signal that ended it.
        out: standard output.
        err: standard error.
        points: labels of the points it passed; see forks.py.
    """

    code: int
    out: str
    err: str
    points: list[str] = field(default_factory=list)

    @property
    def said(self) -> str:
        """Everything it printed."""
        return self.out + self.err

    @property
    def envelope(self) -> dict[str, Any]:
        """The one JSON object that ``--json`` promises."""
        content: dict[str, Any] = json.loads(self.out)
        return content


class Forks:
    """A warm process that runs the command in forks of itself."""

    def __init__(self, folder: Path) -> None:
        self._out = folder / f"fork-{os.urandom(4).hex()}"
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("forks.py"))], cwd=ROOT, env=clean(), text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip

    def begin(self, place: "Program", *arguments: str, kill: int | None = None) -> None:
        """Start a run; the next :meth:`end` is about it."""
        asked = {"arguments": arguments, "folder": str(place.folder), "home": str(place.home.root),
                 "out": str(self._out), "kill": kill}  # fmt: skip
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()

    def end(self) -> Done:
        """The run that was begun, once it has ended."""
        assert self._process.stdout is not None
        return Done(**json.loads(self._process.stdout.readline()))

    def run(self, place: "Program", *arguments: str, kill: int | None = None) -> Done:
        """A run from begin to end; 0 points kill nothing and are counted."""
        self.begin(place, *arguments, kill=kill)
        return self.end()

    def close(self) -> None:
        """Let go of the process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()


class Program:
    """A folder with a program, a sandbox for it, and the command that brings it up.

    Args:
        folder: where Pulumi.yaml is.
        home: the sandbox's folder.
        schema_cache: resource types read before.
    """

    def __init__(self, folder: Path, home: Path, schema_cache: Path) -> None:
        self.folder = folder
        self.home = Home(home)
        self.home.root.mkdir(mode=0o700, parents=True)
        self.home.cache.symlink_to(schema_cache)

    def start(self, *arguments: str, **extra: str) -> subprocess.Popen[str]:
        """Start the command."""
        return subprocess.Popen(
            [sys.executable, "-m", "sandbox", *arguments], cwd=self.folder, env=clean(self.home, **extra), text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=_interruptible,
        )  # fmt: skip

    def run(self, *arguments: str, **extra: str) -> Done:
        """Run the command to its end."""
        process = self.start(*arguments, **extra)
        out, err = process.communicate(timeout=120)
        return Done(process.returncode, out, err)

    def printed_command(self, text: str) -> Done:
        """Run the ``python -m sandbox`` command that a message tells the user to run."""
        found = re.search(r"\.venv/bin/python -m sandbox ([a-z-]+(?: --?[a-z]+)*)", text)
        assert found, f"no command in: {text}"
        return self.run(*found[1].split())

    def gateway(self) -> launch.Running:
        """The gateway, started if there is none."""
        return launch.ensure(self.home)[0]

    def admin(self, method: str, path: str, body: object = None) -> Any:
        """Call the sandbox's own address."""
        return launch.ask(self.gateway(), method, path, body, self.home.secret.read_text(encoding="utf-8").strip())

    def resources(self, prefix: str) -> dict[str, str]:
        """Names of a stack's group and all in it, with their states, as the sandbox holds them."""
        rows = self.query("SELECT key, state FROM resources WHERE key LIKE ?", f"%/resourcegroups/rg-{prefix}%")
        return {str(row["key"]).rpartition("/")[2]: row["state"] for row in rows}

    def writes(self, after: int = 0) -> list[tuple[str, str, int]]:
        """(action, name, status) of each accepted write since a line of the activity log."""
        rows = self.query(
            "SELECT action, key, status FROM activity WHERE id > ? AND status < 400 AND action NOT LIKE '%/action' "
            "AND (status > 200 OR NOT EXISTS (SELECT 1 FROM activity AS begun WHERE begun.id < activity.id "
            "AND begun.correlation = activity.correlation AND begun.key = activity.key)) ORDER BY id", after,
        )  # fmt: skip
        return [(row["action"].rpartition("/")[2], row["key"].rpartition("/")[2], row["status"]) for row in rows]

    def last_write(self) -> int:
        """Where the activity log stands."""
        return int(self.query("SELECT coalesce(max(id), 0) AS last FROM activity")[0]["last"])

    def query(self, sql: str, *values: object) -> list[sqlite3.Row]:
        """Rows of the state file."""
        connection = sqlite3.connect(f"file:{self.home.database}?mode=ro", uri=True)
        connection.row_factory = sqlite3.Row
        try:
            return connection.execute(sql, values).fetchall()
        finally:
            connection.close()

    def processes(self) -> list[int]:
        """Every process that was started for this sandbox and lives, zombies left out."""
        found = []
        for entry in os.scandir("/proc"):
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                try:
                    environment = Path(entry.path, "environ").read_bytes()
                    state = Path(entry.path, "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
                except OSError:
                    continue
                if str(self.home.root).encode() in environment and state != "Z":
                    found.append(int(entry.name))
        return found

    def held_by(self, pid: int, stack: str = "dev") -> bool:
        """Whether a process holds the stack."""
        lock = self.home.root / "locks" / f"{stack}.lock"
        return lock.exists() and f'"pid": {pid},' in lock.read_text(encoding="utf-8")

    def close(self) -> None:
        """Stop what runs."""
        launch.stop(self.home)


def _interruptible() -> None:
    """A shell that starts tests in the background makes them, and all they start, deaf to Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Place(Program):
    """A folder with the small program and a sandbox of its own."""

    def __init__(self, folder: Path, schema_cache: Path) -> None:
        super().__init__(folder, folder / ".sandbox", schema_cache)
        (folder / "Pulumi.yaml").write_text(PROJECT, encoding="utf-8")
        (folder / "__main__.py").write_text(PROGRAM, encoding="utf-8")
        self.configure("dev")

    def configure(self, stack: str, **changes: object) -> None:
        """Write a stack's configuration."""
        values: dict[str, object] = {
            "prefix": f"{stack}1", "identities": 3, "owner": "me@example.com", "container": "data",
            "secret": "ordinary", **changes
        }  # fmt: skip
        text = "".join(f"  small:{key}: {json.dumps(value)}\n" for key, value in values.items())
        (self.folder / f"Pulumi.{stack}.yaml").write_text(f"config:\n{text}", encoding="utf-8")


def clean(home: Home | None = None, **extra: str) -> dict[str, str]:
    """This environment without credentials, proxies, homes, and the make that runs the tests."""
    kept = {
        name: value for name, value in launch.local_free(dict(os.environ)).items()
        if not name.startswith(("AZURE_", "ARM_", "SANDBOX_", "PULUMI_", "PYTHON", "MAKE"))
    }  # fmt: skip
    return {**kept, "PYTHONPATH": str(ROOT), **({"SANDBOX_HOME": str(home.root)} if home else {}), **extra}


def until(what: str, holds: Any, seconds: float = 20) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.01)


def kill(pid: int) -> None:
    """End a process as a power cut would."""
    os.kill(pid, signal.SIGKILL)
    launch.gone(pid)


@pytest.fixture(scope="session")
def schema_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Resource types are read from the provider package once."""
    return tmp_path_factory.mktemp("schema-cache")


@pytest.fixture(scope="module")
def module_place(tmp_path_factory: pytest.TempPathFactory, schema_cache: Path) -> Iterator[Place]:
    """A place that the tests of a file share."""
    found = Place(tmp_path_factory.mktemp("place"), schema_cache)
    yield found
    found.close()


@pytest.fixture
def place(tmp_path: Path, schema_cache: Path) -> Iterator[Place]:
    """A place of a test's own."""
    found = Place(tmp_path, schema_cache)
    yield found
    found.close()


@pytest.fixture(scope="module")
def forks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    """The command, without the second that it takes to import it."""
    found = Forks(tmp_path_factory.mktemp("forks"))
    yield found
    found.close()
