"""Jobs whose gateway is killed or stopped: none is lost, none runs twice, none is left."""

import json
import os
import signal
import time
from pathlib import Path

import pytest

from tests.sandbox.conftest import Sandbox
from tests.sandbox.world import World, until

runs = pytest.mark.runs("Microsoft.MachineLearningServices/workspaces/jobs")
WAIT = "while [ ! -e {} ]; do sleep 0.02; done"


def lasting(world: World) -> set[int]:
    """The sandbox's processes without the short sleeps of a waiting shell."""
    found = set()
    for pid in world.processes():
        try:
            name = Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip()
        except OSError:
            continue
        if name != "sleep":
            found.add(pid)
    return found


@runs
def test_a_job_is_adopted_when_the_gateway_was_killed(fresh_sandbox: Sandbox) -> None:
    world = World(fresh_sandbox)
    go = fresh_sandbox.home.root.parent / "go"
    count = fresh_sandbox.home.root.parent / "count"
    job = world.submit(
        "survives", f"echo x >> {count}; {WAIT.format(go)}; echo end > ${{{{outputs.o}}}}/f",
        outputs={"o": {"jobOutputType": "uri_folder"}},
    )  # fmt: skip
    world.reaches(job, "Running")
    until(count.exists)
    before = lasting(world)
    fresh_sandbox.kill()
    fresh_sandbox.start()
    assert set(world.processes()) >= before
    assert world.status(job) == "Running"
    go.touch()
    assert world.ended(job) == "Completed", world.error(job)
    assert count.read_text() == "x\n", "it ran twice"
    assert world.read("azureml/survives/o/f") == "end\n"
    until(lambda: not world.processes())


@runs
@pytest.mark.parametrize("fate", ["ended meanwhile", "was killed as well"])
def test_a_job_whose_process_is_gone_when_the_gateway_returns(fresh_sandbox: Sandbox, fate: str) -> None:
    world = World(fresh_sandbox)
    go = fresh_sandbox.home.root.parent / "go"
    job = world.submit("gone", f"{WAIT.format(go)}; exit 4")
    world.reaches(job, "Running")
    fresh_sandbox.kill()
    if fate == "ended meanwhile":
        go.touch()
        until(lambda: not world.processes())
    else:
        record = json.loads((world.folder("jobs", "gone") / "process.json").read_text())
        os.kill(record["pid"], signal.SIGKILL)
        until(lambda: not world.processes())
    fresh_sandbox.start()
    assert world.ended(job) == "Failed"
    assert ("exit code 4" if fate == "ended meanwhile" else "was lost") in world.error(job)


@runs
def test_a_stop_of_the_sandbox_ends_a_job_which_says_so_later(fresh_sandbox: Sandbox) -> None:
    world = World(fresh_sandbox)
    job = world.submit("stopped", "sleep 60")
    world.reaches(job, "Running")
    fresh_sandbox.restart()
    assert world.processes() == []
    assert world.ended(job) == "Failed"
    assert "the sandbox was stopped" in world.error(job)


@runs
def test_a_job_waits_out_a_gateway_that_dies_before_it_starts(fresh_sandbox: Sandbox) -> None:
    world = World(fresh_sandbox)
    cluster = world.compute("single", nodes=1)
    go = fresh_sandbox.home.root.parent / "go"
    first = world.submit("first", WAIT.format(go), computeId=cluster)
    world.reaches(first, "Running")
    second = world.submit("second", "echo ran", computeId=cluster)
    fresh_sandbox.kill()
    fresh_sandbox.start()
    assert world.status(second) == "NotStarted"
    go.touch()
    assert world.ended(second) == "Completed"
    assert world.log(second) == "ran\n"


@runs
def test_a_gateway_killed_at_any_moment_neither_loses_nor_doubles_a_job(fresh_sandbox: Sandbox) -> None:
    world = World(fresh_sandbox)
    world.environment("plain")
    count = fresh_sandbox.home.root.parent / "count"
    for number in range(8):
        name = f"job{number}"
        job = world.submit(name, f"echo {name} >> {count}; echo x > ${{{{outputs.o}}}}/f",
                           outputs={"o": {"jobOutputType": "uri_folder"}})  # fmt: skip
        time.sleep(number * 0.06)  # the moment of the kill
        fresh_sandbox.kill()
        fresh_sandbox.start()
        assert world.ended(job) == "Completed", world.error(job)
        assert world.read(f"azureml/{name}/o/f") == "x\n"
    assert sorted(count.read_text().split()) == [f"job{number}" for number in range(8)]
    until(lambda: not world.processes())


@runs
@pytest.mark.parametrize("verb", ["down", "purge --yes"])
def test_after_a_killed_gateway_nothing_is_left(fresh_sandbox: Sandbox, verb: str) -> None:
    world, home = World(fresh_sandbox), fresh_sandbox.home
    job = world.submit("left", WAIT.format(home.root.parent / "go"))
    world.reaches(job, "Running")
    fresh_sandbox.kill()
    assert world.processes(), "the job outlives its gateway"
    done = fresh_sandbox.run("-m", "sandbox", *verb.split(), SANDBOX_HOME=str(home.root))
    assert done.returncode == 0, done.stderr
    assert world.processes() == []
    assert home.root.exists() is (verb == "down")
