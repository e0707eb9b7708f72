"""A large upload: what the sandbox holds in memory and open files while 4 GiB arrive in blocks and become one blob."""

import base64
import http.client
import os
import ssl
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from bench.azure import Cloud, cloud
from bench.blob import container
from bench.stage import BenchError, share
from bench.table import Row, verdict

BLOCK, BLOCKS, CLIENTS = 4 * 2**20, 1024, 4
_BYTES, _FILES = 300e6, 200
_LOOK_SECONDS = 0.05


def rows() -> Iterator[Row]:
    """Seconds, memory and open files."""
    with cloud() as azure:
        account = container(azure)
        names = [base64.b64encode(b"%08d" % number).decode() for number in range(BLOCKS)]
        content = os.urandom(BLOCK)
        host = f"{account}.blob.core.windows.net"
        headers = {"Authorization": f"Bearer {azure.token('https://storage.azure.com')}", "x-ms-version": "2023-11-03"}
        begun = time.perf_counter()
        with _watched(azure.pid) as most, ThreadPoolExecutor(CLIENTS) as clients:
            list(
                clients.map(partial(_send, azure, host, headers, content), (names[n::CLIENTS] for n in range(CLIENTS)))
            )
            listed = "".join(f"<Latest>{name}</Latest>" for name in names)
            whole = f"<?xml version='1.0'?><BlockList>{listed}</BlockList>".encode()
            _put(azure, host, [("/bench/large?comp=blocklist", whole)], headers)
        memory, files = most["memory"], most["files"]
        yield Row(
            what=f"upload of {BLOCK * BLOCKS / 2**30:.0f} GiB in blocks of 4 MiB, {CLIENTS} clients",
            ours=f"{memory / 1e6:.0f} MB, {files} open files; {time.perf_counter() - begun:.0f} s",
            bar=f"under {_BYTES / 1e6:.0f} MB and {_FILES} files",
            verdict=verdict(memory < _BYTES and files < _FILES),
        )  # fmt: skip


def _send(azure: Cloud, host: str, headers: Mapping[str, str], content: bytes, names: Sequence[str]) -> None:
    _put(azure, host, [(f"/bench/large?comp=block&blockid={name}", content) for name in names], headers)


def _put(azure: Cloud, host: str, requests: Sequence[tuple[str, bytes]], headers: Mapping[str, str]) -> None:
    context = ssl.create_default_context(cafile=azure.trusted)
    connection = http.client.HTTPSConnection("127.0.0.1", azure.port, context=context, timeout=300)
    connection.set_tunnel(host)
    for path, body in requests:
        connection.request("PUT", path, body, dict(headers))
        answer = connection.getresponse()
        said = answer.read()
        if answer.status != 201:
            raise BenchError(f"PUT {path} answered {answer.status}: {said[:600].decode('latin-1')}")
    connection.close()


@contextmanager
def _watched(pid: int) -> Iterator[dict[str, int]]:
    """The most memory and open files that a process has meanwhile."""
    most, over = {"memory": 0, "files": 0}, threading.Event()

    def watch() -> None:
        while not over.wait(_LOOK_SECONDS):
            most["memory"] = max(most["memory"], share(pid))
            most["files"] = max(most["files"], len(list(Path(f"/proc/{pid}/fd").iterdir())))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield most
    finally:
        over.set()
        thread.join()
