"""Entra ID: discovery and tokens for applications that sign in with a secret."""

import hashlib
import hmac
import json
from typing import Any
from urllib.parse import parse_qsl

from sandbox.arm.access import LIFETIME_SECONDS
from sandbox.arm.errors import ArmError
from sandbox.constants import TENANT_ID
from sandbox.gateway.hosts import Plane
from sandbox.gateway.http import Request, Response, json_response

_FORM_LIMIT = 64 * 1024
_HOST = "login.microsoftonline.com"


class Login(Plane):
    """``login.microsoftonline.com``."""

    hosts = (_HOST,)

    async def handle(self, request: Request, names: dict[str, str]) -> Response:
        """Discovery documents by GET, tokens by POST."""
        path = request.path.rstrip("/").lower()
        if path.endswith("/discovery/instance"):
            return json_response(_instance())
        if path.endswith("/.well-known/openid-configuration"):
            return json_response(_configuration())
        if path.endswith(("/discovery/v2.0/keys", "/discovery/keys")):
            return json_response({"keys": []})
        if path.endswith(("/oauth2/v2.0/token", "/oauth2/token")):
            if path.strip("/").split("/")[0] != TENANT_ID:
                raise ArmError(
                    400,
                    "invalid_request",
                    f"AADSTS90002: Tenant '{path.strip('/').split('/')[0]}' not found.",
                )
            return await self._token(request)
        raise ArmError(404, "not_found", f"{request.method} {request.path} is not served by the sandbox's sign-in.")

    def refuse(self, error: ArmError) -> Response:
        """OAuth's error shape."""
        body = {"error": error.code, "error_description": error.message, "error_codes": []}
        return Response(error.status, json.dumps(body).encode(), {"content-type": "application/json"})

    async def _token(self, request: Request) -> Response:
        form = dict(parse_qsl((await request.body(_FORM_LIMIT)).decode("latin-1")))
        if form.get("grant_type") != "client_credentials":
            raise ArmError(
                400, "unsupported_grant_type",
                f"AADSTS70003: grant_type '{form.get('grant_type')}' is not supported; the sandbox signs in "
                "applications with client_credentials.",
            )  # fmt: skip
        row = self.azure.reader.one("SELECT * FROM principals WHERE client_id = ?", (form.get("client_id", ""),))
        if row is None:
            raise ArmError(
                400,
                "unauthorized_client",
                f"AADSTS700016: Application '{form.get('client_id')}' was not found.",
            )
        if not row["secret_hash"] or not hmac.compare_digest(
            row["secret_hash"], hash_secret(form.get("client_secret", ""))
        ):
            raise ArmError(401, "invalid_client", "AADSTS7000215: Invalid client secret provided.")
        audience = _audience(form)
        token = self.tokens.issue(row["object_id"], row["client_id"], audience)
        answer: dict[str, Any] = {
            "token_type": "Bearer",
            "expires_in": LIFETIME_SECONDS,
            "ext_expires_in": LIFETIME_SECONDS,
            "access_token": token,
        }
        return json_response(answer)


def hash_secret(secret: str) -> str:
    """How a client secret is kept. It is random and long, so one round is enough."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _audience(form: dict[str, str]) -> str:
    scope = form.get("scope") or form.get("resource", "")
    wanted = next((part for part in scope.split() if "://" in part or "/" in part), scope)
    if not wanted:
        raise ArmError(400, "invalid_scope", "AADSTS90014: The required field 'scope' is missing.")
    if wanted.startswith("/"):  # a path is what the sandbox's own links are signed for
        raise ArmError(400, "invalid_resource", f"AADSTS500011: The resource principal named '{wanted}' was not found.")
    return wanted.removesuffix(".default").rstrip("/")


def _instance() -> dict[str, Any]:
    return {
        "tenant_discovery_endpoint": f"https://{_HOST}/{TENANT_ID}/v2.0/.well-known/openid-configuration",
        "api-version": "1.1",
        "metadata": [
            {
                "preferred_network": _HOST,
                "preferred_cache": "login.windows.net",
                "aliases": [_HOST, "login.windows.net"],
            }
        ],
    }


def _configuration() -> dict[str, Any]:
    base = f"https://{_HOST}/{TENANT_ID}"
    return {
        "token_endpoint": f"{base}/oauth2/v2.0/token",
        "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
        "device_authorization_endpoint": f"{base}/oauth2/v2.0/devicecode",
        "jwks_uri": f"{base}/discovery/v2.0/keys",
        "issuer": f"{base}/v2.0",
        "tenant_region_scope": "EU",
        "cloud_instance_name": "microsoftonline.com",
        "response_types_supported": ["code", "token"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
    }
