"""Scoring requests to an endpoint, with what a caller sees: status, body, time."""

import time
from dataclasses import dataclass
from typing import Any, Protocol

import requests
from requests.adapters import HTTPAdapter

# A first request after a quiet time may wait for a server to wake.
_TIMEOUT_SECONDS = 30
_CONNECTIONS = 16
_DEPLOYMENT = "azureml-model-deployment"
# Azure answers 424 for whatever a model says but 200, and keeps the model's own status here.
_MODEL_STATUS = "ms-azureml-model-error-statuscode"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One answer.

    Attributes:
        status: HTTP status; 0 when the connection broke.
        body: parsed JSON, else the text.
        seconds: from request to the last byte.
        deployment: who answered, as the endpoint says; empty when it does not say.
        model_status: what the model itself answered with, where the endpoint tells it; else 0.
    """

    status: int
    body: Any
    seconds: float
    deployment: str = ""
    model_status: int = 0


class Asker(Protocol):
    """Who sends requests; it may be used by several threads."""

    def ask(self, request: Any, deployment: str | None = None) -> Answer:  # noqa: D102 - see Scorer
        ...


class Scorer:
    """Sends requests to one endpoint; may be used by several threads.

    Args:
        uri: the endpoint's scoring address.
        secret: key or token; never printed.
        timeout: seconds until a request without an answer counts as broken.
    """

    def __init__(self, uri: str, secret: str, timeout: float = _TIMEOUT_SECONDS) -> None:
        self._uri, self._timeout = uri, timeout
        self._session = requests.Session()
        self._session.mount("https://", HTTPAdapter(pool_maxsize=_CONNECTIONS))
        # What the environment says about proxies and authorities is read once, not with each of thousands of requests.
        around = self._session.merge_environment_settings(uri, {}, None, None, None)
        self._session.proxies, self._session.verify = around["proxies"], around["verify"]
        self._session.trust_env = False
        self._session.headers["Authorization"] = f"Bearer {secret}"

    def ask(self, request: Any, deployment: str | None = None) -> Answer:
        """Sends a request, to the deployment that the weights choose or to the one that is named.

        A connection that breaks is an answer too, with status 0: a rollout has to count it.
        """
        headers = {_DEPLOYMENT: deployment} if deployment else {}
        started = time.monotonic()
        try:
            response = self._session.post(self._uri, json=request, headers=headers, timeout=self._timeout)
        except requests.RequestException as error:
            return Answer(status=0, body=type(error).__name__, seconds=time.monotonic() - started)
        seconds = time.monotonic() - started
        try:
            body = response.json()
        except ValueError:
            body = response.text
        told = response.headers.get(_MODEL_STATUS, "")
        return Answer(
            status=response.status_code,
            body=body,
            seconds=seconds,
            deployment=response.headers.get(_DEPLOYMENT, ""),
            model_status=int(told) if told.isdecimal() else 0,
        )
