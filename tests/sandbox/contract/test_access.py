"""Every kind, verb and action, asked by who has nothing there, a Reader, and a Contributor of another group."""

import pytest

from tests.sandbox.conftest import Answer, Sandbox
from tests.sandbox.contract.samples import GROUP, SAMPLES, make
from tests.sandbox.contract.test_every_kind import KINDS, every_kind
from tests.sandbox.planes.conftest import assign, make_stranger

READER = "acdd72a7-3385-48ef-bd42-f606fba81ae7"
CONTRIBUTOR = "b24988ac-6180-42a0-ab88-20f7382dd24c"


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
