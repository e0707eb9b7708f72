"""What is in a workspace, as Azure Resource Manager tells it.

Looking needs no more than this: `azure-ai-ml` takes two seconds to import, which a release that has nothing to do would
pay each time, and it has no call for code versions.
"""

import logging
from collections.abc import Iterator
from typing import Any

from azure_client import credential

_ARM = "https://management.azure.com"
_API = "2024-10-01"


class Arm:
    """Reads and writes below one resource.

    Args:
        scope: id of the resource.
    """

    def __init__(self, scope: str) -> None:
        from azure.core import PipelineClient
        from azure.core.pipeline.policies import BearerTokenCredentialPolicy, HeadersPolicy, RetryPolicy

        # It says at length what it tried to sign in with; the command says what to do about it.
        logging.getLogger("azure.identity").setLevel(logging.CRITICAL)
        signed_in = BearerTokenCredentialPolicy(credential(), f"{_ARM}/.default")
        self._client: Any = PipelineClient(_ARM, policies=[HeadersPolicy(), RetryPolicy(), signed_in])
        self._scope = scope

    def get(self, path: str) -> dict[str, Any]:
        """A resource.

        Raises:
            ResourceNotFoundError: there is none.
            HttpResponseError: Azure refused.
        """
        return self._send("GET", self._url(path))

    def put(self, path: str, body: dict[str, Any]) -> None:
        """Writes a resource.

        Raises:
            HttpResponseError: Azure refused.
        """
        self._send("PUT", self._url(path), body)

    def listed(self, path: str, view: str = "ActiveOnly") -> Iterator[dict[str, Any]]:
        """Every page of a list; nothing when what the list is of does not exist.

        Args:
            path: below the scope.
            view: ``All`` shows what is archived, too.
        """
        from azure.core.exceptions import ResourceNotFoundError

        address: str | None = self._url(path, f"listViewType={view}")
        while address:
            try:
                page = self._send("GET", address)
            except ResourceNotFoundError:
                return
            yield from page["value"]
            address = page.get("nextLink")

    def _url(self, path: str, *query: str) -> str:
        return f"{_ARM}{self._scope}/{path}?{'&'.join((f'api-version={_API}', *query))}"

    def _send(self, method: str, address: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
        from azure.core.rest import HttpRequest

        response = self._client.send_request(HttpRequest(method, address, json=body))
        if response.status_code == 404:
            raise ResourceNotFoundError(response=response)
        if response.status_code >= 300:
            raise HttpResponseError(response=response)
        found: dict[str, Any] = response.json()
        return found
