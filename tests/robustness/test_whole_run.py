"""R11, R12: a whole run leaves its secrets nowhere, and never asks for anything beyond loopback."""

import base64
import html
import json
import os
import socket
import stat
import subprocess
import sys
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.robustness.conftest import ROOT, clean
from tests.robustness.whole_run import CANARY, PLANTED, Report, _addresses

ISOLATED = """
set -e
printf 'nameserver 127.0.0.1\\noptions timeout:1 attempts:1\\n' > "$1/resolv.conf"
mount --bind "$1/resolv.conf" /etc/resolv.conf
shift
exec "$@"
"""
UNSHARE = ["unshare", "--net", "--mount", "--propagation", "private"]
# What may hold which secret: it is where the user put it, or the file that is made to keep it for its owner.
OWNERS = {
    "caller.secret": "the caller's secret",
    "Pulumi.dev.yaml": "a configuration value",
}
HANDED_OUT = (
    "the caller's secret", "a token", "an endpoint's key", "an endpoint's other key", "a storage account's key",
    "a shared access signature",
)  # fmt: skip
SCRIPT_LOG = "what a scoring script raises"  # what a script says stands in its own log, as on Azure


def can_isolate() -> bool:
    """Whether this machine lets us make a network namespace."""
    return subprocess.run([*UNSHARE, "true"], capture_output=True, check=False).returncode == 0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the run happens."""
    return tmp_path_factory.mktemp("whole")


@pytest.fixture(scope="module")
def whole(folder: Path, tmp_path_factory: pytest.TempPathFactory, schema_cache: Path) -> Report:
    """The run, isolated where that is permitted."""
    isolated = [*UNSHARE, "sh", "-c", ISOLATED, "sh", str(tmp_path_factory.mktemp("etc"))] if can_isolate() else []
    done = subprocess.run(
        [*isolated, sys.executable, "-m", "tests.robustness.whole_run", str(folder), str(schema_cache)], cwd=ROOT,
        env=clean(), text=True, capture_output=True, timeout=170, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return Report(**json.loads(done.stdout.splitlines()[-1]))


def test_it_does_its_work(whole: Report) -> None:
    assert set(whole.codes.values()) == {0}, whole.said
    assert whole.failed == 1
    assert "KeyError: ('[secret]', True); the whole traceback is in" in whole.said
    assert sorted(whole.secrets) == sorted({*PLANTED, *HANDED_OUT})
    assert (whole.job, whole.log.strip()) == ("Completed", "42")
    assert (whole.answer["weights"], whole.answer["variant"]) == ("w1", "b")


def test_nothing_beyond_loopback(whole: Report) -> None:
    assert whole.foreign == []


def test_no_look_ups_and_no_way_out(whole: Report) -> None:
    if not can_isolate():
        pytest.skip("this machine permits no network namespaces")
    assert whole.interfaces == ["lo"], "it ran where nothing else is"
    assert whole.looked_up == 0


def spellings(value: str) -> Iterator[bytes]:
    """A secret as it may be written somewhere."""
    raw = value.encode()
    yield raw
    yield raw.hex().encode()
    for start in range(3):  # base64 of something that holds it, wherever in it
        whole = base64.b64encode(b"\0" * start + raw)
        part = whole[4 if start else 0 : -4]
        yield from (part, part.translate(bytes.maketrans(b"+/", b"-_")))
    for text in (urllib.parse.quote(value, safe=""), urllib.parse.quote_plus(value), json.dumps(value)[1:-1],
                 json.dumps(json.dumps(value)[1:-1])[1:-1], html.escape(value)):  # fmt: skip
        yield text.encode()


def found_in(content: bytes, whole: Report) -> list[str]:
    """Names of the secrets that stand in a content, in any spelling."""
    return [name for name, value in whole.secrets.items() if any(each in content for each in spellings(value))]


def test_no_secret_in_any_file(folder: Path, whole: Report) -> None:
    files = [path for path in folder.rglob("*") if path.is_file() and "cache" not in path.parts]
    names = {"state.db", "state.db.good", "gateway.log", "plan.json", "outputs.json", "read.json", "program.log"}
    assert names <= {path.name for path in files}
    assert names - {"plan.json"} <= {path.name for path in files if "midway" in path.parts}
    hits, owned = {}, set()
    for path in files:
        found = set(found_in(path.read_bytes(), whole))
        if "deployments" in path.parts and path.suffix in (".txt", ".log"):
            owned |= found & {SCRIPT_LOG}
            found.discard(SCRIPT_LOG)
        if found - {OWNERS.get(path.name)}:
            hits[str(path.relative_to(folder))] = found
    assert hits == {}
    assert owned == {SCRIPT_LOG}


def test_no_secret_in_what_was_printed(whole: Report) -> None:
    assert found_in(whole.said.encode(), whole) == []
    assert "[secret]" in whole.said


def test_no_secret_in_a_command_line(whole: Report) -> None:
    assert any("sandbox serve" in line for line in whole.arguments)
    assert any("score.py" in line for line in whole.arguments)
    assert found_in("\n".join(whole.arguments).encode(), whole) == []


def test_no_secret_in_the_environment_of_a_process_that_it_is_not_for(whole: Report) -> None:
    hits: dict[str, set[str]] = {}
    for line, environment in whole.environments:
        if found := set(found_in(environment.encode(), whole)):
            work = next((name for name in ("jobs", "deployments") if f"/.sandbox/work/{name}/" in environment), "")
            command = "sandbox serve" not in line and ("-m sandbox" in line or "cover.py" in line)
            hits.setdefault(work or ("command" if command else line), set()).update(found)
    assert hits == {
        "command": {"a variable of the program"},  # whom the user gave it to, and a helper that it waits for
        "jobs": {"a job's variable"},
        "deployments": {"a deployment's variable", SCRIPT_LOG},
    }
    gateways = [environment for line, environment in whole.environments if "sandbox serve" in line]
    assert gateways
    assert not any(found_in(environment.encode(), whole) for environment in gateways)


def test_what_holds_secrets_is_its_owners_only(folder: Path, whole: Report) -> None:
    home = folder / ".sandbox"
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    for name in ("caller.secret", "state.db", "state.db.good", "engine.key"):
        assert stat.S_IMODE((home / name).stat().st_mode) == 0o600, name
    for path in (home / "authority").iterdir():
        private = b"PRIVATE KEY" in path.read_bytes()
        assert not private or stat.S_IMODE(path.stat().st_mode) == 0o600, path.name


def test_a_socket_off_loopback_is_seen() -> None:
    """A watch that cannot see proves nothing: both ways of looking at a process's sockets."""
    assert list(_addresses(os.getpid(), everyone=False)) == []
    with socket.socket() as open_to_all:
        open_to_all.bind(("0.0.0.0", 0))  # noqa: S104 - what must never happen
        open_to_all.listen()
        port = open_to_all.getsockname()[1]
        for everyone in (False, True):
            assert f"tcp 00000000:{port:04X}" in list(_addresses(os.getpid(), everyone=everyone))


def test_the_search_finds_what_is_there() -> None:
    """A search that cannot find proves nothing."""
    report = Report(secrets={"it": CANARY})
    for text in (CANARY, json.dumps({"a": CANARY}), urllib.parse.urlencode({"a": CANARY}), CANARY.encode().hex()):
        assert found_in(f"before {text} after".encode(), report) == ["it"]
    for start in range(4):
        assert found_in(base64.b64encode(b"x" * start + CANARY.encode() + b"yy"), report) == ["it"]
    assert found_in(b"nothing", report) == []
