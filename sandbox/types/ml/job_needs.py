"""What a job needs to run: an identity, a place on a compute, a Python, its inputs' files."""

import os
from collections.abc import Mapping
from typing import Any

from sandbox.arm.azure import Azure
from sandbox.arm.resource import Resource, View
from sandbox.types.ml import asset, content
from sandbox.types.ml.duration import seconds_of
from sandbox.work.runtimes import Choice


def identity(me: Resource, azure: Azure, workspace: Resource) -> tuple[str, str]:
    """Who the job acts as, in words and by object id: what it asks for, else its compute's, else the workspace's."""
    asked = me.get("properties.identity.identityType")
    if asked == "UserIdentity":
        return "the user who submitted the job", me.author
    if asked == "Managed" and (client := me.get("properties.identity.clientId")):
        row = azure.reader.one("SELECT object_id FROM principals WHERE client_id = ?", (client,))
        return f"the managed identity with client id {client}", row["object_id"] if row else ""
    compute = compute_of(me, azure)
    if compute is not None and (principal := content.identity_of(compute)):
        return f"the identity of compute '{compute.name}'", principal
    return f"the identity of workspace '{workspace.name}'", content.identity_of(workspace)


def compute_of(me: Resource, view: View) -> Resource | None:
    """The compute that the job names; None for serverless."""
    target = str(me.get("properties.computeId", ""))
    return view.get(target) if target.startswith("/") else None


def pool(me: Resource, azure: Azure) -> tuple[str, int]:
    """What a job takes its turn on, and how many jobs that runs at a time: its nodes, but not past the cores."""
    cores = os.cpu_count() or 1
    compute = compute_of(me, azure)
    if compute is None:
        return f"{'/'.join(me.id.key.split('/')[:9])}/serverless", cores
    most = int(compute.get("properties.properties.scaleSettings.maxNodeCount", 1))
    return compute.id.key, max(1, min(cores, most))


def time_limit(me: Resource) -> float | None:
    """Seconds that the job may run."""
    timeout = me.get("properties.limits.timeout")
    return seconds_of(timeout) if timeout else None


def input_uri(given: Mapping[str, Any], workspace: Resource, azure: Azure) -> str:
    """The uri of an input's files, through the asset that it may name."""
    uri = str(given.get("uri", ""))
    if not content.is_asset(uri):
        return uri
    segment = "models" if str(given.get("jobInputType", "")).endswith("_model") else "data"
    return content.asset_uri(uri, segment, workspace, azure)


def choose_runtime(reference: str, azure: Azure, workspace: Resource, needs: str = "") -> Choice:
    """The local Python for an environment.

    Raises:
        RuntimeMissingError: there is none.
    """
    found = asset.resolve(reference, "environments", workspace.id.text, azure)
    name = f"{found.id.parent.rsplit('/', 1)[-1]}:{found.name}" if found else reference
    conda = found.get("properties.condaFile") if found else None
    return azure.work.runtimes.choose(f"environment {name}", conda, needs)
