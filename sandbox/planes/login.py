"""Entra ID: discovery, and tokens for applications and people, with a secret or with another issuer's token."""

import json
import re
import sqlite3
from typing import Any
from urllib.parse import parse_qsl

import jwt

from sandbox.arm.access import LIFETIME_SECONDS
from sandbox.arm.errors import ArmError
from sandbox.arm.keys import hash_secret, same
from sandbox.constants import TENANT_ID
from sandbox.gateway.hosts import Plane
from sandbox.gateway.http import Request, Response, json_response
from sandbox.planes import federation

_FORM_LIMIT = 64 * 1024
_HOST = "login.microsoftonline.com"
_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


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
        if path.startswith("/common/userrealm/"):
            return json_response({"ver": "1.0", "account_type": "Managed", "domain_name": path.rpartition("@")[2]})
        if found := re.fullmatch(r"/([^/]+)/oauth2/(v2\.0/)?token", path):
            if found[1] != TENANT_ID:
                raise ArmError(400, "invalid_request", f"AADSTS90002: Tenant '{found[1]}' not found.")
            return await self._token(request)
        raise ArmError(404, "not_found", f"{request.method} {request.path} is not served by the sandbox's sign-in.")

    def refuse(self, error: ArmError) -> Response:
        """OAuth's error shape."""
        body = {"error": error.code, "error_description": error.message, "error_codes": []}
        return Response(error.status, json.dumps(body).encode(), {"content-type": "application/json"})

    async def _token(self, request: Request) -> Response:
        form = dict(parse_qsl((await request.body(_FORM_LIMIT)).decode("latin-1")))
        match form.get("grant_type"):
            case "client_credentials":
                row = self._application(form)
            case "password":
                row = self._person(form)
            case other:
                raise ArmError(
                    400, "unsupported_grant_type",
                    f"AADSTS70003: grant_type '{other}' is not supported; the sandbox signs in applications with "
                    "client_credentials and people with password.",
                )  # fmt: skip
        audience = _audience(form)
        person = row["client_id"] if "@" in row["client_id"] else ""
        client = form.get("client_id", "") if person else row["client_id"]
        answer: dict[str, Any] = {
            "token_type": "Bearer",
            "expires_in": LIFETIME_SECONDS,
            "ext_expires_in": LIFETIME_SECONDS,
            "access_token": self.tokens.issue(row["object_id"], client, audience, person=person),
        }
        if person and "openid" in form.get("scope", "").split():
            answer["id_token"] = _id_token(row, client)
        return json_response(answer)

    def _application(self, form: dict[str, str]) -> sqlite3.Row:
        """Whoever shows an application's secret, or a token that stands for it.

        Raises:
            ArmError: 400 or 401, as Entra refuses.
        """
        row = self.azure.reader.one("SELECT * FROM principals WHERE client_id = ?", (form.get("client_id", ""),))
        if row is None or "@" in row["client_id"]:
            raise ArmError(
                400, "unauthorized_client", f"AADSTS700016: Application '{form.get('client_id')}' was not found."
            )
        if assertion := form.get("client_assertion"):
            if form.get("client_assertion_type") != _ASSERTION:
                raise ArmError(400, "invalid_request", f"AADSTS900144: client_assertion_type must be '{_ASSERTION}'.")
            federation.need_trusted(assertion, row["object_id"], row["resource"], self.azure)
        elif not _proves(form.get("client_secret", ""), row):
            raise ArmError(401, "invalid_client", "AADSTS7000215: Invalid client secret provided.")
        return row

    def _person(self, form: dict[str, str]) -> sqlite3.Row:
        """Whoever shows a person's password.

        Raises:
            ArmError: 400, the same for a person that is not there.
        """
        who = form.get("username", "").lower()
        row = self.azure.reader.one("SELECT * FROM principals WHERE client_id = ?", (who,)) if "@" in who else None
        if row is None or not _proves(form.get("password", ""), row):
            raise ArmError(
                400, "invalid_grant", "AADSTS50126: Error validating credentials due to invalid username or password."
            )
        return row


def _proves(secret: str, row: sqlite3.Row) -> bool:
    return bool(row["secret_hash"]) and same(hash_secret(secret), row["secret_hash"])


def _id_token(row: sqlite3.Row, client: str) -> str:
    """Who signed in, for the client's own eyes: nothing in the sandbox takes it."""
    claims = {
        "aud": client, "iss": f"https://{_HOST}/{TENANT_ID}/v2.0", "tid": TENANT_ID, "oid": row["object_id"],
        "sub": row["object_id"], "preferred_username": row["client_id"], "name": row["name"], "ver": "2.0",
    }  # fmt: skip
    return jwt.encode(claims, "", algorithm="none")


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
