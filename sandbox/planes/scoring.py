"""``{endpoint}.{region}.inference.ml.azure.com``: requests to online endpoints.

Status codes as Azure's table for managed online endpoints has them (learn.microsoft.com,
how-to-troubleshoot-online-endpoints): 401, 404, 408, 413, 424 for whatever a model answers but 200, and 429.
"""

import asyncio
import logging
import random
import time
from urllib.parse import urlencode

from sandbox import clock
from sandbox.arm import access
from sandbox.arm.errors import ArmError
from sandbox.arm.keys import same
from sandbox.arm.resource import Resource
from sandbox.gateway.hosts import Plane
from sandbox.gateway.http import Request, Response, json_response
from sandbox.types.ml.online_endpoint import SCORE, UNIQUE, keys_of, token_of
from sandbox.work.http1 import HOP, BrokenReplyError, Reply
from sandbox.work.scoring import OverloadedError, UnavailableError

log = logging.getLogger("sandbox.scoring")
_LIMIT = 10 * 1024 * 1024
_AUDIENCES = ("https://ml.azure.com",)
_DEPLOYMENT = "azureml-model-deployment"
_PATHS = {"/score": ("GET", "POST", "OPTIONS"), "/swagger.json": ("GET",)}
_KEPT = HOP | {"authorization", "host", "content-length", _DEPLOYMENT}
_MIRRORS = 64  # copies under way; more are dropped, since a copy must never slow the original down


class Scoring(Plane):
    """Every online endpoint of every region."""

    hosts = ("{endpoint}.{region}.inference.ml.azure.com",)

    async def start(self) -> None:
        """Seed the dice."""
        self._dice = random.Random(clock.new_hex(16))  # noqa: S311 - shares of traffic, no secret
        self._copies: set[asyncio.Task[None]] = set()

    async def stop(self) -> None:
        """Let go of copies under way."""
        for copy in self._copies:
            copy.cancel()

    def refuse(self, error: ArmError) -> Response:
        """The router's own shape: a message."""
        return json_response({"message": error.message}, error.status, {**error.headers})

    async def handle(self, request: Request, names: dict[str, str]) -> Response:
        """Sign in, pick a deployment, ask one of its servers."""
        endpoint = self.azure.named(UNIQUE.format(location=names["region"]), names["endpoint"])
        if endpoint is None:
            raise ArmError(404, "NotFound", f"There is no online endpoint '{names['endpoint']}' in {names['region']}.")
        self._admit(endpoint, request)
        if request.method not in _PATHS.get(request.path, ()):
            raise ArmError(404, "NotFound", f"{request.method} {request.path} is not served; want POST /score.")
        deployment = self._pick(endpoint, request.headers.get(_DEPLOYMENT, ""))
        body = await request.body(_LIMIT)
        headers = [(name, value) for name, value in request.headers.items() if name not in _KEPT]
        self._mirror(endpoint, request, headers, body)
        reply = await self._ask(endpoint, deployment, request, headers, body)
        shown = {**dict(reply.headers), _DEPLOYMENT: deployment}
        shown.pop("content-length", None)
        if reply.status == 200:
            return Response(200, reply.body, shown)
        shown |= {
            "ms-azureml-model-error-statuscode": str(reply.status), "ms-azureml-model-error-reason": reply.reason,
        }  # fmt: skip
        return Response(424, reply.body, shown)

    def _admit(self, endpoint: Resource, request: Request) -> None:
        """A key, the endpoint's own token, or a token of Entra with the right to score.

        Raises:
            ArmError: 401 without one, 403 for a caller who may not score.
        """
        mode, given = endpoint["properties.authMode"], request.headers.get("authorization", "")
        if mode == "AADToken":
            caller = self.tokens.read(given, _AUDIENCES)
            access.require(self.azure.reader, caller.object_id, SCORE, endpoint.id.text)
            return
        scheme, _, credential = given.partition(" ")
        if scheme.lower() == "bearer" and credential:
            if mode == "Key":
                known = [key for key in keys_of(endpoint, self.azure).values() if same(credential, key)]
                if known:
                    return
            else:
                ends = credential.partition(".")[0]
                if ends.isdecimal() and int(ends) > time.time() and same(
                    credential, token_of(endpoint, int(ends), self.azure)
                ):  # fmt: skip
                    return
        raise ArmError(401, "Unauthorized", f"Endpoint '{endpoint.name}' wants a valid {mode} as a bearer token.")

    def _pick(self, endpoint: Resource, asked: str) -> str:
        """The deployment that the request names, or one by its share.

        Raises:
            ArmError: 404 for one that is not there, or when none takes traffic.
        """
        if asked:
            if self.azure.get(f"{endpoint.id.text}/deployments/{asked}") is None:
                raise ArmError(404, "NotFound", f"Endpoint '{endpoint.name}' has no deployment '{asked}'.")
            return asked
        shares: dict[str, int] = {name: share for name, share in endpoint["properties.traffic"].items() if share}
        if not shares:
            raise ArmError(404, "NotFound", f"Endpoint '{endpoint.name}' has no deployment with traffic.")
        if len(shares) == 1:
            return next(iter(shares))
        return self._dice.choices(list(shares), list(shares.values()))[0]

    async def _ask(
        self, endpoint: Resource, deployment: str, request: Request, headers: list[tuple[str, str]], body: bytes
    ) -> Reply:  # fmt: skip
        key = f"{endpoint.id.key}/deployments/{deployment.lower()}"
        path = request.raw_path + (f"?{urlencode(request.query)}" if request.query else "")
        try:
            return await self.azure.work.scoring.ask(key, request.method, path, headers, body)
        except OverloadedError as error:
            raise ArmError(
                429, "TooManyRequests", f"Deployment '{deployment}' has too many pending requests.",
                headers={"Retry-After": "1", _DEPLOYMENT: deployment},
            ) from error  # fmt: skip
        except TimeoutError as error:
            raise ArmError(
                408, "RequestTimeout", f"Deployment '{deployment}' did not answer within its request timeout.",
                headers={_DEPLOYMENT: deployment},
            ) from error  # fmt: skip
        except UnavailableError as error:
            raise ArmError(
                503, "ServiceUnavailable", f"No instance of deployment '{deployment}' is up.",
                headers={"Retry-After": "1", _DEPLOYMENT: deployment},
            ) from error  # fmt: skip
        except (BrokenReplyError, ConnectionError) as error:
            log.warning("%s: %s", key, error)
            return Reply(
                502, "Bad Gateway", [("content-type", "application/json")], b'{"message": "The server ended."}'
            )

    def _mirror(self, endpoint: Resource, request: Request, headers: list[tuple[str, str]], body: bytes) -> None:
        """Send a copy to the mirrored deployment for its share of the requests; nobody waits for the answer."""
        for deployment, share in endpoint["properties.mirrorTraffic"].items():
            if self._dice.random() * 100 < share and len(self._copies) < _MIRRORS:
                copy = asyncio.get_running_loop().create_task(self._copy(endpoint, deployment, request, headers, body))
                self._copies.add(copy)
                copy.add_done_callback(self._copies.discard)

    async def _copy(
        self, endpoint: Resource, deployment: str, request: Request, headers: list[tuple[str, str]], body: bytes
    ) -> None:  # fmt: skip
        try:
            await self._ask(endpoint, deployment, request, headers, body)
        except ArmError as error:
            log.info("a mirrored request to '%s' failed: %s", deployment, error.message)
