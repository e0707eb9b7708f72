"""``management.azure.com``: every kind through one set of verbs."""

import asyncio
import re
import sqlite3
from typing import Any
from urllib.parse import quote, urlencode

from sandbox.arm import access, activity, ids
from sandbox.arm.access import Caller
from sandbox.arm.errors import ArmError
from sandbox.arm.ids import ResourceId
from sandbox.arm.resource import Listing, View, show, whole
from sandbox.arm.verbs import Verbs, check_name
from sandbox.gateway.hosts import Plane
from sandbox.gateway.http import Request, Response, json_response

_HOST = "management.azure.com"
_AUDIENCES = ("https://management.azure.com", "https://management.core.windows.net")
_VERSION = re.compile(r"\d{4}-\d{2}-\d{2}(-[a-z]+)?")
_POLL_MILLISECONDS = "50"
EVENTS_READ = "Microsoft.Insights/eventtypes/values/read"
_CHANGES = ("PUT", "PATCH", "DELETE", "POST")
_EVENTS = re.compile(r"(?i)(/subscriptions/[^/]+)/providers/Microsoft\.Insights/eventtypes/management/values")
_PAGE, _LOOKED_AT = 100, 300  # resources that a page shows unless `$top` says otherwise, and looks at for that
# The one type that clients also ask for without its namespace.
_DEPLOYMENTS = re.compile(r"(?i)^(/subscriptions/[^/]+/resourcegroups/[^/]+)(/deployments/.+)")


class ResourceManager(Plane):
    """Azure Resource Manager."""

    hosts = (_HOST,)

    async def handle(self, request: Request, names: dict[str, str]) -> Response:
        """Identity, api-version, then the verb."""
        path = _DEPLOYMENTS.sub(r"\1/providers/Microsoft.Resources\2", request.path.rstrip("/")) or "/"
        if path == "/metadata/endpoints":
            return json_response([_metadata()])
        caller = self.tokens.read(request.headers.get("authorization"), _AUDIENCES)
        version = request.query.get("api-version", "")
        if not _VERSION.fullmatch(version):
            code = "InvalidApiVersionParameter" if version else "MissingApiVersionParameter"
            raise ArmError(
                400, code, f"The api-version query parameter is '{version}'; want a date such as 2025-12-01."
            )
        activity.asking.set(activity.Asked.of(request.id, request.headers, request.method))
        try:
            return await self._answer(request, caller, path)
        except ArmError as error:
            if request.method in _CHANGES and (what := self._meant(request.method, path)):
                await activity.note(self.azure.store, caller.object_id, *what, error)
            raise

    async def _answer(self, request: Request, caller: Caller, path: str) -> Response:
        """What a path means: an operation, an action, the activity log, a collection or a resource."""
        parts = path.strip("/").split("/")
        if found := re.fullmatch(r".*/(operationsStatus|operationResults)/([^/]+)", path):
            return await self._operation(caller, found[1], found[2])
        if request.method == "POST":
            return await self._post(request, caller, parts)
        if (found := _EVENTS.fullmatch(path)) and request.method == "GET":
            return await self._events(request, caller, found[1])
        if _is_collection(parts):
            if request.method != "GET":
                raise _method_not_allowed(request)
            return self._list(request, caller, parts)
        return await self._one(request, caller, ids.parse(path))

    async def _events(self, request: Request, caller: Caller, subscription: str) -> Response:
        """The activity log, for who may read it at the narrowest scope that the filter names."""
        wanted = activity.read_filter(request.query.get("$filter", ""))
        scope = f"{subscription}/resourceGroups/{wanted.group}" if wanted.group else subscription
        access.require(self.azure.reader, caller.object_id, EVENTS_READ, wanted.resource or scope)
        before = _number(request, "$skipToken", 0)

        def read() -> list[sqlite3.Row]:
            with self.azure.store.moment() as reader:
                return activity.lines(reader, wanted, scope, before, activity.PAGE + 1)

        rows = await asyncio.to_thread(read)  # a filter that finds nothing looks at all of the log
        shown = [activity.selected(activity.event(row), request.query.get("$select", "")) for row in rows]
        page: dict[str, Any] = {"value": shown[: activity.PAGE]}
        if len(rows) > activity.PAGE:
            page["nextLink"] = _link(request, rows[activity.PAGE - 1]["id"])
        return json_response(page)

    def _meant(self, method: str, path: str) -> tuple[str, str] | None:
        """The action and the resource of a change, for the log; None for what is in no subscription."""
        target, _, name = path.rpartition("/") if method == "POST" else (path, "", "")
        try:
            where = ids.parse(target)
        except ArmError:
            return None
        verb = {"PUT": "write", "PATCH": "write", "DELETE": "delete"}.get(method, f"{name}/action")
        kind = self.azure.registry.get(where.type)
        action = kind.operation(verb) if kind else f"{where.type}/{verb}"
        return (action, where.text) if where.subscription else None

    async def _one(self, request: Request, caller: Caller, where: ResourceId) -> Response:
        verbs = Verbs(self.azure, self.operations)
        if request.method in ("GET", "HEAD"):
            self._require(caller, where, "read")
            me = await verbs.get(where)
            if request.method == "HEAD":
                return Response(204, headers={"etag": me.etag})
            return json_response(show(me, self.azure), headers={"etag": me.etag})
        if request.method in ("PUT", "PATCH"):
            self._require(caller, where, "write")
            me, new, operation = await verbs.put(
                where, await request.json() or {}, caller.object_id, patch=request.method == "PATCH",
                conditions=_conditions(request),
            )  # fmt: skip
            headers = {"etag": me.etag, **self._async_headers(request, me.id, operation)}
            status = self.azure.registry.need(me.id).created if new else 200
            return json_response(show(me, self.azure), status, headers)
        if request.method == "DELETE":
            self._require(caller, where, "delete")
            existed, operation = await verbs.delete(where, caller.object_id, _conditions(request), request.query)
            if not existed:
                return Response(204)
            return Response(
                202 if operation else 200, headers=self._async_headers(request, where, operation, result=True)
            )
        raise _method_not_allowed(request)

    async def _post(self, request: Request, caller: Caller, parts: list[str]) -> Response:
        if len(parts) == 5 and parts[2].lower() == "providers" and parts[4].lower() == "checknameavailability":
            access.require(
                self.azure.reader, caller.object_id, f"{parts[3]}/{parts[4]}/read", f"/{parts[0]}/{parts[1]}"
            )
            return json_response(check_name(parts[3], await request.json() or {}, self.azure))
        where, name = ids.parse("/" + "/".join(parts[:-1])), parts[-1]
        self._require(caller, where, f"{name}/action")
        verbs = Verbs(self.azure, self.operations)
        answer, operation = await verbs.post(where, name, await request.json() or {}, caller.object_id)
        if operation:
            return Response(202, headers=self._async_headers(request, where, operation, result=True))
        return Response(204) if answer is None else json_response(answer)

    def _list(self, request: Request, caller: Caller, parts: list[str]) -> Response:
        """A collection: of a kind below a parent, of a kind in a whole scope, or of everything in a scope."""
        scope, arm_type = _collection(parts)
        if arm_type == "":
            self.azure.need(scope)
            access.require(
                self.azure.reader, caller.object_id, "Microsoft.Resources/subscriptions/resources/read", scope
            )
            found, usual = _filtered(self.azure.tracked(scope), request.query.get("$filter", "")), _PAGE
        else:
            kind = self.azure.registry.need_type(arm_type)
            access.require(self.azure.reader, caller.object_id, kind.operation("read"), scope or "/")
            listed = kind.listed(scope, request.query, self.azure)
            # Some that are Azure's own, such as sizes, have no pages there: their clients ask for one.
            found, usual = (listed, _PAGE) if isinstance(listed, Listing) else (whole(listed), max(1, len(listed)))
        return json_response(_page(request, found, usual, self.azure))

    async def _operation(self, caller: Caller, what: str, operation: str) -> Response:
        self.operations.need_shown(operation, caller.object_id)
        answer = await self.operations.poll(operation)
        if what == "operationsStatus":
            headers = {"x-ms-retry-after-ms": _POLL_MILLISECONDS} if answer["status"] == "InProgress" else {}
            return json_response(answer, headers=headers)
        if answer["status"] == "InProgress":
            return Response(
                202,
                headers={
                    "x-ms-retry-after-ms": _POLL_MILLISECONDS,
                    "Location": f"https://{_HOST}{answer['id']}?api-version=2025-12-01".replace(
                        "operationsStatus", "operationResults"
                    ),
                },
            )
        if answer["status"] == "Failed":
            return json_response({"error": answer["error"]}, 409)
        return json_response(answer.get("properties") or {}) if answer.get("properties") else Response(200)

    def _require(self, caller: Caller, where: ResourceId, verb: str) -> None:
        kind = self.azure.registry.get(where.type)
        access.require(
            self.azure.reader, caller.object_id, kind.operation(verb) if kind else f"{where.type}/{verb}", where.text
        )

    def _async_headers(
        self, request: Request, where: ResourceId, operation: str, *, result: bool = False
    ) -> dict[str, str]:
        if not operation:
            return {}
        row = self.azure.reader.one("SELECT scope, location FROM operations WHERE id = ?", (operation,))
        if row is None:
            return {}
        base = f"https://{_HOST}{row['scope']}/locations/{row['location']}"
        query = f"{operation}?api-version={request.query['api-version']}"
        headers = {
            "Azure-AsyncOperation": f"{base}/operationsStatus/{query}",
            "x-ms-retry-after-ms": _POLL_MILLISECONDS,
            "Retry-After": "1",
        }
        if result:
            headers["Location"] = f"{base}/operationResults/{query}"
        return headers


def _filtered(found: Listing, wanted: str) -> Listing:
    """The one filter that clients use on a collection of everything: by type.

    Raises:
        ArmError: 400 InvalidFilterInQueryString for any other.
    """
    if not wanted:
        return found
    if match := re.fullmatch(r"\s*resourceType\s+eq\s+'([^']+)'\s*", wanted, re.IGNORECASE):
        kind = match[1].lower()
        return found.where(lambda each: each.id.kind == kind)
    raise ArmError(
        400, "InvalidFilterInQueryString", f"Invalid $filter '{wanted}': the sandbox has resourceType eq 'TYPE'."
    )


def _is_collection(parts: list[str]) -> bool:
    lowered = [part.lower() for part in parts]
    if "providers" in lowered:
        cut = len(lowered) - 1 - lowered[::-1].index("providers")
        return len(parts[cut + 2 :]) % 2 == 1
    return len(parts) % 2 == 1


def _collection(parts: list[str]) -> tuple[str, str]:
    """Scope or parent id, and the kind listed; '' for everything in the scope."""
    lowered = [part.lower() for part in parts]
    above = "/" + "/".join(parts[:-1]) if len(parts) > 1 else ""
    if "providers" in lowered:
        cut = len(lowered) - 1 - lowered[::-1].index("providers")
        kind = "/".join([parts[cut + 1], *parts[cut + 2 :: 2]])
        scope = ("/" + "/".join(parts[:cut]) if cut else "") if len(parts) == cut + 3 else above
        return scope, kind
    if lowered[-1] == "resources":
        return above, ""
    if lowered[-1] == "resourcegroups":
        return above, "Microsoft.Resources/resourceGroups"
    if lowered[-1] == "subscriptions":
        return "", "Microsoft.Resources/subscriptions"
    raise ArmError(404, "NotFound", f"There is no collection '/{'/'.join(parts)}'.")


def _page(request: Request, found: Listing, usual: int, view: View) -> dict[str, Any]:
    """One page: ``$top`` and ``$skipToken`` as ARM's collections take them. No page keeps others waiting."""
    most = max(usual, _LOOKED_AT)
    top = min(_number(request, "$top", 1) if request.query.get("$top") else usual, most)
    start = _number(request, "$skipToken" if request.query.get("$skipToken") else "$skip", 0)
    shown, following = found.page(start, top, most)
    page: dict[str, Any] = {"value": [show(each, view) for each in shown]}
    if following:
        page["nextLink"] = _link(request, following)
    return page


def _link(request: Request, mark: int) -> str:
    """The address of the next page, which begins at a mark."""
    query = {key: value for key, value in request.query.items() if key not in ("$skipToken", "$skip")}
    link = urlencode({**query, "$skipToken": mark}, safe="$", quote_via=quote)
    return f"https://{request.host}{request.raw_path}?{link}"


def _number(request: Request, name: str, least: int) -> int:
    text = request.query.get(name) or "0"
    if not text.isdecimal() or int(text) < least:
        raise ArmError(400, "InvalidQueryParameterValue", f"{name} is '{text}': want a whole number from {least} on.")
    return int(text)


def _conditions(request: Request) -> dict[str, str]:
    return {name: request.headers[name] for name in ("if-match", "if-none-match") if name in request.headers}


def _method_not_allowed(request: Request) -> ArmError:
    return ArmError(405, "MethodNotAllowed", f"{request.method} is not allowed on '{request.path}'.")


def _metadata() -> dict[str, Any]:
    return {
        "name": "AzureCloud",
        "portal": "https://portal.azure.com",
        "resourceManager": f"https://{_HOST}/",
        "authentication": {
            "loginEndpoint": "https://login.microsoftonline.com",
            "audiences": ["https://management.core.windows.net/", f"https://{_HOST}/"],
            "tenant": "common",
            "identityProvider": "AAD",
        },
        "graphAudience": "https://graph.microsoft.com/",
        "suffixes": {
            "storage": "core.windows.net",
            "keyVaultDns": "vault.azure.net",
            "acrLoginServer": "azurecr.io",
        },
    }
