"""Container registry: its rules, and that its admin user is off unless it was switched on."""

from typing import Any

import pytest

from tests.sandbox.conftest import Answer, Sandbox


@pytest.fixture(scope="module")
def registries(sandbox: Sandbox) -> str:
    """Where registries are made."""
    return f"{sandbox.group('images')}/providers/Microsoft.ContainerRegistry/registries"


def make(sandbox: Sandbox, path: str, sku: str = "Basic", **properties: Any) -> Answer:
    return sandbox.call("PUT", path, {"location": "westeurope", "sku": {"name": sku}, "properties": properties})


def test_a_registry_shows_its_address(sandbox: Sandbox, registries: str) -> None:
    answer = make(sandbox, f"{registries}/ShownImages")
    assert answer.status == 201
    assert answer.body["properties"]["loginServer"] == "shownimages.azurecr.io"
    assert answer.body["sku"] == {"name": "Basic", "tier": "Basic"}
    assert answer.body["properties"]["adminUserEnabled"] is False


@pytest.mark.parametrize("name", ["four", "with-hyphen", "a" * 51])
def test_a_name_that_azure_refuses_is_refused(sandbox: Sandbox, registries: str, name: str) -> None:
    answer = make(sandbox, f"{registries}/{name}")
    assert (answer.status, answer.code) == (400, "RegistryNameNotValid")


def test_a_name_is_taken_azure_wide(sandbox: Sandbox, registries: str) -> None:
    make(sandbox, f"{registries}/onlyone")
    other = f"{sandbox.group('images-too')}/providers/Microsoft.ContainerRegistry/registries/OnlyOne"
    assert make(sandbox, other).code == "AlreadyInUse"


@pytest.mark.parametrize(
    "properties",
    [
        {"publicNetworkAccess": "Disabled"}, {"zoneRedundancy": "Enabled"}, {"dataEndpointEnabled": True},
        {"networkRuleSet": {"defaultAction": "Deny"}},
    ],
)  # fmt: skip
def test_what_only_premium_has_is_refused_below(sandbox: Sandbox, registries: str, properties: dict[str, Any]) -> None:
    answer = make(sandbox, f"{registries}/tooslim", "Standard", **properties)
    assert (answer.status, answer.code) == (400, "FeatureNotSupported")
    assert next(iter(properties)) in answer.body["error"]["message"]
    assert make(sandbox, f"{registries}/premiumone", "Premium", **properties).status in (200, 201)


def test_an_unknown_sku_is_refused(sandbox: Sandbox, registries: str) -> None:
    answer = make(sandbox, f"{registries}/unknownsku", "Luxury")
    assert answer.status == 400
    assert "Luxury" in answer.body["error"]["message"]


def test_credentials_are_refused_without_the_admin_user(sandbox: Sandbox, registries: str) -> None:
    path = f"{registries}/credentials"
    make(sandbox, path)
    for action in ("listCredentials", "regenerateCredential"):
        answer = sandbox.call("POST", f"{path}/{action}", {"name": "password"})
        assert (answer.status, answer.code) == (400, "UnAuthorizedForCredentialOperations")
    make(sandbox, path, adminUserEnabled=True)
    first = sandbox.call("POST", f"{path}/listCredentials", {}).body
    assert (first["username"], len(first["passwords"])) == ("credentials", 2)
    renewed = sandbox.call("POST", f"{path}/regenerateCredential", {"name": "password2"}).body
    assert renewed["passwords"][0] == first["passwords"][0]
    assert renewed["passwords"][1] != first["passwords"][1]
    assert "passwordVersions" not in str(sandbox.call("GET", path).body)
    assert sandbox.call("POST", f"{path}/regenerateCredential", {"name": "third"}).status == 400
