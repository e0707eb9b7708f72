"""Ways around a role that somebody tried: each found its way once, or would if the code were plainer."""

import socket
import time
import uuid
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import jwt
import pytest

from sandbox.arm import ids
from sandbox.arm.errors import ArmError
from sandbox.arm.roles import Role
from sandbox.constants import OBJECT_ID, TENANT_ID
from sandbox.planes import blob_signing
from tests.sandbox.conftest import SUBSCRIPTION, Answer, Sandbox
from tests.sandbox.planes.conftest import Principal, assign, make_stranger

CONTRIBUTOR = "b24988ac-6180-42a0-ab88-20f7382dd24c"
ADMINISTRATOR = "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9"
OWNER = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"
BLOBS = "ba92f5b4-2d11-453d-a403-e96b0029c9fe"
STORE = {"location": "westeurope", "kind": "StorageV2", "sku": {"name": "Standard_LRS"}}
IDENTITIES = "Microsoft.ManagedIdentity/userAssignedIdentities"


class Team:
    """A Contributor of group `mine`, beside group `theirs`."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.mine, self.theirs = sandbox.group("mine"), sandbox.group("theirs")
        self.who: Principal = make_stranger(sandbox)
        assign(sandbox, self.mine, self.who.object_id, CONTRIBUTOR)
        self.token = sandbox.token(client=(self.who.client_id, self.who.secret))

    def call(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Answer:
        """A request of the Contributor."""
        return self.sandbox.call(method, path, body, self.token, headers)

    def raw(self, content: bytes, host: str = "management.azure.com") -> bytes:
        """What a connection answers to bytes that no client would send."""
        with socket.create_connection(("127.0.0.1", self.sandbox.server.port), timeout=5) as plain:
            plain.sendall(f"CONNECT {host}:443 HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            plain.recv(4096)
            with self.sandbox._context.wrap_socket(plain, server_hostname=host) as secured:
                secured.sendall(content)
                secured.settimeout(1)
                return b"".join(_pieces(secured))


def _pieces(connection: socket.socket) -> Iterator[bytes]:
    try:
        while piece := connection.recv(65536):
            yield piece
    except TimeoutError:
        return


@pytest.fixture(scope="module")
def team(sandbox: Sandbox) -> Team:
    return Team(sandbox)


def test_a_try_that_was_refused_opens_no_operation(sandbox: Sandbox, team: Team) -> None:
    """The log says who asked; only whoever was let in is shown what came of it."""
    sandbox.admin("PUT", "/pace", {"pace": "seconds:0.2"})
    group = f"{SUBSCRIPTION}/resourceGroups/not-theirs"
    where = sandbox.call("PUT", group, {"location": "westeurope"}).headers["azure-asyncoperation"]
    sandbox.admin("PUT", "/pace", {"pace": "now"})
    assert team.call("PUT", group, {"location": "westeurope"}).status == 403
    assert team.call("GET", where).code == "OperationNotFound"


def test_a_group_stands_in_no_group(team: Team) -> None:
    """Else a Contributor of one group makes others, which lists show beside the real ones."""
    for kind in ("resourceGroups", "subscriptions", "RESOURCEGROUPS"):
        path = f"{team.mine}/providers/Microsoft.Resources/{kind}/theirs"
        assert team.call("PUT", path, {"location": "westeurope"}).code == "InvalidResourceId"
        assert team.call("GET", path).code == "InvalidResourceId"


@pytest.mark.parametrize("location", ["west\r\nX-Evil: 1", "west\neurope", "../x", "", "é" * 5, "x" * 200])
def test_a_region_is_a_word(team: Team, location: str) -> None:
    """It is part of addresses that answers name."""
    refused = team.call("PUT", f"{team.mine}/providers/{IDENTITIES}/placed", {"location": location})
    assert refused.status == 400, refused


def test_what_a_signature_says_of_an_answer_adds_no_header(sandbox: Sandbox, team: Team) -> None:
    account = f"{team.mine}/providers/Microsoft.Storage/storageAccounts/minestore"
    assert team.call("PUT", account, STORE).status == 200
    team.call("PUT", f"{account}/blobServices/default/containers/files", {"properties": {}})
    assign(sandbox, account, OBJECT_ID, BLOBS)
    host, token = "https://minestore.blob.core.windows.net", sandbox.token("https://storage.azure.com")
    headers = {"x-ms-version": "2024-11-04", "x-ms-blob-type": "BlockBlob"}
    assert sandbox.call("PUT", f"{host}/files/one", b"x", token, headers).status == 201
    key = team.call("POST", f"{account}/listKeys", {}).body["keys"][0]["value"]
    query = {"sv": "2024-11-04", "sp": "r", "se": "2099-01-01T00:00:00Z", "sr": "b", "rscd": "a\r\nX-Evil: 1"}
    query["sig"] = blob_signing.sign(key, blob_signing.service(query, "minestore", "files", "one"))
    answer = sandbox.call("GET", f"{host}/files/one?{urlencode(query)}", token="", headers=headers)
    assert (answer.status, "x-evil" in answer.headers) == (200, False), answer


def test_a_role_of_many_stars_is_answered_at_once() -> None:
    begun = time.perf_counter()
    assert not Role("stars", ("*a" * 40 + "!",)).allows(f"Microsoft.{'a' * 5000}/read", data=False)
    assert not Role("stars", ("/*/" * 60,)).allows("/" * 5000 + "x", data=False)
    assert time.perf_counter() - begun < 1


@pytest.mark.parametrize(
    ("pattern", "action", "covered"),
    [
        ("*", "A/b/read", True), ("*/read", "A/b/read", True), ("*/read", "A/b/readAll", False),
        ("A/*/write", "A/write", True), ("A/*/write", "A/b/c/write", True), ("A/*/write", "A/b/writes", False),
        ("A/*/b/*/read", "A/b/read", True), ("A/*/b/*/read", "A/x/b/y/read", True), ("a/B/READ", "A/b/read", True),
        ("A/b*", "A/bc/read", True), ("A/b", "A/bc", False), ("A.b/read", "Axb/read", False),
        ("A/[bc]/read", "A/b/read", False), ("A/?/read", "A/b/read", False), ("A/[bc]/read", "A/[bc]/read", True),
    ],
)  # fmt: skip
def test_a_star_stands_for_anything_and_nothing_else_does(pattern: str, action: str, covered: bool) -> None:
    assert Role("one", (pattern,)).allows(action, data=False) is covered


def test_long_ids_fill_no_memory(team: Team) -> None:
    """What was read of an id is remembered, for any caller's."""
    long = f"{SUBSCRIPTION}/resourceGroups/{'x' * 3000}"
    refused = team.call("GET", long)
    assert (refused.status, refused.code) == (400, "InvalidResourceId")
    assert len(refused.body["error"]["message"]) < 500
    with pytest.raises(ArmError):
        ids.parse(long)


def test_nobody_becomes_another_by_naming_their_principal(sandbox: Sandbox, team: Team) -> None:
    victim = sandbox.call("PUT", f"{team.theirs}/providers/{IDENTITIES}/victim", {"location": "westeurope"}).body
    own = team.call("PUT", f"{team.mine}/providers/{IDENTITIES}/own", {"location": "westeurope"}).body
    stolen = {name: victim["properties"][name] for name in ("principalId", "clientId")}
    account = f"{team.mine}/providers/Microsoft.Storage/storageAccounts/minethief"
    for identity in (
        {"type": "SystemAssigned", **stolen},
        {"type": "None", "principalId": stolen["principalId"]},
        {"type": "UserAssigned", "principalId": stolen["principalId"], "userAssignedIdentities": {own["id"]: stolen}},
    ):
        shown = team.call("PUT", account, {**STORE, "identity": identity})
        assert stolen["principalId"] not in str(shown.body), identity
        assert team.call("PUT", account, {**STORE, "identity": {"type": "None"}}).status == 200
    forged = {"location": "westeurope", "properties": stolen}
    made = team.call("PUT", f"{team.mine}/providers/{IDENTITIES}/forged", forged)
    assert made.status >= 400 or made.body["properties"]["principalId"] != stolen["principalId"]
    assign(sandbox, team.theirs, stolen["principalId"], CONTRIBUTOR)  # the victim is still there


@pytest.mark.parametrize("scope", ["", SUBSCRIPTION, "theirs", "mine", "store"])
def test_a_contributor_gives_no_role_to_anybody(team: Team, scope: str) -> None:
    at = {"theirs": team.theirs, "mine": team.mine,
          "store": f"{team.mine}/providers/Microsoft.Storage/storageAccounts/minestore"}.get(scope, scope)  # fmt: skip
    definition = f"{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/{OWNER}"
    body = {"properties": {"principalId": team.who.object_id, "roleDefinitionId": definition}}
    given = f"{at}/providers/Microsoft.Authorization/roleAssignments/{uuid.uuid4()}"
    assert team.call("PUT", given, body).code == "AuthorizationFailed"
    role = {"roleName": "mine", "permissions": [{"actions": ["*"]}], "assignableScopes": [at or "/"]}
    defined = f"{at}/providers/Microsoft.Authorization/roleDefinitions/{uuid.uuid4()}"
    assert team.call("PUT", defined, {"properties": role}).code == "AuthorizationFailed"


def test_an_administrator_of_a_group_gives_roles_there_and_below_only(sandbox: Sandbox, team: Team) -> None:
    who = make_stranger(sandbox)
    assign(sandbox, team.mine, who.object_id, ADMINISTRATOR)
    token = sandbox.token(client=(who.client_id, who.secret))
    definition = f"{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/{OWNER}"
    body = {"properties": {"principalId": who.object_id, "roleDefinitionId": definition}}
    for at, status in ((SUBSCRIPTION, 403), (team.theirs, 403), ("", 403), (f"{team.mine}-beside", 403),
                       (f"{team.mine}/../theirs", 400), (team.mine, 201)):  # fmt: skip
        path = f"{at}/providers/Microsoft.Authorization/roleAssignments/{uuid.uuid4()}"
        assert sandbox.call("PUT", path, body, token).status == status, at
    assert sandbox.call("PUT", team.theirs, {"location": "westeurope"}, token).status == 403


@pytest.mark.parametrize(
    "path",
    [
        "{mine}/../theirs", "{mine}/%2e%2e/theirs", "{mine}%2F..%2Ftheirs", "{THEIRS}", "{theirs}/", "{theirs}%20",
        "{theirs}%C2%A0", "{theirs};x=1", "{theirs}%3Fx", "{theirs}%00", "{theirs}%2500",
        "{mine}/providers/Microsoft.Authorization/roleAssignments/x/..{theirs}", "/{theirs}", "{mine}/{theirs}",
    ],
)  # fmt: skip
def test_no_spelling_of_a_path_leads_elsewhere(team: Team, path: str) -> None:
    text = path.format(mine=team.mine, theirs=team.theirs, THEIRS=team.theirs.upper())
    for method, body in (("GET", None), ("PUT", {"location": "westeurope", "tags": {"a": "b"}}), ("DELETE", None)):
        assert team.call(method, text, body).status in (400, 403, 404, 405), (method, text)


@pytest.mark.parametrize(
    "header",
    [
        "X-HTTP-Method-Override: PUT", "X-HTTP-Method: DELETE", "X-Method-Override: PATCH",
        "X-Original-URL: {mine}", "X-Rewrite-URL: {mine}", "X-Forwarded-Host: 127.0.0.1", "X-Forwarded-For: 127.0.0.1",
        f"x-ms-client-principal-id: {OBJECT_ID}", "x-ms-authorization-auxiliary: Bearer {owner}",
    ],
)  # fmt: skip
def test_no_header_speaks_for_another(team: Team, header: str) -> None:
    name, _, value = header.format(mine=team.mine, owner=team.sandbox.token()).partition(": ")
    assert team.call("PUT", team.theirs, {"location": "westeurope"}, {name: value}).status == 403
    assert team.call("GET", team.theirs, None, {name: value}).status == 403
    assert team.call("GET", team.mine, None, {name: value}).status == 200


def test_two_lengths_or_hosts_are_no_request(team: Team) -> None:
    own, hidden = f"Authorization: Bearer {team.token}", "GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"

    def ask(*headers: str, body: str = "") -> bytes:
        head = [f"PUT {team.mine}?api-version=2025-12-01 HTTP/1.1", "Host: management.azure.com", own, *headers]
        return team.raw("\r\n".join([*head, "", body]).encode())

    for headers, body in (
        (("Content-Length: 5", "Transfer-Encoding: chunked"), f"0\r\n\r\n{hidden}"),
        (("Transfer-Encoding: chunked", "Content-Length: 5"), f"0\r\n\r\n{hidden}"),
        (("Content-Length: 2", "Content-Length: 90"), f"{{}}{hidden}"),
        (("Transfer-Encoding: xchunked",), f"0\r\n\r\n{hidden}"),
        (("Transfer-Encoding : chunked",), f"0\r\n\r\n{hidden}"),
    ):
        answer = ask(*headers, body=body)
        assert answer.startswith(b"HTTP/1.1 400"), answer
        assert b"ready" not in answer
    assert ask("Host: theirs.blob.core.windows.net").startswith(b"HTTP/1.1 421")
    assert ask("Host: 127.0.0.1").startswith(b"HTTP/1.1 421")


@pytest.mark.parametrize(
    "forged",
    [
        {"algorithm": "none", "key": ""}, {"algorithm": "HS512", "key": "k" * 64}, {"key": TENANT_ID},
        {"key": "k" * 32, "headers": {"kid": "../../../../dev/null"}},
        {"key": "k" * 32, "headers": {"jku": "https://example.com/keys"}},
        {"key": "k" * 32, "headers": {"crit": ["b64"], "b64": False}},
    ],
)  # fmt: skip
def test_a_token_that_others_signed_is_none(sandbox: Sandbox, forged: dict[str, Any]) -> None:
    claims = jwt.decode(sandbox.token(), options={"verify_signature": False})
    token = jwt.encode(claims, **forged)
    assert sandbox.call("GET", SUBSCRIPTION, token=token).code == "InvalidAuthenticationToken"


@pytest.mark.parametrize(
    "scope", ["/artifact/x", "%2Fartifact/v2.0/x", "%20/artifact", "%0A/artifact", "//artifact/x", "/"]
)
def test_sign_in_signs_no_link(sandbox: Sandbox, team: Team, scope: str) -> None:
    """A path is what the sandbox's own links are signed for."""
    form = f"grant_type=client_credentials&client_id={team.who.client_id}&client_secret={team.who.secret}&scope={scope}"
    url = f"https://login.microsoftonline.com/{TENANT_ID}/oauth2/v2.0/token"
    answer = sandbox.call("POST", url, form.encode(), "", {"Content-Type": "application/x-www-form-urlencoded"})
    assert (answer.status, answer.body["error"]) == (400, "invalid_resource")
