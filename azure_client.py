"""How the uploads of the program and the operations between two updates become clients of Azure.

They sign in as the provider does, by the same variables: otherwise a pipeline that has ``ARM_*`` alone would create
everything, and then fail to upload or to release. Sources: pulumi-azure-native's documentation of its configuration;
each pipeline's of its OpenID Connect tokens.

Azure's client libraries are imported on use: a preview asks nothing and should not wait a second for them.
"""

import functools
import json
import os
import threading
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

_AUDIENCE = "api://AzureADTokenExchange"
# Whatever decides who signs in, and where: a process that changes one of them gets another credential.
_DECIDING = ("ARM_", "AZURE_", "ACTIONS_ID_TOKEN_", "SYSTEM_", "HTTPS_PROXY")
_TIMEOUT_SECONDS = 30

# Lets one thread at a time import them. An engine works on many resources at once, and modules that import each other
# in circles, as these do, fail when two threads begin with different ones.
alone = threading.Lock()


class CredentialError(ValueError):
    """The variables ask for a way to sign in and lack a part of it."""


def credential() -> Any:
    """A credential of azure-identity; its tokens are kept from one call to the next.

    Raises:
        CredentialError: ``ARM_USE_OIDC`` is set and nothing gives a token; names the variables.
    """
    return _credential(tuple(sorted((k, v) for k, v in os.environ.items() if k.startswith(_DECIDING))))


@functools.lru_cache(maxsize=8)
def _credential(variables: tuple[tuple[str, str], ...]) -> Any:
    with alone:
        import azure.identity as identity

    env = dict(variables)
    tenant, client = env.get("ARM_TENANT_ID", ""), env.get("ARM_CLIENT_ID", "")
    if client and tenant and env.get("ARM_CLIENT_SECRET"):
        return identity.ClientSecretCredential(tenant, client, env["ARM_CLIENT_SECRET"])
    if client and tenant and env.get("ARM_CLIENT_CERTIFICATE_PATH"):
        return identity.CertificateCredential(
            tenant,
            client,
            certificate_path=env["ARM_CLIENT_CERTIFICATE_PATH"],
            password=env.get("ARM_CLIENT_CERTIFICATE_PASSWORD"),
        )
    if _true(env.get("ARM_USE_OIDC")):
        return identity.ClientAssertionCredential(tenant, client, oidc_token_of(env))
    if _true(env.get("ARM_USE_MSI")):
        return identity.ManagedIdentityCredential(client_id=client or None)
    return identity.DefaultAzureCredential()


def oidc_token_of(env: Mapping[str, str]) -> Callable[[], str]:
    """What fetches the pipeline's own token, which Entra takes for one of Azure's.

    Raises:
        CredentialError: no variable says where the token is; names them.
    """
    if token := env.get("ARM_OIDC_TOKEN"):
        return lambda: token
    if file := env.get("ARM_OIDC_TOKEN_FILE_PATH") or env.get("AZURE_FEDERATED_TOKEN_FILE"):
        return lambda: Path(file).read_text(encoding="utf-8").strip()
    url = _first(env, "ARM_OIDC_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_URL", "SYSTEM_OIDCREQUESTURI")
    bearer = _first(env, "ARM_OIDC_REQUEST_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_TOKEN", "SYSTEM_ACCESSTOKEN")
    if url and bearer:
        connection = _first(env, "ARM_OIDC_AZURE_SERVICE_CONNECTION_ID", "ARM_ADO_PIPELINE_SERVICE_CONNECTION_ID")
        return lambda: _requested(url, bearer, connection)
    raise CredentialError(
        "ARM_USE_OIDC is set and no token can be found; want ARM_OIDC_TOKEN, ARM_OIDC_TOKEN_FILE_PATH, or "
        "ARM_OIDC_REQUEST_URL with ARM_OIDC_REQUEST_TOKEN"
    )


def _requested(url: str, bearer: str, connection: str) -> str:
    """GitHub answers a GET with ``value``; Azure DevOps a POST for a service connection with ``oidcToken``."""
    if not url.startswith("https://"):
        raise CredentialError(f"{url}: an OpenID Connect token is asked for by https only")
    joined = "&" if "?" in url else "?"
    if connection:
        url = f"{url}{joined}api-version=7.1&serviceConnectionId={connection}"
        request = urllib.request.Request(url, data=b"", method="POST")  # noqa: S310 - https, as checked above
        request.add_header("Content-Type", "application/json")
    else:
        request = urllib.request.Request(f"{url}{joined}audience={_AUDIENCE}")  # noqa: S310 - as above
    request.add_header("Authorization", f"Bearer {bearer}")
    with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as answer:  # noqa: S310 - as above
        found = json.load(answer)
    return str(found["oidcToken"] if connection else found["value"])


def _first(env: Mapping[str, str], *names: str) -> str:
    return next((env[name] for name in names if env.get(name)), "")


def _true(value: str | None) -> bool:
    return (value or "").lower() in ("1", "true")
