"""The private authority, made on first use, and one certificate for each host name, made when it is asked for.

The authority's key never leaves the sandbox's folder, and no machine-wide trust is changed: a client trusts it
through the variables that ``sandbox env`` prints.
"""

import ssl
from functools import lru_cache

import certifi
import trustme

from sandbox.atomic import write_private
from sandbox.home import Home


class Authority:
    """Signs for Azure's host names on this machine.

    Args:
        home: keeps the key (owner only) and the bundle: this authority and the public ones, so that a shell with
            the variables set can still reach a package registry.
    """

    def __init__(self, home: Home) -> None:
        key = home.authority / "ca.key"
        certificate = home.authority / "ca.crt"
        if not (key.exists() and certificate.exists() and home.ca_bundle.exists()):
            made = trustme.CA(organization_name="Azure sandbox on this machine")
            write_private(key, made.private_key_pem.bytes())
            write_private(certificate, made.cert_pem.bytes())
            write_private(home.ca_bundle, made.cert_pem.bytes() + b"\n" + _public_bundle())
        self._ca = trustme.CA.from_pem(certificate.read_bytes(), key.read_bytes())
        self.context = lru_cache(maxsize=4096)(self._context)

    def _context(self, host: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._ca.issue_cert(host).configure_cert(context)
        context.set_alpn_protocols(["http/1.1"])
        return context


def _public_bundle() -> bytes:
    with open(certifi.where(), "rb") as file:  # noqa: PTH123 - certifi gives a path as text
        return file.read()
