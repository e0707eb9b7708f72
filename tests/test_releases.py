"""Releases and updates while callers ask 200 times a second: what is good goes live, all else leaves no trace.

Every test begins and ends with one deployment that takes all traffic and a checkout as it was committed.
"""

import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

import pytest

from tests.machine import PYTHON, Machine, outputs, released
from tests.watch import Watch

MODEL = "flight-delay"
SCORE = "ml_jobs/serving/score.py"
ANSWER = "        return _loaded[0].answer(raw_data)\n"
BODY = "ml_jobs/flight_delay/sample_request.json"
LIVE = ".sandbox/live/dev.yaml"
UP = f"{PYTHON} -m sandbox up --stack dev --outputs {outputs()}"
ABOUT = f"--outputs {outputs()} --model {MODEL}"
RELEASE = f"{PYTHON} -m ops.release {ABOUT} --apply '{UP}'"
AZURE_CLIENT = """
import sys
from azure.ai.ml import MLClient
from azure.identity import DefaultAzureCredential

_, subscription, group, workspace, name, *shares = sys.argv
client = MLClient(DefaultAzureCredential(), subscription, group, workspace)
endpoint = client.online_endpoints.get(name)
endpoint.traffic = dict(zip(shares[::2], map(int, shares[1::2])))
client.online_endpoints.begin_create_or_update(endpoint).result()
"""


@dataclass
class Served:
    """A machine with a model that answers.

    Attributes:
        machine: where it is.
        uri: of the endpoint.
        key: of the endpoint.
    """

    machine: Machine
    uri: str
    key: str

    @property
    def live(self) -> str:
        """The deployment that takes all traffic."""
        weights = self.machine.traffic(MODEL)
        assert list(weights.values()) == [100], weights
        return next(iter(weights))

    @property
    def deployments(self) -> list[str]:
        """Names of all that the endpoint has."""
        with closing(self.machine.sandbox()) as sandbox:
            found = sandbox.call("GET", f"{self.machine.endpoint(MODEL)}/deployments").body["value"]
        return sorted(each["name"] for each in found)

    @contextmanager
    def called(self) -> Iterator[Watch]:
        """Calls as long as the block lasts; no request fails and no moment has half of the weights."""
        machine = self.machine
        with machine.watched(MODEL) as watch, machine.callers(self.uri, self.key, body=BODY) as counts:
            yield watch
        assert counts["failed"] == 0, counts
        assert counts["answered"] == counts["sent"] > 100, counts
        assert watch.sums == {100}, watch.seen

    def changed(self, what: str) -> None:
        """Gives callers another scoring script, whose answers are the same; it is declared, not released."""
        self.machine.edit(SCORE, ANSWER, f"{ANSWER}    # {what}\n")
        self.machine.run(UP)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A machine of this module's own, with a first release."""
    with released(tmp_path_factory) as machine:
        yield Served(machine, machine.exports()["models"][MODEL]["scoringUri"], machine.key(MODEL))


@pytest.fixture
def tree(served: Served) -> Iterator[Machine]:
    """The checkout, as it was committed afterwards."""
    yield served.machine
    served.machine.run("git checkout -q .")


EDITS = {
    "code": (SCORE, ANSWER, f"{ANSWER}    # another one\n"),
    "environment": ("ml_jobs/environments/tabular.yaml", "name: tabular", "name: tabular # another one"),
    "instance type": (
        "Pulumi.dev.yaml", "    - name: flight-delay\n",
        "    - name: flight-delay\n      instance_type: Standard_D4as_v4\n",
    ),
    "training": ("ml_jobs/flight_delay/features.py", '"""', '""" Another one. ', ),
}  # fmt: skip


def versions(served: Served) -> set[str]:
    """Ids of all versions of data, code, environments and components in the workspace."""
    workspace, found = served.machine.exports()["workspaceId"], set()
    with closing(served.machine.sandbox()) as sandbox:
        for kind in ("data", "codes", "environments", "components"):
            for container in sandbox.call("GET", f"{workspace}/{kind}").body["value"]:
                found |= {each["id"] for each in sandbox.call("GET", f"{container['id']}/versions").body["value"]}
    return found


def test_what_differs_is_seen_and_the_live_one_stays(served: Served, tree: Machine) -> None:
    live, before = served.live, versions(served)
    ask = f"{PYTHON} -m ops.endpoint {ABOUT} --ask {BODY}"
    told = tree.run(ask, local=True)
    with closing(tree.sandbox()) as sandbox:
        deployment = sandbox.call("GET", f"{tree.endpoint(MODEL)}/deployments/{live}").body
        for what, (name, old, new) in EDITS.items():
            path = tree.folder / name
            path.write_text(path.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
            shown = tree.run(f"{PYTHON} -m sandbox preview --stack dev")
            if what == "training":
                again = rf"will train again and put a new deployment beside {live}, because pipeline \S+ -> \S+"
                assert re.search(again, shown)
                assert "AssetVersion(TrainingPipeline)" in shown
            else:
                assert re.search(rf"put a new deployment beside {live}, because .*{what} \S+ -> \S+", shown)
        up = tree.run(UP)
        assert "OnlineDeployment" not in up
        assert sandbox.call("GET", f"{tree.endpoint(MODEL)}/deployments/{live}").body == deployment
    assert (tree.run(ask, local=True), served.live, served.deployments) == (told, live, [live])
    after = versions(served)
    assert before < after, "new ones beside the old ones"
    tree.run("git checkout -q .")
    assert "  0 changes; " in tree.run(f"{UP} && {UP}"), "the versions from before are found again"
    assert versions(served) == after
    assert tree.run(ask, local=True) == told


def test_a_lost_live_file_is_not_taken_for_a_change(served: Served, tree: Machine) -> None:
    file, live = tree.folder / LIVE, served.live
    text = file.read_bytes()
    file.unlink()
    shown = tree.run("make preview")
    assert f"{LIVE}, which names what is live, is missing: only therefore" in shown
    assert "make up writes the file again" in shown
    assert "would be deleted" not in tree.run("make up")
    assert file.read_bytes() == text
    assert served.live == live


def test_a_good_one_takes_over_in_steps(served: Served, tree: Machine) -> None:
    old = served.live
    served.changed("a word")
    with served.called() as watch:
        told = tree.run(RELEASE, local=True)
    new = served.live
    assert new != old
    assert watch.seen == [{old: 100}, {old: 90, new: 10}, {old: 50, new: 50}, {new: 100}]
    assert re.search(rf"{new} 100 %: .*callers got {new} \d+", told)
    assert set(served.deployments) == {old, new}, "the way back stays"
    # As committed again: what the program declares is the old one, which is there.
    tree.run("git checkout -q .")
    tree.run(f"{UP} && {RELEASE}", local=True)
    assert served.live == old


@pytest.mark.parametrize("unsent", ["cleared", "kept"])
def test_up_in_the_middle_of_a_held_split_moves_nothing(served: Served, tree: Machine, unsent: str) -> None:
    old = served.live
    (other,) = set(served.deployments) - {old}
    with closing(tree.sandbox()) as sandbox:
        sandbox.admin("PUT", "/unsent-traffic", {"unsent-traffic": unsent})
    tree.run(f"{PYTHON} -m ops.rollout {ABOUT} --to {other} --hold-at 10", local=True)
    split = {old: 90, other: 10}
    assert tree.traffic(MODEL) == split
    tree.edit("Pulumi.dev.yaml", "ml-platform@example.com", f"{unsent}@example.com")
    with served.called() as watch:
        tree.run(f"{PYTHON} -m sandbox refresh --stack dev")
        up = tree.run("make up")
    assert watch.seen == [split]
    shown = ", ".join(f"{name} {share} %" for name, share in sorted(split.items()))
    assert re.search(rf"^  = held +{shown} stays: split by ", up, re.MULTILINE)
    assert tree.told(f"ops.status {ABOUT}")["models"][MODEL]["held"].startswith("split by ")
    tree.run(f"{PYTHON} -m ops.rollout {ABOUT} --to {old} --end-hold", local=True)
    assert served.live == old
    tree.run(f"git checkout -q . && {UP}")


def test_a_split_of_azures_own_client_stays(served: Served, tree: Machine) -> None:
    old = served.live
    (other,) = set(served.deployments) - {old}
    exports = tree.exports()
    where = [exports["subscriptionId"], exports["resourceGroupName"], exports["workspaceName"]]
    (tree.folder / ".sandbox/split.py").write_text(AZURE_CLIENT, encoding="utf-8")
    name = exports["models"][MODEL]["endpoint"]
    tree.run(f"{PYTHON} .sandbox/split.py {' '.join(where)} {name} {old} 60 {other} 40", local=True)
    split = {old: 60, other: 40}
    with served.called() as watch:
        up = tree.run("make up")
        told = tree.run("make status")
    assert watch.seen == [split]
    for said in (up, told):
        assert "split by somebody, past these commands" in said
    tree.run(f"{PYTHON} -m ops.rollback {ABOUT} --lift", local=True)
    tree.run(RELEASE, local=True)
    assert served.live == old


ERRORS = f"""\
    _loaded.append(None)
    if len(_loaded) > 20 and len(_loaded) % 5 == 0:
        raise RuntimeError("boom")
    try:
{ANSWER}"""
SLOW = f"""\
    import time

    time.sleep(0.3)
    try:
{ANSWER}"""
WRONG = """\
    try:
        found = _loaded[0].answer(raw_data)
        for each in found["predictions"]:
            each["probability"] += 0.1
        return found
"""
BAD = {
    "errors": (
        ERRORS,
        r"error: deployment {new} at \d+ %: errors of {new}: \d+ of \d+ \(status 424.*\) against 0 of \d+ of {old}",
    ),
    "slow": (SLOW, r"error: deployment {new} at \d+ %: .*(answers of {new} take longer than|p95 of {new} is) "),
    "wrong answers": (WRONG, r"error: deployment {new} at 0 %: wrong answer of {new}: .* instead of "),
}


@pytest.mark.parametrize("fault", BAD)
def test_a_bad_one_gives_everything_back(served: Served, tree: Machine, fault: str) -> None:
    wrong, reason = BAD[fault]
    refused(served, f"    try:\n{ANSWER}", wrong, reason)


def test_one_that_does_not_start_gives_everything_back(served: Served, tree: Machine) -> None:
    begin = '    root = Path(os.environ["AZUREML_MODEL_DIR"])\n'
    refused(served, begin, f"    raise RuntimeError('no such thing as a start')\n{begin}", r"no such thing as a start")


def refused(served: Served, old_text: str, new_text: str, reason: str) -> None:
    """Releases a scoring script that is bad in some way, and looks that nothing is left of it."""
    machine, live, deployments = served.machine, served.live, served.deployments
    named = (machine.folder / LIVE).read_text(encoding="utf-8")
    machine.edit(SCORE, old_text, new_text)
    with served.called() as watch:
        told = machine.run(f"{UP} && {RELEASE}", local=True, code=1, quotes=True)
    (new,) = re.findall(r"(v1-[0-9a-f]{6}) is gone", told)
    assert re.search(reason.format(new=new, old=live), told), told
    assert all(weights.get(live, 0) >= 50 for weights in watch.seen), watch.seen
    assert (served.live, served.deployments) == (live, deployments)
    assert (machine.folder / LIVE).read_text(encoding="utf-8") == named


def test_one_that_is_worse_than_the_champion_is_not_registered(served: Served, tree: Machine) -> None:
    live = served.live
    tree.edit("ml_jobs/flight_delay/model.yaml", "seed: 13}", "seed: 13, num_iterations: 1}")
    with served.called() as watch:
        told = tree.run(RELEASE, local=True, code=1)
    assert watch.seen == [{live: 100}]
    assert re.search(r"^error: .*", told, re.MULTILINE)
    assert "gate" in told
    assert list(tree.told(f"ops.versions {ABOUT}")[MODEL][0]["version"]) == list("flight-delay:1")


def half_way(served: Served) -> "tuple[subprocess.Popen[str], str, str]":
    """A release that has just been judged at 10 %; with the names of both deployments."""
    process = served.machine.start(RELEASE)
    assert process.stdout is not None
    for printed in process.stdout:
        if found := re.search(r"rollout +(?:(v1-\w+) 10 %, (v1-\w+) 90 %|(v1-\w+) 90 %, (v1-\w+) 10 %): ", printed):
            return process, found[1] or found[4], found[2] or found[3]
    raise AssertionError(process.wait())


def test_one_that_is_interrupted_gives_the_traffic_back(served: Served, tree: Machine) -> None:
    served.changed("to be interrupted")
    with served.called():
        process, _, old = half_way(served)
        process.send_signal(signal.SIGINT)
        told, _ = process.communicate(timeout=60)
    assert process.returncode == 130, told
    assert served.live == old
    assert f"{old} 100 %: as before the rollout" in told


def test_one_that_is_killed_goes_on_when_it_is_released_again(served: Served, tree: Machine) -> None:
    served.changed("to be killed")
    with served.called() as watch:
        process, new, old = half_way(served)
        process.kill()
        process.communicate(timeout=60)
        assert tree.traffic(MODEL) in ({old: 90, new: 10}, {old: 50, new: 50})
        tree.run("make up")
    assert served.live == new
    assert watch.seen[-1] == {new: 100}
    assert {old: 100} not in watch.seen[1:], "it went on, not back"
    tree.run("git checkout -q .")
    tree.run(f"{UP} && {RELEASE}", local=True)


def test_one_that_is_aborted_by_another_stops(served: Served, tree: Machine) -> None:
    served.changed("to be aborted")
    with served.called():
        process, _, old = half_way(served)
        process.send_signal(signal.SIGSTOP)  # or it might be through before the other one has begun
        tree.run("make abort")
        process.send_signal(signal.SIGCONT)
        told, _ = process.communicate(timeout=60)
    assert process.returncode == 1, told
    assert re.search(r"^error: the rollout was ended by .*: abort of the rollout to ", told, re.MULTILINE)
    assert served.live == old
    assert tree.traffic(MODEL) == {old: 100}


def test_of_two_at_once_one_wins(served: Served, tree: Machine) -> None:
    old = served.live
    served.changed("to be released twice")
    with served.called() as watch:
        both = [tree.start(RELEASE) for _ in range(2)]
        told = [process.communicate(timeout=120)[0] for process in both]
    codes = [process.returncode for process in both]
    assert 0 in codes, told
    assert set(codes) <= {0, 1}, told
    for code, said in zip(codes, told, strict=True):
        assert "Traceback" not in said
        assert code == 0 or len(re.findall(r"^error: ", said, re.MULTILINE)) == 1, said
    new = served.live
    assert new != old
    assert watch.seen == [{old: 100}, {old: 90, new: 10}, {old: 50, new: 50}, {new: 100}]
    assert tree.told(f"ops.status {ABOUT}")["models"][MODEL]["live_file"] == ""
    tree.run("git checkout -q .")
    tree.run(f"{UP} && {RELEASE}", local=True)


def test_a_rollback_is_at_once_and_stays_until_it_is_lifted(served: Served, tree: Machine) -> None:
    old = served.live
    served.changed("to be rolled back")
    tree.run(RELEASE, local=True)
    new = served.live
    assert new != old
    with served.called() as watch:
        tree.run(f"make rollback MODEL={MODEL} REASON='callers complain'")
        up = tree.run("make up")
    assert watch.seen == [{new: 100}, {old: 100}]
    assert re.search(rf"^  = held +{old} 100 % stays: rollback by .*: callers complain", up, re.MULTILINE)
    with served.called() as watch:
        tree.run(f"make rollback MODEL={MODEL} LIFT=1")
        assert served.live == old, "the traffic stays where it is"
        assert f"the next release goes on with {new}" in tree.run("make status")
        tree.run("make up")
    assert served.live == new
