"""Where a uri's files are, and who may read or write them: for jobs and deployments.

Not here: which asset a reference means (asset.py), moving the files (sandbox/work/places.py).
"""

import re
from dataclasses import dataclass, replace

from sandbox.arm import access, ids
from sandbox.arm.kind import Refusal
from sandbox.arm.resource import Resource, View
from sandbox.types.ml import asset
from sandbox.types.ml.asset import ML
from sandbox.types.ml.asset import READ as READ_ASSETS
from sandbox.types.ml.asset import WRITE as WRITE_ASSETS
from sandbox.types.ml.credentials import READ, need_opened
from sandbox.types.ml.datastore import own_key
from sandbox.types.ml.registry import registry_of
from sandbox.types.storage.account import UNIQUE
from sandbox.types.storage.container import container_id
from sandbox.work.expressions import fill
from sandbox.work.places import Place

ARTIFACTS = "artifacts"
_DATASTORE = re.compile(r"(?i)azureml://(?:subscriptions/.*/workspaces/[^/]+/)?datastores/([^/]+)(?:/paths)?/?(.*)")
_JOB = re.compile(r"(?i)azureml://jobs/([^/]+)/outputs/([^/]+)(?:/paths)?/?(.*)")
_HTTPS = re.compile(r"(?i)https://([a-z0-9]+)\.(?:blob|dfs)\.core\.windows\.net/([^/?]+)/?([^?]*)(?:\?.*)?")
_WASBS = re.compile(r"(?i)(?:wasbs?|abfss?)://([^@/]+)@([a-z0-9]+)\.(?:blob|dfs)\.core\.windows\.net/?(.*)")


@dataclass(frozen=True)
class Located:
    """Where files are.

    Attributes:
        place: in blob storage.
        keys: they are reached with a key of the workspace's own account, so no role is asked for.
        store: the datastore with whose credential they are reached, if it keeps one.
    """

    place: Place
    keys: bool
    store: Resource | None = None


def locate(uri: str, workspace: Resource, view: View) -> Located:
    """Where a uri's files are.

    Raises:
        Refusal: 400, naming the uri and what is accepted.
    """
    if found := _DATASTORE.fullmatch(uri):
        return _in_datastore(uri, found[1], found[2], workspace, view)
    if found := _JOB.fullmatch(uri):
        job = view.get(f"{workspace.id.text}/jobs/{found[1]}")
        if job is None:
            raise Refusal(400, "UserError", f"'{uri}': there is no job '{found[1]}' in workspace '{workspace.name}'.")
        where = locate(output_uri(job, found[2], workspace, view), workspace, view)
        return replace(where, place=where.place.below(found[3]))
    if found := _HTTPS.fullmatch(uri):
        return _in_account(found[1].lower(), found[2], found[3], workspace)
    if found := _WASBS.fullmatch(uri):
        return _in_account(found[2].lower(), found[1], found[3], workspace)
    raise Refusal(
        400,
        "UserError",
        f"'{uri}' cannot be read: want azureml://datastores/NAME/paths/PATH, azureml://jobs/JOB/outputs/NAME, an "
        "asset, or an https or wasbs uri of blob storage; nothing outside this machine is fetched.",
    )


def output_uri(job: Resource, name: str, workspace: Resource, view: View) -> str:
    """Where a job's output is kept: where it was asked for, else below the default datastore.

    Raises:
        Refusal: 400 for an output that the job does not have.
    """
    if name in (ARTIFACTS, "default"):
        return f"azureml://datastores/workspaceartifactstore/paths/ExperimentRun/dcid.{job.name}/"
    outputs = job.get("properties.outputs") or {}
    if name not in outputs:
        there = ", ".join([*outputs, ARTIFACTS])
        raise Refusal(400, "UserError", f"Job '{job.name}' has no output '{name}'; it has: {there}.")
    store = default_datastore(workspace, view)
    uri = (outputs[name] or {}).get("uri") or f"azureml://datastores/{store}/paths/azureml/{job.name}/{name}/"
    return fill(uri, {"name": job.name, "output_name": name, "default_datastore": f"azureml://datastores/{store}"})


def settled(uri: str, workspace: Resource, view: View) -> str:
    """The same files without a job in the uri, where it names the output of one that there is."""
    found = _JOB.fullmatch(uri)
    job = view.get(f"{workspace.id.text}/jobs/{found[1]}") if found else None
    if found is None or job is None:
        return uri
    below = f"{output_uri(job, found[2], workspace, view).rstrip('/')}/{found[3]}"
    store = _DATASTORE.fullmatch(below)
    where = f"subscriptions/{workspace.id.subscription}/resourcegroups/{workspace.id.group}/workspaces/{workspace.name}"
    return f"azureml://{where}/datastores/{store[1]}/paths/{store[2]}" if store else below


def default_datastore(workspace: Resource, view: View) -> str:
    """Name of the workspace's default datastore."""
    stores = view.children(workspace.id.text, f"{ML}/workspaces/datastores")
    return next((store.name for store in stores if store.get("properties.isDefault")), "workspaceblobstore")


def asset_uri(reference: str, segment: str, workspace: Resource, view: View) -> str:
    """The uri of an asset's files.

    Raises:
        Refusal: 400 for an asset that does not exist.
    """
    found = asset.need(reference, segment, workspace.id.text, view)
    properties = found.properties
    return str(properties.get("dataUri") or properties.get("modelUri") or properties.get("codeUri") or "")


def is_asset(uri: str) -> bool:
    """Whether a uri refers to an asset rather than to files."""
    return bool(re.match(r"(?i)(azureml:)?/subscriptions/|azureml:(?!//)|azureml://registries/", uri))


def need_access(principal: str, who: str, where: Located, action: str, view: View) -> None:
    """Refuse an identity that may not read, or write, where the files are; or the credential that is used instead.

    Args:
        principal: object id; '' when there is no identity.
        who: the identity in words.
        where: the files.
        action: READ or WRITE.
        view: where roles are looked up.

    Raises:
        Refusal: 403, with the role that is missing and where.
    """
    if where.store:
        need_opened(where.store, where.place.container, action, view)
        return
    if where.keys:
        return
    account = view.named(UNIQUE, where.place.account)
    if account and (registry := registry_of(account, view)):
        need_registry(principal, who, registry, READ_ASSETS if action == READ else WRITE_ASSETS, view)
        return
    scope = container_id(account.id.text, where.place.container) if account else "/"
    if not principal or not access.allowed(view.reader, principal, action, scope, data=True):
        role = "Storage Blob Data Reader" if action == READ else "Storage Blob Data Contributor"
        raise Refusal(
            403,
            "UserError",
            f"{who} may not {'read' if action == READ else 'write'} {where.place.uri}: assign it the role '{role}' on "
            f"{account.id.text if account else where.place.account}.",
        )


def need_registry(principal: str, who: str, registry: Resource, action: str, view: View) -> None:
    """Refuse an identity that may not read, or write, the assets of a registry. Their files have no roles of their own.

    Raises:
        Refusal: 403, with the role that is missing and where.
    """
    if not principal or not access.allowed(view.reader, principal, action, registry.id.text):
        raise Refusal(
            403, "UserError",
            f"{who} may not {action.rpartition('/')[2]} the assets of registry '{registry.name}': assign it the role "
            f"'AzureML Registry User' on {registry.id.text}.",
        )  # fmt: skip


def need_asset(principal: str, who: str, reference: str, segment: str, workspace: Resource, view: View) -> Resource:
    """The asset version that a reference means, if an identity may use it: in a registry that takes a role.

    Raises:
        Refusal: 400 for one that does not exist, 403 with the role that is missing and where.
    """
    found = asset.need(reference, segment, workspace.id.text, view)
    if (owner := ids.parse(found.id.parent).parent) and "/registries/" in owner.lower():
        need_registry(principal, who, view.need(owner), READ_ASSETS, view)
    return found


def identity_of(me: Resource) -> str:
    """Object id of a resource's identity, the system-assigned one first; '' when it has none."""
    if principal := me.get("identity.principalId"):
        return str(principal)
    users = me.get("identity.userAssignedIdentities") or {}
    return next((str(user["principalId"]) for user in users.values() if user), "")


def _in_datastore(uri: str, name: str, path: str, workspace: Resource, view: View) -> Located:
    store = view.get(f"{workspace.id.text}/datastores/{name}")
    if store is None:
        raise Refusal(400, "UserError", f"'{uri}': there is no datastore '{name}' in workspace '{workspace.name}'.")
    container = store.get("properties.containerName") or store.get("properties.filesystem")
    if not container:
        kind = store.get("properties.datastoreType")
        raise Refusal(
            400, "UserError", f"'{uri}': datastore '{name}' is of type {kind}, and only blob storage has files here."
        )
    place = Place(store["properties.accountName"], container, path.strip("/"))
    if store.get("properties.credentials.credentialsType", "None") in ("None", "Identity"):
        return Located(place, False)
    return Located(place, True) if own_key(store, view) else Located(place, False, store)


def _in_account(account: str, container: str, path: str, workspace: Resource) -> Located:
    own = str(workspace.get("properties.storageAccount", "")).lower().endswith(f"/{account}")
    keys = own and str(workspace.get("properties.systemDatastoresAuthMode", "")).lower() != "identity"
    return Located(Place(account, container, path.strip("/")), keys)
