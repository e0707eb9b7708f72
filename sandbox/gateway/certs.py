"""The private authority, made on first use, and one certificate for each host name, made when it is asked for.

The authority's key never leaves the sandbox's folder, and no machine-wide trust is changed: a client trusts it
through the variables that ``sandbox env`` prints. It is good for the names that the sandbox answers and for no other,
so even its key does not let anybody stand in for the rest of the internet.
"""

import re
import ssl
from collections.abc import Iterable
from datetime import timedelta
from functools import lru_cache
from ipaddress import ip_network

import certifi
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from sandbox import clock
from sandbox.atomic import write_private
from sandbox.home import Home

_YEARS = 10
_USES = {
    "digital_signature": False, "content_commitment": False, "key_encipherment": False, "data_encipherment": False,
    "key_agreement": False, "key_cert_sign": True, "crl_sign": True, "encipher_only": False, "decipher_only": False,
}  # fmt: skip


class Authority:
    """Signs for Azure's host names on this machine.

    Args:
        home: keeps the key (owner only) and the bundle: this authority and the public ones, so that a shell with
            the variables set can still reach a package registry.
        patterns: the host names that it may sign for, as the planes write them; one made for others is replaced.
    """

    def __init__(self, home: Home, patterns: Iterable[str]) -> None:
        key = home.authority / "ca.key"
        certificate = home.authority / "ca.crt"
        limits = _limits(patterns)
        there = key.exists() and certificate.exists() and home.ca_bundle.exists()
        if not (there and _limits_of(certificate.read_bytes()) == limits):
            made_key, made = _make(limits)
            write_private(key, made_key)
            write_private(home.ca_bundle, made + b"\n" + _public_bundle())
            write_private(certificate, made)  # the last: until it is there, all of it is made again
        self._ca = trustme.CA.from_pem(certificate.read_bytes(), key.read_bytes())
        self.context = lru_cache(maxsize=4096)(self._context)

    def _context(self, host: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._ca.issue_cert(host).configure_cert(context)
        context.set_alpn_protocols(["http/1.1"])
        return context


def _limits(patterns: Iterable[str]) -> x509.NameConstraints:
    """What an authority may sign for: of a name with parts in braces, all that ends like it; no address at all."""
    names = sorted({re.sub(r".*\}\.", "", pattern) for pattern in patterns})
    everywhere = [x509.IPAddress(ip_network(each)) for each in ("0.0.0.0/0", "::/0")]
    return x509.NameConstraints([x509.DNSName(name) for name in names], everywhere)


def _limits_of(certificate: bytes) -> x509.NameConstraints | None:
    try:
        found = x509.load_pem_x509_certificate(certificate).extensions
        return found.get_extension_for_class(x509.NameConstraints).value
    except (ValueError, x509.ExtensionNotFound):
        return None


def _make(limits: x509.NameConstraints) -> tuple[bytes, bytes]:
    """The key and the certificate of a new authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Azure sandbox on this machine")])
    now = clock.now()
    builder = x509.CertificateBuilder(
        name, name, key.public_key(), x509.random_serial_number(), now - timedelta(days=1),
        now + timedelta(days=365 * _YEARS),
    )  # fmt: skip
    for extension, critical in (
        (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False),
        (x509.BasicConstraints(ca=True, path_length=0), True),
        (x509.KeyUsage(**_USES), True),
        (limits, True),
    ):
        builder = builder.add_extension(extension, critical=critical)
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption())
    return private, builder.sign(key, hashes.SHA256()).public_bytes(pem)


def _public_bundle() -> bytes:
    with open(certifi.where(), "rb") as file:  # noqa: PTH123 - certifi gives a path as text
        return file.read()
