"""From `make up` to a scored request and back to an empty machine, as a user does it, in a copy of the repository."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
OUTPUTS = ".sandbox/outputs/dev.json"
PYTHON = ".venv/bin/python"


@dataclass
class Machine:
    """A checkout with its own sandbox, and a home folder in which nothing may appear.

    Attributes:
        folder: the checkout.
        home: HOME of every command.
    """

    folder: Path
    home: Path

    def run(self, command: str, *, local: bool = False, code: int = 0) -> str:
        """Runs a shell command in the checkout; returns what it printed, standard error included.

        Args:
            command: as a user would paste it.
            local: after ``eval "$(... sandbox env)"``.
            code: the exit code it has to end with.
        """
        done = subprocess.run(
            self.arguments(command, local=local), cwd=self.folder, env=self.environment(), text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=600, check=False,
        )  # fmt: skip
        assert done.returncode == code, f"{command}\nended with {done.returncode}:\n{done.stdout}"
        assert "Traceback" not in done.stdout
        return done.stdout

    def arguments(self, command: str, *, local: bool) -> list[str]:
        """The command line of a shell that runs a command."""
        prefix = f'eval "$({PYTHON} -m sandbox env)" && ' if local else ""
        return ["bash", "-c", prefix + command]

    def environment(self) -> dict[str, str]:
        """What a shell has that knows nothing of Azure or of a sandbox."""
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
        return kept | {"HOME": str(self.home)}

    def traffic(self) -> dict[str, int]:
        """The endpoint's weights, asked as a user would."""
        told = self.run(f"{PYTHON} -m ops.endpoint --outputs {OUTPUTS} --json 2>/dev/null", local=True)
        weights: dict[str, int] = json.loads(told)["result"]["traffic"]
        return weights

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


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A fresh checkout that shares the installed environments and the data with this one."""
    folder, home = tmp_path_factory.mktemp("checkout"), tmp_path_factory.mktemp("home")
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
    for shared in (".venv", ".venv-serving", ".data"):
        (folder / shared).symlink_to(ROOT / shared)
    (folder / ".git/info").mkdir(parents=True)
    made = Machine(folder, home)
    made.run(
        "git init -q && printf '.venv\\n.venv-serving\\n.data\\n' >> .git/info/exclude && git add -A && "
        "git -c user.name=Ada -c user.email=ada@example.com commit -qm 'A commit'"
    )
    try:
        yield made
    finally:
        subprocess.run([PYTHON, "-m", "sandbox", "down"], cwd=folder, env=made.environment(), check=False)


@pytest.fixture(scope="module")
def first(machine: Machine) -> str:
    """What the first `make up` printed."""
    return machine.run("make up")


def line(printed: str, label: str) -> str:
    """The rest of the line that begins with a label."""
    found = re.search(rf"^{re.escape(label)}\s+(.*)$", printed, re.MULTILINE)
    assert found, f"no line {label!r} in:\n{printed}"
    return found[1]


def test_the_deployed_model_answers(first: str) -> None:
    answered = json.loads(line(first, "answered").rpartition("  (")[0])
    (prediction,) = answered["predictions"]
    assert 0 < prediction["probability"] < 1
    assert prediction["late"] is (prediction["probability"] > 0.5)
    assert "8 of 8 answers are right" in first


def test_each_step_shows_its_time(first: str) -> None:
    for step in ("connect", "train", "register", "promote", "apply", "rollout", "smoke"):
        assert re.search(rf"^  ✓ {step} .* \d+\.\d s$", first, re.MULTILINE), step


def test_a_log_has_neither_escapes_nor_the_key(machine: Machine, first: str) -> None:
    assert "\x1b" not in first
    assert "\r" not in first
    key = machine.run(line(first, "key"), local=True).strip()
    assert len(key) > 20
    assert key not in first


def test_what_came_up_is_listed_with_its_level(first: str) -> None:
    levels = dict(re.findall(r"^  (\w+:\w+)\s+\d+\s+(\w+)$", first, re.MULTILINE))
    assert levels["machinelearningservices:OnlineDeployment"] == "runs"
    assert "unknown" not in levels.values()


def test_the_printed_curl_line_gives_the_printed_answer(machine: Machine, first: str) -> None:
    answer = json.loads(machine.run(line(first, "call it"), local=True))
    assert answer["predictions"] == json.loads(line(first, "answered").rpartition("  (")[0])["predictions"]
    assert answer["model"]["commit"] == machine.run("git rev-parse HEAD").strip()


def test_the_printed_next_commands_run(machine: Machine, first: str) -> None:
    machine.run(line(first, "To use it from this shell, curl included:"))
    assert "would be created" in machine.run(line(first, "To see what production would get:"))
    assert line(first, "To stop, and keep the data:") == "make down", "run at the end of this file"


def test_a_second_run_changes_nothing(machine: Machine, first: str) -> None:
    second = machine.run("make up")
    assert "0 changes" in second
    for step in ("train", "register", "promote", "apply", "rollout"):
        assert re.search(rf"^  = {step} ", second, re.MULTILINE), step
    assert line(second, "call it") == line(first, "call it")


def test_the_model_carries_where_it_comes_from(machine: Machine, first: str) -> None:
    code = (
        "import json, sys; from pathlib import Path; from ops.stack import Stack; from ops.workspace import Workspace; "
        f"stack = Stack.read(Path('{OUTPUTS}')); (model,) = Workspace(stack).models('flight-delay'); "
        "print(json.dumps([vars(model), stack.data, stack.environments['train'], stack.pipeline]))"
    )
    told = json.loads(machine.run(f'{PYTHON} -c "{code}"', local=True))
    model, data, environment, pipeline = told
    properties = model["properties"]
    assert model["version"] == "1"
    assert properties["commit"] == machine.run("git rev-parse HEAD").strip()
    assert (properties["data"], properties["environment"], properties["pipeline"]) == (data, environment, pipeline)
    assert (properties["author"], properties["seed"], properties["gates"]) == ("Ada", "13", "passed")
    assert json.loads(properties["metrics"])["auc"] > 0.6
    assert json.loads(properties["checks"])["passed"]


def test_another_seed_goes_live_beside_the_old_model(machine: Machine, first: str) -> None:
    changed = (machine.folder / "ops/flight-delay.yaml").read_text(encoding="utf-8").replace("seed: 13", "seed: 14")
    (machine.folder / ".sandbox/seed-14.yaml").write_text(changed, encoding="utf-8")
    config = ".sandbox/config/Pulumi.dev.yaml"
    up = f"{PYTHON} -m sandbox up --stack dev --config-file {config} --outputs {OUTPUTS}"
    told = machine.run(
        f"{PYTHON} -m ops.release --outputs {OUTPUTS} --config-file {config} --apply '{up}' "
        "--release-file .sandbox/seed-14.yaml --reason 'another seed'",
        local=True,
    )
    for weights in ("blue 100 %", "blue 90 %, green 10 %", "blue 50 %, green 50 %", "green 100 %"):
        assert f"rollout    {weights}: " in told
    assert machine.traffic() == {"green": 100}
    assert machine.run("git status --porcelain") == ""


def test_a_gate_that_says_no_gives_the_traffic_back(machine: Machine, first: str) -> None:
    told = machine.run(f"{PYTHON} -m ops.rollout --outputs {OUTPUTS} --to blue --p95-ms 0.001", local=True, code=1)
    assert "allowed are 0 ms" in told
    assert machine.traffic() == {"green": 100}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=lambda number: number.name)
def test_an_interrupted_rollout_can_be_run_again(machine: Machine, first: str, number: signal.Signals) -> None:
    command = f"exec {PYTHON} -m ops.rollout --outputs {OUTPUTS} --to blue --seconds 2"
    process = subprocess.Popen(
        machine.arguments(command, local=True), cwd=machine.folder, env=machine.environment(), text=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    assert process.stderr is not None
    for printed in process.stderr:
        if "blue 10 %, green 90 %: " in printed:  # half way: judged at 10 %, on its way to 50 %
            break
    process.send_signal(number)
    process.communicate(timeout=60)
    if number is signal.SIGKILL:
        assert process.returncode == -signal.SIGKILL
        assert machine.traffic() in ({"green": 90, "blue": 10}, {"green": 50, "blue": 50}), "whole weights"
        machine.run(f"{PYTHON} -m ops.rollout --outputs {OUTPUTS} --abort", local=True)
    else:
        assert process.returncode == 130
    assert machine.traffic() == {"green": 100}


def test_tracked_files_stay_as_they_were(machine: Machine, first: str) -> None:
    assert machine.run("git status --porcelain") == ""


def test_nothing_appears_outside_the_checkout(machine: Machine, first: str) -> None:
    assert [path.relative_to(machine.home) for path in machine.home.rglob("*") if path.is_file()] == []


def test_down_leaves_neither_process_nor_port(machine: Machine, first: str) -> None:
    port = int(json.loads((machine.folder / ".sandbox/server.json").read_text(encoding="utf-8"))["port"])
    assert machine.processes()
    machine.run("make down")
    assert machine.processes() == []
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0
    assert (machine.folder / ".sandbox/state.db").is_file(), "the data stays"


def test_up_after_down_goes_on_where_it_was(machine: Machine, first: str) -> None:
    again = machine.run("make up")
    assert "0 changes" in again
    assert line(again, "call it") == line(first, "call it")
    machine.run("make down")


def test_purge_removes_the_data(machine: Machine, first: str) -> None:
    machine.run(f"{PYTHON} -m sandbox purge --yes")
    assert not (machine.folder / ".sandbox").exists()
