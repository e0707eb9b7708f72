"""Scoring requests to an endpoint, with what a caller sees: status, body, time."""

import time
from dataclasses import dataclass
from typing import Any

import requests

# A first request after a quiet time may wait for a server to wake.
_TIMEOUT_SECONDS = 30


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One answer.

    Attributes:
        status: HTTP status; 0 when the connection broke.
        body: parsed JSON, else the text.
        seconds: from request to the last byte.
        deployment: who answered, as the endpoint says.
    """

    status: int
    body: Any
    seconds: float
    deployment: str = ""


class Scorer:
    """Sends requests to one endpoint.

    Args:
        uri: the endpoint's scoring address.
        secret: key or token; never printed.
    """

    def __init__(self, uri: str, secret: str) -> None:
        self._uri = uri
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {secret}"

    def ask(self, request: Any, deployment: str | None = None) -> Answer:
        """Sends a request, to the deployment that the weights choose or to the one that is named.

        A connection that breaks is an answer too, with status 0: a rollout has to count it.
        """
        headers = {"azureml-model-deployment": deployment} if deployment else {}
        started = time.monotonic()
        try:
            response = self._session.post(self._uri, json=request, headers=headers, timeout=_TIMEOUT_SECONDS)
        except requests.RequestException as error:
            return Answer(status=0, body=type(error).__name__, seconds=time.monotonic() - started)
        seconds = time.monotonic() - started
        try:
            body = response.json()
        except ValueError:
            body = response.text
        return Answer(
            status=response.status_code,
            body=body,
            seconds=seconds,
            deployment=response.headers.get("azureml-model-deployment", ""),
        )
