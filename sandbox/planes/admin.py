"""The sandbox's own address: health for everybody here, the rest for whoever holds the caller's secret."""

import asyncio
import hmac
import os
import re
import signal
from typing import Any

from sandbox.arm.accept import need_name
from sandbox.arm.errors import ArmError
from sandbox.arm.ids import parse
from sandbox.arm.settings import SETTINGS, fits
from sandbox.faults import Faults
from sandbox.gateway.hosts import Plane
from sandbox.gateway.http import Request, Response, json_response
from sandbox.mutate import mutate
from sandbox.planes.directory import Directory
from sandbox.store.db import Tx


class Admin(Plane):
    """``127.0.0.1``: no Azure host, never reached through the proxy's CONNECT by a client of Azure."""

    hosts = ("127.0.0.1", "localhost")
    own = True
    faults: Faults

    async def handle(self, request: Request, names: dict[str, str]) -> Response:
        """Health without a secret; faults, settings, identities, changes behind the client's back and stop with it."""
        if request.path == "/health":
            return json_response({"status": "ready", "pid": os.getpid()})
        expected = f"Bearer {self.azure.home.secret.read_text(encoding='utf-8').strip()}"
        given = request.headers.get("authorization", "")
        if not hmac.compare_digest(given.encode(), expected.encode()):
            raise ArmError(
                401,
                "AuthenticationFailed",
                "The sandbox's own address wants the caller's secret as a bearer token.",
            )
        if found := re.fullmatch(r"/identities(?:/(.*))?", request.path, re.DOTALL):
            return await self._identity(request, found[1])
        match request.method, request.path:
            case "GET", "/faults":
                return json_response({"value": self.faults.receipts()})
            case "POST", "/faults":
                body = await request.json() or {}
                return json_response({"id": await self.faults.arm(body.get("match", {}), body.get("script", []))}, 201)
            case "DELETE", "/faults":
                await self.faults.clear()
                return Response(204)
            case "PUT", path if path[1:] in SETTINGS:
                await self._set(path[1:], await request.json() or {})
                return Response(204)
            case "POST", "/mutate":
                body = await request.json() or {}
                await mutate(self.azure, body.get("id", ""), body.get("set", {}), delete=bool(body.get("delete")))
                return Response(204)
            case "POST", "/refused":
                return json_response({"value": self._refused(await request.json() or {})})
            case "POST", "/stop":
                asyncio.get_running_loop().call_soon(os.kill, os.getpid(), signal.SIGTERM)
                return Response(202)
        raise ArmError(404, "NotFound", f"{request.method} {request.path} is not served here.")

    async def _identity(self, request: Request, name: str | None) -> Response:
        """Those that somebody here may become: all, or one that is added, signed in as, or removed."""
        directory = Directory(self.azure, self.operations)
        match request.method, name:
            case "GET", None:
                return json_response({"value": directory.listing()})
            case "PUT", str():
                return json_response(await directory.add(name, await request.json() or {}))
            case "POST", str():
                return json_response(directory.sign_in(name))
            case "DELETE", str():
                return json_response(await directory.remove(name))
        raise ArmError(405, "MethodNotAllowed", f"{request.method} is not allowed on '{request.path}'.")

    def _refused(self, body: dict[str, Any]) -> list[dict[str, str]]:
        """Which of some resources could not be created because of their names, and why; for a preview."""
        found = []
        for each in body.get("resources", []):
            try:
                need_name(parse(each["id"]), each.get("body") or {}, self.azure)
            except ArmError as error:
                found.append({"id": each["id"], "code": error.code, "message": error.message})
        return found

    async def _set(self, name: str, body: dict[str, object]) -> None:
        value = str(body.get(name))
        if not fits(name, value):
            raise ArmError(400, "BadSetting", f"{name} is '{value}': want {SETTINGS[name].says}.")

        def write(tx: Tx) -> None:
            tx.resources = True  # rights that were derived under the old value are derived anew
            tx.run("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))

        await self.azure.store.write(write)
