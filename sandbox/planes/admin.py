"""The sandbox's own address: health for everybody here, the rest for whoever holds the caller's secret."""

import asyncio
import hmac
import os
import re
import signal

from sandbox.arm.errors import ArmError
from sandbox.faults import Faults
from sandbox.gateway.hosts import Plane
from sandbox.gateway.http import Request, Response, json_response
from sandbox.mutate import mutate

_PACE = re.compile(r"now|polls:\d+|seconds:\d+(\.\d+)?")


class Admin(Plane):
    """``127.0.0.1``: no Azure host, never reached through the proxy's CONNECT by a client of Azure."""

    hosts = ("127.0.0.1", "localhost")
    own = True
    faults: Faults

    async def handle(self, request: Request, names: dict[str, str]) -> Response:
        """Health without a secret; faults, pace, changes behind the client's back and stop with it."""
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
        match request.method, request.path:
            case "GET", "/faults":
                return json_response({"value": self.faults.receipts()})
            case "POST", "/faults":
                body = await request.json() or {}
                return json_response({"id": await self.faults.arm(body.get("match", {}), body.get("script", []))}, 201)
            case "DELETE", "/faults":
                await self.faults.clear()
                return Response(204)
            case "PUT", "/pace":
                pace = str((await request.json() or {}).get("pace"))
                if not _PACE.fullmatch(pace):
                    raise ArmError(400, "BadPace", f"pace is '{pace}': want now, polls:N or seconds:N.")
                await self.azure.store.write(
                    lambda tx: tx.run("INSERT OR REPLACE INTO meta VALUES ('pace', ?)", (pace,))
                )
                return Response(204)
            case "POST", "/mutate":
                body = await request.json() or {}
                await mutate(self.azure, body.get("id", ""), body.get("set", {}), delete=bool(body.get("delete")))
                return Response(204)
            case "POST", "/stop":
                asyncio.get_running_loop().call_soon(os.kill, os.getpid(), signal.SIGTERM)
                return Response(202)
        raise ArmError(404, "NotFound", f"{request.method} {request.path} is not served here.")
