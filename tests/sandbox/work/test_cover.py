import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.work import cover

COVERED = """
import json, os, socket, sys
from sandbox.work.cover import cover
door, keeper = socket.socketpair()
cover(**json.loads(sys.argv[1]), door=door)
os.execv(sys.executable, [sys.executable, "-c", sys.argv[2]])
"""
REFUSED = cover.troubles()
needs_namespaces = pytest.mark.skipif(bool(REFUSED), reason=f"not allowed here: {REFUSED}")
ALL = tuple(cover.HOLDS)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder like the sandbox's."""
    (tmp_path / "work/job").mkdir(parents=True)
    (tmp_path / "work/other").mkdir()
    for name in ("secret", "state.db", "ca.pem", "work/job/own", "work/other/theirs"):
        (tmp_path / name).write_text(name)
    return tmp_path


def how(home: Path, holds: tuple[str, ...]) -> str:
    """The arguments of the cover, as JSON."""
    (home / "port").write_text("50000")
    return json.dumps({
        "root": str(home), "show": [str(home / "work/job")], "copies": [str(home / "ca.pem")], "holds": holds,
        "port": str(home / "port"),
    })  # fmt: skip


def run(home: Path, script: str, holds: tuple[str, ...] = ALL) -> str:
    """What a script prints that runs under the cover; its paths are relative to the folder."""
    script = f"import os, subprocess, sys; os.chdir({str(home)!r}); {script}"
    done = subprocess.run(
        [sys.executable, "-c", COVERED, how(home, holds), script], cwd=Path(__file__).parents[3],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return (done.stdout + done.stderr).strip()


@needs_namespaces
def test_only_its_own_is_to_be_seen(home: Path) -> None:
    seen = run(home, "print(sorted(os.path.join(a, f)[2:] for a, _, files in os.walk('.') for f in files))")
    assert seen == "['ca.pem', 'work/job/own']"
    assert run(home, "print(open('ca.pem').read())") == "ca.pem"


@needs_namespaces
def test_its_own_folder_alone_can_be_written(home: Path) -> None:
    assert run(home, "open('work/job/new', 'w').write('kept')") == ""
    assert (home / "work/job/new").read_text() == "kept"
    for name in ("secret", "new", "ca.pem", "work/new"):
        assert "Error" in run(home, f"open({name!r}, 'w')")
    assert (home / "secret").read_text() == "secret"


@needs_namespaces
@pytest.mark.parametrize(
    "way",
    [
        "subprocess.run(['umount', '.'])",
        "subprocess.run(['unshare', '--user', '--map-root-user', '--mount', 'umount', os.getcwd()])",
        "os.chdir('/'); subprocess.run(['mount', '--bind', '/', '/mnt'])",
        "print(open(f'/proc/{os.getppid()}/root' + os.getcwd() + '/secret').read())",
        "print(open(f'/proc/{os.getppid()}/environ').read())",
    ],
)
def test_there_is_no_way_back(home: Path, way: str) -> None:
    said = run(home, f"exec({way!r}); print(os.path.exists({str(home / 'secret')!r}))")
    assert "True" not in said
    assert any(word in said for word in ("denied", "not permitted", "must be superuser", "Invalid argument", "failed"))


SEND = """
import errno, socket
def send(family, kind, where):
    with socket.socket(family, kind) as way:
        try:
            way.connect(where)
            way.send(b"out")
        except OSError as error:
            return errno.errorcode[error.errno]
        return "sent"
"""
OUTSIDE = ("192.0.2.1", 9)  # an address that nobody has (RFC 5737)


@pytest.fixture
def listeners() -> Iterator[dict[str, tuple[socket.socket, str]]]:
    """Sockets of this machine, each with the way to it."""
    with contextlib.ExitStack() as open_:
        found = {}
        for name, family, kind, where in (
            ("tcp", socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0)),
            ("udp", socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0)),
            ("abstract", socket.AF_UNIX, socket.SOCK_STREAM, f"\0sandbox-test-{os.getpid()}"),
        ):
            way = open_.enter_context(socket.socket(family, kind))
            way.bind(where)
            way.settimeout(0.3)
            if kind == socket.SOCK_STREAM:
                way.listen()
            found[name] = (way, f"send({int(family)}, {int(kind)}, {way.getsockname()!r})")
        yield found


def arrived(listener: socket.socket) -> bool:
    """Whether anything reached a socket."""
    try:
        if listener.type == socket.SOCK_DGRAM:
            return listener.recv(9) == b"out"
        listener.accept()[0].close()
    except TimeoutError:
        return False
    return True


@needs_namespaces
@pytest.mark.parametrize("name", ["tcp", "udp", "abstract"])
def test_no_socket_reaches_this_machine(
    home: Path, listeners: dict[str, tuple[socket.socket, str]], name: str
) -> None:  # fmt: skip
    listener, way = listeners[name]
    assert run(home, f"exec({SEND!r}); print({way})", ("files",)) == "sent", "the test itself can see one"
    assert arrived(listener)
    said = run(home, f"exec({SEND!r}); print({way})")
    assert not arrived(listener)
    assert said in ("ECONNREFUSED", "sent" if name == "udp" else "")  # who sends UDP learns of nothing


@needs_namespaces
def test_no_socket_leaves_this_machine(home: Path) -> None:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        said = run(home, f"exec({SEND!r}); print(send({int(socket.AF_INET)}, {int(kind)}, {OUTSIDE}))")
        assert said == "ENETUNREACH"
    assert run(home, "import socket; print(socket.if_nameindex())") == "[(1, 'lo')]"
    look_up = "import socket\ntry: socket.getaddrinfo('example.com', 443)\nexcept OSError as error: print(error.errno)"
    assert int(run(home, f"exec({look_up!r})")) < 0, "an error of the resolver"


@needs_namespaces
@pytest.mark.skipif(not Path("/run").is_dir() or Path("/run").is_symlink(), reason="no /run here")
def test_the_sockets_of_the_machines_services_are_not_to_be_seen(home: Path) -> None:
    assert run(home, "print(os.listdir('/run'), os.access('/run', os.W_OK))") == "[] False"


@needs_namespaces
def test_the_network_alone_and_the_files_alone_can_be_held(home: Path) -> None:
    look = "import socket; print(os.path.exists('secret'), socket.if_nameindex() == [(1, 'lo')], os.getpid() < 9)"
    assert run(home, look, ("network",)) == "True True False"
    assert run(home, look, ("files",)).startswith("False ")
    assert run(home, look, ("files", "processes")).endswith(" True")


@needs_namespaces
@pytest.mark.parametrize(
    ("ends", "code"),
    [("sys.exit(3)", 3), ("os.kill(os.getpid(), 15)", -15), ("os.kill(os.getpid(), 9)", -9), ("os.abort()", -6)],
)
def test_it_ends_as_its_command_does_and_takes_along_what_that_began(home: Path, ends: str, code: int) -> None:
    left = "import time; time.sleep(0.3); open('work/job/left', 'w')"
    script = (
        f"import os, subprocess, sys; os.chdir({str(home)!r}); "
        f"subprocess.Popen([sys.executable, '-c', {left!r}], start_new_session=True, env={{}}); {ends}"
    )
    done = subprocess.run(
        [sys.executable, "-c", COVERED, how(home, ALL), script], cwd=Path(__file__).parents[3], check=False
    )
    assert done.returncode == code
    time.sleep(0.6)
    assert not (home / "work/job/left").exists()


@needs_namespaces
def test_it_costs_next_to_nothing(home: Path) -> None:
    assert min(_seconds(home) for _ in range(5)) < 0.04


def _seconds(home: Path) -> float:
    script = (
        "import json, socket, sys, time\nfrom sandbox.work.cover import cover\ndoor, keeper = socket.socketpair()\n"
        "begun = time.perf_counter()\ncover(**json.loads(sys.argv[1]), door=door)\nprint(time.perf_counter() - begun)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, how(home, ALL)],
        cwd=Path(__file__).parents[3], capture_output=True, text=True, check=True,
    )  # fmt: skip
    return float(done.stdout)


@pytest.mark.parametrize(
    ("prints", "found"),
    [
        ("Operation not permitted", dict.fromkeys(cover.HOLDS, "Operation not permitted")),
        ('{"network": "why"}', {"network": "why"}),
        ("{}", {}),
    ],
)
def test_a_kernel_that_does_not_allow_it_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, prints: str, found: dict[str, str]
) -> None:
    stub = tmp_path / "python"
    stub.write_text(f"#!/bin/sh\necho '{prints}'\n")
    stub.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(stub))
    assert cover.troubles() == found


def test_what_this_machine_allows_is_found_allowed() -> None:
    """Else every test of the cover would be skipped."""
    try:
        allowed = subprocess.run(
            ["unshare", "--map-root-user", "--net", "--mount", "--pid", "--fork", "--mount-proc", "true"],
            capture_output=True, check=False,
        ).returncode == 0  # fmt: skip
    except OSError:
        allowed = False
    assert not (allowed and REFUSED)
