"""What the gateway lets in, before any plane is asked."""

import http.client
import json
import socket
import urllib.error
from typing import Any

import pytest

from tests.sandbox.conftest import SUBSCRIPTION, Sandbox


def plain(sandbox: Sandbox, path: str, **headers: str) -> tuple[int, Any]:
    """A request to the port itself, without TLS."""
    connection = http.client.HTTPConnection("127.0.0.1", sandbox.server.port, timeout=10)
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def test_azure_is_never_answered_in_clear_text(sandbox: Sandbox) -> None:
    token = f"Bearer {sandbox.token()}"
    path = f"{SUBSCRIPTION}?api-version=2025-12-01"
    status, body = plain(sandbox, path, Host="management.azure.com", Authorization=token)
    assert (status, body["error"]["code"]) == (421, "MisdirectedRequest")
    assert "https" in body["error"]["message"]


@pytest.mark.parametrize("host", ["login.microsoftonline.com", "127.0.0.1"])
def test_a_request_cannot_name_another_host_than_its_connection(sandbox: Sandbox, host: str) -> None:
    answer = sandbox.call("GET", "/metadata/endpoints", headers={"Host": host})
    assert (answer.status, "MisdirectedRequest" in json.dumps(answer.body)) == (421, True)


def test_a_name_that_a_web_page_made_point_here_is_refused(sandbox: Sandbox) -> None:
    status, body = plain(sandbox, "/health", Host="rebound.example")
    assert (status, body["error"]["code"]) == (421, "HostNotInSandbox")


def test_a_web_page_is_refused(sandbox: Sandbox) -> None:
    status, body = plain(sandbox, "/health", Origin="https://page.example")
    assert (status, body["error"]["code"]) == (403, "OriginNotAllowed")


@pytest.mark.parametrize("label", ["a b", "x" * 64, "a_b/c"])
def test_a_host_that_cannot_be_one_is_refused_at_once(sandbox: Sandbox, label: str) -> None:
    with socket.create_connection(("127.0.0.1", sandbox.server.port), timeout=10) as connection:
        connection.sendall(f"CONNECT {label}.blob.core.windows.net:443 HTTP/1.1\r\n\r\n".encode())
        assert connection.recv(64).startswith(b"HTTP/1.1 403")


@pytest.mark.parametrize("secret", ["", "Bearer wrong", "Bearer \xe9"])
def test_the_own_address_wants_the_secret(sandbox: Sandbox, secret: str) -> None:
    status, body = plain(sandbox, "/faults", Authorization=secret)
    assert (status, body["error"]["code"]) == (401, "AuthenticationFailed")


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        ("/pace", {"pace": "polls:x"}, "BadSetting"),
        ("/pace", {"pace": "soon"}, "BadSetting"),
        ("/roles", {"roles": "polls:2"}, "BadSetting"),
        ("/unsent-traffic", {"unsent-traffic": "halved"}, "BadSetting"),
        ("/pace", ["now"], "InvalidRequestContent"),
        ("/faults", {"match": [], "script": [{"status": 500}]}, "BadFault"),
        ("/faults", {"match": {"path": 1}, "script": [{"status": 500}]}, "BadFault"),
        ("/faults", {"match": {"path": "("}, "script": [{"status": 500}]}, "BadFault"),
        ("/faults", {"match": {"port": "1"}, "script": [{"status": 500}]}, "BadFault"),
        ("/faults", {"match": {}, "script": []}, "BadFault"),
        ("/faults", {"match": {}, "script": ["x"]}, "BadFault"),
        ("/faults", {"match": {}, "script": [{"status": "x"}]}, "BadFault"),
        ("/faults", {"match": {}, "script": [{"delay": "long"}]}, "BadFault"),
        ("/faults", {"match": {}, "script": [{"explode": 1}]}, "BadFault"),
    ],
)
def test_what_could_never_work_is_refused_when_it_is_given(
    sandbox: Sandbox, path: str, body: object, code: str
) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        sandbox.admin("POST" if path == "/faults" else "PUT", path, body)
    assert refused.value.code == 400
    assert json.loads(refused.value.read())["error"]["code"] == code


def test_faults_never_lock_out_who_clears_them(sandbox: Sandbox) -> None:
    sandbox.admin("POST", "/faults", {"match": {}, "script": [{"status": 500}] * 3})
    try:
        assert sandbox.admin("GET", "/health")["status"] == "ready"
        assert sandbox.call("GET", SUBSCRIPTION).status == 500
    finally:
        sandbox.admin("DELETE", "/faults")
    assert sandbox.call("GET", SUBSCRIPTION).status == 200


@pytest.mark.parametrize("content", [b"[1]", b'"text"', b"{", b"[" * 100_000, b"\xff"])
def test_a_body_that_is_no_json_object_is_refused(sandbox: Sandbox, content: bytes) -> None:
    checked = f"{SUBSCRIPTION}/providers/Microsoft.Storage/checkNameAvailability"
    for method, url in (("PUT", f"{SUBSCRIPTION}/resourceGroups/g"), ("POST", checked)):
        answer = sandbox.call(method, url, content)
        assert (answer.status, answer.code) == (400, "InvalidRequestContent")
