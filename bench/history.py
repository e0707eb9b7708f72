"""What a long history costs those who do not ask for it: 10,000 jobs and 50,000 operations, against next to none.

Both sides are measured in one run, on one sandbox: before the history is put into its state, and after.
"""

import itertools
import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial

from bench.azure import GROUP, VERSION, Cloud
from bench.engine import project
from bench.load import rate, request
from bench.stage import bare, folder, run, sandbox_command
from bench.table import Row, times, verdict
from sandbox import clock, launch
from sandbox.constants import OBJECT_ID, TENANT_ID
from sandbox.home import Home

JOBS, OPERATIONS = 10_000, 50_000
STEPS = 3  # of so many jobs one was submitted, the others are its steps
_FEW = 3 * 100  # jobs that fill a page: a page of them is what a page of many is held against
_ML = "Microsoft.MachineLearningServices/workspaces"
_RESOURCES = 50
_RATIO = 1.2
_ROUNDS, _SECONDS = 3, 2.0


def rows() -> Iterator[Row]:
    """Each figure beside that of a state without the history."""
    with folder() as place:
        home = Home(place / ".sandbox")
        cloud = Cloud(home, launch.ensure(home)[0])
        workspace = _workspace(cloud)
        project(place, _RESOURCES)
        up = partial(run, sandbox_command("up"), place, bare(home.root))
        up()
        server = cloud.server("management.azure.com")
        token = {"Authorization": f"Bearer {cloud.token('https://management.azure.com')}"}
        number = itertools.count()

        def each(path: str) -> float:
            """Milliseconds of a read."""
            asked = request(server, "GET", f"{workspace}{path}?api-version={VERSION}", token)
            return 1000 / rate(server, itertools.repeat(asked), 1, _SECONDS)

        def made_and_deleted() -> Iterator[bytes]:
            body = json.dumps({"properties": {"image": "mcr.microsoft.com/none"}}).encode()
            while True:
                version = f"{workspace}/environments/gone{next(number)}/versions/1?api-version={VERSION}"
                yield request(server, "PUT", version, {**token, "Content-Type": "application/json"}, body)
                yield request(server, "DELETE", version, token)

        def delete() -> float:
            """Milliseconds of a version's creation and deletion, both on disk."""
            return 2000 / rate(server, made_and_deleted(), 1, _SECONDS)

        figures: dict[str, tuple[str, Callable[[], float]]] = {
            "a page of 100 jobs": ("ms", partial(each, "/jobs")),
            "one job": ("ms", partial(each, "/jobs/job00000")),
            "an asset's version made and deleted": ("ms", delete),
            "up again, 0 changes": ("s", lambda: up().seconds),
        }

        def measure() -> dict[str, float]:
            """The least of some rounds: other work on the machine only ever adds."""
            return {what: min(figure() for _ in range(_ROUNDS)) for what, (_, figure) in figures.items()}

        fill(home, workspace, range(_FEW), 0)
        before = measure()
        fill(home, workspace, range(_FEW, JOBS), OPERATIONS)
        up()  # the first one after keeps a copy of what is new
        after = measure()
        for what, (unit, _) in figures.items():
            ratio = after[what] / before[what]
            yield Row(
                what=f"{JOBS:,} jobs and {OPERATIONS:,} operations in the state: {what}",
                ours=f"{after[what]:.2f} {unit}", other=f"with {_FEW} jobs {before[what]:.2f} {unit}",
                ratio=times(ratio), bar=f"at most {_RATIO}x", verdict=verdict(ratio <= _RATIO),
            )  # fmt: skip


def fill(home: Home, workspace: str, jobs: range, operations: int) -> None:
    """Put jobs and operations that are over into a state, as if they had happened; names are ``job00000`` and so on."""
    now = clock.timestamp()
    properties = {
        "jobType": "Command", "command": "true", "status": "Completed", "experimentName": "Default",
        "environmentId": f"{workspace}/environments/some/versions/1", "isArchived": False, "properties": {},
        "tags": {f"tag{number}": "x" * 20 for number in range(40)},
    }  # fmt: skip
    bodies = [json.dumps({"properties": properties, "run": {"parent": "p"} if step else {}}) for step in range(STEPS)]

    def made() -> Iterator[tuple[object, ...]]:
        for number in jobs:
            path = f"{workspace}/jobs/job{number:05d}"
            where = (path.lower(), path, f"{_ML}/jobs".lower(), workspace.lower(), f"job{number:05d}")
            yield (*where, bodies[number % STEPS], "Succeeded", '"etag"', 1, now, now, OBJECT_ID, 1)

    with closing(sqlite3.connect(home.database, timeout=30)) as state, state:
        state.executemany("INSERT INTO resources VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)", made())
        state.executemany(
            "INSERT INTO operations VALUES (?,?,'create',1,'Succeeded',NULL,NULL,?,'westeurope',1,'now',?,?)",
            ((f"operation{number}", f"{workspace}/jobs/job{number % JOBS:05d}".lower(), GROUP, now, now)
             for number in range(operations)),
        )  # fmt: skip


def _workspace(cloud: Cloud) -> str:
    cloud.put(GROUP, {"location": "westeurope"})
    storage = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/benchhistory"
    cloud.put(storage, {"location": "westeurope", "kind": "StorageV2", "sku": {"name": "Standard_LRS"}})
    vault = f"{GROUP}/providers/Microsoft.KeyVault/vaults/bench-history"
    access = {"tenantId": TENANT_ID, "sku": {"family": "A", "name": "standard"}, "enableRbacAuthorization": True}
    cloud.put(vault, {"location": "westeurope", "properties": {**access, "accessPolicies": []}})
    workspace = f"{GROUP}/providers/{_ML}/bench"
    properties = {"storageAccount": storage, "keyVault": vault}
    cloud.put(workspace, {"location": "westeurope", "identity": {"type": "SystemAssigned"}, "properties": properties})
    return workspace
