"""A user's machine: a fresh checkout with a sandbox of its own, in which commands are run as they are printed."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sandbox.home import Home
from tests.sandbox.conftest import Sandbox
from tests.shared import made_once
from tests.watch import Watch

ROOT = Path(__file__).resolve().parents[1]
PYTHON = ".venv/bin/python"
# Installed and made once, shared by all checkouts.
SHARED = tuple(name for name in (".venv", ".venv-models") if (ROOT / name).exists())
_SECONDS = 600
# Of scoring servers; they end with their server, and copies of them lead nowhere.
SOCKETS = shutil.ignore_patterns("*.sock")


FIRST_UP = ".sandbox/first-up.txt"  # what the `make up` of a released machine printed
RATE = 50  # requests a second: other tests run beside; `make bench` asks 200


def outputs(stack: str = "dev") -> str:
    """Where `make up` leaves the outputs of a stack."""
    return f".sandbox/outputs/{stack}.json"


@dataclass
class Machine:
    """A checkout with its own sandbox, and a home folder in which nothing may appear.

    Attributes:
        folder: the checkout.
        home: HOME of every command.
    """

    folder: Path
    home: Path

    def run(self, command: str, *, local: bool = False, code: int = 0, quotes: bool = False, **extra: str) -> str:
        """Runs a shell command in the checkout; returns what it printed, standard error included.

        Args:
            command: as a user would paste it.
            local: after ``eval "$(... sandbox env)"``.
            code: the exit code it has to end with.
            quotes: it shows the log of a server, which may hold a stack trace.
            extra: environment variables beside the usual ones.
        """
        done = subprocess.run(
            self.arguments(command, local=local), cwd=self.folder, env=self.environment() | extra, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=_SECONDS, check=False,
        )  # fmt: skip
        assert done.returncode == code, f"{command}\nended with {done.returncode}:\n{done.stdout}"
        assert quotes or "Traceback" not in done.stdout
        return done.stdout

    def told(self, command: str, *, code: int = 0) -> Any:
        """The result of an operation that is asked for JSON."""
        envelope = json.loads(self.run(f"{PYTHON} -m {command} --json 2>/dev/null", local=True, code=code))
        return envelope["result"] if code == 0 else envelope["errors"]

    def arguments(self, command: str, *, local: bool) -> list[str]:
        """The command line of a shell that runs a command."""
        prefix = f'eval "$({PYTHON} -m sandbox env)" && ' if local else ""
        return ["bash", "-c", prefix + command]

    def environment(self) -> dict[str, str]:
        """What a shell has that knows nothing of Azure or of a sandbox."""
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR", "PYTHON") if name in os.environ}
        return kept | {"HOME": str(self.home)}

    def start(self, command: str) -> subprocess.Popen[str]:
        """Starts a command that talks to the sandbox, to be signalled while it runs: it is a program, not a shell."""
        return subprocess.Popen(
            self.arguments(f"exec {command}", local=True), cwd=self.folder, env=self.environment(), text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip

    def sandbox(self) -> Sandbox:
        """The plainest client of the sandbox that runs here."""
        return Sandbox(Home(self.folder / ".sandbox"))

    def exports(self, stack: str = "dev") -> dict[str, Any]:
        """The outputs of a stack."""
        content: dict[str, Any] = json.loads((self.folder / outputs(stack)).read_text(encoding="utf-8"))
        return content

    def endpoint(self, model: str, stack: str = "dev") -> str:
        """The ARM id of a model's endpoint."""
        found = self.exports(stack)
        return f"{found['workspaceId']}/onlineEndpoints/{found['models'][model]['endpoint']}"

    def traffic(self, model: str, stack: str = "dev") -> dict[str, int]:
        """An endpoint's weights as Azure tells them."""
        with closing(self.sandbox()) as sandbox:
            weights: dict[str, int] = sandbox.call("GET", self.endpoint(model, stack)).body["properties"]["traffic"]
        return weights

    @contextmanager
    def watched(self, model: str) -> Iterator[Watch]:
        """Looks at a model's weights as long as the block lasts."""
        watch = Watch(self.sandbox(), self.endpoint(model))
        try:
            yield watch
        finally:
            watch.close()

    def key(self, model: str) -> str:
        """The key of an endpoint that takes keys."""
        return self.run(f"{PYTHON} -m ops.endpoint --outputs {outputs()} --model {model} --key", local=True).strip()

    def processes(self) -> list[str]:
        """Command lines of the processes that belong to this checkout."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                try:
                    line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                    where = str((entry / "cwd").readlink())
                except OSError:  # it has ended, or belongs to somebody else
                    continue
                if str(self.folder) in line or where.startswith(str(self.folder)):
                    found.append(line)
        return found

    def edit(self, name: str, old: str, new: str) -> None:
        """Changes a text in a file of the checkout; it has to be there."""
        path = self.folder / name
        text = path.read_text(encoding="utf-8")
        assert old in text, f"{name} does not hold {old!r}"
        path.write_text(text.replace(old, new), encoding="utf-8")

    @contextmanager
    def callers(self, uri: str, secret: str, *, rate: float = RATE, body: str) -> Iterator[dict[str, Any]]:
        """Calls an endpoint at a steady rate as long as the block lasts; the counts are in the dictionary afterwards.

        Args:
            uri: the endpoint's scoring address.
            secret: key or token.
            rate: requests a second.
            body: file with the request, relative to the checkout.
        """
        caller = ROOT / "bench" / "caller.py"
        process = subprocess.Popen(
            self.arguments(f"exec {sys.executable} {caller} {uri} {rate} {body}", local=True), cwd=self.folder,
            env=self.environment(), text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        assert process.stdin is not None
        process.stdin.write(f"{secret}\n")
        process.stdin.flush()
        counts: dict[str, Any] = {}
        try:
            yield counts
        finally:
            out, _ = process.communicate(timeout=120)
        counts |= json.loads(out)

    def start_gateway(self) -> None:
        """Starts the sandbox on what its folder holds."""
        start = "from sandbox import launch; from sandbox.home import Home; launch.ensure(Home.find())"
        self.run(f"{PYTHON} -c '{start}'")

    def close(self) -> None:
        """Stops what is still running."""
        subprocess.run(
            [PYTHON, "-m", "sandbox", "down"], cwd=self.folder, env=self.environment(), check=False,
            stdout=subprocess.DEVNULL,
        )  # fmt: skip


@contextmanager
def released(folders: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine of one's own after a first ``make up``: a copy of one that all workers share, gone afterwards."""

    def release(folder: Path) -> None:
        machine = make_machine(folder, folders.mktemp("home"))
        try:
            printed = machine.run("make up")
        finally:
            machine.close()
        assert [path for path in machine.home.rglob("*") if path.is_file()] == [], "nothing outside the checkout"
        (folder / ".sandbox/port").unlink()  # each copy finds one of its own
        (folder / FIRST_UP).write_text(printed, encoding="utf-8")

    shared = made_once(folders, "released", release)
    folder = folders.mktemp("checkout") / "copy"
    shutil.copytree(shared, folder, symlinks=True, ignore=SOCKETS)
    machine = Machine(folder, folders.mktemp("home"))
    machine.start_gateway()
    try:
        yield machine
    finally:
        machine.close()


def line(printed: str, label: str) -> str:
    """The rest of the line that begins with a label."""
    found = re.search(rf"^{re.escape(label)}\s+(.*)$", printed, re.MULTILINE)
    assert found, f"no line {label!r} in:\n{printed}"
    return found[1]


def make_machine(folder: Path, home: Path) -> Machine:
    """A fresh checkout, committed, that shares the installed environments and the data with this one."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in listed.stdout.decode().split("\0"):
        if name and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)  # with its time, or make would install again
    for shared in SHARED:
        (folder / shared).symlink_to(ROOT / shared)
    (folder / ".data").mkdir()  # of its own: another model's data comes to lie beside these
    for data in (ROOT / ".data").glob("*"):
        (folder / ".data" / data.name).symlink_to(data)
    (folder / ".git/info").mkdir(parents=True)
    made = Machine(folder, home)
    ignored = "".join(f"{name}\\n" for name in SHARED)
    made.run(
        f"git init -q && printf '{ignored}' >> .git/info/exclude && git config user.name Ada && "
        "git config user.email ada@example.com && git add -A && git commit -qm 'A commit'"
    )
    return made
