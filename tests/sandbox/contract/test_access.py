"""Every kind, verb and action, asked by who has nothing there, a Reader, and a Contributor of another group.

Everything that is no kind's own is in test_access_planes.py.
"""

from typing import Any

import pytest

from tests.sandbox.conftest import SUBSCRIPTION, Answer, Sandbox
from tests.sandbox.contract.samples import GROUP, SAMPLES, make
from tests.sandbox.contract.test_access_planes import FAULTS, faulty
from tests.sandbox.contract.test_every_kind import KINDS, MADE_BY_AZURE, every_kind
from tests.sandbox.planes.conftest import assign, make_stranger

READER = "acdd72a7-3385-48ef-bd42-f606fba81ae7"
CONTRIBUTOR = "b24988ac-6180-42a0-ab88-20f7382dd24c"
# What only Azure makes: where one would be, whether it is or not.
MADE = {
    "Microsoft.Resources/subscriptions": SUBSCRIPTION,
    "Microsoft.Resources/deployments/operations":
        f"{GROUP}/providers/Microsoft.Resources/deployments/contract/operations/1",
    "Microsoft.MachineLearningServices/locations/vmSizes":
        f"{SUBSCRIPTION}/providers/Microsoft.MachineLearningServices/locations/westeurope/vmSizes/one",
    "Microsoft.KeyVault/deletedVaults": f"{SUBSCRIPTION}/providers/Microsoft.KeyVault/deletedVaults/one",
    "Microsoft.KeyVault/locations/deletedVaults":
        f"{SUBSCRIPTION}/providers/Microsoft.KeyVault/locations/westeurope/deletedVaults/one",
}  # fmt: skip


@pytest.fixture(scope="module")
def tokens(sandbox: Sandbox) -> dict[str, str]:
    """A token of each caller: of nobody, of a Reader of the samples' group, of a Contributor of another group."""
    make(sandbox, "Microsoft.Resources/resourceGroups")
    found = {}
    for who, scope, role in (
        ("nobody", "", ""),
        ("reader", GROUP, READER),
        ("neighbour", sandbox.group("beside"), CONTRIBUTOR),
    ):
        principal = make_stranger(sandbox)
        if role:
            assign(sandbox, scope, principal.object_id, role)
        found[who] = sandbox.token(client=(principal.client_id, principal.secret))
    return found


def refused(answer: Answer, action: str, path: str) -> None:
    """The answer refuses the action there, as Azure says it."""
    assert (answer.status, answer.code) == (403, "AuthorizationFailed"), answer
    assert f"perform action '{action}' over scope '{path}'" in answer.body["error"]["message"]


@every_kind
@pytest.mark.parametrize("who", ["nobody", "reader", "neighbour"])
def test_each_verb_is_for_who_has_its_right(sandbox: Sandbox, tokens: dict[str, str], arm_type: str, who: str) -> None:
    make(sandbox, arm_type)
    kind, sample, token = KINDS[arm_type], SAMPLES[arm_type], tokens[who]
    reads = who == "reader" and sample.path.startswith(GROUP)
    if reads:
        assert sandbox.call("GET", sample.path, token=token).status == 200
    else:
        refused(sandbox.call("GET", sample.path, token=token), kind.operation("read"), sample.path)
    assert sandbox.call("HEAD", sample.path, token=token).status == (204 if reads else 403)
    collection = sandbox.call("GET", sample.path.rpartition("/")[0], token=token)
    assert collection.status == (200 if reads and sample.path != GROUP else 403), collection
    for method, verb in (("PUT", "write"), ("PATCH", "write"), ("DELETE", "delete")):
        body = None if verb == "delete" else sample.content(sandbox)
        refused(sandbox.call(method, sample.path, body, token), kind.operation(verb), sample.path)
    for name in (*kind.actions(), "noSuchAction"):
        refused(sandbox.call("POST", f"{sample.path}/{name}", {}, token), kind.operation(f"{name}/action"), sample.path)


@every_kind
def test_what_is_not_there_is_no_secret_told_to_who_may_not_read(
    sandbox: Sandbox, tokens: dict[str, str], arm_type: str
) -> None:
    absent = SAMPLES[arm_type].path.rsplit("/", 1)[0] + "/00000000-dead-4bee-8fee-000000000000"
    for who in ("nobody", "neighbour"):
        refused(sandbox.call("GET", absent, token=tokens[who]), KINDS[arm_type].operation("read"), absent)
    if absent.startswith(f"{GROUP}/"):
        assert sandbox.call("GET", absent, token=tokens["reader"]).status == 404


@every_kind
def test_no_verb_is_for_a_token_that_is_none(sandbox: Sandbox, arm_type: str) -> None:
    path = SAMPLES[arm_type].path
    asked = [("GET", path), ("HEAD", path), ("GET", path.rpartition("/")[0]), ("PUT", path), ("PATCH", path),
             ("DELETE", path), *(("POST", f"{path}/{name}") for name in KINDS[arm_type].actions())]  # fmt: skip
    for fault in FAULTS:
        token = faulty(sandbox, fault)
        for method, where in asked:
            body: dict[str, Any] | None = {} if method in ("PUT", "PATCH", "POST") else None
            assert sandbox.call(method, where, body, token).status == 401, (fault, method, where)


def test_what_azure_makes_has_its_cells() -> None:
    assert set(MADE) == MADE_BY_AZURE


@pytest.mark.parametrize("arm_type", sorted(MADE))
def test_what_azure_makes_is_for_who_has_its_right(sandbox: Sandbox, tokens: dict[str, str], arm_type: str) -> None:
    kind, path = KINDS[arm_type], MADE[arm_type]
    for who, token in tokens.items():
        reads = who == "reader" and path.startswith(GROUP)
        for method, verb in (("GET", "read"), ("PUT", "write"), ("PATCH", "write"), ("DELETE", "delete")):
            if not (reads and verb == "read"):
                body: dict[str, Any] | None = {} if verb == "write" else None
                refused(sandbox.call(method, path, body, token), kind.operation(verb), path)
        listed = sandbox.call("GET", path.rpartition("/")[0], token=token).status
        assert listed in ((200, 404) if reads else (403,))  # whether there is a deployment or not
        for name in (*kind.actions(), "noSuchAction"):
            refused(sandbox.call("POST", f"{path}/{name}", {}, token), kind.operation(f"{name}/action"), path)
