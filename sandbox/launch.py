"""Start and stop the gateway as a process of its own, and say how a client becomes local."""

import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import psutil

from sandbox.constants import CLIENT_ID, SUBSCRIPTION_ID, TENANT_ID
from sandbox.home import Home
from sandbox.work.process import clear

START_SECONDS = 30
ROOM = 2**20  # bytes that a new state takes, its certificates and logs included
LIVE = "MLOPS_LIVE"
_ROUTE = frozenset({
    "https_proxy", "http_proxy", "all_proxy", "no_proxy", "requests_ca_bundle", "ssl_cert_file", "curl_ca_bundle",
})  # fmt: skip
_BEFORE = "SANDBOX_BEFORE_"
_NEEDED = frozenset({"HOME", "LANG", "LD_LIBRARY_PATH", "PATH", "TMPDIR", "TZ", "USER", "VIRTUAL_ENV"})
_NEEDED_HEADS = ("LC_", "PYTHON")
# What decides as whom a client signs in: one who becomes somebody must not keep half of somebody else.
SIGN_IN = (
    "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_USERNAME", "AZURE_PASSWORD", "AZURE_FEDERATED_TOKEN_FILE",
    "AZURE_AUTHORITY_HOST", "ARM_CLIENT_ID", "ARM_CLIENT_SECRET", "ARM_USE_OIDC", "ARM_OIDC_TOKEN_FILE_PATH",
)  # fmt: skip

# Gateways that this process started: their parent must collect their exit, or they stay on as zombies.
_children: dict[int, subprocess.Popen[bytes]] = {}


class LaunchError(Exception):
    """The gateway did not start or stop. The message says why and where its log is."""


@dataclass(frozen=True)
class Running:
    """A gateway that answers.

    Attributes:
        pid: its process.
        port: on 127.0.0.1.
        since: start time, UTC.
    """

    pid: int
    port: int
    since: str


def running(home: Home) -> Running | None:
    """The gateway of this home, if it answers."""
    try:
        found = Running(**json.loads(home.server.read_text(encoding="utf-8")))
        health = ask(found, "GET", "/health")
    except (OSError, ValueError, TypeError):
        return None
    return found if health.get("pid") == found.pid else None


def ask(server: Running, method: str, path: str, body: object = None, secret: str = "") -> Any:
    """Call the sandbox's own address directly, never through a proxy."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{server.port}{path}",
        data=None if body is None else json.dumps(body).encode(),
        method=method,
        headers={"Authorization": f"Bearer {secret}"} if secret else {},
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=10) as answer:
        content = answer.read()
    return json.loads(content) if content else None


def ensure(home: Home, port: int = 0) -> tuple[Running, bool]:
    """The running gateway, started if there is none; True when this call started it.

    Raises:
        LaunchError: it did not answer in time, or died; with the end of its log.
    """
    if found := running(home):
        return found, False
    home.make()
    with (home.logs / "gateway.out").open("ab") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "sandbox", "serve", "--port", str(port)],
            stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True,
            env={**_needed(os.environ), "SANDBOX_HOME": str(home.root)},
        )  # fmt: skip
    _children[process.pid] = process
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if found := running(home):
            return found, True
        if process.poll() is not None:
            ended = f"the sandbox's gateway ended with exit code {process.returncode}"
            raise LaunchError(f"{ended}{_no_room(home)}:\n{_tail(home)}")
        time.sleep(0.05)
    process.kill()
    raise LaunchError(f"the sandbox's gateway did not answer within {START_SECONDS} s:\n{_tail(home)}")


def last_port(home: Home) -> int:
    """The port of the last gateway, which the next one takes again if it can; 0 when there was none."""
    try:
        return int(home.port.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return 0


def foreign_port(home: Home) -> int:
    """The last gateway's port when another program has it now, else 0."""
    port = last_port(home)
    try:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
    except (OSError, OverflowError):
        return port
    return 0


def stop(home: Home) -> bool:
    """Stop the gateway and wait until it is gone; False when none was running.

    Either way no process that it started is left: a gateway that was killed could not see to that.
    """
    found = running(home)
    if found is None:
        clear(home.work)
        return False
    os.kill(found.pid, signal.SIGTERM)
    if not gone(found.pid):
        os.kill(found.pid, signal.SIGKILL)
        gone(found.pid)
        clear(home.work)
    return True


def gone(pid: int) -> bool:
    """Wait for a process to end; False when it is still there after the time a stop may take."""
    deadline = time.monotonic() + START_SECONDS
    while _alive(pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def program_environment(home: Home) -> dict[str, str]:
    """What a program must see to declare the same with a gateway and without one: where it is, and what is live."""
    return {
        "AZURE_TENANT_ID": TENANT_ID, "AZURE_SUBSCRIPTION_ID": SUBSCRIPTION_ID,
        "ARM_TENANT_ID": TENANT_ID, "ARM_SUBSCRIPTION_ID": SUBSCRIPTION_ID,
        LIVE: str(home.live),
    }  # fmt: skip


def client_environment(home: Home, server: Running) -> dict[str, str]:
    """The variables that make any Azure client local. Nothing else about a client changes."""
    return environment(home, server.port, home.secret.read_text(encoding="utf-8").strip())


def environment(home: Home, port: int = 0, secret: str = "") -> dict[str, str]:
    """Those variables for a port and the caller's secret; the names are always the same."""
    proxy = f"http://127.0.0.1:{port}"
    return {
        **program_environment(home),
        "HTTPS_PROXY": proxy, "https_proxy": proxy,
        "NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost",
        "REQUESTS_CA_BUNDLE": str(home.ca_bundle), "SSL_CERT_FILE": str(home.ca_bundle),
        "CURL_CA_BUNDLE": str(home.ca_bundle),
        "AZURE_CLIENT_ID": CLIENT_ID, "AZURE_CLIENT_SECRET": secret,
        "ARM_CLIENT_ID": CLIENT_ID, "ARM_CLIENT_SECRET": secret,
        "AZURE_CORE_COLLECT_TELEMETRY": "false", "DO_NOT_TRACK": "1", "MLFLOW_DISABLE_TELEMETRY": "true",
        "ORT_DISABLE_TELEMETRY": "1",
    }  # fmt: skip


def exports(variables: Mapping[str, str]) -> list[str]:
    """Lines that a shell evaluates. A way to the network that was set before is put aside, not lost."""
    lines = [f"export {_BEFORE}{name}={shlex.quote(before)}" for name, before in put_aside(variables).items()]
    lines += [f"unset {name}" for name in SIGN_IN if name in os.environ and name not in variables]
    return lines + [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]


def put_aside(variables: Mapping[str, str]) -> dict[str, str]:
    """The user's own way to the network, as far as `variables` stand in for it."""
    if os.environ.get("ARM_SUBSCRIPTION_ID") == SUBSCRIPTION_ID:
        return {}  # what is set is a sandbox's
    return {name: os.environ[name] for name in variables if name.lower() in _ROUTE and os.environ.get(name)}


def forgets(names: Iterable[str]) -> list[str]:
    """Lines that undo :func:`exports`."""
    lines = []
    for name in names:
        aside = f"{_BEFORE}{name}"
        if aside in os.environ:
            lines.append(f"export {name}={shlex.quote(os.environ[aside])}")
            lines.append(f"unset {aside}")
        else:
            lines.append(f"unset {name}")
    return lines


def local_free(environment: Mapping[str, str]) -> dict[str, str]:
    """An environment without the variables that lead a client to a sandbox, or to any other proxy."""
    return {name: value for name, value in environment.items() if name.lower() not in _ROUTE}


def _needed(environment: Mapping[str, str]) -> dict[str, str]:
    """What a gateway is given of the environment of whoever started it: it outlives them, and what they keep in it."""
    return {name: value for name, value in environment.items() if name in _NEEDED or name.startswith(_NEEDED_HEADS)}


def _alive(pid: int) -> bool:
    if child := _children.get(pid):
        if child.poll() is None:
            return True
        del _children[pid]
        return False
    try:
        status: str = psutil.Process(pid).status()
    except psutil.NoSuchProcess:
        return False
    # In a container nobody may collect the exit of an orphan: it has ended all the same.
    return status != psutil.STATUS_ZOMBIE


def _no_room(home: Home) -> str:
    """Why it ended, when even its log had no room to say so."""
    free = shutil.disk_usage(home.root).free
    return f" ({free} bytes are free in {home.root}, at least {ROOM} bytes are needed)" if free < ROOM else ""


def _tail(home: Home, lines: int = 12) -> str:
    parts = []
    for path in (home.logs / "gateway.out", home.logs / "gateway.log"):
        if path.exists():
            parts += [f"{path}:", *path.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:]]
    return "\n".join(parts)
