"""The gateway process: opens the state, starts the planes, listens on loopback, stops in order."""

import asyncio
import fcntl
import json
import logging
import os
import secrets
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from logging.handlers import RotatingFileHandler
from pathlib import Path

import uvicorn
import uvloop
from uvicorn.server import ServerState

from sandbox import clock, launch
from sandbox.arm.access import Tokens
from sandbox.arm.azure import Azure
from sandbox.arm.keys import hash_secret
from sandbox.arm.kind import Kind
from sandbox.arm.operations import Operations, going, purge_expired
from sandbox.arm.registry import Registry
from sandbox.arm.resource import Change, Resource
from sandbox.arm.schema import Schema
from sandbox.atomic import write_private
from sandbox.constants import CLIENT_ID, OBJECT_ID, SUBSCRIPTION_ID
from sandbox.faults import Faults
from sandbox.gateway.certs import Authority
from sandbox.gateway.hosts import Hosts
from sandbox.gateway.pipeline import Pipeline
from sandbox.gateway.tunnel import Tunnel, keep_looking
from sandbox.home import Home
from sandbox.planes.admin import Admin
from sandbox.store.db import Store
from sandbox.store.retention import LOG_BYTES, keep_forgetting
from sandbox.work.workshop import Workshop

log = logging.getLogger("sandbox")
_OWNER = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"


def serve(home: Home, port: int = 0) -> None:
    """Run the gateway until it is told to stop.

    Args:
        home: the sandbox's folder.
        port: loopback port; 0 takes the one used before when it is free, else any free one.

    Raises:
        LaunchError: another gateway has this home.
        StateError: the state cannot be used as it is.
    """
    os.umask(0o077)
    home.make()
    with _only_one(home):
        _log_to(home.logs / "gateway.log")
        uvloop.run(_serve(home, port))


@contextmanager
def _only_one(home: Home) -> Iterator[None]:
    """Hold the home: two gateways would do every operation twice. The kernel lets go of it however this one ends."""
    with (home.root / "gateway.lock").open("ab") as file:
        deadline = time.monotonic() + launch.START_SECONDS
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                found = launch.running(home)  # none while it comes up or ends: that does not take long
                if found or time.monotonic() > deadline:
                    who = f"process {found.pid}, 127.0.0.1:{found.port}" if found else "it does not answer"
                    raise launch.LaunchError(
                        f"{home.root}: another gateway has it ({who}); stop that with: .venv/bin/python -m sandbox down"
                    ) from None
                time.sleep(0.05)
        yield


async def _serve(home: Home, port: int) -> None:
    begun = time.perf_counter()
    store = Store(home.database)
    azure = Azure(store, Registry.find(Schema(home.cache)), home)
    tokens = await Tokens.open(store)
    azure.operations = operations = Operations(azure)
    azure.work = Workshop(azure)
    await _bear(azure, home)
    await azure.blobs.start()
    hosts = Hosts.find(azure, tokens, operations)
    faults = Faults(store)
    for plane in hosts.planes:
        if isinstance(plane, Admin):
            plane.faults = faults
        await plane.start()
    loop = asyncio.get_running_loop()
    config = uvicorn.Config(
        Pipeline(hosts, faults), http="httptools", ws="none", lifespan="off", log_config=None, access_log=False,
        server_header=False, date_header=False, timeout_keep_alive=120,
    )  # fmt: skip
    config.load()
    state, authority = ServerState(), Authority(home, hosts.of_azure)
    listener = _listen(home, port)
    server = await loop.create_server(lambda: Tunnel(config, state, hosts, authority), sock=listener)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    operations.resume()
    in_background = [
        loop.create_task(
            keep_forgetting(
                store,
                [partial(azure.change, "", purge_expired), *(partial(each.forget, azure) for each in azure.registry)],
            )
        ),
        loop.create_task(keep_looking(state)),
    ]
    for kind in (each for each in azure.registry if type(each).start is not Kind.start):
        for resource in azure.awake(kind.arm_type):
            if not going(resource.id, azure):
                await _bring_back(kind, resource, azure)
    await azure.work.settle()
    _announce(home, listener.getsockname()[1])
    log.info("ready on 127.0.0.1:%d after %.2f s", listener.getsockname()[1], time.perf_counter() - begun)
    await stop.wait()
    server.close()
    for task in in_background:
        task.cancel()
    await operations.stop()
    for plane in hosts.planes:
        await plane.stop()
    await azure.work.stop_all()
    await azure.blobs.stop()
    await store.close()
    home.server.unlink(missing_ok=True)
    log.info("stopped")


async def _bring_back(kind: Kind, resource: Resource, azure: Azure) -> None:
    """One that cannot come back is told in the log; it must not keep all others away."""
    try:
        await kind.start(resource, azure)
    except Exception:
        log.exception("%s could not be brought back", resource.id.text)


async def _bear(azure: Azure, home: Home) -> None:
    """What is there from the start: the subscription, and a caller who owns it."""
    if not home.secret.exists():
        write_private(home.secret, secrets.token_urlsafe(32).encode())
    secret = home.secret.read_text(encoding="utf-8").strip()

    def write(change: Change) -> None:
        change.make(f"/subscriptions/{SUBSCRIPTION_ID}", {})
        change.tx.run(
            "INSERT OR REPLACE INTO principals VALUES (?,?,?,?,'')",
            (OBJECT_ID, CLIENT_ID, "sandbox caller", hash_secret(secret)),
        )
        change.tx.run("INSERT OR IGNORE INTO grants VALUES ('sandbox caller', '/', ?, ?)", (OBJECT_ID, _OWNER))

    await azure.change(OBJECT_ID, write)


def _listen(home: Home, port: int) -> socket.socket:
    wanted = port or _last_port(home.port)
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", wanted))
    except OSError as error:
        if port:
            raise SystemExit(
                f"port {port} on 127.0.0.1 cannot be taken ({error.strerror}); "
                "choose another with --port, or 0 for any free one"
            ) from error
        listener.bind(("127.0.0.1", 0))
    write_private(home.port, str(listener.getsockname()[1]).encode())
    return listener


def _last_port(path: Path) -> int:
    """The port used before: a wish only, so a file that cannot be read is as good as none."""
    try:
        port = int(path.read_bytes())
    except (OSError, ValueError):
        return 0
    return port if 0 < port < 65536 else 0


def _announce(home: Home, port: int) -> None:
    """Say where the gateway is, only once it answers; the file appears whole or not at all."""
    write_private(home.server, json.dumps({"pid": os.getpid(), "port": port, "since": clock.timestamp()}).encode())


def _log_to(path: Path) -> None:
    file = RotatingFileHandler(path, maxBytes=LOG_BYTES, backupCount=1, encoding="utf-8")
    logging.basicConfig(handlers=[file], level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
