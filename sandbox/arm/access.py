"""Who asks, and whether they may: tokens and role assignments, for control and data planes alike."""

import secrets
import time
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

import jwt

from sandbox import clock
from sandbox.arm.errors import ArmError
from sandbox.arm.roles import DEFINITION, ROLES, Role, custom
from sandbox.arm.settings import setting
from sandbox.constants import TENANT_ID
from sandbox.store.db import Reader, Store

LIFETIME_SECONDS = 3600
_SKEW_SECONDS = 300
_ALGORITHM = "HS256"
ISSUER = f"https://sts.windows.net/{TENANT_ID}/"
# What the sandbox itself was born with has no resource, and so no date. A principal that is gone may do nothing more.
_GRANTS = """SELECT grants.scope, grants.role, resources.created
FROM grants JOIN principals ON principals.object_id = grants.principal LEFT JOIN resources USING (key)
WHERE grants.principal = ?"""


@dataclass(frozen=True)
class Caller:
    """Whoever signed the request.

    Attributes:
        object_id: the principal that role assignments name.
        client_id: the application it signed in as.
        audience: what the token is for, without a trailing slash.
        begins: when the token's life begins, in seconds since 1970.
        expires: when it ends.
    """

    object_id: str
    client_id: str
    audience: str
    begins: float
    expires: float


class Tokens:
    """Issues and reads the sandbox's tokens, with a key made at the first start."""

    def __init__(self, key: str) -> None:
        self._key = key
        self._read = lru_cache(maxsize=1024)(self._decode)

    @classmethod
    async def open(cls, store: Store) -> "Tokens":
        """Use the key in the state, or make one."""
        await store.write(
            lambda tx: tx.run("INSERT OR IGNORE INTO meta VALUES ('token-key', ?)", (secrets.token_hex(32),))
        )
        row = store.one("SELECT value FROM meta WHERE key = 'token-key'")
        if row is None:
            raise RuntimeError("the token key that was just written is not there")
        return cls(row["value"])

    def issue(
        self, object_id: str, client_id: str, audience: str, seconds: int = LIFETIME_SECONDS, *, person: str = ""
    ) -> str:
        """A token for one audience, with the claims that Entra puts into an application's, or into a person's.

        Args:
            object_id: the principal.
            client_id: the application that it signed in as, or through.
            audience: what the token is for.
            seconds: its life.
            person: the user principal name; '' for an application.
        """
        issued = int(clock.now().timestamp())
        own = {"appidacr": "0", "scp": "user_impersonation", "upn": person} if person else {
            "appidacr": "1", "idtyp": "app"
        }  # fmt: skip
        claims = {
            "aud": audience, "iss": ISSUER, "iat": issued, "nbf": issued,
            "exp": issued + seconds, "appid": client_id, "oid": object_id,
            "sub": object_id, "tid": TENANT_ID, "ver": "1.0", "uti": clock.new_hex(16), **own,
        }  # fmt: skip
        return jwt.encode(claims, self._key, algorithm=_ALGORITHM)

    def read(self, header: str | None, audiences: tuple[str, ...]) -> Caller:
        """The caller that an Authorization header names.

        Raises:
            ArmError: 401, saying what is wrong with it.
        """
        scheme, _, token = (header or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise _unauthorized("AuthenticationFailed", "The 'Authorization' header is missing or not a bearer token.")
        caller = self._read(token)
        if caller.expires <= time.time():
            raise _unauthorized("ExpiredAuthenticationToken", "The access token has expired.")
        if caller.begins > time.time() + _SKEW_SECONDS:
            raise _unauthorized("InvalidAuthenticationToken", "The access token is not yet valid.")
        if caller.audience not in audiences:
            raise _unauthorized(
                "InvalidAuthenticationTokenAudience",
                f"The access token is for '{caller.audience}', this service wants one of: {', '.join(audiences)}.",
            )
        return caller

    def _decode(self, token: str) -> Caller:
        try:
            claims = jwt.decode(
                token, self._key, algorithms=[_ALGORITHM],
                options={"verify_aud": False, "verify_exp": False, "verify_nbf": False, "verify_iat": False},
            )  # fmt: skip
        except jwt.PyJWTError as error:
            raise _unauthorized("InvalidAuthenticationToken", f"The access token is not valid: {error}.") from error
        if (claims.get("tid"), claims.get("iss")) != (TENANT_ID, ISSUER):
            raise _unauthorized(
                "InvalidAuthenticationTokenTenant",
                f"The access token is from the wrong issuer '{claims.get('iss')}'. It must match the tenant "
                f"'{ISSUER}' associated with this subscription.",
            )
        return Caller(
            claims["oid"], claims["appid"], str(claims["aud"]).rstrip("/"), float(claims["nbf"]), float(claims["exp"])
        )


def _unauthorized(code: str, message: str) -> ArmError:
    return ArmError(
        401,
        code,
        message,
        headers={"WWW-Authenticate": 'Bearer authorization_uri="https://login.microsoftonline.com/"'},
    )


def _age(created: str) -> float:
    return (clock.now() - datetime.fromisoformat(created)).total_seconds()


def allowed(reader: Reader, object_id: str, action: str, scope: str, *, data: bool = False) -> bool:
    """Whether a role assignment at `scope` or above covers the action, and has had the time that the setting gives."""
    here = scope.lower() + "/"
    delay = setting(reader, "roles").partition(":")[2]
    for grant in reader.all(_GRANTS, (object_id,)):
        above = grant["scope"]
        if delay and grant["created"] and _age(grant["created"]) < float(delay):
            continue
        if here.startswith(above if above == "/" else above + "/") and any(
            role.allows(action, data) for role in _roles(reader, grant["role"])
        ):
            return True
    return False


def _roles(reader: Reader, guid: str) -> tuple[Role, ...]:
    """What a role definition allows: a built-in one, or a custom one, each of whose permissions stands alone."""
    if built_in := ROLES.get(guid):
        return (built_in,)
    row = reader.one("SELECT body FROM resources WHERE kind = ? AND lower(name) = ?", (DEFINITION.lower(), guid))
    return custom(row["body"]) if row else ()


def require(reader: Reader, object_id: str, action: str, scope: str, *, data: bool = False) -> None:
    """Refuse without a role.

    Raises:
        ArmError: 403 AuthorizationFailed, naming the caller, the action and the scope.
    """
    if not allowed(reader, object_id, action, scope, data=data):
        raise ArmError(
            403,
            "AuthorizationFailed",
            f"{_client(reader, object_id)} does not have authorization to perform action '{action}' over scope "
            f"'{scope}' or the scope is invalid. If access was recently granted, please refresh your credentials.",
        )


def require_linked(reader: Reader, object_id: str, action: str, scope: str, linked: str, target: str) -> None:
    """Refuse a caller who may do something, but not with the resource that it would bring in.

    Args:
        reader: the state.
        object_id: the caller; what the sandbox does by itself, without one, is not asked.
        action: what is done.
        scope: to what.
        linked: what the caller must be allowed to do with the other resource.
        target: id of the other resource.

    Raises:
        ArmError: 403 LinkedAuthorizationFailed, naming the caller, both actions and both scopes.
    """
    if object_id and not allowed(reader, object_id, linked, target):
        raise ArmError(
            403,
            "LinkedAuthorizationFailed",
            f"{_client(reader, object_id)} has permission to perform action '{action}' on scope '{scope}'; "
            f"however, it does not have permission to perform action(s) '{linked}' on the linked scope(s) '{target}' "
            "or the linked scope(s) are invalid.",
        )


def _client(reader: Reader, object_id: str) -> str:
    row = reader.one("SELECT client_id FROM principals WHERE object_id = ?", (object_id,))
    return f"The client '{row['client_id'] if row else object_id}' with object id '{object_id}'"
