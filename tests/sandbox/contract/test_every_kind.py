"""What holds for every kind that the sandbox serves, checked on each."""

import concurrent.futures
import json
import secrets
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from sandbox.arm.keys import hash_secret
from sandbox.arm.registry import Registry
from sandbox.arm.schema import Schema
from tests.sandbox.conftest import SUBSCRIPTION, Sandbox
from tests.sandbox.contract.samples import GROUP, SAMPLES, make, settle

KINDS = {kind.arm_type: kind for kind in Registry.find(Schema(Path("unused")))}
MADE_BY_AZURE = {arm_type for arm_type, kind in KINDS.items() if kind.made_by_azure}
every_kind = pytest.mark.parametrize("arm_type", sorted(set(KINDS) & set(SAMPLES)))
VOLATILE = (
    "lastModifiedAt", "lastModifiedBy", "lastModifiedByType", "lastModifiedTime", "modifiedOn", "modifiedDate",
    "allocationStateTransitionTime",
    "updatedOn", "updatedBy", "etag",
)  # fmt: skip


def test_every_kind_has_a_sample() -> None:
    assert set(KINDS) - MADE_BY_AZURE - set(SAMPLES) == set()


def test_no_sample_is_of_a_kind_that_is_gone() -> None:
    assert set(SAMPLES) - set(KINDS) == set()


def lost(sent: Any, shown: Any, at: str = "") -> list[str]:
    """Paths whose value was sent and is not shown as it was sent."""
    if isinstance(sent, dict) and isinstance(shown, dict):
        return [each for key, value in sent.items() for each in lost(value, shown.get(key), f"{at}.{key}".strip("."))]
    if isinstance(sent, dict) and not sent and shown is None:
        return []
    return [] if sent == shown else [f"{at}: sent {sent!r}, shown {shown!r}"]


def steady(body: Any) -> Any:
    """A body without what changes at each write."""
    if isinstance(body, dict):
        return {key: steady(value) for key, value in body.items() if key not in VOLATILE}
    return [steady(each) for each in body] if isinstance(body, list) else body


@every_kind
def test_nothing_that_was_sent_is_dropped(sandbox: Sandbox, arm_type: str) -> None:
    make(sandbox, arm_type)
    sample = SAMPLES[arm_type]
    hidden = (*KINDS[arm_type].hidden, *sample.computed)
    missing = lost(sample.content(sandbox), settle(sandbox, sample.path))
    assert [each for each in missing if not each.startswith(hidden)] == []


@every_kind
def test_the_same_again_changes_nothing(sandbox: Sandbox, arm_type: str) -> None:
    make(sandbox, arm_type)
    path = SAMPLES[arm_type].path
    before = settle(sandbox, path)
    again = sandbox.call("PUT", path, SAMPLES[arm_type].content(sandbox))
    assert again.status == 200
    assert steady(settle(sandbox, path)) == steady(before)


@every_kind
def test_an_unknown_property_is_refused_and_named(sandbox: Sandbox, arm_type: str) -> None:
    make(sandbox, arm_type)
    sample = SAMPLES[arm_type]
    answer = sandbox.call("PUT", sample.path, {**sample.content(sandbox), "surprise": 1})
    assert (answer.status, answer.code) == (400, "InvalidRequestContent")
    assert "surprise" in answer.body["error"]["message"]


@every_kind
def test_what_is_not_there_is_404_in_arms_words(sandbox: Sandbox, arm_type: str) -> None:
    for needed in SAMPLES[arm_type].needs:
        make(sandbox, needed)
    path = SAMPLES[arm_type].path.rsplit("/", 1)[0] + "/00000000-dead-4bee-8fee-000000000000"
    answer = sandbox.call("GET", path)
    assert answer.status == 404
    assert answer.code.endswith("NotFound")


@every_kind
def test_without_a_role_it_is_out_of_reach(sandbox: Sandbox, arm_type: str, stranger: str) -> None:
    make(sandbox, arm_type)
    for method, body in (("GET", None), ("PUT", SAMPLES[arm_type].content(sandbox)), ("DELETE", None)):
        answer = sandbox.call(method, SAMPLES[arm_type].path, body, token=stranger)
        assert (answer.status, answer.code) == (403, "AuthorizationFailed"), method


@every_kind
def test_two_writers_leave_one_whole_resource(sandbox: Sandbox, arm_type: str) -> None:
    make(sandbox, arm_type)
    sample = SAMPLES[arm_type]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda _: sandbox.call("PUT", sample.path, sample.content(sandbox)), range(4)))
    assert {answer.status for answer in answers} <= {200, 201, 409}
    shown = settle(sandbox, sample.path)
    assert shown["id"] == sample.path


@every_kind
def test_a_fault_and_then_the_same_call_again_succeeds(sandbox: Sandbox, arm_type: str) -> None:
    make(sandbox, arm_type)
    sample = SAMPLES[arm_type]
    sandbox.admin("POST", "/faults", {"match": {"method": "PUT"}, "script": [{"status": 503}]})
    try:
        refused = sandbox.call("PUT", sample.path, sample.content(sandbox))
        again = sandbox.call("PUT", sample.path, sample.content(sandbox))
        receipts = sandbox.admin("GET", "/faults")["value"]
    finally:
        sandbox.admin("DELETE", "/faults")
    assert (refused.status, refused.headers["retry-after"], again.status) == (503, "1", 200)
    assert [receipt["fired"] for receipt in receipts] == [1]


def test_a_restart_keeps_every_kind(fresh_sandbox: Sandbox) -> None:
    for arm_type in sorted(set(KINDS) & set(SAMPLES)):
        if fresh_sandbox.call("GET", SAMPLES[arm_type].path).status != 200:
            make(fresh_sandbox, arm_type)
    before = {each: settle(fresh_sandbox, SAMPLES[each].path) for each in sorted(set(KINDS) & set(SAMPLES))}
    fresh_sandbox.kill()
    fresh_sandbox.restart()
    after = {each: settle(fresh_sandbox, SAMPLES[each].path) for each in before}
    assert after == before


def test_a_group_takes_every_kind_along(fresh_sandbox: Sandbox) -> None:
    within = {each for each in set(KINDS) & set(SAMPLES) if SAMPLES[each].path.startswith(f"{GROUP}/")}
    for arm_type in sorted(within):
        if fresh_sandbox.call("GET", SAMPLES[arm_type].path).status != 200:
            make(fresh_sandbox, arm_type)
    answer = fresh_sandbox.call("DELETE", GROUP)
    while answer.status == 202 and fresh_sandbox.call("GET", answer.headers["location"]).status == 202:
        pass
    assert fresh_sandbox.call("GET", GROUP).status == 404
    connection = sqlite3.connect(f"file:{fresh_sandbox.home.database}?mode=ro", uri=True)
    left = connection.execute("SELECT key FROM resources WHERE key LIKE ?", (f"{GROUP.lower()}%",)).fetchall()
    connection.close()
    assert left == []


@pytest.fixture(scope="module")
def stranger(sandbox: Sandbox) -> str:
    """A token of a principal without any role."""
    secret = secrets.token_hex(16)
    connection = sqlite3.connect(sandbox.home.database)
    connection.execute(
        "INSERT OR REPLACE INTO principals VALUES ('stranger-object', 'stranger', 'stranger', ?, '')",
        (hash_secret(secret),),
    )
    connection.commit()
    connection.close()
    return sandbox.token(client=("stranger", secret))


def test_the_samples_are_plain_json() -> None:
    for sample in SAMPLES.values():
        if not callable(sample.body):
            assert json.loads(json.dumps(sample.body)) == sample.body
    assert SUBSCRIPTION in GROUP
