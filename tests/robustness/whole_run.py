"""One whole run (up, a job, a deployment, a scored request, destroy, down) with everything watched from the inside.

Started as a program: ``whole_run.py FOLDER SCHEMA_CACHE``, best in a network namespace of its own, where nothing but
loopback exists. Prints one JSON object; what each field is, the class Report says.
"""

import fcntl
import json
import os
import shutil
import socket
import struct
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from azure.storage.blob import generate_blob_sas

from tests.robustness.conftest import PROGRAM, Place
from tests.sandbox.conftest import Sandbox
from tests.sandbox.world import World

# Characters that base64, JSON and URLs each write differently.
CANARY = 'k4n4r13+of/the=con"fig&value'
PLANTED = {
    "a configuration value": CANARY,
    "a stack output": CANARY[::-1],
    "a variable of the program": 'k4n4r13+in/the=pro"gram&value',
    "a vault's secret": 'k4n4r13+in/the=va"ult&value',
    "a datastore's credential": 'k4n4r13+of/a=data"store&value',
    "a secure string": 'k4n4r13+of/a=secure"string&value',
    "a secure object": 'k4n4r13+of/a=secure"object&value',
    "a job's variable": 'k4n4r13+of/a=j"ob&value',
    "a deployment's variable": 'k4n4r13+of/a=deploy"ment&value',
    "what a scoring script raises": 'k4n4r13+of/a=scr"ipt&value',
}
_VARIABLE = "PROGRAM_TOKEN"

# Declares on what the run made: it exports a secret, reads the job, whose variables are secret, and ends in a bug.
READS = """
job = pulumi.CustomResource(
    "azure-native:machinelearningservices:Job", "job", {"properties": None},
    pulumi.ResourceOptions(id="JOB", additional_secret_outputs=["properties"]),
)
pulumi.export("reversed", config.require_secret("secret").apply(lambda text: text[::-1]))
"""
FAILS = """
raise KeyError(config.require("secret"), __import__("os").environ["PROGRAM_TOKEN"] != "")
"""
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
        failed: exit code of an update whose program raised an error with a secret in it.
        secrets: name to value of each secret that the run knew.
        arguments: command lines of all processes of the run.
        environments: command line and environment of each of them.
        foreign: addresses off loopback that any socket had.
        looked_up: queries that reached the only name server there is, ours.
        interfaces: network interfaces of the namespace.
    """

    job: str = ""
    log: str = ""
    answer: Any = None
    codes: dict[str, int] = field(default_factory=dict)
    said: str = ""
    failed: int = 0
    secrets: dict[str, str] = field(default_factory=dict)
    arguments: list[str] = field(default_factory=list)
    environments: list[tuple[str, str]] = field(default_factory=list)
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
    report.secrets = dict(PLANTED)

    def command(*arguments: str) -> int:
        done = place.run(*arguments, **{_VARIABLE: PLANTED["a variable of the program"]})
        report.said += done.said
        return done.code

    def good(*arguments: str) -> None:
        report.codes[" ".join(arguments)] = command(*arguments)

    for arguments in (["preview", "--json", "plan.json"], ["up", "--outputs", "outputs.json"], ["status", "--json"]):
        good(*arguments)
    sandbox = Sandbox(place.home)
    try:
        job = _work(World(sandbox), report)
    finally:
        sandbox.close()
    program = place.folder / "__main__.py"
    program.write_text(PROGRAM + READS.replace("JOB", job), encoding="utf-8")
    good("up", "--outputs", "read.json")
    program.write_text(program.read_text(encoding="utf-8") + FAILS, encoding="utf-8")
    report.failed = command("up")
    shutil.copytree(
        place.folder, place.folder / "midway", ignore=_no_sockets, symlinks=True
    )  # while all of it is there
    good("refresh", "--json")
    good("destroy", "--yes")
    good("down")


def _no_sockets(_: str, names: list[str]) -> set[str]:
    return {name for name in names if name.endswith(".sock") or name in ("cache", "midway")}


def _work(world: World, report: Report) -> str:
    """Everything that knows a secret; returns the job's id."""
    sandbox = world.sandbox
    group = world.ws.rpartition("/providers/")[0]
    secret = f"{group}/providers/Microsoft.KeyVault/vaults/worldvault/secrets/canary"
    world.put(secret, {"properties": {"value": PLANTED["a vault's secret"]}})
    variables = {"TOKEN": PLANTED["a job's variable"]}
    job = world.submit("whole", 'python -c "print(6 * 7)"', environmentVariables=variables)
    _store(world)
    _template(world, group)
    report.job, report.log = world.ended(job), world.log(job)
    endpoint = world.endpoint("whole")
    endpoint.deploy(environmentVariables={
        "VARIANT": "b", "TOKEN": PLANTED["a deployment's variable"], "SAID": PLANTED["what a scoring script raises"],
    })  # fmt: skip
    assert endpoint.traffic(blue=100).status == 200
    key = sandbox.call("POST", f"{world.storage}/listKeys").body["keys"][0]["value"]
    report.secrets |= {
        "the caller's secret": sandbox.environment["AZURE_CLIENT_SECRET"],
        "a token": sandbox.token(),
        "an endpoint's key": endpoint.key(),
        "an endpoint's other key": endpoint.key("secondaryKey"),
        "a storage account's key": key,
        "a shared access signature": _signature(world, key),
    }
    answer = sandbox.call("POST", endpoint.url, {}, report.secrets["an endpoint's key"])
    report.answer = answer.body
    assert sandbox.call("POST", endpoint.url, {}, "a wrong key").status == 401
    assert endpoint.score({"raise": "SAID"}).status >= 400
    return job


def _store(world: World) -> None:
    """A datastore with a credential, which is given by one action only."""
    path, credential = f"{world.ws}/datastores/keyed", PLANTED["a datastore's credential"]
    credentials = {"credentialsType": "Sas", "secrets": {"secretsType": "Sas", "sasToken": credential}}
    place = {"datastoreType": "AzureBlob", "accountName": "worldstore", "containerName": "azureml"}
    world.put(path, {"properties": {**place, "credentials": credentials}})
    assert credential not in json.dumps(world.sandbox.call("GET", path).body)
    assert world.sandbox.call("POST", f"{path}/listSecrets").body["sasToken"] == credential


def _template(world: World, group: str) -> None:
    """A deployment with secure parameters, in a template inside it and in an error that they take part in."""
    inner = {"contentVersion": "1.0.0.0", "resources": [], "variables": {"baked": "[parameters('text')]"}}
    nested = {
        "type": "Microsoft.Resources/deployments", "apiVersion": "2024-03-01", "name": "inner",
        "properties": {"mode": "Incremental", "template": inner},
    }  # fmt: skip
    path = f"{group}/providers/Microsoft.Resources/deployments/secure"
    world.put(path, {"properties": {"mode": "Incremental", "template": {
        "contentVersion": "1.0.0.0", "resources": [nested],
        "parameters": {"text": {"type": "secureString"}, "object": {"type": "secureObject"}},
        "outputs": {"failing": {"type": "int", "value": "[int(parameters('object').inside)]"}},
    }, "parameters": {
        "text": {"value": PLANTED["a secure string"]}, "object": {"value": {"inside": PLANTED["a secure object"]}},
    }}}, state="Failed")  # fmt: skip
    shown = [world.sandbox.call("GET", each).body for each in (path, f"{group}/deployments/secure/operations")]
    assert "k4n4r13" not in json.dumps(shown)


def _signature(world: World, key: str) -> str:
    """What signs the way to a blob, once it was gone."""
    name = world.storage.rpartition("/")[2]
    store = world.sandbox.call("GET", f"{world.ws}/datastores/workspaceblobstore").body["properties"]
    container = store["containerName"]
    blob, until = "models/weights/model/weights.txt", datetime.now(UTC) + timedelta(hours=1)
    signed = generate_blob_sas(name, container, blob, account_key=key, permission="r", expiry=until)
    headers = {"x-ms-version": "2024-11-04"}
    address = f"https://{name}.blob.core.windows.net/{container}/{blob}"
    assert world.sandbox.call("GET", f"{address}?{signed}", token="", headers=headers).body == b"w1"
    assert world.sandbox.call("GET", f"{address}x?{signed}", token="", headers=headers).status == 403
    return dict(parse_qsl(signed))["sig"]


def _watch(folder: Path, report: Report, over: threading.Event) -> None:
    """Note the addresses of all sockets, and the command lines of the run's processes."""
    seen: set[tuple[str, str]] = set()
    foreign: set[str] = set()
    isolated = report.interfaces == ["lo"]
    while not over.wait(_SAMPLE_SECONDS):
        pids = list(_pids(folder))
        seen |= {(line, environment) for _, line, environment in pids}
        for pid in [os.getpid()] if isolated else [pid for pid, _, _ in pids]:
            foreign |= set(_addresses(pid, everyone=isolated))
    report.arguments, report.foreign = sorted({line for line, _ in seen}), sorted(foreign)
    report.environments = sorted(seen)


def _pids(folder: Path) -> Iterator[tuple[int, str, str]]:
    """Number, command line and environment of each process of the run."""
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                environment = Path(entry.path, "environ").read_bytes().decode(errors="replace")
                if str(folder) in environment:
                    line = Path(entry.path, "cmdline").read_bytes().replace(b"\0", b" ").decode()
                    yield int(entry.name), line, environment
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
