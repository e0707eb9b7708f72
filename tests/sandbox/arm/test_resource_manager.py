"""ARM as a client meets it: identity, versions, verbs, errors, lists, cascade."""

import sqlite3

import pytest

from sandbox.constants import OBJECT_ID, TENANT_ID
from tests.sandbox.conftest import SUBSCRIPTION, Sandbox
from tests.sandbox.planes.conftest import assign, make_stranger

CONTRIBUTOR = "b24988ac-6180-42a0-ab88-20f7382dd24c"
IDENTITY = "providers/Microsoft.ManagedIdentity/userAssignedIdentities"


def test_a_request_without_a_token_is_refused(sandbox: Sandbox) -> None:
    answer = sandbox.call("GET", SUBSCRIPTION, token="")
    assert (answer.status, answer.code) == (401, "AuthenticationFailed")
    assert "www-authenticate" in answer.headers


def test_a_token_for_another_service_is_refused(sandbox: Sandbox) -> None:
    answer = sandbox.call("GET", SUBSCRIPTION, token=sandbox.token("https://storage.azure.com"))
    assert (answer.status, answer.code) == (401, "InvalidAuthenticationTokenAudience")


def test_a_forged_token_is_refused(sandbox: Sandbox) -> None:
    answer = sandbox.call("GET", SUBSCRIPTION, token=sandbox.token() + "x")
    assert (answer.status, answer.code) == (401, "InvalidAuthenticationToken")


def test_nobody_signs_links_for_themselves(sandbox: Sandbox) -> None:
    with pytest.raises(KeyError, match="access_token"):
        sandbox.token("/artifact/v2.0/anything")


@pytest.mark.parametrize(
    ("version", "code"), [("", "MissingApiVersionParameter"), ("latest", "InvalidApiVersionParameter")]
)
def test_the_api_version_is_needed_and_a_date(sandbox: Sandbox, version: str, code: str) -> None:
    answer = sandbox.call("GET", f"{SUBSCRIPTION}?api-version={version}")
    assert (answer.status, answer.code) == (400, code)


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/providers/Microsoft.Nothing/things/x", "InvalidResourceNamespace"),
        ("/providers/Microsoft.ManagedIdentity/things/x", "InvalidResourceType"),
    ],
)
def test_a_type_that_is_not_there_is_named(sandbox: Sandbox, path: str, code: str) -> None:
    answer = sandbox.call("GET", f"{SUBSCRIPTION}/resourceGroups/nobody{path}")
    assert (answer.status, answer.code) == (404, code)


def test_a_child_needs_its_group(sandbox: Sandbox) -> None:
    answer = sandbox.call("PUT", f"{SUBSCRIPTION}/resourceGroups/nobody/{IDENTITY}/one", {"location": "westeurope"})
    assert (answer.status, answer.code) == (404, "ResourceGroupNotFound")


def test_system_data_tells_who_made_it_and_who_wrote_it_last(sandbox: Sandbox) -> None:
    group = sandbox.group("signed")
    path = f"{group}/providers/Microsoft.KeyVault/vaults/signed-vault"
    properties = {"tenantId": TENANT_ID, "sku": {"family": "A", "name": "standard"}}
    made = sandbox.call("PUT", path, {"location": "westeurope", "properties": properties}).body["systemData"]
    assert (made["createdBy"], made["createdByType"]) == (made["lastModifiedBy"], made["lastModifiedByType"])
    assert (made["createdBy"], made["createdAt"]) == (OBJECT_ID, made["lastModifiedAt"])
    other = make_stranger(sandbox)
    assign(sandbox, group, other.object_id, CONTRIBUTOR)
    connection = sqlite3.connect(sandbox.home.database, timeout=30)
    with connection:  # an identity of a resource, as a job or an endpoint has one
        connection.execute("UPDATE principals SET resource = ? WHERE object_id = ?", (path, other.object_id))
    connection.close()
    token = sandbox.token(client=(other.client_id, other.secret))
    for method, body in (
        ("PATCH", {"tags": {"a": "b"}}),
        ("PUT", {"location": "westeurope", "properties": properties}),
    ):
        signed = sandbox.call(method, path, body, token).body["systemData"]
        assert (signed["lastModifiedBy"], signed["lastModifiedByType"]) == (other.object_id, "ManagedIdentity")
        assert signed["lastModifiedAt"] > made["lastModifiedAt"]
        assert {name: value for name, value in signed.items() if name.startswith("created")} == {
            name: value for name, value in made.items() if name.startswith("created")
        }


def test_a_resource_keeps_all_that_was_sent_and_gains_what_azure_computes(sandbox: Sandbox) -> None:
    path = f"{sandbox.group('kept')}/{IDENTITY}/Robot"
    made = sandbox.call("PUT", path, {"location": "West Europe", "tags": {"team": "ml"}})
    read = sandbox.call("GET", path.upper().replace("/SUBSCRIPTIONS", "/subscriptions"))
    assert (made.status, read.status) == (201, 200)
    assert read.body == made.body
    assert read.body["id"] == path
    assert read.body["location"] == "westeurope"
    assert read.body["tags"] == {"team": "ml"}
    assert read.body["properties"]["tenantId"] == TENANT_ID


def test_put_again_is_an_update_that_keeps_the_principal(sandbox: Sandbox) -> None:
    path = f"{sandbox.group('again')}/{IDENTITY}/robot"
    first = sandbox.call("PUT", path, {"location": "westeurope"})
    second = sandbox.call("PUT", path, {"location": "westeurope", "tags": {"a": "b"}})
    assert second.status == 200
    assert second.body["properties"]["principalId"] == first.body["properties"]["principalId"]
    assert second.headers["etag"] != first.headers["etag"]


def test_patch_merges_tags(sandbox: Sandbox) -> None:
    path = f"{sandbox.group('patched')}/{IDENTITY}/robot"
    sandbox.call("PUT", path, {"location": "westeurope", "tags": {"a": "1", "b": "2"}})
    answer = sandbox.call("PATCH", path, {"tags": {"b": None, "c": "3"}})
    assert answer.body["tags"] == {"a": "1", "c": "3"}


def test_patch_of_nothing_is_404(sandbox: Sandbox) -> None:
    answer = sandbox.call("PATCH", f"{sandbox.group('patched')}/{IDENTITY}/nobody", {"tags": {}})
    assert (answer.status, answer.code) == (404, "ResourceNotFound")


def test_the_location_cannot_change(sandbox: Sandbox) -> None:
    path = f"{sandbox.group('moved')}/{IDENTITY}/robot"
    sandbox.call("PUT", path, {"location": "westeurope"})
    answer = sandbox.call("PUT", path, {"location": "eastus"})
    assert (answer.status, answer.code) == (409, "InvalidResourceLocation")


def test_a_name_that_azure_refuses_is_refused_with_the_rule(sandbox: Sandbox) -> None:
    answer = sandbox.call("PUT", f"{sandbox.group('names')}/{IDENTITY}/a", {"location": "westeurope"})
    assert (answer.status, answer.code) == (400, "InvalidResourceName")
    assert "3-128" in answer.body["error"]["message"]


def test_an_unknown_property_is_refused_and_named(sandbox: Sandbox) -> None:
    answer = sandbox.call("PUT", f"{sandbox.group('bad')}/{IDENTITY}/robot", {"location": "westeurope", "tagz": {}})
    assert (answer.status, answer.code) == (400, "InvalidRequestContent")
    assert "tagz" in answer.body["error"]["message"]


def test_a_body_that_is_no_json_is_refused(sandbox: Sandbox) -> None:
    path = f"{sandbox.group('bad')}/{IDENTITY}/robot"
    answer = sandbox.call("PUT", path, ["not", "an", "object"])
    assert (answer.status, answer.code) == (400, "InvalidRequestContent")


@pytest.mark.parametrize(
    ("condition", "status"), [({"If-None-Match": "*"}, 412), ({"If-Match": '"old"'}, 412), ({"If-Match": "*"}, 200)]
)
def test_conditions_hold(sandbox: Sandbox, condition: dict[str, str], status: int) -> None:
    path = f"{sandbox.group('conditions')}/{IDENTITY}/robot"
    sandbox.call("PUT", path, {"location": "westeurope"})
    assert sandbox.call("PUT", path, {"location": "westeurope"}, headers=condition).status == status


def test_lists_know_their_scope(sandbox: Sandbox) -> None:
    for group in ("list", "list1"):
        sandbox.call("PUT", f"{sandbox.group(group)}/{IDENTITY}/in-{group}", {"location": "westeurope"})
    within = sandbox.call("GET", f"{SUBSCRIPTION}/resourceGroups/list/{IDENTITY}").body["value"]
    everywhere = {row["name"] for row in sandbox.call("GET", f"{SUBSCRIPTION}/{IDENTITY}").body["value"]}
    resources = sandbox.call("GET", f"{SUBSCRIPTION}/resourceGroups/list/resources").body["value"]
    assert [row["name"] for row in within] == ["in-list"]
    assert {"in-list", "in-list1"} <= everywhere
    assert [row["name"] for row in resources] == ["in-list"]


def test_pages_follow_each_other(sandbox: Sandbox) -> None:
    group = sandbox.group("pages")
    for number in range(5):
        sandbox.call("PUT", f"{group}/{IDENTITY}/robot{number}", {"location": "westeurope"})
    names, link = [], f"{group}/{IDENTITY}?$top=2"
    while link:
        page = sandbox.call("GET", link).body
        names += [row["name"] for row in page["value"]]
        link = page.get("nextLink", "")
    assert names == [f"robot{number}" for number in range(5)]


def test_a_group_takes_what_is_in_it_along(sandbox: Sandbox) -> None:
    path = f"{sandbox.group('doomed')}/{IDENTITY}/robot"
    sandbox.call("PUT", path, {"location": "westeurope"})
    assert sandbox.call("DELETE", f"{SUBSCRIPTION}/resourceGroups/doomed").status in (200, 202)
    sandbox.group("doomed")
    assert sandbox.call("GET", path).status == 404


def test_deleting_what_is_not_there_is_no_error(sandbox: Sandbox) -> None:
    assert sandbox.call("DELETE", f"{sandbox.group('empty')}/{IDENTITY}/nobody").status == 204


def test_the_state_outlives_the_process(sandbox: Sandbox) -> None:
    path = f"{sandbox.group('lasting')}/{IDENTITY}/robot"
    made = sandbox.call("PUT", path, {"location": "westeurope"}).body
    sandbox.restart()
    assert sandbox.call("GET", path).body == made


@pytest.mark.parametrize(("pace", "least"), [("polls:2", 2), ("seconds:0.1", 1)])
def test_a_long_running_operation_ends_at_its_pace(sandbox: Sandbox, pace: str, least: int) -> None:
    sandbox.admin("PUT", "/pace", {"pace": pace})
    try:
        answer = sandbox.call("PUT", f"{SUBSCRIPTION}/resourceGroups/slow-{least}", {"location": "westeurope"})
        assert (answer.status, answer.body["properties"]["provisioningState"]) == (201, "Creating")
        polls = 0
        while sandbox.call("GET", answer.headers["azure-asyncoperation"]).body["status"] == "InProgress":
            polls += 1
            assert polls < 1000
        assert polls >= least - 1
        read = sandbox.call("GET", f"{SUBSCRIPTION}/resourceGroups/slow-{least}")
        assert read.body["properties"]["provisioningState"] == "Succeeded"
    finally:
        sandbox.admin("PUT", "/pace", {"pace": "now"})


def test_an_operation_is_resumed_after_a_kill(fresh_sandbox: Sandbox) -> None:
    fresh_sandbox.admin("PUT", "/pace", {"pace": "polls:1"})
    answer = fresh_sandbox.call("PUT", f"{SUBSCRIPTION}/resourceGroups/killed", {"location": "westeurope"})
    fresh_sandbox.kill()
    fresh_sandbox.restart()
    while fresh_sandbox.call("GET", answer.headers["azure-asyncoperation"]).body["status"] == "InProgress":
        pass
    read = fresh_sandbox.call("GET", f"{SUBSCRIPTION}/resourceGroups/killed")
    assert read.body["properties"]["provisioningState"] == "Succeeded"


def test_an_operation_that_never_was_is_not_succeeded(sandbox: Sandbox) -> None:
    path = f"{SUBSCRIPTION}/providers/Microsoft.Resources/locations/westeurope/operationsStatus/none"
    assert sandbox.call("GET", path).status == 404


def test_every_change_is_in_the_activity_log(sandbox: Sandbox) -> None:
    sandbox.group("logged")
    import sqlite3

    connection = sqlite3.connect(f"file:{sandbox.home.database}?mode=ro", uri=True)
    rows = connection.execute("SELECT caller, action FROM activity WHERE key LIKE '%/logged'").fetchall()
    connection.close()
    assert rows == [(OBJECT_ID, "Microsoft.Resources/subscriptions/resourceGroups/write")]
