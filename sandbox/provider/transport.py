"""HTTPS through the usual environment variables: HTTPS_PROXY, NO_PROXY, REQUESTS_CA_BUNDLE, SSL_CERT_FILE.

One kept-alive connection a thread and host.
"""

import http.client
import json
import os
import ssl
import threading
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass

from sandbox.values import Json

_TIMEOUT_SECONDS = 100


@dataclass(frozen=True)
class Answer:
    """A response.

    Attributes:
        status: HTTP status.
        headers: names in lower case.
        body: parsed JSON, None when there is none.
    """

    status: int
    headers: Mapping[str, str]
    body: Json


class Transport:
    """Connections of one client, whatever thread it is used from."""

    def __init__(self) -> None:
        self._local = threading.local()
        self._open: set[http.client.HTTPSConnection] = set()
        self._trust: ssl.SSLContext | None = None

    def close(self) -> None:
        """Let go of every thread's connections."""
        while self._open:
            self._open.pop().close()

    def exchange(
        self, host: str, method: str, target: str, content: bytes | None, headers: Mapping[str, str]
    ) -> Answer:
        """Send one request and read its answer.

        Raises:
            OSError, HTTPException: the connection failed; whether the request arrived is not known.
        """
        kept: dict[str, http.client.HTTPSConnection]
        kept = self._local.__dict__.setdefault("connections", {})
        fresh = host not in kept
        connection = kept.get(host) or self._connect(host)
        kept[host] = connection
        self._open.add(connection)
        try:
            connection.request(method, target, body=content, headers=dict(headers))
            response = connection.getresponse()
            raw = response.read()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            self._open.discard(connection)
            del kept[host]
            stale = isinstance(
                error, http.client.RemoteDisconnected | BrokenPipeError | ConnectionResetError | ssl.SSLEOFError
            )
            if not fresh and stale:
                # The other side closed a connection that was not in use: no attempt at all.
                return self.exchange(host, method, target, content, headers)
            raise
        found = {name.lower(): value for name, value in response.getheaders()}
        try:
            body = json.loads(raw) if raw else None
        except ValueError:
            body = raw.decode("utf-8", "replace")
        return Answer(response.status, found, body)

    def _connect(self, host: str) -> http.client.HTTPSConnection:
        name, _, port = host.partition(":")
        proxy = _proxy_for(name)
        context = self._context()
        if proxy is None:
            return http.client.HTTPSConnection(name, int(port or 443), timeout=_TIMEOUT_SECONDS, context=context)
        connection = http.client.HTTPSConnection(
            proxy.hostname or "", proxy.port or 80, timeout=_TIMEOUT_SECONDS, context=context
        )
        connection.set_tunnel(name, int(port or 443))
        return connection

    def _context(self) -> ssl.SSLContext:
        if self._trust is None:
            bundle = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("SSL_CERT_FILE")
            self._trust = ssl.create_default_context(cafile=bundle or None)
        return self._trust


def _proxy_for(host: str) -> urllib.parse.SplitResult | None:
    proxy = os.environ.get("HTTPS_PROXY") or os.environ.get("https_proxy")
    excluded = (os.environ.get("NO_PROXY") or os.environ.get("no_proxy") or "").split(",")
    if not proxy or any(part and (host == part or host.endswith("." + part.lstrip("."))) for part in excluded):
        return None
    return urllib.parse.urlsplit(proxy if "://" in proxy else f"http://{proxy}")
