"""What must hold in production holds under the Pulumi CLI too: traffic, live deployments, versions, previews.

Runs where the CLI is installed.
"""

import json
import shutil

import pytest

from tests.cli.conftest import FILE, MODEL, STACK, Trial

pytestmark = pytest.mark.skipif(shutil.which("pulumi") is None, reason="the Pulumi CLI is not installed")

OWNER = "ml-platform@example.com"
# Editing these makes other code, another environment and other components; each keeps its meaning.
EDITS = (
    (f"{MODEL}/features.py", "import json\n", "import json  # edited\n"),
    ("ml_jobs/serving/score.py", "import os\n", "import os  # edited\n"),
    ("ml_jobs/environments/tabular.yaml", "name: tabular\n", "name: tabular  # edited\n"),
)


def test_a_preview_after_an_up_says_that_nothing_changes(trial: Trial) -> None:
    printed = json.loads(trial.pulumi(f"preview -s {STACK} --json --show-sames 2>/dev/null"))
    dynamic = [step["urn"] for step in printed["steps"] if "pulumi-python:dynamic" in step["urn"]]
    assert len(dynamic) > 10, "uploads, versions and the rest of the program's own are looked at"
    assert set(printed["changeSummary"]) == {"same"}


def test_a_refresh_finds_nothing_that_differs(trial: Trial) -> None:
    assert trial.apply("refresh") == {}
    assert trial.preview() == {}


def test_a_second_release_does_nothing(trial: Trial) -> None:
    before = trial.routing()
    assert "takes 100 %" in trial.release()
    assert trial.routing() == before


def test_more_nodes_are_one_update_and_no_other_role(trial: Trial) -> None:
    with trial.edited((FILE, "max_nodes: 2", "max_nodes: 3")):
        assert trial.preview() == {"update": ["train-compute"]}


def test_another_owner_replaces_nothing(trial: Trial) -> None:
    with trial.edited((FILE, OWNER, "somebody@example.com")):
        assert list(trial.preview()) == ["update"]


@pytest.mark.parametrize("verb", ["preview", "up --yes --skip-preview"])
def test_another_subscription_is_refused_before_anything_is_asked(trial: Trial, verb: str) -> None:
    other = "11111111-1111-4111-8111-111111111111"
    told = trial.pulumi(f"{verb} -s {STACK}", code=1, ARM_SUBSCRIPTION_ID=other)
    assert f"ARM_SUBSCRIPTION_ID={other} is another one than" in told
    assert "az login --tenant" in told
    assert "updated" not in told


def test_what_is_edited_is_not_live_and_what_was_made_stays(trial: Trial) -> None:
    live, code, environment = trial.deployments(), *_made(trial)
    with trial.edited(*EDITS):
        shown = trial.preview()
        assert not {name for names in shown.values() for name in names if name.endswith(("-endpoint", "-deployment"))}
        assert {"flight-delay.serving-version", "flight-delay.tabular-version"} <= set(shown["replace"])
        with trial.callers() as calls:
            trial.apply("up")
        assert (calls["failed"], set(calls["by"])) == (0, set(live)), calls
        assert trial.deployments() == live
        edited = _made(trial)
        assert (edited[0] > code, edited[1] > environment) == (True, True), "the versions before stay"
    trial.apply("up")
    assert _made(trial) == edited, "taken back, the version that is there is taken again, and no other leaves"
    assert trial.preview() == {}
    assert trial.deployments() == live


def _made(trial: Trial) -> tuple[set[str], set[str]]:
    return trial.versions("codes", "flight-delay-serving"), trial.versions("environments", "tabular")


@pytest.fixture(scope="session")
def beside(trial: Trial) -> tuple[str, str]:
    """Two deployments of the model: the live one, and the one before it."""
    (before,) = trial.deployments()
    trial.machine.edit(FILE, "auth_mode: Key", "auth_mode: Key\n      instance_type: Standard_D4as_v4")
    trial.up()
    trial.release("--version 1")
    (live,) = set(trial.deployments()) - {before}
    assert trial.routing()[0] == {live: 100} or trial.routing()[0] == {live: 100, before: 0}
    return live, before


# Each two of the three meet once.
@pytest.mark.parametrize(
    ("share", "unsent", "refresh"),
    [(100, "cleared", False), (100, "kept", True), (90, "kept", False), (90, "cleared", True)],
)
def test_an_up_moves_no_traffic(trial: Trial, beside: tuple[str, str], share: int, unsent: str, refresh: bool) -> None:
    live, before = beside
    trial.split({live: share, **({before: 100 - share} if share < 100 else {})})
    trial.azure.admin("PUT", "/unsent-traffic", {"unsent-traffic": unsent})
    routing, deployments = trial.routing(), trial.deployments()
    with trial.edited((FILE, OWNER, f"owner-{share}-{unsent}@example.com")), trial.callers() as calls:
        if refresh:
            trial.apply("refresh")
        done = trial.apply("up")
    assert "ml-workspace" in done["update"]
    assert calls["failed"] == 0, calls
    assert trial.routing() == routing
    assert trial.deployments() == deployments


def test_a_released_stack_is_destroyed_in_the_right_order(trial: Trial, beside: tuple[str, str]) -> None:
    deleted = trial.apply("destroy")["delete"]

    def gone(end: str) -> list[int]:
        return [at for at, name in enumerate(deleted) if name.endswith(end)]

    assert max(gone("-deployment")) < max(gone("-endpoint"))
    assert max(gone("-endpoint")) < min(gone("ml-workspace"))
    assert min(gone("ml-workspace")) < min(gone("ml-account")) < min(gone("ml-group"))
    assert trial.azure.call("GET", str(trial.outputs["workspaceId"]).partition("/providers/")[0]).status == 404
    trial.pulumi(f"stack rm {STACK} --yes")
