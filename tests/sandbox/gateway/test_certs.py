"""The private authority: what clients take from it, and what they do not."""

import ssl
from pathlib import Path

import pytest
import trustme

from sandbox.gateway.certs import Authority
from sandbox.home import Home

PATTERNS = ("management.azure.com", "{account}.blob.core.windows.net", "{endpoint}.{region}.inference.ml.azure.com")


def taken(home: Home, host: str) -> str:
    """Why a client refuses what the authority's key signs for a host; '' when it does not."""
    authority = trustme.CA.from_pem((home.authority / "ca.crt").read_bytes(), (home.authority / "ca.key").read_bytes())
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(host).configure_cert(server)
    client = ssl.create_default_context(cafile=str(home.ca_bundle))
    client.verify_flags |= ssl.VERIFY_X509_STRICT  # as Python does by itself from 3.13 on
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    near = client.wrap_bio(to_client, to_server, server_hostname=host)
    far = server.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):
        for side in (near, far):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLCertVerificationError as error:
                return error.verify_message
    return ""


@pytest.mark.parametrize(
    ("host", "why"),
    [
        ("management.azure.com", ""),
        ("stmlops.blob.core.windows.net", ""),
        ("flights.westeurope.inference.ml.azure.com", ""),
        ("example.com", "permitted subtree violation"),
        ("core.windows.net", "permitted subtree violation"),
        ("notmanagement.azure.com", "permitted subtree violation"),
        ("127.0.0.1", "excluded subtree violation"),
        ("localhost", "permitted subtree violation"),
    ],
)
def test_it_is_good_for_what_the_sandbox_answers_only(tmp_path: Path, host: str, why: str) -> None:
    home = Home(tmp_path)
    Authority(home, PATTERNS)
    assert taken(home, host) == why


def test_one_that_was_made_for_other_names_is_made_anew(tmp_path: Path) -> None:
    home = Home(tmp_path)
    Authority(home, PATTERNS[1:])
    assert taken(home, PATTERNS[0]) == "permitted subtree violation"
    Authority(home, PATTERNS)
    kept = (home.authority / "ca.crt").read_bytes()
    assert taken(home, PATTERNS[0]) == ""
    assert home.ca_bundle.read_bytes().startswith(kept)
    Authority(home, reversed(PATTERNS))
    assert (home.authority / "ca.crt").read_bytes() == kept
    limitless = trustme.CA()
    limitless.cert_pem.write_to_path(home.authority / "ca.crt")
    limitless.private_key_pem.write_to_path(home.authority / "ca.key")
    Authority(home, PATTERNS)
    assert taken(home, "example.com") == "permitted subtree violation"
