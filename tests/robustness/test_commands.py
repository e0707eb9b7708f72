"""U5, U8, U10: exit codes mean something, Ctrl-C is safe, and ``--json`` is one JSON object and nothing else."""

import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.__main__ import parser
from tests.robustness.conftest import Done, Forks, Place, until

# Prepared how, the command, the exit code: 0 done, 1 failed, 2 wrong usage or configuration, 3 held by another run.
CODES = [
    ("nothing", "status", 0), ("nothing", "doctor", 0), ("nothing", "preview", 0), ("nothing", "down", 0),
    ("nothing", "restore", 1), ("nothing", "purge", 2), ("nothing", "up --stack none", 2),
    ("a bad value", "up", 2), ("a bad value", "preview", 2), ("a broken program", "preview", 1),
    ("a broken program", "up", 1), ("a refused resource", "up", 1),
    ("a mistaken program", "preview", 2), ("a mistaken program", "up", 2),
    ("a late mistake", "up", 1), ("a protected resource", "destroy --yes", 1),
    ("it is up", "up", 0), ("it is up", "preview", 0), ("it is up", "refresh", 0), ("it is up", "status", 0),
    ("it is up", "doctor", 0), ("it is up", "purge", 2), ("it is held", "up", 3), ("it is held", "destroy --yes", 3),
    ("it is held", "refresh", 3), ("it is held", "preview", 0), ("it is held", "status", 0),
    ("it is up", "destroy", 2), ("it is up", "destroy --yes", 0),
    ("it is up", "down", 0), ("it is up", "purge --yes", 0),
]  # fmt: skip


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory, schema_cache: Path, forks: Forks) -> Iterator[Place]:
    """A stack that is up."""
    found = Place(tmp_path_factory.mktemp("up"), schema_cache)
    assert forks.run(found, "up").code == 0
    yield found
    found.close()


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory, schema_cache: Path) -> Iterator[Place]:
    """A stack that never came up."""
    found = Place(tmp_path_factory.mktemp("empty"), schema_cache)
    yield found
    found.close()


@pytest.fixture
def prepared(request: pytest.FixtureRequest, up: Place, empty: Place, forks: Forks) -> Iterator[Place]:
    """The place as the row wants it, and as it was afterwards."""
    how: str = request.param
    place = up if how.startswith("it is") or how == "a protected resource" else empty
    program = place.folder / "__main__.py"
    text = program.read_text(encoding="utf-8")
    holder = None
    if how == "a bad value":
        place.configure("dev", identities="many")
    elif how == "a broken program":
        program.write_text(text + "\nraise OSError('no such thing')\n", encoding="utf-8")
    elif how == "a mistaken program":
        program.write_text(
            text.replace("top = ", "raise pulumi.RunError('owner: want a mail')\ntop = "), encoding="utf-8"
        )
    elif how == "a late mistake":
        place.configure("dev", owner="late@example.com")
        program.write_text(text + "\nlogs.customerId.apply(int)\n", encoding="utf-8")
    elif how == "a refused resource":
        place.configure("dev", container="Not_A_Name")
    elif how == "a protected resource":
        program.write_text(text.replace("depends_on=needs", "depends_on=needs, protect=True"), encoding="utf-8")
        assert forks.run(place, "up").code == 0
    elif how == "it is up":
        assert forks.run(place, "up").code == 0
    elif how == "it is held":
        holder = _hold(place)
    yield place
    if holder:
        holder.kill()
        holder.communicate()
        place.admin("DELETE", "/faults")
    program.write_text(text, encoding="utf-8")
    place.configure("dev")


def _hold(place: Place) -> "subprocess.Popen[str]":
    """Another run that takes its time."""
    place.admin("DELETE", "/faults")
    script = {"match": {"method": "PUT", "path": "/resourcegroups/rg-dev1$"}, "script": [{"delay": 60}]}
    place.admin("POST", "/faults", script)
    place.configure("dev", owner="another@example.com")
    process = place.start("up")
    until("the stack is held", lambda: place.held_by(process.pid))
    return process


@pytest.mark.parametrize(("prepared", "command", "code"), CODES, indirect=["prepared"], ids=lambda value: str(value))
def test_exit_code_and_json(prepared: Place, forks: Forks, command: str, code: int) -> None:
    verb, *rest = command.split()
    done = forks.run(prepared, verb, *rest, "--json")
    assert done.code == code, done.said
    envelope = json.loads(done.out)  # one object, and nothing around it
    assert done.out.count("\n") == 1
    assert done.err == ""
    assert envelope.keys() == {"command", "ok", "exit_code", "result", "errors"}
    assert (envelope["command"], envelope["ok"], envelope["exit_code"]) == (verb, code == 0, code)
    assert bool(envelope["errors"]) is (code != 0)
    assert "Traceback" not in done.out


def test_the_same_without_json(empty: Place, forks: Forks) -> None:
    """The last row of each kind, for people: words, the error on standard error, no escape sequences in a log."""
    for verb, code in (("preview", 0), ("restore", 1)):
        done: Done = forks.run(empty, verb)
        assert done.code == code
        assert bool(done.err) is (code != 0)
        assert "\x1b" not in done.said


@pytest.mark.parametrize("arguments", [["upp"], ["up", "--stak", "dev"], [], ["serve", "--port", "x"]])
def test_wrong_usage(empty: Place, forks: Forks, arguments: list[str]) -> None:
    done = forks.run(empty, *arguments)
    assert done.code == 2
    assert "usage: python -m sandbox" in done.err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "terminated"])
def test_an_interrupted_up_goes_on(up: Place, forks: Forks, number: signal.Signals) -> None:
    up.admin("DELETE", "/faults")
    match = {"method": "PUT", "path": "/resourcegroups/rg-dev1$"}
    up.admin("POST", "/faults", {"match": match, "script": [{"delay": 1}]})
    up.configure("dev", owner=f"{number.name.lower()}@example.com")
    process = up.start("up")
    until("the stack is held", lambda: up.held_by(process.pid))
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert process.returncode == (130 if number is signal.SIGINT else -signal.SIGTERM), out + err
    if number is signal.SIGINT:
        assert "interrupted; go on with the same command" in err
    assert "Traceback" not in out + err
    again = forks.run(up, "up")
    assert again.code == 0, again.said
    assert set(up.resources("dev1").values()) == {"Succeeded"}


def test_help_of_every_verb_is_there(empty: Place, forks: Forks) -> None:
    (verbs,) = [action.choices for action in parser()._actions if action.dest == "verb"]
    assert verbs is not None
    for verb in verbs:
        done = forks.run(empty, verb, "--help")
        assert done.code == 0
        assert done.out.startswith(f"usage: python -m sandbox {verb}")


def test_a_destroy_says_first_what_it_takes(place: Place, forks: Forks) -> None:
    assert forks.run(place, "up").code == 0
    mark = place.last_write()
    asked = forks.run(place, "destroy")
    assert asked.code == 2
    assert "python -m sandbox destroy --stack dev --yes" in asked.err
    listed = [line.split()[1:] for line in asked.out.splitlines() if line.startswith("   - ")]
    assert ["storage:StorageAccount", "account"] in listed
    assert listed[-1] == ["resources:ResourceGroup", "group"]
    assert place.last_write() == mark
    (place.folder / "__main__.py").unlink()  # the state has everything
    done = forks.run(place, "destroy", "--yes")
    assert done.code == 0, done.said
    assert place.resources("dev1") == {}
    again = forks.run(place, "destroy")
    assert again.code == 0, "what is not there needs no question"
