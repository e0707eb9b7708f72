"""How much a client may send: refused in the plane's own words, before and after the sign-in."""

import json
import socket
import ssl
import threading
import time
from typing import Any

import pytest

from tests.sandbox.conftest import SUBSCRIPTION, Sandbox

HOSTS = ("management.azure.com", "login.microsoftonline.com", "any.vault.azure.net", "any.blob.core.windows.net")
MIB = 2**20


def connect(sandbox: Sandbox, host: str) -> ssl.SSLSocket:
    """A connection to a host of Azure, through the tunnel."""
    plain = socket.create_connection(("127.0.0.1", sandbox.server.port), timeout=30)
    plain.sendall(f"CONNECT {host}:443 HTTP/1.1\r\n\r\n".encode())
    assert plain.recv(4096).startswith(b"HTTP/1.1 200")
    return ssl.create_default_context(cafile=str(sandbox.home.ca_bundle)).wrap_socket(plain, server_hostname=host)


def status(connection: socket.socket, *parts: bytes) -> int:
    """Send until the other side has had enough; the status that it answers."""
    try:
        for part in parts:
            connection.sendall(part)
    except OSError:
        pass  # it has answered and closed
    return int(connection.recv(4096).split(b" ")[1])


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("size", [80 * 1024, 32 * MIB])
def test_headers_beyond_64_kib_are_431(sandbox: Sandbox, host: str, size: int) -> None:
    with connect(sandbox, host) as connection:
        head = f"GET /x HTTP/1.1\r\nHost: {host}\r\nX-Long: ".encode()
        assert status(connection, head, *[b"x" * 16384] * (size // 16384), b"\r\n\r\n") == 431


def test_a_head_that_never_ends_is_431_on_the_plain_port(sandbox: Sandbox) -> None:
    with socket.create_connection(("127.0.0.1", sandbox.server.port), timeout=30) as connection:
        assert status(connection, b"GET / HTTP/1.1\r\nX: ", *[b"x" * 16384] * 64) == 431


@pytest.mark.parametrize("host", HOSTS)
def test_nul_in_an_address_is_400(sandbox: Sandbox, host: str) -> None:
    answer = sandbox.call("PUT", f"https://{host}/a%00b/c?api-version=2025-12-01", b"{}")
    assert answer.status == 400
    assert "InvalidUri" in str(answer.body)


def test_a_body_beyond_4_mib_is_413(sandbox: Sandbox) -> None:
    answer = sandbox.call("PUT", f"{SUBSCRIPTION}/resourceGroups/g", b"{" + b" " * 5 * MIB + b"}")
    assert (answer.status, answer.code) == (413, "RequestEntityTooLarge")
    assert "4194304" in answer.body["error"]["message"]


def test_json_is_read_to_a_depth_of_100(sandbox: Sandbox) -> None:
    path = f"{SUBSCRIPTION}/resourceGroups/deep"

    def nested(levels: int) -> bytes:
        return b'{"location": "westeurope", "tags": ' + b'{"a": ' * levels + b"1" + b"}" * (levels + 1)

    for levels in (100, 900):
        answer = sandbox.call("PUT", path, nested(levels))
        assert (answer.status, answer.code) == (400, "InvalidRequestContent")
        assert "100 levels" in answer.body["error"]["message"]
    answer = sandbox.call("PUT", path, nested(98))
    assert (answer.status, "tags.a" in answer.body["error"]["message"]) == (400, True)
    value = json.loads(nested(90))["tags"]
    template = {"mode": "Incremental", "template": {"resources": [], "variables": {"deep": value}}}
    where = f"{sandbox.group('bounds')}/providers/Microsoft.Resources/deployments/deep"
    assert sandbox.call("PUT", where, {"properties": template}).status == 201


def test_a_sign_in_form_of_96_mib_is_413_and_nobody_waits_for_it(sandbox: Sandbox) -> None:
    host, answers = "login.microsoftonline.com", []
    url = f"/{sandbox.environment['AZURE_TENANT_ID']}/oauth2/v2.0/token"
    head = f"POST {url} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/x-www-form-urlencoded\r\n"

    def send() -> None:
        with connect(sandbox, host) as connection:
            length = f"Content-Length: {96 * MIB}\r\n\r\n"
            answers.append(status(connection, (head + length).encode(), *[b"a=b&" * (MIB // 4)] * 96))

    def waits() -> float:
        begun = time.perf_counter()
        assert sandbox.admin("GET", "/health")["status"] == "ready"
        return time.perf_counter() - begun

    usual: list[float] = [waits() for _ in range(20)]
    sender = threading.Thread(target=send)
    sender.start()
    meanwhile = []
    while sender.is_alive():
        meanwhile.append(waits())
    assert answers == [413]
    # On a busy machine the sender alone takes its share; without other work these are some 30 ms at most.
    assert sorted(meanwhile)[len(meanwhile) // 2] < sorted(usual)[10] + 0.25
    assert max(meanwhile) < max(usual) + 1
    chunked: Any = b"".join([b"Transfer-Encoding: chunked\r\n\r\n", *[b"4000\r\n" + b"x" * 0x4000 + b"\r\n"] * 8])
    with connect(sandbox, host) as connection:
        assert status(connection, head.encode() + chunked) == 413


def test_a_refusal_before_the_sign_in_leaves_the_body_unread(sandbox: Sandbox) -> None:
    answer = sandbox.call("PUT", f"{SUBSCRIPTION}/resourceGroups/g?api-version=2025-12-01", b"x" * 8 * MIB, token="")
    assert (answer.status, answer.code) == (401, "AuthenticationFailed")
