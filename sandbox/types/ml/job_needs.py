"""What a job needs to run: an identity, a place on a compute, a Python, its inputs' files."""

import os
from collections.abc import Mapping
from typing import Any

from sandbox.arm import access
from sandbox.arm.azure import Azure
from sandbox.arm.kind import Refusal
from sandbox.arm.resource import Resource, View
from sandbox.types.managedidentity.user_assigned_identity import ASSIGN, IDENTITY
from sandbox.types.ml import asset, content
from sandbox.types.ml.duration import seconds_of
from sandbox.work.runtimes import Choice


def identity(me: Resource, view: View, workspace: Resource) -> tuple[str, str]:
    """Who the job acts as, in words and by object id: what it asks for, else its compute's, else the workspace's.

    Raises:
        Refusal: the compute is another workspace's, or the identity is none that the job may act as.
    """
    submitter = me.author or view.caller
    compute = compute_of(me, view)
    if compute is not None and compute.id.parent.lower() != workspace.id.key:
        raise Refusal(
            400, "UserError",
            f"Job '{me.name}': computeId is '{compute.id.text}', which is not a compute of workspace "
            f"'{workspace.name}'.",
        )  # fmt: skip
    asked = me.get("properties.identity.identityType")
    if asked == "UserIdentity":
        return "the user who submitted the job", submitter
    if asked == "Managed" and (client := me.get("properties.identity.clientId")):
        return (
            f"the managed identity with client id {client}",
            _managed(me, str(client), compute or workspace, view, submitter),
        )
    if compute is not None and (principal := content.identity_of(compute)):
        return f"the identity of compute '{compute.name}'", principal
    return f"the identity of workspace '{workspace.name}'", content.identity_of(workspace)


def _managed(me: Resource, client: str, host: Resource, view: View, submitter: str) -> str:
    """Object id of an identity that the job's compute has, or that the submitter might attach there.

    Raises:
        Refusal: 400 for one that is neither attached nor attachable, 403 for one that the submitter may not assign.
    """
    row = view.reader.one("SELECT object_id, resource FROM principals WHERE client_id = ?", (client,))
    users = host.get("identity.userAssignedIdentities") or {}
    attached = {host.get("identity.principalId"), *(user["principalId"] for user in users.values() if user)}
    if row and row["object_id"] in attached:
        return str(row["object_id"])
    owner = view.get(row["resource"]) if row and row["resource"] else None
    if row is None or owner is None or owner.id.kind != IDENTITY.lower():
        known = ", ".join(str(user["clientId"]) for user in users.values() if user) or "none"
        raise Refusal(
            400, "UserError",
            f"Job '{me.name}': identity.clientId is '{client}', which is no user-assigned identity of "
            f"{host.id.type.rsplit('/', 1)[-1]} '{host.name}'; it has: {known}.",
        )  # fmt: skip
    access.require_linked(view.reader, submitter, f"{me.id.type}/write", me.id.text, ASSIGN, owner.id.text)
    return str(row["object_id"])


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
