"""What a caller may bring in from elsewhere: a Contributor of one group beside what is another group's."""

import json
import re
import sqlite3
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import jwt
import pytest

from sandbox.arm.access import Tokens
from sandbox.arm.errors import ArmError
from sandbox.arm.roles import ROLES
from sandbox.constants import CLIENT_ID, TENANT_ID
from tests.sandbox.conftest import SUBSCRIPTION, Answer, Sandbox
from tests.sandbox.planes.conftest import Principal, assign, make_stranger
from tests.sandbox.world import ML, until

CONTRIBUTOR = "b24988ac-6180-42a0-ab88-20f7382dd24c"
OPERATOR = "f1a07417-d97a-45cb-824c-7a7467783830"
SCIENTIST = "f6c7c914-8db3-469d-8ca1-694a8f32e121"
IDENTITIES = "Microsoft.ManagedIdentity/userAssignedIdentities"
ASSIGN = f"{IDENTITIES}/assign/action"


@dataclass
class Neighbours:
    """A Contributor of the group `mine`, and the group `theirs` in which they have no role.

    Attributes:
        mine: the group that the Contributor has.
        theirs: the other one, with an identity, a storage account, a vault, a registry and logs.
        who: the Contributor.
        token: theirs for Azure Resource Manager.
    """

    sandbox: Sandbox
    mine: str
    theirs: str
    who: Principal
    token: str

    def as_owner(self, path: str, body: dict[str, Any]) -> str:
        """PUT as the sandbox's caller, who owns everything."""
        answer = self.sandbox.call("PUT", path, {"location": "westeurope", **body})
        assert answer.status in (200, 201), answer
        return path

    def put(self, path: str, body: dict[str, Any], method: str = "PUT") -> Answer:
        """PUT as the Contributor."""
        located = {} if method == "PATCH" else {"location": "westeurope"}
        return self.sandbox.call(method, path, {**located, **body}, self.token)

    def admin_pace(self, pace: str) -> None:
        """Set how operations end."""
        self.sandbox.admin("PUT", "/pace", {"pace": pace})

    def parts(self, group: str, name: str) -> dict[str, str]:
        """What a workspace is built on, in a group."""
        at = f"{group}/providers"
        vault = {"tenantId": TENANT_ID, "sku": {"family": "A", "name": "standard"}, "accessPolicies": []}
        logs = self.as_owner(f"{at}/Microsoft.OperationalInsights/workspaces/{name}logs", {})
        return {
            "storageAccount": self.as_owner(
                f"{at}/Microsoft.Storage/storageAccounts/{name}store",
                {"kind": "StorageV2", "sku": {"name": "Standard_LRS"}},
            ),
            "keyVault": self.as_owner(f"{at}/Microsoft.KeyVault/vaults/{name}vault", {"properties": vault}),
            "applicationInsights": self.as_owner(
                f"{at}/Microsoft.Insights/components/{name}insights",
                {"kind": "web", "properties": {"Application_Type": "web", "WorkspaceResourceId": logs}},
            ),
            "containerRegistry": self.as_owner(
                f"{at}/Microsoft.ContainerRegistry/registries/{name}images", {"sku": {"name": "Basic"}}
            ),
        }


@pytest.fixture(scope="module")
def both(sandbox: Sandbox) -> Neighbours:
    mine, theirs = sandbox.group("mine"), sandbox.group("theirs")
    who = make_stranger(sandbox)
    assign(sandbox, mine, who.object_id, CONTRIBUTOR)
    found = Neighbours(sandbox, mine, theirs, who, sandbox.token(client=(who.client_id, who.secret)))
    found.as_owner(f"{theirs}/providers/{IDENTITIES}/theirs", {})
    return found


@pytest.fixture(scope="module")
def own(both: Neighbours) -> dict[str, str]:
    return both.parts(both.mine, "mine")


@pytest.fixture(scope="module")
def foreign(both: Neighbours) -> dict[str, str]:
    return both.parts(both.theirs, "theirs")


def linked(answer: Answer, action: str, target: str) -> None:
    """The answer refuses an action on a linked resource, and names both."""
    assert (answer.status, answer.code) == (403, "LinkedAuthorizationFailed"), answer
    assert f"'{action}' on the linked scope(s) '{target}'" in answer.body["error"]["message"]


@pytest.mark.parametrize(
    ("part", "action"),
    [
        ("storageAccount", "Microsoft.Storage/storageAccounts/listKeys/action"),
        ("keyVault", "Microsoft.KeyVault/vaults/write"),
        ("applicationInsights", "Microsoft.Insights/components/write"),
        ("containerRegistry", "Microsoft.ContainerRegistry/registries/write"),
    ],
)
def test_a_workspace_is_built_only_on_what_its_maker_may_change(
    both: Neighbours, own: dict[str, str], foreign: dict[str, str], part: str, action: str
) -> None:
    path = f"{both.mine}/providers/{ML}/workspaces/on-theirs"
    body = {"identity": {"type": "SystemAssigned"}, "properties": {**own, part: foreign[part]}}
    linked(both.put(path, body), action, foreign[part])
    linked(both.put(path, {**body, "properties": {**own, part: f" {foreign[part]}"}}), action, foreign[part])
    assert both.sandbox.call("GET", path).status == 404


def test_a_workspace_on_ones_own_is_made_and_keeps_out_what_is_not(
    both: Neighbours, own: dict[str, str], foreign: dict[str, str]
) -> None:
    path = f"{both.mine}/providers/{ML}/workspaces/on-mine"
    body = {"identity": {"type": "SystemAssigned"}, "properties": own}
    assert both.put(path, body).status == 200
    theirs = foreign["applicationInsights"]
    later = {"properties": {"applicationInsights": theirs}}
    linked(both.put(path, later, "PATCH"), "Microsoft.Insights/components/write", theirs)
    # The owner may, and afterwards the Contributor goes on with everything else.
    assert both.sandbox.call("PATCH", path, later).status == 200
    assert both.put(path, {"tags": {"a": "b"}}, "PATCH").status == 200


def test_telemetry_goes_only_to_logs_whose_key_its_maker_may_read(both: Neighbours, foreign: dict[str, str]) -> None:
    logs = f"{both.theirs}/providers/Microsoft.OperationalInsights/workspaces/theirslogs"
    path = f"{both.mine}/providers/Microsoft.Insights/components/spy"
    answer = both.put(path, {"kind": "web", "properties": {"Application_Type": "web", "WorkspaceResourceId": logs}})
    linked(answer, "Microsoft.OperationalInsights/workspaces/sharedKeys/action", logs)


@pytest.fixture(scope="module")
def workspace(both: Neighbours, own: dict[str, str]) -> str:
    path = f"{both.mine}/providers/{ML}/workspaces/shared"
    return both.as_owner(path, {"identity": {"type": "SystemAssigned"}, "properties": own})


@pytest.mark.parametrize(
    ("below", "properties"),
    [
        ("", {}),
        ("/onlineEndpoints/scores", {"authMode": "Key"}),
        (
            "/computes/cluster",
            {
                "computeType": "AmlCompute",
                "properties": {
                    "vmSize": "Standard_D2ds_v5",
                    "scaleSettings": {"minNodeCount": 0, "maxNodeCount": 1},
                },
            },
        ),
    ],
    ids=["workspace", "endpoint", "cluster"],
)
def test_an_identity_is_attached_only_by_who_may_assign_it(
    both: Neighbours, own: dict[str, str], workspace: str, below: str, properties: dict[str, Any]
) -> None:
    identity = f"{both.theirs}/providers/{IDENTITIES}/theirs"
    path = f"{workspace}{below}" if below else f"{both.mine}/providers/{ML}/workspaces/with-theirs"
    body = {
        "identity": {"type": "UserAssigned", "userAssignedIdentities": {identity: {}}},
        "properties": properties or {**own, "primaryUserAssignedIdentity": identity},
    }
    linked(both.put(path, body), ASSIGN, identity)
    assert both.sandbox.call("GET", path).status == 404
    given = assign(both.sandbox, identity, both.who.object_id, OPERATOR)
    assert both.put(path, body).status in (200, 201)
    both.sandbox.call("DELETE", given)
    second = both.as_owner(f"{both.mine}/providers/{IDENTITIES}/second", {})
    beside = {"type": "UserAssigned", "userAssignedIdentities": {second: {}}}
    assert both.put(path, {"identity": beside}, "PATCH").status == 200, "one that is not named is not asked for"
    linked(both.put(path, {"identity": body["identity"]}, "PATCH"), ASSIGN, identity)


def job(workspace: str, identity: dict[str, str], compute: str = "") -> dict[str, Any]:
    environment = f"{workspace}/environments/plain/versions/1"
    properties = {"jobType": "Command", "command": "true", "environmentId": environment, "identity": identity}
    return {"properties": {**properties, **({"computeId": compute} if compute else {})}}


def test_a_job_acts_only_as_an_identity_of_its_compute_or_one_its_submitter_may_assign(
    both: Neighbours, own: dict[str, str], workspace: str
) -> None:
    def made(path: str) -> dict[str, Any]:
        shown: dict[str, Any] = both.sandbox.call("GET", both.as_owner(path, {})).body["properties"]
        return shown

    both.sandbox.call(
        "PUT", f"{workspace}/environments/plain/versions/1", {"properties": {"image": "mcr.microsoft.com/a"}}
    )
    identity = f"{both.theirs}/providers/{IDENTITIES}/hidden"
    theirs = {"identityType": "Managed", "clientId": made(identity)["clientId"]}
    path = f"{workspace}/jobs/foreign"
    linked(both.sandbox.call("PUT", path, job(workspace, theirs), both.token), ASSIGN, identity)
    # Neither does the sandbox's caller itself, nor another resource's own identity, become a job's.
    other = both.as_owner(
        f"{both.mine}/providers/{ML}/workspaces/other", {"identity": {"type": "SystemAssigned"}, "properties": own}
    )
    for client in (CLIENT_ID, client_of(both.sandbox, other)):
        refused = both.sandbox.call("PUT", path, job(workspace, {**theirs, "clientId": client}), both.token)
        assert (refused.status, refused.code) == (400, "UserError"), refused
        assert "no user-assigned identity of workspaces 'shared'; it has: none" in refused.body["error"]["message"]
    # An identity of the compute is there for every job on it.
    scale = {"vmSize": "Standard_D2ds_v5", "scaleSettings": {"minNodeCount": 0, "maxNodeCount": 1}}
    body = {
        "identity": {"type": "UserAssigned", "userAssignedIdentities": {identity: {}}},
        "properties": {"computeType": "AmlCompute", "properties": scale},
    }
    compute = both.as_owner(f"{workspace}/computes/theirs", body)
    answer = both.sandbox.call("PUT", path, job(workspace, theirs, compute), both.token)
    assert answer.status == 201, answer
    # A compute lends its identity to the jobs of its own workspace only.
    answer = both.sandbox.call(
        "PUT", f"{other}/jobs/foreign", job(workspace, {"identityType": "Managed"}, compute), both.token
    )
    assert (answer.status, answer.code) == (400, "UserError"), answer
    assert "is not a compute of workspace 'other'" in answer.body["error"]["message"]


def test_a_workspace_uses_no_asset_of_another(both: Neighbours, foreign: dict[str, str], workspace: str) -> None:
    theirs = f"{both.theirs}/providers/{ML}/workspaces/private"
    both.as_owner(theirs, {"identity": {"type": "SystemAssigned"}, "properties": foreign})
    environment = f"{theirs}/environments/plain/versions/1"
    both.sandbox.call("PUT", environment, {"properties": {"image": "mcr.microsoft.com/a"}})
    for reference in (environment, f"azureml:{environment}", environment.replace("versions/1", "labels/latest")):
        content = job(workspace, {"identityType": "UserIdentity"})
        content["properties"]["environmentId"] = reference
        answer = both.sandbox.call("PUT", f"{workspace}/jobs/borrows", content, both.token)
        assert (answer.status, answer.code) == (400, "UserError"), answer
        assert "does not exist among the environments" in answer.body["error"]["message"]


def client_of(sandbox: Sandbox, resource: str) -> str:
    """Client id of a resource's own identity, which no answer shows."""
    connection = sqlite3.connect(sandbox.home.database, timeout=30)
    row = connection.execute("SELECT client_id FROM principals WHERE resource = ?", (resource.lower(),)).fetchone()
    connection.close()
    return str(row[0])


def test_a_star_between_slashes_of_a_role_may_stand_for_nothing() -> None:
    assert ROLES[OPERATOR].allows(ASSIGN, data=False)
    assert not ROLES[OPERATOR].allows(f"{IDENTITIES}/write", data=False)
    computes = f"{ML}/workspaces/computes"
    allowed = [ROLES[SCIENTIST].allows(f"{computes}/{verb}", data=False) for verb in ("read", "write", "delete")]
    assert allowed == [True, False, False]


def test_an_operation_is_shown_to_who_may_read_what_it_is_about(
    both: Neighbours, own: dict[str, str], foreign: dict[str, str]
) -> None:
    def made(group: str, parts: dict[str, str], token: str | None) -> str:
        path = f"{group}/providers/{ML}/workspaces/operated"
        body = {"location": "westeurope", "identity": {"type": "SystemAssigned"}, "properties": parts}
        answer = both.sandbox.call("PUT", path, body, token)
        assert answer.status == 200, answer
        return answer.headers["azure-asyncoperation"]

    mine, theirs = made(both.mine, own, both.token), made(both.theirs, foreign, None)
    nobody = make_stranger(both.sandbox)
    token = both.sandbox.token(client=(nobody.client_id, nobody.secret))
    assert both.sandbox.call("GET", mine, token=both.token).status == 200
    for where, who in ((theirs, both.token), (mine, token)):
        for what in (where, where.replace("operationsStatus", "operationResults")):
            refused = both.sandbox.call("GET", what, token=who)
            assert (refused.status, refused.code) == (404, "OperationNotFound"), refused


def test_who_deletes_sees_the_end_though_their_role_goes_with_it(both: Neighbours, own: dict[str, str]) -> None:
    path = both.as_owner(
        f"{both.mine}/providers/{ML}/workspaces/leaves",
        {"identity": {"type": "SystemAssigned"}, "properties": own},
    )
    who = make_stranger(both.sandbox)
    assign(both.sandbox, path, who.object_id, CONTRIBUTOR)
    token = both.sandbox.token(client=(who.client_id, who.secret))
    until(lambda: both.sandbox.call("GET", path).body["properties"]["provisioningState"] == "Succeeded")
    both.admin_pace("seconds:0.2")
    answer = both.sandbox.call("DELETE", path, token=token)
    both.admin_pace("now")
    assert answer.status == 202, answer
    where = answer.headers["azure-asyncoperation"]
    until(lambda: both.sandbox.call("GET", path).status == 404)
    assert both.sandbox.call("GET", where, token=token).body["status"] == "Succeeded"


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({"tid": "other"}, "InvalidAuthenticationTokenTenant"),
        ({"iss": "https://sts.windows.net/other/"}, "InvalidAuthenticationTokenTenant"),
        ({"nbf": time.time() + 3600}, "InvalidAuthenticationToken"),
        ({"exp": time.time() - 1}, "ExpiredAuthenticationToken"),
        ({"aud": "https://vault.azure.net"}, "InvalidAuthenticationTokenAudience"),
    ],
)
def test_a_token_is_of_this_tenant_for_this_service_and_of_this_hour(claims: dict[str, Any], code: str) -> None:
    key, audience = "0" * 64, "https://management.azure.com"
    tokens = Tokens(key)
    good = tokens.issue("o", "c", audience)
    assert tokens.read(f"Bearer {good}", (audience,)).object_id == "o"
    said = jwt.decode(good, options={"verify_signature": False})
    with pytest.raises(ArmError) as refused:
        tokens.read(f"Bearer {jwt.encode({**said, **claims}, key, algorithm='HS256')}", (audience,))
    assert (refused.value.status, refused.value.code) == (401, code)


def test_a_credential_of_any_letters_is_refused_and_breaks_nothing(
    both: Neighbours, own: dict[str, str], workspace: str
) -> None:
    account = own["storageAccount"].rpartition("/")[2]
    blob = f"https://{account}.blob.core.windows.net/c/b"
    date = datetime.now(UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")
    signed = "sv=2024-11-04&sp=r&se=2099-01-01T00:00:00Z&sr=b&sig=%C3%A9"
    endpoint = f"{workspace}/onlineEndpoints/keyed-letters"
    both.as_owner(endpoint, {"identity": {"type": "SystemAssigned"}, "properties": {"authMode": "Key"}})
    scores = both.sandbox.call("GET", endpoint).body["properties"]["scoringUri"]
    for method, url, headers, status in (
        ("GET", f"{blob}?{signed}", {}, 403),
        ("GET", blob, {"Authorization": f"SharedKey {account}:\u00e9", "x-ms-date": date}, 403),
        ("GET", blob, {"Authorization": "Bearer \u00e9.\u00e9.\u00e9"}, 401),
        ("GET", both.mine, {"Authorization": "Bearer \u00e9.\u00e9.\u00e9"}, 401),
        ("POST", scores, {"Authorization": "Bearer \u00e9"}, 401),
    ):
        answer = both.sandbox.call(method, url, token="", headers={"x-ms-version": "2024-11-04", **headers})
        assert answer.status == status, answer


def test_keys_do_not_return_with_a_name(both: Neighbours, own: dict[str, str]) -> None:
    group = both.sandbox.group("reborn")
    workspace = f"{group}/providers/{ML}/workspaces/reborn"
    endpoint = f"{workspace}/onlineEndpoints/reborn"

    def born() -> set[str]:
        parts = both.parts(group, "reborn")
        both.as_owner(workspace, {"identity": {"type": "SystemAssigned"}, "properties": parts})
        both.as_owner(endpoint, {"identity": {"type": "SystemAssigned"}, "properties": {"authMode": "Key"}})
        both.sandbox.call("PATCH", parts["containerRegistry"], {"properties": {"adminUserEnabled": True}})
        logs = f"{group}/providers/Microsoft.OperationalInsights/workspaces/rebornlogs"
        found = [
            both.sandbox.call("POST", f"{path}/{action}").body
            for path, action in (
                (parts["storageAccount"], "listKeys"),
                (parts["containerRegistry"], "listCredentials"),
                (workspace, "listNotebookKeys"),
                (endpoint, "listKeys"),
                (logs, "sharedKeys"),
            )
        ]
        return {text for each in found for text in re.findall(r"[A-Za-z0-9+/]{30,}=*", json.dumps(each))}

    first = born()
    assert len(first) == 10
    assert born() == first
    for path in (endpoint, f"{workspace}?forceToPurge=true", group):
        both.sandbox.call("DELETE", path)
        until(lambda path=path: both.sandbox.call("GET", path.partition("?")[0]).status == 404)
    both.sandbox.call(
        "POST", f"{SUBSCRIPTION}/providers/Microsoft.KeyVault/locations/westeurope/deletedVaults/rebornvault/purge"
    )
    both.sandbox.group("reborn")
    assert not born() & first
