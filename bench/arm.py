"""ARM reads and durable writes a second, by 1 and 16 clients: the sandbox beside moto's server where that is installed.

The sandbox reads a resource with its role check and its computed outputs, and writes tracked resources, each on disk
before it is answered. moto reads and creates IAM roles, in memory.
"""

import itertools
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlencode

from bench.azure import GROUP, VERSION, cloud
from bench.load import Server, rate, request
from bench.stage import bare, folder
from bench.table import Row, times, verdict

_IDENTITIES = f"{GROUP}/providers/Microsoft.ManagedIdentity/userAssignedIdentities"
# expectations.md, section 5: measured once on such a machine, for where moto is not installed
_KNOWN = {("read", 1): 390, ("read", 16): 360, ("write", 1): 390, ("write", 16): 360}

Figures = dict[tuple[str, int], float]


def rows() -> list[Row]:
    """Requests a second."""
    ours = _sandbox()
    theirs = _moto()
    found = []
    for asked, figure in ours.items():
        what, clients = asked
        bar = theirs[asked] if theirs else _KNOWN[asked]
        found.append(
            Row(
                what=f"ARM {what}, {clients} client{'s' if clients > 1 else ''}",
                ours=f"{figure:.0f}/s",
                other=f"moto {theirs[asked]:.0f}/s" if theirs else "",
                ratio=times(figure / theirs[asked]) if theirs else "",
                bar=f"over {bar:.0f}/s (moto)",
                verdict=verdict(figure > bar),
            )
        )
    return found


def _sandbox() -> Figures:
    with cloud() as azure:
        server = azure.server("management.azure.com")
        token = {"Authorization": f"Bearer {azure.token('https://management.azure.com')}"}
        body = json.dumps({"location": "westeurope", "tags": {"measured": "yes"}}).encode()
        counter = itertools.count()

        def write() -> Iterator[bytes]:
            while True:
                path = f"{_IDENTITIES}/identity{next(counter)}?api-version={VERSION}"
                yield request(server, "PUT", path, {**token, "Content-Type": "application/json"}, body)

        read = request(server, "GET", f"{_IDENTITIES}/identity0?api-version={VERSION}", token)
        return _measure(server, write(), read)


def _moto() -> Figures:
    """The same of moto, or nothing where there is none; MOTO names its ``moto_server``."""
    program = os.environ.get("MOTO") or shutil.which("moto_server")
    if not program:
        return {}
    with _serving(program) as port:
        server = Server(f"http://127.0.0.1:{port}", failing=True)
        counter = itertools.count()

        def call(**form: str) -> bytes:
            headers = {
                "Content-Type": "application/x-www-form-urlencoded",
                "Authorization": "AWS4-HMAC-SHA256 Credential=test/20261121/us-east-1/iam/aws4_request",
            }
            return request(server, "POST", "/", headers, urlencode({"Version": "2010-05-08", **form}).encode())

        def write() -> Iterator[bytes]:
            while True:
                yield call(Action="CreateRole", RoleName=f"role{next(counter)}", AssumeRolePolicyDocument="{}")

        return _measure(server, write(), call(Action="GetRole", RoleName="role0"))


def _measure(server: Server, writes: Iterator[bytes], read: bytes) -> Figures:
    found = {("write", clients): rate(server, writes, clients) for clients in (1, 16)}
    return found | {("read", clients): rate(server, itertools.repeat(read), clients) for clients in (1, 16)}


@contextmanager
def _serving(program: str) -> Iterator[int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with folder() as place:
        process = subprocess.Popen(
            [program, "-H", "127.0.0.1", "-p", str(port)], cwd=place, env=bare(place),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            deadline = time.monotonic() + 60
            while True:
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0 or time.monotonic() > deadline:
                        break
                time.sleep(0.1)
            yield port
        finally:
            process.terminate()
            process.wait()
