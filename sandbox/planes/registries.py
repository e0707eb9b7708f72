"""Registries as clients reach them: where one is, and its assets behind the regional address.

Not here: the registry itself and its assets as ARM resources (types/ml/).
"""

import json
import re
from typing import Any

from sandbox.arm import access
from sandbox.arm.errors import ArmError
from sandbox.arm.resource import Resource
from sandbox.arm.verbs import Verbs
from sandbox.constants import TENANT_ID
from sandbox.gateway.http import Request, Response, json_response
from sandbox.planes.azureml import Service
from sandbox.planes.resource_manager import ResourceManager
from sandbox.types.ml import sharing, upload
from sandbox.types.ml.asset import READ, UNIQUE_REGISTRY, WRITE, Version
from sandbox.types.ml.registry import storage_of

_IMPORT = re.compile(r"(?i)(/subscriptions/.+/registries/[^/]+)/import")
_REFERENCE = re.compile(r"(?i)(/subscriptions/.+/registries/[^/]+)/(tempdatarefs|datarefs)/([^/]+)/versions/([^/]+)")


class Discovery(Service):
    """``/registrymanagement``: in which regions and under which address a registry is."""

    prefixes = ("/registrymanagement",)

    async def handle(self, request: Request, path: str) -> Response:
        """``GET /registrymanagement/v1.0/registries/NAME/discovery``."""
        self.caller(request)
        parts = path.strip("/").split("/")
        if len(parts) != 4 or (parts[1], parts[3]) != ("registries", "discovery"):
            raise ArmError(404, "NotFound", f"There is no '{request.path}'.")
        registry = self.azure.named(UNIQUE_REGISTRY, parts[2])
        if registry is None:
            raise ArmError(404, "UserError", f"Registry '{parts[2]}' does not exist.")
        return json_response(_place(registry))


class FrontEnd(Service):
    """``/mferp/managementfrontend``: ARM's verbs on a registry's assets, which are known by ``azureml://`` ids here."""

    prefixes = ("/mferp",)

    async def handle(self, request: Request, path: str) -> Response:
        """The same as ARM, with the ids of this address."""
        request.path = path.removeprefix("/managementfrontend")
        if found := _REFERENCE.fullmatch(request.path):
            return await self._reference(request, found)
        if request.method == "POST" and (found := _IMPORT.fullmatch(request.path)):
            return await self._import(request, found[1])
        response = await ResourceManager(self.azure, self.tokens, self.operations).handle(request, {})
        if isinstance(response.body, bytes) and response.body:
            response.body = json.dumps(_renamed(json.loads(response.body))).encode()
        return response

    async def _reference(self, request: Request, found: re.Match[str]) -> Response:
        """A link to write an asset's files with before it exists, or to read them with afterwards."""
        writing = found[2].lower() == "tempdatarefs"
        access.require(self.azure.reader, self.caller(request).object_id, WRITE if writing else READ, found[1])
        registry = self.azure.need(found[1])
        account = storage_of(registry, self.azure)
        if writing:
            return json_response(await upload.start(account, registry, self.azure))
        asked = str((await request.json() or {}).get("blobUri") or "")
        container = self._container(registry, found[3], found[4], asked)
        return json_response({"blobReferenceForConsumption": upload.link(account, container, registry, self.azure)})

    def _container(self, registry: Resource, name: str, version: str, asked: str) -> str:
        """The container that an asset's files are in.

        Raises:
            ArmError: 404 for an asset that is not there, or whose files are not where the request says.
        """
        for kind in self.azure.registry:
            if not isinstance(kind, Version) or not kind.path or "/registries/" not in kind.arm_type:
                continue
            segment = kind.arm_type.split("/")[-2]
            me = self.azure.get(f"{registry.id.text}/{segment}/{name}/versions/{version}")
            files = str(me.get(f"properties.{kind.path}", "")) if me else ""
            if files and f"{asked or files}/".startswith(f"{files.rstrip('/')}/"):
                return files.partition(".blob.core.windows.net/")[2].split("/")[0]
        where = f" with files at '{asked}'" if asked else ""
        raise ArmError(404, "UserError", f"Registry '{registry.name}' has no asset '{name}:{version}'{where}.")

    async def _import(self, request: Request, where: str) -> Response:
        """An asset of a workspace as one of the registry's own, for who may read there and write here."""
        caller = self.caller(request)
        access.require(self.azure.reader, caller.object_id, WRITE, where)
        registry = self.azure.need(where)
        wanted = sharing.read(await request.json() or {}, registry, self.azure)
        action = self.azure.registry.need(wanted.source).operation("read")
        access.require(self.azure.reader, caller.object_id, action, wanted.source.text)
        body = await sharing.bring(wanted, registry, self.azure)
        await Verbs(self.azure, self.operations).put(wanted.target, body, caller.object_id)
        return Response(200)


def _place(registry: Resource) -> dict[str, Any]:
    location = registry["location"]
    regions = [str(each["location"]) for each in registry.get("properties.regionDetails", [])]
    return {
        "registryName": registry.name,
        "tenantId": TENANT_ID,
        "primaryRegion": location,
        "regions": regions,
        "subscriptionId": registry.id.subscription,
        "resourceGroup": registry.id.group,
        "workspaceName": None,
        "primaryRegionResourceProviderUri": f"https://{location}.api.azureml.ms/",
        "registryFqdns": {region: {"uri": f"https://{region}.api.azureml.ms/"} for region in regions},
    }


def _renamed(answer: Any) -> Any:
    """A resource, or a page of them, under the registry's own ids."""
    if isinstance(answer, dict) and isinstance(answer.get("value"), list):
        return {**answer, "value": [_renamed(each) for each in answer["value"]]}
    if isinstance(answer, dict) and "/registries/" in str(answer.get("id")):
        name, *rest = str(answer["id"]).partition("/registries/")[2].split("/")
        return {**answer, "id": f"azureml://registries/{name.lower()}/{'/'.join(rest)}"}
    return answer
