"""A sandbox of the benchmark's own, and the little that it needs to be set up."""

import json
import ssl
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode

from bench.load import Server
from bench.stage import BenchError, folder
from sandbox import launch
from sandbox.constants import CLIENT_ID, SUBSCRIPTION_ID, TENANT_ID
from sandbox.home import Home

GROUP = f"/subscriptions/{SUBSCRIPTION_ID}/resourceGroups/bench"
VERSION = "2025-06-01"


class Cloud:
    """A running sandbox, as the benchmark calls it.

    Attributes:
        port: of its gateway, on 127.0.0.1.
        pid: the gateway's process.
        trusted: file with the certificate authority.
    """

    def __init__(self, home: Home, running: launch.Running) -> None:
        self._secret = home.secret.read_text(encoding="utf-8").strip()
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({"https": f"http://127.0.0.1:{running.port}"}),
            urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=home.ca_bundle)),
        )
        self.port, self.pid, self.trusted = running.port, running.pid, home.ca_bundle

    def server(self, host: str) -> Server:
        """One of Azure's hosts, for the load generator."""
        return Server(f"https://{host}", self.port, self.trusted)

    def token(self, audience: str) -> str:
        """A token of the sandbox's caller."""
        form = {"grant_type": "client_credentials", "client_id": CLIENT_ID, "client_secret": self._secret,
                "scope": f"{audience}/.default"}  # fmt: skip
        url = f"https://login.microsoftonline.com/{TENANT_ID}/oauth2/v2.0/token"
        return str(self._send(urllib.request.Request(url, urlencode(form).encode()))["access_token"])

    def put(self, path: str, body: object) -> Any:
        """Create a resource."""
        return self._send(
            urllib.request.Request(
                f"https://management.azure.com{path}?api-version={VERSION}", json.dumps(body).encode(),
                {"Authorization": f"Bearer {self.token('https://management.azure.com')}"}, method="PUT",
            )
        )  # fmt: skip

    def _send(self, request: urllib.request.Request) -> Any:
        try:
            with self._opener.open(request, timeout=30) as answer:
                return json.load(answer)
        except HTTPError as error:
            raise BenchError(f"{request.full_url} answered {error.code}: {error.read().decode()}") from error


@contextmanager
def cloud() -> Iterator[Cloud]:
    """A sandbox in a folder of its own, with one resource group."""
    with folder() as path:
        home = Home(Path(path) / ".sandbox")
        running, _ = launch.ensure(home)
        found = Cloud(home, running)
        found.put(GROUP, {"location": "westeurope"})
        yield found
