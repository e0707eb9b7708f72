"""A version of an asset: made once, found when it is there, refused when it is another, never deleted."""

import json
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError
from azure.core.rest import HttpRequest
from pulumi.output import Unknown

from components import arm
from components.asset_version import AssetVersionProvider

WORKSPACE = "/subscriptions/s/resourceGroups/r/providers/Microsoft.MachineLearningServices/workspaces/w"
ID = f"{WORKSPACE}/codes/late-serving/versions/v1"
PROPS: dict[str, Any] = {
    "workspace_id": WORKSPACE,
    "kind": "codes",
    "name": "late-serving",
    "version": "v1",
    "properties": {"codeUri": "https://blobs/code/late-serving/v1", "description": "d", "tags": {"owner": "me"}},
}


class Azure:
    """Resource Manager in memory; answers as the client library shows it."""

    def __init__(self) -> None:
        self.there: dict[str, Any] = {}
        self.sent: list[str] = []
        self.race: Any = None
        self.refuses = 0

    def send_request(self, request: HttpRequest) -> Any:
        path, _, query = request.url.removeprefix("https://management.azure.com").partition("?")
        assert query == f"api-version={arm.API_VERSION}"
        self.sent.append(request.method)
        if self.refuses:
            return answer(self.refuses, {})
        if request.method == "GET":
            return answer(200, self.there[path]) if path in self.there else answer(404, {})
        body = json.loads(request.content)
        if self.race:  # somebody else's came first
            self.there[path] = self.race
            return answer(409, {})
        self.there[path] = body
        return answer(201, body)


def answer(status: int, body: Any) -> Any:
    class Answer:
        status_code = status

        def json(self) -> Any:
            return body

        def raise_for_status(self) -> None:
            if status >= 400:
                raise HttpResponseError(f"refused with {status}")

    return Answer()


@pytest.fixture
def azure(monkeypatch: pytest.MonkeyPatch) -> Azure:
    made = Azure()
    monkeypatch.setattr(arm, "_client", lambda _: made)
    return made


def test_a_version_that_is_not_there_is_made(azure: Azure) -> None:
    result = AssetVersionProvider().create(PROPS)
    assert result.id == ID
    assert azure.there[ID] == {"properties": PROPS["properties"]}


def test_a_version_that_is_there_is_adopted_and_not_sent_again(azure: Azure) -> None:
    """A reverted commit declares the version of last week again."""
    azure.there[ID] = {"properties": PROPS["properties"] | {"tags": {"owner": "somebody else"}}}
    AssetVersionProvider().create(PROPS)
    assert azure.sent == ["GET"]


def test_two_who_make_the_same_version_both_have_it(azure: Azure) -> None:
    azure.race = {"properties": PROPS["properties"]}
    assert AssetVersionProvider().create(PROPS).id == ID


def test_of_two_who_make_different_content_at_once_the_second_is_refused(azure: Azure) -> None:
    azure.race = {"properties": {"codeUri": "https://elsewhere"}}
    with pytest.raises(RuntimeError, match="is there with codeUri='https://elsewhere'"):
        AssetVersionProvider().create(PROPS)


def test_a_version_with_other_content_is_refused_with_both_values(azure: Azure) -> None:
    azure.there[ID] = {"properties": {"codeUri": "https://elsewhere"}}
    with pytest.raises(RuntimeError, match=r"codeUri='https://elsewhere', want 'https://blobs/code/late-serving/v1'"):
        AssetVersionProvider().create(PROPS)


def test_a_specification_that_azure_rewrote_is_still_the_same(azure: Azure) -> None:
    props = PROPS | {"kind": "components", "properties": {"componentSpec": {"name": "a"}}}
    azure.there[ID.replace("codes", "components")] = {"properties": {"componentSpec": {"name": "a", "more": 1}}}
    AssetVersionProvider().create(props)


def test_whole_numbers_stay_whole(azure: Azure) -> None:
    props = PROPS | {"kind": "components", "properties": {"componentSpec": {"resources": {"instance_count": 1.0}}}}
    AssetVersionProvider().create(props)
    sent = azure.there[ID.replace("codes", "components")]["properties"]["componentSpec"]
    assert json.dumps(sent) == '{"resources": {"instance_count": 1}}'


def test_another_refusal_is_azures_own(azure: Azure) -> None:
    azure.refuses = 403
    with pytest.raises(HttpResponseError, match="403"):
        AssetVersionProvider().create(PROPS)


def test_nothing_is_ever_deleted(azure: Azure) -> None:
    AssetVersionProvider().create(PROPS)
    AssetVersionProvider().delete(ID, PROPS)
    assert "DELETE" not in azure.sent
    assert ID in azure.there


def test_a_version_that_somebody_deleted_counts_as_gone(azure: Azure) -> None:
    assert not AssetVersionProvider().read(ID, PROPS).id
    AssetVersionProvider().create(PROPS)
    assert AssetVersionProvider().read(ID, PROPS).id == ID


@pytest.mark.parametrize(
    ("change", "replaces"),
    [
        ({}, []),
        ({"version": "v2"}, ["version"]),
        ({"name": "other"}, ["version", "name"]),
        ({"properties": PROPS["properties"] | {"codeUri": "x"}}, ["properties"]),
        ({"properties": Unknown()}, ["properties"]),  # type: ignore[no-untyped-call] # the SDK's own
        ({"properties": PROPS["properties"] | {"tags": {"owner": "new"}, "description": "new"}}, []),
    ],
)
def test_only_other_content_is_another_version(change: dict[str, Any], replaces: list[str]) -> None:
    result = AssetVersionProvider().diff(ID, PROPS, PROPS | change)
    assert (result.changes, result.replaces) == (bool(replaces), replaces)
    assert result.delete_before_replace is False
