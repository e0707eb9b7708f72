import json
import secrets
import sqlite3
import uuid
from typing import Any

import pytest

from sandbox.arm.keys import hash_secret
from sandbox.constants import OBJECT_ID
from tests.sandbox.conftest import SUBSCRIPTION, Answer, Sandbox
from tests.sandbox.contract import samples
from tests.sandbox.world import until

runs = pytest.mark.runs("Microsoft.Resources/deployments")
IDENTITIES = "Microsoft.ManagedIdentity/userAssignedIdentities"
CONTRIBUTOR = "b24988ac-6180-42a0-ab88-20f7382dd24c"
STORAGE = "Microsoft.Storage/storageAccounts"


@pytest.fixture(scope="module")
def group(sandbox: Sandbox) -> str:
    return sandbox.group("templates")


def resource(arm_type: object, name: str, **more: Any) -> dict[str, Any]:
    return {
        "type": arm_type,
        "apiVersion": "2024-11-30",
        "name": name,
        "location": "[resourceGroup().location]",
        **more,
    }


def body(*resources: dict[str, Any], parameters: Any = None, given: Any = None, **more: Any) -> dict[str, Any]:
    template = {"contentVersion": "1.0.0.0", "parameters": parameters or {}, "resources": list(resources), **more}
    return {"properties": {"mode": "Incremental", "parameters": given or {}, "template": template}}


def deploy(sandbox: Sandbox, group: str, name: str, content: dict[str, Any]) -> dict[str, Any]:
    """Deploy and wait for the end; returns what is shown then, with the operation's error if it failed."""
    path = f"{group}/providers/Microsoft.Resources/deployments/{name}"
    answer = sandbox.call("PUT", path, content)
    assert answer.status in (200, 201), answer
    error = ended(sandbox, answer).get("error", {"message": ""})
    return {**sandbox.call("GET", path).body, "error": error["message"]}


@runs
def test_resources_are_made_after_those_they_depend_on(sandbox: Sandbox, group: str) -> None:
    identity = f"[resourceId('{IDENTITIES}', 'first')]"
    role = "[subscriptionResourceId('Microsoft.Authorization/roleDefinitions', '2a2b9908-6ea1-4ae2-8e65-a410df84e7d1')]"
    shown = deploy(sandbox, group, "ordered", body(
        {
            "type": "Microsoft.Authorization/roleAssignments", "apiVersion": "2022-04-01",
            "name": "[guid(resourceGroup().id, 'first')]", "dependsOn": [identity],
            "properties": {"roleDefinitionId": role, "principalId": f"[reference({identity[1:-1]}).principalId]"},
        },
        resource(IDENTITIES, "first"),
        outputs={"who": {"type": "string", "value": f"[reference({identity[1:-1]}).principalId]"}},
    ))  # fmt: skip
    assert shown["error"] == ""
    principal = sandbox.call("GET", f"{group}/providers/{IDENTITIES}/first").body["properties"]["principalId"]
    assert shown["properties"]["outputs"]["who"]["value"] == principal
    made = [each["id"].split("/providers/")[-1].split("/")[1] for each in shown["properties"]["outputResources"]]
    assert made == ["userAssignedIdentities", "roleAssignments"]
    assert "template" not in shown["properties"]
    listed = sandbox.call("GET", f"{group}/deployments/ordered/operations").body["value"]
    assert [each["properties"]["provisioningState"] for each in listed] == ["Succeeded", "Succeeded"]


@runs
def test_parameters_variables_and_conditions_are_evaluated(sandbox: Sandbox, group: str) -> None:
    content = body(
        resource(IDENTITIES, "[variables('name')]", tags="[parameters('tags')]"),
        resource(IDENTITIES, "never", condition="[equals(parameters('mode'), 'off')]"),
        parameters={
            "mode": {"type": "string", "defaultValue": "on"},
            "tags": {"type": "object"},
            "stem": {"type": "string", "defaultValue": "[concat('id-', parameters('mode'))]"},
        },
        given={"tags": {"value": {"team": "ml"}}},
        variables={"name": "[format('{0}-{1}', parameters('stem'), uniqueString(resourceGroup().id))]"},
    )
    assert deploy(sandbox, group, "evaluated", content)["error"] == ""
    found = sandbox.call("GET", f"{group}/providers/{IDENTITIES}").body["value"]
    (made,) = [each for each in found if each["name"].startswith("id-on-")]
    assert (len(made["name"]), made["tags"]) == (len("id-on-") + 13, {"team": "ml"})
    assert "never" not in [each["name"] for each in found]


@runs
def test_a_nested_template_is_deployed_in_its_own_scope(sandbox: Sandbox, group: str) -> None:
    inner = {
        "contentVersion": "1.0.0.0",
        "parameters": {"name": {"type": "string"}},
        "resources": [resource(IDENTITIES, "[parameters('name')]")],
    }
    nested = {
        "type": "Microsoft.Resources/deployments", "apiVersion": "2024-03-01", "name": "inner",
        "properties": {
            "mode": "Incremental", "expressionEvaluationOptions": {"scope": "inner"}, "template": inner,
            "parameters": {"name": {"value": "[concat(parameters('name'), '-nested')]"}},
        },
    }  # fmt: skip
    content = body(nested, parameters={"name": {"type": "string", "defaultValue": "outer"}})
    assert deploy(sandbox, group, "nesting", content)["error"] == ""
    assert sandbox.call("GET", f"{group}/providers/{IDENTITIES}/outer-nested").status == 200


@runs
def test_children_inside_a_resource_are_made_after_what_they_depend_on(sandbox: Sandbox, group: str) -> None:
    container = {"type": "containers", "apiVersion": "2024-01-01", "name": "inside", "dependsOn": ["templatestore"]}
    service = {
        "type": "blobServices", "apiVersion": "2024-01-01", "name": "default", "dependsOn": ["TemplateStore"],
        "properties": {"deleteRetentionPolicy": {"enabled": True, "days": 7}}, "resources": [container],
    }  # fmt: skip
    needed = [f"[concat('{STORAGE}/', 'templatestore')]", "unmade", f"[resourceId('{STORAGE}', parameters('none'))]"]
    after = resource(IDENTITIES, "after", dependsOn=needed)
    # As azure-ai-ml sends it: what is not wanted has empty names, or none that can be read.
    unwanted = [
        resource(STORAGE, name, condition=False) for name in ("[parameters('none')]", "[resourceId('', 'a/b')]")
    ]
    account = resource(
        STORAGE, "[parameters('name')]", kind="StorageV2", sku={"name": "Standard_LRS"}, resources=[service]
    )
    shown = deploy(sandbox, group, "children", body(
        after, account, resource(IDENTITIES, "unmade", condition=False), *unwanted,
        parameters={"name": {"type": "string", "defaultValue": "templatestore"},
                    "none": {"type": "string", "defaultValue": ""}},
    ))  # fmt: skip
    assert shown["error"] == ""
    made = [each["id"].removeprefix(f"{group}/providers/") for each in shown["properties"]["outputResources"]]
    assert made == [
        f"{STORAGE}/templatestore", f"{IDENTITIES}/after", f"{STORAGE}/templatestore/blobServices/default",
        f"{STORAGE}/templatestore/blobServices/default/containers/inside",
    ]  # fmt: skip
    kept = sandbox.call("GET", f"{group}/providers/{STORAGE}/templatestore/blobServices/default").body
    assert kept["properties"]["deleteRetentionPolicy"]["days"] == 7
    inside = f"{group}/providers/{STORAGE}/templatestore/blobServices/default/containers/inside"
    assert sandbox.call("GET", inside).status == 200


@runs
def test_a_deployment_ends_with_its_resources_and_as_they_do(fresh_sandbox: Sandbox) -> None:
    sandbox = fresh_sandbox
    kind = f"{samples.ML}/workspaces/onlineEndpoints/deployments"
    samples.make(sandbox, kind)
    refused = {**samples.SAMPLES[kind].content(sandbox), "type": kind, "apiVersion": "2025-12-01"}
    names = samples.SAMPLES[kind].path.split("/")[8::2]
    refused["name"] = "/".join([*names[:-1], "green"])  # on Kubernetes, which is found out while it is made
    sandbox.admin("PUT", "/pace", {"pace": "polls:2"})
    logs = "Microsoft.OperationalInsights/workspaces"
    shown = deploy(sandbox, samples.GROUP, "half", body(
        refused, resource(IDENTITIES, "waits", dependsOn=[refused["name"]]), resource(logs, "templogs"),
    ))  # fmt: skip
    assert shown["properties"]["provisioningState"] == "Failed"
    error = shown["properties"]["error"]
    (detail,) = error["details"]
    target = f"{samples.SAMPLES[kind].path.rpartition('/')[0]}/green"
    assert (error["code"], detail["target"]) == ("DeploymentFailed", target)
    assert "managed deployments only" in detail["message"]
    assert sandbox.call("GET", target).body["properties"]["provisioningState"] == "Failed"
    made = sandbox.call("GET", f"{samples.GROUP}/providers/{logs}/templogs").body
    assert made["properties"]["provisioningState"] == "Succeeded"
    assert sandbox.call("GET", f"{samples.GROUP}/providers/{IDENTITIES}/waits").status == 404
    listed = sandbox.call("GET", f"{samples.GROUP}/deployments/half/operations").body["value"]
    ends = {each["properties"]["targetResource"]["resourceName"]: each["properties"] for each in listed}
    assert {name: end["provisioningState"] for name, end in ends.items()} == {
        "green": "Failed", "templogs": "Succeeded"
    }  # fmt: skip
    assert ends["green"]["statusMessage"]["error"]["message"] == detail["message"]


def test_a_deployment_under_way_is_not_replaced(fresh_sandbox: Sandbox) -> None:
    sandbox, group = fresh_sandbox, fresh_sandbox.group("active")
    sandbox.admin("PUT", "/pace", {"pace": "polls:1"})
    path = f"{group}/providers/Microsoft.Resources/deployments/active"
    first = sandbox.call("PUT", path, body(resource(IDENTITIES, "one")))
    again = sandbox.call("PUT", path, body(resource(IDENTITIES, "two")))
    assert (again.status, again.code) == (409, "DeploymentActive")
    assert ended(sandbox, first)["status"] == "Succeeded"
    assert sandbox.call("PUT", path, body(resource(IDENTITIES, "two"))).status == 200


def test_a_nested_deployment_that_a_crash_cut_off_goes_on(fresh_sandbox: Sandbox) -> None:
    sandbox, group = fresh_sandbox, fresh_sandbox.group("cut")
    inner = {"contentVersion": "1.0.0.0", "resources": [resource(IDENTITIES, "inside")]}
    nested = {
        "type": "Microsoft.Resources/deployments", "apiVersion": "2024-03-01", "name": "inner",
        "properties": {"mode": "Incremental", "template": inner},
    }  # fmt: skip
    sandbox.admin("PUT", "/pace", {"pace": "polls:20"})
    answer = sandbox.call("PUT", f"{group}/providers/Microsoft.Resources/deployments/outer", body(nested))
    until(lambda: sandbox.call("GET", f"{group}/providers/{IDENTITIES}/inside").status == 200)
    sandbox.kill()
    sandbox.start()
    assert ended(sandbox, answer)["status"] == "Succeeded"
    inside = sandbox.call("GET", f"{group}/providers/Microsoft.Resources/deployments/inner").body
    assert inside["properties"]["provisioningState"] == "Succeeded"


@pytest.mark.parametrize("also", ["secureString", "SecureObject"])
def test_secure_parameters_are_used_and_shown_nowhere(sandbox: Sandbox, group: str, also: str) -> None:
    canary = f"canary-{secrets.token_hex(8)}"
    value = canary if also == "secureString" else {"inner": canary}
    inside = "" if also == "secureString" else ".inner"
    content = body(
        resource(IDENTITIES, f"[take(uniqueString(parameters('IT'){inside}), 5)]"),
        parameters={"it": {"type": also}, "open": {"type": "string"}},
        given={"it": {"value": value}, "open": {"value": "seen"}},
        outputs={
            "shut": {"type": "securestring", "value": f"[parameters('it'){inside}]"},
            "failed": {"type": "int", "value": f"[int(parameters('it'){inside})]", "condition": "[equals(1, 2)]"},
        },
    )
    shown = deploy(sandbox, group, "secure", content)
    assert shown["error"] == ""
    assert shown["properties"]["parameters"] == {"it": {"type": also}, "open": {"value": "seen"}}
    assert shown["properties"]["outputs"]["shut"] == {"type": "securestring"}
    content["properties"]["template"]["outputs"]["failed"]["condition"] = True
    failed = deploy(sandbox, group, "secure", content)
    assert "int() in 'int(parameters" in failed["error"]
    assert "[secret]" in failed["error"]
    assert not found_at_rest(sandbox, canary)
    unsent = sandbox.call("PUT", f"{group}/providers/Microsoft.Resources/deployments/secure", body(
        parameters={"it": {"type": also}}, given={"it": {"type": also}}))  # fmt: skip
    assert "parameter 'it' has no value" in unsent.body["error"]["message"]


def test_a_nested_template_keeps_the_secrets_that_it_is_given(sandbox: Sandbox, group: str) -> None:
    canary = f"canary-{secrets.token_hex(8)}"
    inner = {"contentVersion": "1.0.0.0", "resources": [], "variables": {"baked": "[parameters('it')]"}}
    nested = {
        "type": "Microsoft.Resources/deployments", "apiVersion": "2024-03-01", "name": "baked",
        "properties": {"mode": "Incremental", "template": inner},
    }  # fmt: skip
    content = body(nested, parameters={"it": {"type": "secureString"}}, given={"it": {"value": canary}})
    assert deploy(sandbox, group, "bakes", content)["error"] == ""
    assert not found_at_rest(sandbox, canary)


def found_at_rest(sandbox: Sandbox, text: str) -> list[str]:
    """Files of the sandbox that hold a text."""
    files = [path for path in sandbox.home.root.rglob("*") if path.is_file()]
    assert any(path.name == "state.db" for path in files)
    return [path.name for path in files if text.encode() in path.read_bytes()]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (body(outputs={"o": {"value": "[variables('a')]"}}, variables={"a": "[variables('a')]"}), "circular reference"),
        (body(outputs={"o": {"value": "[toLower(1)]"}}), "toLower() in"),
        (body(resource(STORAGE, "badname!", kind="StorageV2", sku={"name": "Standard_LRS"})), "badname!"),
    ],
)  # fmt: skip
def test_a_deployment_that_fails_says_why(sandbox: Sandbox, group: str, content: dict[str, Any], says: str) -> None:
    shown = deploy(sandbox, group, "failing", content)
    assert shown["properties"]["provisioningState"] == "Failed"
    assert says in json.dumps(shown["properties"]["error"])


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"properties": {"mode": "Complete", "template": {"resources": []}}}, "mode is 'Complete'"),
        ({"properties": {"mode": "Incremental"}}, "properties.template.resources is missing"),
        (body(resource(IDENTITIES, "[conct('a')]")), "'conct('a')' calls conct(); the sandbox has: and,"),
        (body(resource(IDENTITIES, "[parameters('no')]")), "the template has no parameter 'no'"),
        (body(resource(IDENTITIES, "[concat('a']")), "'concat('a'' ends too early"),
        (body(parameters={"p": {"type": "string"}}), "the template parameter 'p' is not provided"),
        (
            body(given={"p": {"value": 1}}),
            "the template has no parameter 'p', which a value is given for; it has: none",
        ),
        (
            body(
                parameters={"p": {"type": "string"}},
                given={"p": {"reference": {"keyVault": {"id": "/v"}, "secretName": "s"}}},
            ),
            "references to a key vault are not in the sandbox",
        ),
        (
            body(resource("Microsoft.Resources/deployments", "REFUSED", properties={"template": {"resources": []}})),
            "deployment 'refused' is in its own template",
        ),
        (body(resource(IDENTITIES, "a/b")), "needs 1 names, not 2"),
        (body(resource("Microsoft.Unknown/things", "a")), "Microsoft.Unknown"),
        (
            body(
                resource(IDENTITIES, "a", dependsOn=[f"[resourceId('{IDENTITIES}', 'b')]"]),
                resource(IDENTITIES, "b", dependsOn=["a"]),
            ),
            "circular dependency between",
        ),
        (body(resource(IDENTITIES, "a", dependsOn=["a"])), "circular dependency between"),
        (
            body(resource(IDENTITIES, "a", dependsOn=["b"])),
            "the resource 'b', which 'a' depends on, is not defined in the template; it has: a",
        ),
        (
            body(
                resource(IDENTITIES, "a", dependsOn=["twin"]),
                resource(IDENTITIES, "twin"),
                resource("Microsoft.OperationalInsights/workspaces", "twin"),
            ),
            "use resourceId()",
        ),
        (body(resource(IDENTITIES, "a"), resource(IDENTITIES, "A")), "defined multiple times in the template"),
        (body(resource(STORAGE, "s", resources=[{"type": "blobServices", "name": "a/b"}])), "needs 1 names, not 2"),
        (body(resource(STORAGE, "s", resources=[{"name": "default"}])), "each needs a type and a name"),
        (body(resource(STORAGE, "s", resources={})), "resources of resource 's' is {}"),
        (body({"name": "untyped"}), "each needs a type and a name"),
        (body(resource(IDENTITIES, "x", copy={"name": "c", "count": 2})), "resource 'x' has copy"),
        (body(resource(1, "x")), "each needs a type and a name"),
        (body(resource(IDENTITIES, "x", dependsOn="y")), "dependsOn of resource 'x' is y"),
        (body(resource(IDENTITIES, "x", properties=[1])), "properties of resource 'x' is [1]"),
        (body(parameters=["p"]), "properties.template.parameters is ['p'], and must be an object"),
        (body(parameters={"p": "x"}), "properties.template.parameters.p is x, and must be an object"),
        (body(variables=["v"]), "properties.template.variables is ['v'], and must be an object"),
        (body(outputs={"o": "x"}), "properties.template.outputs.o is x, and must be an object"),
    ],
)
def test_what_the_sandbox_does_not_deploy_is_refused(
    sandbox: Sandbox, group: str, content: dict[str, Any], says: str
) -> None:
    answer = sandbox.call("PUT", f"{group}/providers/Microsoft.Resources/deployments/refused", content)
    assert (answer.status, answer.code) == (400, "InvalidTemplate")
    assert says in answer.body["error"]["message"]


def test_validation_makes_nothing_and_tells_what_would_be_refused(sandbox: Sandbox, group: str) -> None:
    path = f"{group}/providers/Microsoft.Resources/deployments/unmade"
    good = sandbox.call("POST", f"{path}/validate", body(resource(IDENTITIES, "unmade")))
    assert (good.status, "error" in good.body) == (200, False)
    assert sandbox.call("GET", f"{group}/providers/{IDENTITIES}/unmade").status == 404
    assert sandbox.call("GET", path).status == 404
    bad = sandbox.call("POST", f"{path}/validate", body(resource(IDENTITIES, "x")))
    (detail,) = bad.body["error"]["details"]
    assert (bad.body["error"]["code"], detail["code"]) == ("InvalidTemplateDeployment", "InvalidResourceName")


def test_the_callers_own_rights_count_for_each_resource(sandbox: Sandbox, group: str) -> None:
    token = contributor(sandbox, group)
    role = "[subscriptionResourceId('Microsoft.Authorization/roleDefinitions', '2a2b9908-6ea1-4ae2-8e65-a410df84e7d1')]"
    content = body(
        resource(IDENTITIES, "allowed"),
        {
            "type": "Microsoft.Authorization/roleAssignments", "apiVersion": "2022-04-01", "name": "[guid('a')]",
            "dependsOn": [f"[resourceId('{IDENTITIES}', 'allowed')]"],
            "properties": {"roleDefinitionId": role, "principalId": "x"},
        },
    )  # fmt: skip
    path = f"{group}/providers/Microsoft.Resources/deployments/limited"
    answer = sandbox.call("PUT", path, content, token)
    end = ended(sandbox, answer)
    (detail,) = end["error"]["details"]
    assert (end["status"], end["error"]["code"]) == ("Failed", "DeploymentFailed")
    assert detail["code"] == "AuthorizationFailed"
    assert "'Microsoft.Authorization/roleAssignments/write'" in detail["message"]
    assert sandbox.call("GET", f"{group}/providers/{IDENTITIES}/allowed").status == 200


def assigning() -> dict[str, Any]:
    """A template that a Contributor may not deploy."""
    role = "[subscriptionResourceId('Microsoft.Authorization/roleDefinitions', '2a2b9908-6ea1-4ae2-8e65-a410df84e7d1')]"
    return body(
        {
            "type": "Microsoft.Authorization/roleAssignments", "apiVersion": "2022-04-01", "name": "[guid('b')]",
            "properties": {"roleDefinitionId": role, "principalId": OBJECT_ID},
        }
    )  # fmt: skip


def ended(sandbox: Sandbox, answer: Answer) -> dict[str, Any]:
    """A deployment's operation at its end."""
    status = answer.headers["azure-asyncoperation"]
    found: dict[str, Any] = until(lambda: (a := sandbox.call("GET", status).body)["status"] != "InProgress" and a)
    return found


def test_a_deployment_that_another_sends_again_has_the_rights_of_the_other(fresh_sandbox: Sandbox) -> None:
    sandbox, group = fresh_sandbox, fresh_sandbox.group("again")
    token = contributor(sandbox, group)
    path = f"{group}/providers/Microsoft.Resources/deployments/inherited"
    assert ended(sandbox, sandbox.call("PUT", path, assigning()))["status"] == "Succeeded"
    again = sandbox.call("POST", f"{path}/validate", assigning(), token).body["error"]["details"][0]
    assert again["code"] == "AuthorizationFailed"
    answer = sandbox.call("PUT", path, assigning(), token)
    assert ended(sandbox, answer)["error"]["details"][0]["code"] == "AuthorizationFailed"
    shown = sandbox.call("GET", path).body
    assert "caller" not in shown
    # A deployment that a crash cut off goes on as the one who sent it last, too.
    sandbox.kill()
    operation = answer.headers["azure-asyncoperation"].split("?")[0].rpartition("/")[2]
    connection = sqlite3.connect(sandbox.home.database, timeout=30)
    with connection:
        connection.execute(
            "UPDATE operations SET state = 'InProgress', error = NULL, ended = NULL WHERE id = ?", (operation,)
        )
    connection.close()
    sandbox.start()
    assert ended(sandbox, answer)["error"]["details"][0]["code"] == "AuthorizationFailed"


def test_a_reference_shows_what_the_caller_may_read(sandbox: Sandbox, group: str) -> None:
    other = sandbox.group("templates-other")
    account = f"{other}/providers/{STORAGE}/referredto"
    made = sandbox.call(
        "PUT", account, {"location": "westeurope", "kind": "StorageV2", "sku": {"name": "Standard_LRS"}}
    )
    outputs = {"seen": {"type": "object", "value": f"[reference('{account}', '2024-01-01', 'Full')]"}}
    shown = deploy(sandbox, group, "refers", body(outputs=outputs))
    seen = shown["properties"]["outputs"]["seen"]["value"]
    assert seen["properties"]["creationTime"] == made.body["properties"]["creationTime"]
    assert "keyVersions" not in seen["properties"]
    path = f"{group}/providers/Microsoft.Resources/deployments/pries"
    answer = sandbox.call("PUT", path, body(outputs=outputs), contributor(sandbox, group))
    error = ended(sandbox, answer)["error"]
    assert error["code"] == "AuthorizationFailed"
    assert f"'{STORAGE}/read' over scope '{account}'" in error["message"]


def contributor(sandbox: Sandbox, group: str) -> str:
    """A token of an application that is a Contributor of the group, so that it may not assign roles."""
    who, secret = str(uuid.uuid4()), secrets.token_hex(16)
    connection = sqlite3.connect(sandbox.home.database, timeout=30)
    with connection:
        connection.execute(
            "INSERT INTO principals VALUES (?, ?, 'maker', ?, '')", (f"{who}-object", who, hash_secret(secret))
        )
    connection.close()
    definition = (
        f"{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/b24988ac-6180-42a0-ab88-20f7382dd24c"
    )
    path = f"{group}/providers/Microsoft.Authorization/roleAssignments/{uuid.uuid4()}"
    sent = {"properties": {"principalId": f"{who}-object", "roleDefinitionId": definition}}
    assert sandbox.call("PUT", path, sent).status == 201
    return sandbox.token(client=(who, secret))
