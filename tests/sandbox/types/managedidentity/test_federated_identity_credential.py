"""Federated identity credentials of a user-assigned identity, as ARM holds them."""

from typing import Any

import pytest

from tests.sandbox.conftest import Sandbox

GOOD = {"issuer": "https://issuer.example.com", "subject": "one", "audiences": ["api://AzureADTokenExchange"]}


@pytest.fixture(scope="module")
def identity(sandbox: Sandbox) -> str:
    path = f"{sandbox.group('federated')}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/federated"
    assert sandbox.call("PUT", path, {"location": "westeurope"}).status == 201
    return path


@pytest.mark.parametrize(
    "change",
    [{"issuer": "http://plain"}, {"issuer": None}, {"subject": ""}, {"audiences": []}, {"audiences": ["a", "b"]}],
)
def test_what_azure_refuses_is_refused(sandbox: Sandbox, identity: str, change: dict[str, Any]) -> None:
    refused = sandbox.call("PUT", f"{identity}/federatedIdentityCredentials/bad", {"properties": {**GOOD, **change}})
    assert refused.status == 400, refused


def test_issuer_and_subject_are_unique_in_an_identity_which_has_up_to_twenty(sandbox: Sandbox, identity: str) -> None:
    def put(name: str, subject: str) -> str:
        body = {"properties": {**GOOD, "subject": subject}}
        return sandbox.call("PUT", f"{identity}/federatedIdentityCredentials/{name}", body).code

    assert put("first", "one") == put("first", "one") == ""
    assert put("second", "one") == "Conflict"
    assert [put(f"more-{number}", f"{number}") for number in range(20)] == [""] * 19 + ["BadRequest"]
