"""One whole run (up, a job, a deployment, a scored request, destroy, down) with everything watched from the inside.

Started as a program: ``whole_run.py FOLDER SCHEMA_CACHE``, best in a network namespace of its own, where nothing but
loopback exists. Prints one JSON object; what each field is, the class Report says.
"""

import fcntl
import json
import os
import socket
import struct
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.robustness.conftest import Place
from tests.sandbox.conftest import Sandbox
from tests.sandbox.world import World

# Characters that base64, JSON and URLs each write differently.
CANARY = 'k4n4r13+of/the=con"fig&value'
VAULT_CANARY = 'k4n4r13+in/the=va"ult&value'
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1
_SAMPLE_SECONDS = 0.02


@dataclass
class Report:
    """What a run came to.

    Attributes:
        job: final status of the job.
        log: what it printed.
        answer: what the deployed model answered.
        codes: exit codes of the commands.
        said: everything that was printed.
        secrets: name to value of each secret that the run knew.
        arguments: command lines of all processes of the run.
        foreign: addresses off loopback that any socket had.
        looked_up: queries that reached the only name server there is, ours.
        interfaces: network interfaces of the namespace.
    """

    job: str = ""
    log: str = ""
    answer: Any = None
    codes: dict[str, int] = field(default_factory=dict)
    said: str = ""
    secrets: dict[str, str] = field(default_factory=dict)
    arguments: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    looked_up: int = 0
    interfaces: list[str] = field(default_factory=list)


def main(folder: Path, cache: Path) -> None:
    """Do it all, and print the report."""
    report = Report(interfaces=sorted(name for _, name in socket.if_nameindex()))
    over = threading.Event()
    watchers = [threading.Thread(target=_watch, args=(folder, report, over))]
    if report.interfaces == ["lo"]:
        _loopback_up()
        watchers.append(threading.Thread(target=_serve_names, args=(report, over)))
    for watcher in watchers:
        watcher.start()
    try:
        _run(Place(folder, cache), report)
    finally:
        over.set()
        for watcher in watchers:
            watcher.join()
    print(json.dumps(asdict(report)))


def _run(place: Place, report: Report) -> None:
    place.configure("dev", secret=CANARY)

    def command(*arguments: str) -> None:
        done = place.run(*arguments)
        report.codes[" ".join(arguments)] = done.code
        report.said += done.said

    for arguments in (["preview", "--json", "plan.json"], ["up", "--outputs", "outputs.json"], ["status", "--json"]):
        command(*arguments)
    sandbox = Sandbox(place.home)
    try:
        _work(World(sandbox), report)
    finally:
        sandbox.close()
    command("refresh", "--json")
    command("destroy", "--yes")
    command("down")


def _work(world: World, report: Report) -> None:
    sandbox = world.sandbox
    secret = world.ws.rpartition("/providers/")[0] + "/providers/Microsoft.KeyVault/vaults/worldvault/secrets/canary"
    world.put(secret, {"properties": {"value": VAULT_CANARY}})
    job = world.submit("whole", 'python -c "print(6 * 7)"')
    report.job, report.log = world.ended(job), world.log(job)
    endpoint = world.endpoint("whole")
    endpoint.deploy()
    assert endpoint.traffic(blue=100).status == 200
    report.secrets = {
        "the caller's secret": sandbox.environment["AZURE_CLIENT_SECRET"],
        "a configuration value": CANARY,
        "a vault's secret": VAULT_CANARY,
        "a token": sandbox.token(),
        "an endpoint's key": endpoint.key(),
        "an endpoint's other key": endpoint.key("secondaryKey"),
        "a storage account's key": sandbox.call("POST", f"{world.storage}/listKeys").body["keys"][0]["value"],
    }
    answer = sandbox.call("POST", endpoint.url, {}, report.secrets["an endpoint's key"])
    report.answer = answer.body
    assert sandbox.call("POST", endpoint.url, {}, "a wrong key").status == 401


def _watch(folder: Path, report: Report, over: threading.Event) -> None:
    """Note the addresses of all sockets, and the command lines of the run's processes."""
    lines: set[str] = set()
    foreign: set[str] = set()
    isolated = report.interfaces == ["lo"]
    while not over.wait(_SAMPLE_SECONDS):
        pids = list(_pids(folder))
        lines |= {line for _, line in pids}
        for pid in [os.getpid()] if isolated else [pid for pid, _ in pids]:
            foreign |= set(_addresses(pid, everyone=isolated))
    report.arguments, report.foreign = sorted(lines), sorted(foreign)


def _pids(folder: Path) -> Iterator[tuple[int, str]]:
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                if str(folder).encode() in Path(entry.path, "environ").read_bytes():
                    yield int(entry.name), Path(entry.path, "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue  # it ended meanwhile


def _addresses(pid: int, *, everyone: bool) -> Iterator[str]:
    """Addresses off loopback of the sockets of a process, or of all in its network namespace."""
    mine = set() if everyone else set(_sockets(pid))
    for kind in ("tcp", "tcp6", "udp", "udp6"):
        try:
            lines = Path(f"/proc/{pid}/net/{kind}").read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            return  # it ended meanwhile
        for line in lines:
            parts = line.split()
            if everyone or parts[9] in mine:
                yield from (f"{kind} {where}" for where in parts[1:3] if not _is_here(where))


def _sockets(pid: int) -> Iterator[str]:
    """Inodes of the sockets that a process holds."""
    try:
        names = os.listdir(f"/proc/{pid}/fd")  # noqa: PTH208 - it may end at any moment
    except OSError:
        return
    for name in names:
        try:
            target = str(Path(f"/proc/{pid}/fd/{name}").readlink())
        except OSError:
            continue
        if target.startswith("socket:["):
            yield target[8:-1]


def _is_here(where: str) -> bool:
    """Whether an address of /proc/net is loopback's, or no address and no port: the far end of a listener."""
    address, port = where.split(":")
    raw = b"".join(struct.pack("=I", int(address[i : i + 8], 16)) for i in range(0, len(address), 8))
    name = socket.inet_ntop(socket.AF_INET if len(raw) == 4 else socket.AF_INET6, raw)
    return name.startswith(("127.", "::ffff:127.")) or name == "::1" or (not any(raw) and port == "0000")


def _loopback_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        flags = struct.unpack("16sh", fcntl.ioctl(probe, _SIOCGIFFLAGS, struct.pack("16sh", b"lo", 0)))[1]
        fcntl.ioctl(probe, _SIOCSIFFLAGS, struct.pack("16sh", b"lo", flags | _IFF_UP))


def _serve_names(report: Report, over: threading.Event) -> None:
    """The name server that resolv.conf names: answers nothing, counts everything."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 53))
        server.settimeout(0.05)
        while not over.is_set():
            try:
                server.recv(4096)
            except TimeoutError:
                continue
            report.looked_up += 1


if __name__ == "__main__":
    begun = time.monotonic()
    main(Path(sys.argv[1]), Path(sys.argv[2]))
    print(f"whole run: {time.monotonic() - begun:.1f} s", file=sys.stderr)
