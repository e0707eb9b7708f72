"""`identity`, `env --as` and `run --as`: somebody else signs in, with no more than their roles."""

import json
import os
import re
import shlex
import stat
import subprocess
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import DefaultAzureCredential, EnvironmentCredential, WorkloadIdentityCredential

from sandbox import __main__, launch
from sandbox.constants import TENANT_ID
from sandbox.planes import federation
from sandbox.provider.base import ProviderError
from sandbox.provider.client import Client, Credential
from tests.sandbox.conftest import SUBSCRIPTION, Sandbox

ARM = "https://management.azure.com"
IDENTITIES = "Microsoft.ManagedIdentity/userAssignedIdentities"
GITHUB = ("https://token.actions.githubusercontent.com", "repo:my-org/my-repo:ref:refs/heads/main")
Say = Callable[..., tuple[int, str]]


@pytest.fixture(scope="module")
def groups(sandbox: Sandbox) -> tuple[str, str]:
    return sandbox.group("team-a"), sandbox.group("team-b")


@pytest.fixture
def say(
    sandbox: Sandbox, groups: tuple[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Say:
    """Runs one command of the sandbox; returns its exit code and what it printed."""
    monkeypatch.setenv("SANDBOX_HOME", str(sandbox.home.root))
    for name in launch.SIGN_IN:
        monkeypatch.delenv(name, raising=False)

    def run(*words: str) -> tuple[int, str]:
        code = __main__.main(list(words))
        printed = capsys.readouterr()
        return code, printed.out + printed.err

    return run


@pytest.fixture
def become(say: Say, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Evaluates `env --as NAME` in this process."""

    def run(name: str) -> None:
        code, printed = say("env", "--as", name)
        assert code == 0, printed
        for line in printed.splitlines():
            verb, _, rest = line.partition(" ")
            name, _, value = rest.partition("=")
            if verb == "export":
                monkeypatch.setenv(name, "".join(shlex.split(value)))
            elif verb == "unset":
                monkeypatch.delenv(name, raising=False)

    return run


def claims_of(credential: Any) -> dict[str, Any]:
    with credential:
        token = credential.get_token(f"{ARM}/.default").token
    found: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return {**found, "token": token}


def may(sandbox: Sandbox, token: str, group: str, method: str = "GET") -> int:
    body = {"location": "westeurope"} if method == "PUT" else None
    return sandbox.call(method, group, body, token).status


@pytest.mark.filterwarnings("ignore:.*username and password:DeprecationWarning", "ignore:.*ropc:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:This API has been deprecated")
@pytest.mark.parametrize(
    ("name", "options", "credential"),
    [
        ("app", (), EnvironmentCredential),
        ("pipeline", ("--federated", *GITHUB), WorkloadIdentityCredential),
        ("shared", ("--kind", "user-assigned"), WorkloadIdentityCredential),
        ("ana", ("--kind", "person"), EnvironmentCredential),
    ],
)
def test_each_kind_signs_in_by_the_variables_alone_and_has_its_role_only(
    sandbox: Sandbox, groups: tuple[str, str], say: Say, become: Callable[[str], None],
    name: str, options: tuple[str, ...], credential: type[Any],
) -> None:  # fmt: skip
    code, printed = say("identity", "add", name, "--role", "reader", "--scope", "team-a", *options)
    assert code == 0, printed
    assert f"Reader on {groups[0]}" in printed
    assert f"sandbox env --as {name}" in printed
    become("app" if name == "ana" else name)  # nobody keeps half of whom they were before
    become(name)
    for each in (credential, DefaultAzureCredential):
        claims = claims_of(each())
        assert may(sandbox, claims["token"], groups[0]) == 200
        assert may(sandbox, claims["token"], groups[0], "PUT") == 403
        assert may(sandbox, claims["token"], groups[1]) == 403
    assert claims.get("upn") == ("ana@sandbox.onmicrosoft.com" if name == "ana" else None)
    assert claims["tid"] == TENANT_ID


def test_adding_twice_changes_nothing_and_another_role_is_added(say: Say, groups: tuple[str, str]) -> None:
    first = json.loads(say("identity", "add", "twice", "--role", "Reader", "--scope", "team-a", "--json")[1])
    again = json.loads(say("identity", "add", "TWICE", "--role", "Reader", "--scope", groups[0], "--json")[1])
    assert again == first
    more = json.loads(say("identity", "add", "twice", "--role", "Contributor", "--scope", "team-b", "--json")[1])
    assert more["result"]["roles"] == [
        {"role": "Reader", "scope": groups[0]}, {"role": "Contributor", "scope": groups[1]},
    ]  # fmt: skip
    assert {**more["result"], "roles": first["result"]["roles"]} == first["result"]


def test_every_mistake_is_told_with_what_is_accepted(say: Say) -> None:
    code, printed = say("identity", "add", "../x", "--role", "Contributer", "--scope", "team-c", "--kind", "persn")
    assert code == 2
    assert "'../x' is no name of an identity; accepted: 1-63 letters" in printed
    assert "kind is 'persn'; did you mean 'person'?; accepted: service-principal, user-assigned, person" in printed
    assert "role is 'Contributer'; did you mean 'Contributor'?; accepted: AcrPull" in printed
    assert "scope is 'team-c', and that is not there; did you mean 'team-b'?; accepted: subscription, a" in printed
    assert say("identity", "add", "half", "--role", "Reader")[0] == 2
    code, printed = say("identity", "add", "homeless", "--kind", "user-assigned", "--role", "Reader", "--scope",
                        "subscription")  # fmt: skip
    assert code == 2
    assert "stands in a resource group; --scope must be one" in printed
    assert say("identity", "add", "bo", "--kind", "person", "--federated", *GITHUB)[0] == 2
    assert say("identity", "add", "bo", "--federated", "http://plain", "x")[0] == 2
    assert "bo  " not in say("identity", "list")[1]


def test_a_kind_cannot_change_and_the_way_is_told(say: Say) -> None:
    say("identity", "add", "fixed")
    code, printed = say("identity", "add", "fixed", "--kind", "person")
    assert code == 2
    assert "cannot become a person; remove it first: .venv/bin/python -m sandbox identity remove fixed" in printed


@pytest.mark.parametrize("words", [("env", "--as"), ("identity", "remove"), ("run", "--as")])
def test_who_is_not_there_is_told_with_who_is_and_how_to_add_one(say: Say, words: tuple[str, ...]) -> None:
    say("identity", "add", "neighbour")
    code, printed = say(*words, "neighbor", *(("--", "true") if words[0] == "run" else ()))
    assert code == 2
    assert "there is no identity 'neighbor'; did you mean 'neighbour'?; there are: " in printed
    assert "sandbox identity add neighbor --role Reader --scope subscription" in printed


def test_secrets_are_private_and_printed_by_nothing_but_env(sandbox: Sandbox, say: Say) -> None:
    printed = say("identity", "add", "quiet", "--role", "Reader", "--scope", "team-a")[1]
    printed += say("identity", "add", "hush", "--federated", *GITHUB)[1] + say("identity", "list", "--json")[1]
    say("env", "--as", "hush")
    files = list(sandbox.home.identities.iterdir())
    assert {"quiet.secret", "hush.token"} <= {path.name for path in files}
    assert stat.S_IMODE(sandbox.home.identities.stat().st_mode) == 0o700
    for path in files:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert path.read_text("utf-8") not in printed
        for kept in (sandbox.home.database, sandbox.home.logs / "gateway.log"):
            assert path.read_bytes() not in kept.read_bytes()
    assert (sandbox.home.identities / "quiet.secret").read_text("utf-8") in say("env", "--as", "quiet")[1]
    assert (sandbox.home.identities / "hush.token").read_text("utf-8") not in say("env", "--as", "hush")[1]


def test_a_lost_secret_is_made_anew(sandbox: Sandbox, say: Say, become: Callable[[str], None]) -> None:
    say("identity", "add", "loser")
    path = sandbox.home.identities / "loser.secret"
    before = path.read_text("utf-8")
    path.unlink()
    code, printed = say("env", "--as", "loser")
    assert code == 2
    assert "a new secret is made by: .venv/bin/python -m sandbox identity add loser" in printed
    say("identity", "add", "loser")
    assert path.read_text("utf-8") != before
    become("loser")
    assert claims_of(EnvironmentCredential())


def test_who_is_removed_loses_roles_and_credentials_and_a_token_in_hand_opens_nothing(
    sandbox: Sandbox, groups: tuple[str, str], say: Say, become: Callable[[str], None]
) -> None:
    made = json.loads(say("identity", "add", "leaver", "--role", "Contributor", "--scope", "team-a", "--json")[1])
    become("leaver")
    token = claims_of(EnvironmentCredential())["token"]
    assert may(sandbox, token, groups[0]) == 200
    assert say("identity", "remove", "leaver")[0] == 0
    assert may(sandbox, token, groups[0]) == 403
    with pytest.raises(ClientAuthenticationError, match="AADSTS700016"):
        claims_of(EnvironmentCredential())
    assert not list(sandbox.home.identities.glob("leaver.*"))
    assigned = sandbox.call("GET", f"{groups[0]}/providers/Microsoft.Authorization/roleAssignments").body["value"]
    assert made["result"]["objectId"] not in json.dumps(assigned)
    again = json.loads(say("identity", "add", "leaver", "--json")[1])["result"]
    assert again["objectId"] != made["result"]["objectId"]
    assert again["roles"] == []


def test_an_identity_that_a_program_declared_is_become_and_left_as_it_was(
    sandbox: Sandbox, groups: tuple[str, str], say: Say, become: Callable[[str], None]
) -> None:
    path = f"{groups[1]}/providers/{IDENTITIES}/declared"
    own = sandbox.call("PUT", path, {"location": "westeurope"}).body["properties"]
    assert (
        say("identity", "add", "declared", "--kind", "user-assigned", "--role", "Reader", "--scope", "team-b")[0] == 0
    )
    become("declared")
    assert claims_of(WorkloadIdentityCredential())["oid"] == own["principalId"]
    kept = sandbox.home.root / "kept.token"
    kept.write_text((sandbox.home.identities / "declared.token").read_text("utf-8"), encoding="utf-8")
    assert say("identity", "remove", "declared")[0] == 0
    assert sandbox.call("GET", path).body["properties"] == own
    assert sandbox.call("GET", f"{path}/federatedIdentityCredentials").body["value"] == []
    with pytest.raises(ClientAuthenticationError, match="AADSTS700211"):
        claims_of(WorkloadIdentityCredential(token_file_path=str(kept)))


def test_an_identity_whose_group_went_says_so_and_comes_back_only_whole(sandbox: Sandbox, say: Say) -> None:
    group = sandbox.group("short-lived")
    made = json.loads(
        say("identity", "add", "gone", "--kind", "user-assigned", "--role", "Reader", "--scope", group, "--json")[1]
    )["result"]
    assert sandbox.call("DELETE", group).status == 200
    assert "gone  user-assigned, client gone" in say("identity", "list")[1]
    code, printed = say("env", "--as", "gone")
    assert code == 2
    assert "its user-assigned identity was deleted; take it away, then add it again" in printed
    code, printed = say("identity", "add", "gone")
    assert code == 2
    assert "stands in a resource group; --scope must be one" in printed
    declared = f"{sandbox.group('short-lived')}/providers/{IDENTITIES}/gone"
    own = sandbox.call("PUT", declared, {"location": "westeurope"}).body["properties"]
    again = json.loads(say("identity", "add", "gone", "--json")[1])["result"]
    assert again["objectId"] == own["principalId"] != made["objectId"]
    assert say("identity", "remove", "gone")[0] == 0
    assert sandbox.call("GET", declared).status == 200, "what a program declared since stays"


def test_one_command_runs_as_somebody_and_the_shell_stays_who_it_was(sandbox: Sandbox, say: Say) -> None:
    say("identity", "add", "runner", "--federated", *GITHUB)
    show = "import json, os; print(json.dumps({k: v for k, v in os.environ.items() if k.startswith(('AZURE', 'ARM'))}))"
    done = subprocess.run(
        [".venv/bin/python", "-m", "sandbox", "run", "--as", "runner", "--", ".venv/bin/python", "-c", show],
        env={**os.environ, **sandbox.environment, "SANDBOX_HOME": str(sandbox.home.root)},
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    seen = json.loads(done.stdout)
    assert seen["AZURE_FEDERATED_TOKEN_FILE"] == seen["ARM_OIDC_TOKEN_FILE_PATH"]
    assert seen["ARM_USE_OIDC"] == "true"
    assert not {"AZURE_CLIENT_SECRET", "ARM_CLIENT_SECRET"} & seen.keys()


def test_a_pipelines_token_brings_a_stack_up_through_pulumi(
    sandbox: Sandbox, groups: tuple[str, str], say: Say, become: Callable[[str], None]
) -> None:
    """The provider of azure-native types signs in by the same variables as Pulumi's own does."""
    say("identity", "add", "deployer", "--role", "Contributor", "--scope", "team-a", "--federated", *GITHUB)
    become("deployer")
    credential = Credential.find({}, os.environ)
    assert credential is not None
    client = Client(credential)
    store = f"{groups[0]}/providers/{IDENTITIES}/deployed"
    assert client.put(store, "2024-11-30", {"location": "westeurope"})["name"] == "deployed"
    with pytest.raises(ProviderError, match="does not have authorization"):
        client.put(groups[1], "2025-12-01", {"location": "westeurope"})
    client.close()


@pytest.fixture
def assertion(sandbox: Sandbox, say: Say) -> Callable[..., tuple[int, str]]:
    """Signs in with a token for another issuer's subject; returns the status and Entra's code."""
    found = json.loads(say("identity", "add", "federated", "--federated", *GITHUB, "--json")[1])["result"]
    say("env", "--as", "federated")
    token = (sandbox.home.identities / "federated.token").read_text("utf-8")

    def sign_in(token: str = token, **more: str) -> tuple[int, str]:
        kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
        form = {"grant_type": "client_credentials", "client_id": found["clientId"], "client_assertion": token,
                "client_assertion_type": kind, "scope": f"{ARM}/.default", **more}  # fmt: skip
        body = "&".join(f"{key}={value}" for key, value in form.items()).encode()
        url = f"https://login.microsoftonline.com/{TENANT_ID}/oauth2/v2.0/token"
        answer = sandbox.call("POST", url, body, "", {"Content-Type": "application/x-www-form-urlencoded"})
        code = re.findall(r"AADSTS\d+", json.dumps(answer.body))
        return answer.status, code[0] if code else ""

    return sign_in


def test_a_foreign_token_must_be_of_the_issuer_subject_and_audience_that_were_registered(
    sandbox: Sandbox, say: Say, assertion: Callable[..., tuple[int, str]]
) -> None:
    assert assertion() == (200, "")
    said = jwt.decode((sandbox.home.identities / "federated.token").read_text("utf-8"),
                      options={"verify_signature": False})  # fmt: skip
    assert assertion(jwt.encode(said, "", algorithm="none")) == (401, "AADSTS50027")
    assert assertion(jwt.encode(said, "0" * 64, algorithm="HS256")) == (401, "AADSTS50027")
    assert assertion(sandbox.token()) == (401, "AADSTS50027"), "a token for Azure is nobody's assertion"
    assert sandbox.call("GET", SUBSCRIPTION, token=jwt.encode(said, "0" * 64)).status == 401
    say("identity", "add", "other", "--federated", GITHUB[0], "repo:my-org/other:ref:refs/heads/main")
    say("env", "--as", "other")
    other = (sandbox.home.identities / "other.token").read_text("utf-8")
    assert assertion(other) == (401, "AADSTS700213")
    assert sandbox.call("GET", SUBSCRIPTION, token=other).code == "InvalidAuthenticationToken"


def test_a_persons_password_is_no_applications_secret(sandbox: Sandbox, say: Say, assertion: Any) -> None:
    found = json.loads(say("identity", "add", "carl", "--kind", "person", "--json")[1])["result"]
    password = (sandbox.home.identities / "carl.secret").read_text("utf-8")
    same = {"token": "", "client_secret": password}
    assert assertion(**same, client_id=found["clientId"]) == (400, "AADSTS700016")
    assert assertion(**same, grant_type="password", username=found["clientId"], password="no") == (400, "AADSTS50126")
    app = json.loads(say("identity", "add", "appli", "--json")[1])["result"]
    secret = (sandbox.home.identities / "appli.secret").read_text("utf-8")
    assert assertion("", grant_type="password", username=app["clientId"], password=secret) == (400, "AADSTS50126")


def test_the_lifetime_of_a_foreign_token_is_half_a_day() -> None:
    assert federation.LIFETIME.total_seconds() == 12 * 3600
