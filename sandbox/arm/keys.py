"""Keys that services hand out: derived when they are asked for, so that no state holds them.

All come from the one secret that also signs tokens; a key's version is the only thing to keep.
"""

import base64
import hashlib
import hmac
from typing import TYPE_CHECKING

from cryptography.fernet import Fernet

from sandbox.store.db import Reader

if TYPE_CHECKING:
    from sandbox.arm.resource import Resource


def derive(reader: Reader, *purpose: str, size: int = 64) -> bytes:
    """The key for a purpose: the same for the same words, unlike any other.

    Args:
        reader: the state.
        purpose: what it is for, such as a resource id, the key's name and its version.
        size: in bytes, up to 64.
    """
    row = reader.one("SELECT value FROM meta WHERE key = 'token-key'")
    if row is None:
        raise RuntimeError("the sandbox has no token key; it is made when the gateway starts")
    return hmac.digest(bytes.fromhex(row["value"]), "\n".join(purpose).encode(), hashlib.sha512)[:size]


def derive_text(reader: Reader, *purpose: str, size: int = 64) -> str:
    """The key for a purpose in base64, as Azure's services show theirs."""
    return base64.b64encode(derive(reader, *purpose, size=size)).decode()


def own(reader: Reader, me: "Resource", *purpose: str, size: int = 64) -> str:
    """A resource's own key for a purpose, in base64. Its name alone does not bring it back after a deletion."""
    return derive_text(reader, me.id.key, me.created, *purpose, size=size)


def same(given: str, kept: str) -> bool:
    """Whether a key is the one, in a time that does not tell how much of it is; any text may be given."""
    return hmac.compare_digest(given.encode(), kept.encode())


def hash_secret(secret: str) -> str:
    """How the state keeps the secret of whoever signs in. It is random and long, so one round is enough."""
    return hashlib.sha256(secret.encode()).hexdigest()


def seal(reader: Reader, text: str, *purpose: str) -> str:
    """The text encrypted, to be kept in the state."""
    return _cipher(reader, purpose).encrypt(text.encode()).decode()


def unseal(reader: Reader, sealed: str, *purpose: str) -> str:
    """The text that :func:`seal` was given."""
    return _cipher(reader, purpose).decrypt(sealed.encode()).decode()


def _cipher(reader: Reader, purpose: tuple[str, ...]) -> Fernet:
    return Fernet(base64.urlsafe_b64encode(derive(reader, "seal", *purpose, size=32)))
