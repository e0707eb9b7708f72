"""Azure Resource Manager, for the few requests that the provider cannot make.

Not here: what is asked. `asset_version` says why it asks itself.
"""

import functools
from typing import Any

from azure_client import alone, credential

_HOST = "https://management.azure.com"
# The one that pulumi-azure-native 3.29 uses for machine learning.
API_VERSION = "2025-12-01"


def get(resource_id: str) -> dict[str, Any] | None:
    """A resource as it is, or None when there is none."""
    answer = _send("GET", resource_id, None)
    if answer.status_code == 404:
        return None
    answer.raise_for_status()
    body: dict[str, Any] = answer.json()
    return body


def put(resource_id: str, body: dict[str, Any]) -> bool:
    """Creates a resource; False when one of that name came first.

    Raises:
        azure.core.exceptions.HttpResponseError: Azure refuses; the message is Azure's.
    """
    answer = _send("PUT", resource_id, body)
    if answer.status_code == 409:
        return False
    answer.raise_for_status()
    return True


def _send(method: str, resource_id: str, body: dict[str, Any] | None) -> Any:
    with alone:
        from azure.core.rest import HttpRequest

    request = HttpRequest(method, f"{_HOST}{resource_id}?api-version={API_VERSION}", json=body)
    return _client(credential()).send_request(request)


@functools.lru_cache(maxsize=8)
def _client(credential: Any) -> Any:
    with alone:
        from azure.core import PipelineClient
        from azure.core.pipeline.policies import BearerTokenCredentialPolicy, RetryPolicy

    policies = [RetryPolicy(), BearerTokenCredentialPolicy(credential, f"{_HOST}/.default")]
    return PipelineClient(_HOST, policies=policies)
