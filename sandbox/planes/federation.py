"""Tokens of another issuer, such as a pipeline's, that Entra takes for one of an application or an identity."""

from datetime import timedelta
from typing import NamedTuple

import jwt

from sandbox import clock
from sandbox.arm.errors import ArmError
from sandbox.arm.keys import derive
from sandbox.arm.resource import View
from sandbox.store.db import Reader

AUDIENCE = "api://AzureADTokenExchange"
LIFETIME = timedelta(hours=12)
_ALGORITHM = "HS256"
_KIND = "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials"


class Trusted(NamedTuple):
    """Whose tokens count: all three as they are written."""

    issuer: str
    subject: str
    audience: str


def issue(reader: Reader, issuer: str, subject: str) -> str:
    """What that issuer would give that subject. The sandbox is every issuer, since it reaches none."""
    now = clock.now()
    claims = {
        "iss": issuer, "sub": subject, "aud": AUDIENCE, "jti": clock.new_id(), "iat": int(now.timestamp()),
        "nbf": int(now.timestamp()), "exp": int((now + LIFETIME).timestamp()),
    }  # fmt: skip
    return jwt.encode(claims, _key(reader), algorithm=_ALGORITHM)


def need_trusted(assertion: str, object_id: str, resource: str, view: View) -> None:
    """Refuse a token that does not stand for a principal.

    Args:
        assertion: the token.
        object_id: the principal's.
        resource: key of the resource whose identity it is, '' for an application.
        view: where credentials are looked up.

    Raises:
        ArmError: 401 or 400 in Entra's words.
    """
    try:
        claims = jwt.decode(
            assertion, _key(view.reader), algorithms=[_ALGORITHM], audience=AUDIENCE,
            options={"require": ["iss", "sub", "aud", "exp"]},
        )  # fmt: skip
    except jwt.ExpiredSignatureError as error:
        raise _refused(
            "AADSTS700024: Client assertion is not within its valid time range; `python -m sandbox env --as NAME` "
            "writes a new one."
        ) from error
    except jwt.InvalidAudienceError as error:
        raise _refused(
            "AADSTS700212: No matching federated identity record found for presented assertion audience; want "
            f"'{AUDIENCE}'."
        ) from error
    except jwt.PyJWTError as error:
        raise _refused(f"AADSTS50027: JWT token is invalid or malformed: {error}.") from error
    known = list(trusted(object_id, resource, view))
    issuer, subject = str(claims["iss"]), str(claims["sub"])
    if not any(issuer == each.issuer for each in known):
        raise _refused(
            f"AADSTS700211: No matching federated identity record found for presented assertion issuer '{issuer}'."
        )
    if Trusted(issuer, subject, AUDIENCE) not in known:
        raise _refused(
            f"AADSTS700213: No matching federated identity record found for presented assertion subject '{subject}'."
        )


def trusted(object_id: str, resource: str, view: View) -> list[Trusted]:
    """Whose tokens a principal takes for its own."""
    if resource:
        return [
            Trusted(each["properties.issuer"], each["properties.subject"], str(each["properties.audiences"][0]))
            for each in view.children(resource, _KIND)
        ]
    rows = view.reader.all("SELECT issuer, subject FROM identities WHERE object_id = ? AND issuer <> ''", (object_id,))
    return [Trusted(row["issuer"], row["subject"], AUDIENCE) for row in rows]


def _key(reader: Reader) -> bytes:
    return derive(reader, "token issuers", size=32)


def _refused(message: str) -> ArmError:
    return ArmError(401, "invalid_client", message)
