"""An ordinary ARM client: signs in, retries, follows long-running operations.

It knows Azure's host names only; how they are reached is the transport's (``transport.py``).
"""

import json
import os
import random
import threading
import time
import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sandbox.provider.base import ProviderError
from sandbox.provider.transport import Answer, Transport
from sandbox.values import Json

ARM = "management.azure.com"
LOGIN = "login.microsoftonline.com"
_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_RETRIED = frozenset({408, 429, 500, 502, 503, 504})
_ATTEMPTS = 6
_LONGEST_WAIT_SECONDS = 60.0
_POLL_SECONDS = 0.05
_SLOWEST_POLL_SECONDS = 5.0
_DEFAULT_OPERATION_SECONDS = 7200.0
_FINAL = frozenset({"succeeded", "failed", "canceled"})


@dataclass(frozen=True)
class Credential:
    """A service principal.

    Attributes:
        tenant: its Entra tenant.
        client: application id.
        secret: its secret, '' for one that signs in with a token.
        subscription: where resources go.
        token_file: holds another issuer's token, '' for one with a secret.
    """

    tenant: str
    client: str
    secret: str
    subscription: str
    token_file: str = ""

    @classmethod
    def find(cls, config: Mapping[str, object], environment: Mapping[str, str] = os.environ) -> "Credential | None":
        """The one that a provider's configuration or the environment names, or None when a part is missing."""
        parts = {
            "tenant": ("tenantId", "ARM_TENANT_ID", "AZURE_TENANT_ID"),
            "client": ("clientId", "ARM_CLIENT_ID", "AZURE_CLIENT_ID"),
            "secret": ("clientSecret", "ARM_CLIENT_SECRET", "AZURE_CLIENT_SECRET"),
            "subscription": ("subscriptionId", "ARM_SUBSCRIPTION_ID", "AZURE_SUBSCRIPTION_ID"),
            "token_file": ("oidcTokenFilePath", "ARM_OIDC_TOKEN_FILE_PATH", "AZURE_FEDERATED_TOKEN_FILE"),
        }
        found = {
            part: str(config.get(key) or next((environment[name] for name in names if environment.get(name)), ""))
            for part, (key, *names) in parts.items()
        }
        signs_in = found["secret"] or found["token_file"]
        return cls(**found) if signs_in and all(found[part] for part in ("tenant", "client", "subscription")) else None

    def proof(self) -> dict[str, str]:
        """What it shows to sign in; a file's token is read each time, since pipelines renew it.

        Raises:
            OSError: the file cannot be read.
        """
        if self.secret:
            return {"client_secret": self.secret}
        return {
            "client_assertion_type": _ASSERTION,
            "client_assertion": Path(self.token_file).read_text("utf-8").strip(),
        }


class Client:
    """Calls ARM.

    Args:
        credential: who calls.
        sleep: waits; a test may hurry it.
    """

    def __init__(self, credential: Credential, sleep: Callable[[float], None] = time.sleep) -> None:
        self.credential = credential
        self._sleep = sleep
        self._transport = Transport()
        self._tokens = threading.Lock()
        self._token = ""
        self._expires = 0.0

    def close(self) -> None:
        """Let go of every thread's connections."""
        self._transport.close()

    # Verbs

    def get(self, path: str, api_version: str) -> Json | None:
        """The resource, or None when it is not there."""
        answer = self.send("GET", path, api_version)
        if answer.status == 404:
            return None
        _raise_for(answer, "GET", path)
        return answer.body

    def put(self, path: str, api_version: str, body: Mapping[str, Json], timeout: float = 0) -> Json:
        """Create or update, wait until that is done, and read back: PUT may answer less than GET.

        Raises:
            ProviderError: refused, or the operation failed; ``partial`` is never set here.
        """
        answer = self.send("PUT", path, api_version, body)
        _raise_for(answer, "PUT", path)
        self._finish(answer, path, timeout)
        return self.settled(path, api_version, timeout) or answer.body

    def delete(self, path: str, api_version: str, timeout: float = 0, *, force: str = "") -> None:
        """Delete, and wait until that is done; what is not there is done. `force` is one more query parameter."""
        answer = self.send("DELETE", path, f"{api_version}&{force}" if force else api_version)
        if answer.status == 404:
            return
        _raise_for(answer, "DELETE", path)
        self._finish(answer, path, timeout)

    def post(self, path: str, api_version: str, body: Json = None) -> Json:
        """Call an action."""
        answer = self.send("POST", path, api_version, {} if body is None else body)
        _raise_for(answer, "POST", path)
        return answer.body

    def settled(self, path: str, api_version: str, timeout: float = 0) -> Json | None:
        """The resource once nothing is under way on it, or None when it is not there or goes away."""
        deadline = time.monotonic() + (timeout or _DEFAULT_OPERATION_SECONDS)
        pause = _POLL_SECONDS
        while (body := self.get(path, api_version)) is not None:
            state = provisioning_state(body)
            if not state or state.lower() in _FINAL or time.monotonic() > deadline:
                return body
            self._sleep(pause)
            pause = min(pause * 2, _SLOWEST_POLL_SECONDS)
        return None

    # Operations

    def _finish(self, answer: Answer, path: str, timeout: float) -> None:
        """Follow a long-running operation to its end."""
        deadline = time.monotonic() + (timeout or _DEFAULT_OPERATION_SECONDS)
        url = answer.headers.get("azure-asyncoperation")
        where = answer.headers.get("location") if answer.status in (201, 202) else None
        if not url and not where:
            return
        pause = _POLL_SECONDS
        polled = answer
        while True:
            self._sleep(_asked_to_wait(polled, pause))
            pause = min(pause * 2, _SLOWEST_POLL_SECONDS)
            polled = self.call("GET", url or where or "")
            _raise_for(polled, "GET", url or where or "")
            if not url:
                if polled.status != 202:
                    return
            elif (status := _status(polled)) != "inprogress":
                if status != "succeeded":
                    raise _error(polled.body, f"the operation on {path} ended as {status}")
                return
            if time.monotonic() > deadline:
                raise ProviderError(f"the operation on {path} is not done after {timeout:g} s", uncertain=True)

    # Requests

    def send(self, method: str, path: str, api_version: str, body: Json = None) -> Answer:
        """One request to ARM, retried."""
        quoted = urllib.parse.quote(path, safe="/()$,@~+-_.!*';:=")
        return self.call(method, f"https://{ARM}{quoted}?api-version={api_version}", body)

    def call(self, method: str, url: str, body: Json = None) -> Answer:
        """One request to any URL, retried with growing pauses; Retry-After is honoured."""
        parts = urllib.parse.urlsplit(url)
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        content = None if body is None else json.dumps(body).encode()
        attempt = 0
        reached = False
        while True:
            attempt += 1
            headers = {"Authorization": f"Bearer {self.token()}", "Content-Type": "application/json"}
            try:
                answer = self._transport.exchange(parts.netloc, method, target, content, headers)
            except OSError as error:
                reached |= not isinstance(error, ConnectionRefusedError)
                if attempt >= _ATTEMPTS:
                    raise ProviderError(
                        f"{parts.hostname} does not answer ({error or type(error).__name__})",
                        uncertain=reached and method != "GET",
                    ) from error
                self._sleep(_backoff(attempt))
                continue
            if answer.status == 401 and attempt < _ATTEMPTS:
                self._forget_token()
            elif answer.status not in _RETRIED or attempt >= _ATTEMPTS:
                return answer
            self._sleep(_asked_to_wait(answer, _backoff(attempt)))

    # Tokens

    def token(self) -> str:
        """A token for ARM, kept until shortly before it expires."""
        with self._tokens:
            if time.monotonic() < self._expires:
                return self._token
            form = urllib.parse.urlencode({
                "grant_type": "client_credentials", "client_id": self.credential.client,
                "scope": f"https://{ARM}/.default", **self.credential.proof(),
            }).encode()  # fmt: skip
            target = f"/{self.credential.tenant}/oauth2/v2.0/token"
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            for attempt in range(1, _ATTEMPTS + 1):
                try:
                    answer = self._transport.exchange(LOGIN, "POST", target, form, headers)
                except OSError as error:
                    if attempt == _ATTEMPTS:
                        raise ProviderError(f"{LOGIN} does not answer ({error}): is the sandbox running?") from error
                else:
                    if answer.status == 200:
                        break
                    if answer.status not in _RETRIED or attempt == _ATTEMPTS:
                        raise _error(answer.body, f"{LOGIN} refused the sign-in of {self.credential.client}")
                self._sleep(_backoff(attempt))
            self._token = answer.body["access_token"]
            self._expires = time.monotonic() + max(int(answer.body["expires_in"]) - 300, 30)
            return self._token

    def _forget_token(self) -> None:
        with self._tokens:
            self._expires = 0.0


def provisioning_state(body: Json) -> str:
    """The state that a resource's body shows, '' when it shows none."""
    properties = body.get("properties") if isinstance(body, Mapping) else None
    state = properties.get("provisioningState") if isinstance(properties, Mapping) else None
    return state if isinstance(state, str) else ""


def _status(answer: Answer) -> str:
    status = answer.body.get("status") if isinstance(answer.body, Mapping) else None
    if not isinstance(status, str):
        raise ProviderError(f"an operation answered without a status: {str(answer.body)[:200]}")
    lower = status.lower()
    return lower if lower in _FINAL else "inprogress"


def _raise_for(answer: Answer, method: str, what: str) -> None:
    if answer.status >= 400:
        raise _error(answer.body, f"{method} {what} answered {answer.status}")


def _error(body: Json, otherwise: str) -> ProviderError:
    """ARM's error body as an error; codes and messages of its details are told too."""
    error = body.get("error") if isinstance(body, Mapping) else None
    if isinstance(error, str):  # the sign-in service's own shape
        return ProviderError(str(body.get("error_description") or otherwise), error)
    if not isinstance(error, Mapping):
        return ProviderError(f"{otherwise}: {str(body)[:300]}" if body else otherwise)
    message = str(error.get("message") or otherwise)
    for detail in error.get("details") or ():
        if isinstance(detail, Mapping):
            message += f"; {detail.get('target') or detail.get('code')}: {detail.get('message')}"
    return ProviderError(message, str(error.get("code") or ""))


def _asked_to_wait(answer: Answer, otherwise: float) -> float:
    """Seconds that the service asks for, in the header that azure-core looks at first and in the common one."""
    for name, unit in (("x-ms-retry-after-ms", 0.001), ("retry-after", 1.0)):
        if (hint := answer.headers.get(name, "")).isdigit():
            return min(float(hint) * unit, _LONGEST_WAIT_SECONDS)
    return otherwise


def _backoff(attempt: int) -> float:
    pause: float = min(0.2 * 2 ** (attempt - 1), 10.0)
    return pause * random.uniform(0.75, 1.25)  # noqa: S311 - spreads retries only
