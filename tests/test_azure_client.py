"""Who asks Azure: the identity that the provider uses, whatever way it signs in."""

import io
import json
import os
import urllib.request
from pathlib import Path
from typing import Any

import azure.identity
import pytest

from azure_client import CredentialError, credential, oidc_token_of

SERVICE = {"ARM_TENANT_ID": "11111111-1111-1111-1111-111111111111", "ARM_CLIENT_ID": "c"}


@pytest.fixture
def variables(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Sets exactly these."""
    for name in list(os.environ):
        if name.startswith(("ARM_", "AZURE_", "ACTIONS_", "SYSTEM_")):
            monkeypatch.delenv(name)

    def run(**values: str) -> Any:
        for name, value in values.items():
            monkeypatch.setenv(name, value)
        return credential()

    return run


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ({}, "DefaultAzureCredential"),
        (SERVICE, "DefaultAzureCredential"),
        (SERVICE | {"ARM_CLIENT_SECRET": "s"}, "ClientSecretCredential"),
        (SERVICE | {"ARM_USE_OIDC": "true", "ARM_OIDC_TOKEN": "t"}, "ClientAssertionCredential"),
        (
            SERVICE
            | {
                "ARM_USE_OIDC": "true",
                "ACTIONS_ID_TOKEN_REQUEST_URL": "https://x",
                "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "b",
            },
            "ClientAssertionCredential",
        ),
        (
            SERVICE | {"ARM_USE_OIDC": "true", "SYSTEM_OIDCREQUESTURI": "https://x", "SYSTEM_ACCESSTOKEN": "b"},
            "ClientAssertionCredential",
        ),
        ({"ARM_USE_MSI": "true"}, "ManagedIdentityCredential"),
        ({"ARM_USE_MSI": "1"}, "ManagedIdentityCredential"),
    ],
)
def test_the_providers_variables_decide(variables: Any, values: dict[str, str], kind: str) -> None:
    assert type(variables(**values)).__name__ == kind


@pytest.mark.parametrize(
    ("values", "kind", "given"),
    [
        (
            SERVICE | {"ARM_CLIENT_CERTIFICATE_PATH": "c.pfx", "ARM_CLIENT_CERTIFICATE_PASSWORD": "p"},
            "CertificateCredential",
            {"certificate_path": "c.pfx", "password": "p"},
        ),
        ({"ARM_USE_MSI": "true", "ARM_CLIENT_ID": "mine"}, "ManagedIdentityCredential", {"client_id": "mine"}),
    ],
)
def test_what_the_provider_signs_in_with_is_handed_over(
    variables: Any, monkeypatch: pytest.MonkeyPatch, values: dict[str, str], kind: str, given: dict[str, str]
) -> None:
    monkeypatch.setattr(azure.identity, kind, lambda *_, **options: options)
    assert variables(**values) == given


def test_the_same_variables_are_the_same_credential_and_others_another(variables: Any) -> None:
    """Its tokens are kept; but a process may go from one sandbox to the next."""
    one = variables(**SERVICE, ARM_CLIENT_SECRET="s")
    assert variables() is one
    assert variables(ARM_CLIENT_SECRET="other") is not one


def test_a_token_can_be_a_value_or_a_file(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("from a file\n")
    assert oidc_token_of({"ARM_OIDC_TOKEN": "t"})() == "t"
    assert oidc_token_of({"ARM_OIDC_TOKEN_FILE_PATH": str(file)})() == "from a file"
    assert oidc_token_of({"AZURE_FEDERATED_TOKEN_FILE": str(file)})() == "from a file"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[urllib.request.Request]:
    """Requests for a token; each is answered as the pipeline it goes to answers."""
    seen: list[urllib.request.Request] = []

    def answer(request: urllib.request.Request, timeout: float) -> io.BytesIO:
        assert timeout
        seen.append(request)
        body = {"oidcToken": "of devops"} if request.get_method() == "POST" else {"value": "of github"}
        return io.BytesIO(json.dumps(body).encode())

    monkeypatch.setattr(urllib.request, "urlopen", answer)
    return seen


@pytest.mark.parametrize("prefix", ["ARM_OIDC", "ACTIONS_ID_TOKEN"])
def test_github_is_asked_for_a_token(asked: list[urllib.request.Request], prefix: str) -> None:
    env = {f"{prefix}_REQUEST_URL": "https://token.example/get?run=1", f"{prefix}_REQUEST_TOKEN": "bearer"}
    assert oidc_token_of(env)() == "of github"
    assert asked[0].full_url == "https://token.example/get?run=1&audience=api://AzureADTokenExchange"
    assert asked[0].get_header("Authorization") == "Bearer bearer"


def test_azure_devops_is_asked_for_the_token_of_a_connection(asked: list[urllib.request.Request]) -> None:
    env = {
        "SYSTEM_OIDCREQUESTURI": "https://vstoken.example/oidc",
        "SYSTEM_ACCESSTOKEN": "bearer",
        "ARM_OIDC_AZURE_SERVICE_CONNECTION_ID": "connection",
    }
    assert oidc_token_of(env)() == "of devops"
    assert asked[0].get_method() == "POST"
    assert asked[0].full_url == "https://vstoken.example/oidc?api-version=7.1&serviceConnectionId=connection"


def test_a_token_is_never_asked_for_in_the_clear(asked: list[urllib.request.Request]) -> None:
    with pytest.raises(CredentialError, match="by https only"):
        oidc_token_of({"ARM_OIDC_REQUEST_URL": "http://x", "ARM_OIDC_REQUEST_TOKEN": "b"})()
    assert asked == []


def test_no_token_is_told_with_the_variables_that_give_one(variables: Any) -> None:
    with pytest.raises(CredentialError, match="want ARM_OIDC_TOKEN, ARM_OIDC_TOKEN_FILE_PATH, or ARM_OIDC_REQUEST_URL"):
        variables(**SERVICE, ARM_USE_OIDC="true")
