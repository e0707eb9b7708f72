"""A running sandbox for the tests that need one: its own folder, its own port, gone afterwards."""

import http.client
import json
import os
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from sandbox import launch
from sandbox.constants import SUBSCRIPTION_ID
from sandbox.home import Home

SUBSCRIPTION = f"/subscriptions/{SUBSCRIPTION_ID}"


@dataclass
class Answer:
    """An HTTP answer with its JSON."""

    status: int
    headers: dict[str, str]
    body: Any

    @property
    def code(self) -> str:
        """ARM's error code, '' for a success."""
        return str(self.body["error"]["code"]) if isinstance(self.body, dict) and "error" in self.body else ""


class Sandbox:
    """A gateway and the plainest client of it."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.server, _ = launch.ensure(home)
        self._tokens: dict[str, str] = {}
        self._kept: dict[tuple[int, str], http.client.HTTPSConnection] = {}
        self._context = ssl.create_default_context(cafile=str(home.ca_bundle))

    @property
    def environment(self) -> dict[str, str]:
        """What makes a client local."""
        return launch.client_environment(self.home, self.server)

    def admin(self, method: str, path: str, body: object = None) -> Any:
        """Call the sandbox's own address with the caller's secret."""
        return launch.ask(self.server, method, path, body, self.home.secret.read_text(encoding="utf-8").strip())

    def call(
        self,
        method: str,
        url: str,
        body: object = None,
        token: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """One HTTPS request through the proxy; ARM paths may leave the host out."""
        if url.startswith("/"):
            url = f"https://management.azure.com{url}"
            url += ("&" if "?" in url else "?") + "api-version=2025-12-01" if "api-version=" not in url else ""
        content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        sent = {"Content-Type": "application/json", **(headers or {})}
        token = self.token() if token is None else token
        if token:
            sent["Authorization"] = f"Bearer {token}"
        return self._exchange(method, url, content, sent)

    def token(self, audience: str = "https://management.azure.com", client: tuple[str, str] | None = None) -> str:
        """An access token of the sandbox's caller, or of another (client id, secret)."""
        if client is None and audience in self._tokens:
            return self._tokens[audience]
        environment = self.environment
        who, secret = client or (environment["AZURE_CLIENT_ID"], environment["AZURE_CLIENT_SECRET"])
        form = f"grant_type=client_credentials&client_id={who}&client_secret={secret}&scope={audience}/.default"
        url = f"https://login.microsoftonline.com/{environment['AZURE_TENANT_ID']}/oauth2/v2.0/token"
        answer = self._exchange("POST", url, form.encode(), {"Content-Type": "application/x-www-form-urlencoded"})
        token = str(answer.body["access_token"])
        if client is None:
            self._tokens[audience] = token
        return token

    def group(self, name: str) -> str:
        """Make a resource group; returns its id."""
        path = f"{SUBSCRIPTION}/resourceGroups/{name}"
        answer = self.call("PUT", path, {"location": "westeurope"})
        assert answer.status in (200, 201), answer
        return path

    def restart(self) -> None:
        """Stop the gateway in order and start it again on the same state."""
        self.close()
        launch.stop(self.home)
        self.server, _ = launch.ensure(self.home)

    def start(self) -> None:
        """Start the gateway again after a kill; what it left running is still there."""
        self.server, _ = launch.ensure(self.home)

    def kill(self) -> None:
        """Kill the gateway as a power cut of the process would."""
        self.close()
        os.kill(self.server.pid, 9)
        launch.gone(self.server.pid)

    def run(self, *command: str, **extra: str) -> subprocess.CompletedProcess[str]:
        """Run a Python client with the sandbox's environment."""
        return subprocess.run(
            [sys.executable, *command], env={**os.environ, **self.environment, **extra}, text=True, capture_output=True,
            timeout=120, check=False,
        )  # fmt: skip

    def close(self) -> None:
        """Let go of the connections that are kept."""
        while self._kept:
            self._kept.popitem()[1].close()

    def _exchange(self, method: str, url: str, content: bytes | None, headers: dict[str, str]) -> Answer:
        """One request over a connection that the thread keeps for the host; a new one when the old one is gone."""
        where = urlsplit(url)
        key = (threading.get_ident(), where.netloc)
        connection = self._kept.get(key)
        for fresh in (False, True):
            if connection is None or fresh:
                connection = http.client.HTTPSConnection(
                    "127.0.0.1", self.server.port, timeout=30, context=self._context
                )
                connection.set_tunnel(where.netloc)
                self._kept[key] = connection
            try:
                connection.request(method, f"{where.path}?{where.query}".rstrip("?"), content, headers)
                answer = connection.getresponse()
                return _answer(answer.status, dict(answer.getheaders()), answer.read())
            except (http.client.HTTPException, OSError):
                connection.close()
                if fresh:
                    raise
        raise AssertionError("not reached")


def _answer(status: int, headers: dict[str, str], content: bytes) -> Answer:
    try:
        body = json.loads(content) if content else None
    except ValueError:
        body = content
    return Answer(status, {name.lower(): value for name, value in headers.items()}, body)


@pytest.fixture(scope="session")
def schema_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Resource types are read from the provider package once for all sandboxes of a run."""
    return tmp_path_factory.mktemp("schema-cache")


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory, schema_cache: Path) -> Iterator[Sandbox]:
    """A running sandbox of this module's own."""
    yield from _running(tmp_path_factory.mktemp("sandbox"), schema_cache)


@pytest.fixture
def fresh_sandbox(tmp_path: Path, schema_cache: Path) -> Iterator[Sandbox]:
    """A running sandbox of this test's own."""
    yield from _running(tmp_path / "sandbox", schema_cache)


def _running(folder: Path, schema_cache: Path) -> Iterator[Sandbox]:
    folder.mkdir(exist_ok=True)
    (folder / "cache").symlink_to(schema_cache)
    found = Sandbox(Home(folder))
    try:
        yield found
    finally:
        found.close()
        launch.stop(found.home)
