from typing import Any

import pytest

from tests.sandbox.conftest import Sandbox
from tests.sandbox.world import World, until

runs = pytest.mark.runs("Microsoft.MachineLearningServices/workspaces/jobs")
FOLDER = {"type": "uri_folder"}


@pytest.fixture(scope="module")
def world(sandbox: Sandbox) -> World:
    world = World(sandbox)
    world.environment("plain")
    component(
        world, "make", "echo ${{inputs.text}} > ${{outputs.out}}/f", {"text": {"type": "string", "default": "none"}}
    )
    component(
        world, "join", "cat ${{inputs.a}}/f $[[${{inputs.b}}/f]] > ${{outputs.out}}/f",
        {"a": FOLDER, "b": {**FOLDER, "optional": True}},
    )  # fmt: skip
    component(world, "fail", "exit 5", {"a": {**FOLDER, "optional": True}})
    component(world, "wait", "while [ ! -e ${{inputs.file}} ]; do sleep 0.02; done; touch ${{outputs.out}}/f",
              {"file": {"type": "string"}})  # fmt: skip
    return world


def component(world: World, name: str, command: str, inputs: dict[str, Any]) -> None:
    spec = {
        "name": name, "version": "1", "type": "command", "command": command, "inputs": inputs,
        "outputs": {"out": FOLDER}, "environment": f"azureml:{world.ws}/environments/plain/versions/1",
    }  # fmt: skip
    world.put(f"{world.ws}/components/{name}/versions/1", {"properties": {"componentSpec": spec}})


def step(world: World, name: str, outputs: dict[str, Any] | None = None, /, **inputs: str) -> dict[str, Any]:
    """A step as azure-ai-ml sends it."""
    given = {key: {"job_input_type": "literal", "value": value} for key, value in inputs.items()}
    component_id = f"{world.ws}/components/{name}/versions/1"
    return {"type": "command", "componentId": component_id, "inputs": given, "outputs": outputs or {}}


def submit(world: World, name: str, jobs: dict[str, Any], **more: Any) -> str:
    settings = {"default_compute": world.cluster, **more.pop("settings", {})}
    properties = {"jobType": "Pipeline", "jobs": jobs, "settings": settings, **more}
    answer = world.sandbox.call("PUT", f"{world.ws}/jobs/{name}", {"properties": properties})
    assert answer.status == 201, answer
    return f"{world.ws}/jobs/{name}"


def children(world: World, job: str) -> dict[str, dict[str, Any]]:
    return {each["displayName"]: each for each in world.history(job, "/children")["value"]}


@runs
def test_steps_hand_their_outputs_on_and_the_pipelines_output_is_kept(world: World) -> None:
    job = submit(
        world, "passes",
        {
            "first": step(world, "make", text="${{parent.inputs.word}}"),
            "second": step(world, "make", text="${{parent.inputs.word}}-and-more"),
            "last": step(
                world, "join", {"out": {"type": "literal", "value": "${{parent.outputs.final}}"}},
                a="${{parent.jobs.first.outputs.out}}", b="${{parent.jobs.second.outputs.out}}",
            ),
        },
        inputs={"word": {"jobInputType": "literal", "value": "hello"}},
        outputs={"final": {"jobOutputType": "uri_folder", "assetName": "joined"}},
    )  # fmt: skip
    assert world.ended(job) == "Completed", world.error(job)
    assert world.read("azureml/passes/final/f") == "hello\nhello-and-more\n"
    steps = children(world, job)
    assert {name: each["status"] for name, each in steps.items()} == dict.fromkeys(
        ("first", "second", "last"), "Completed"
    )
    assert {each["parentRunId"] for each in steps.values()} == {"passes"}
    assert (
        world.sandbox.call("GET", f"{world.ws}/data/joined/versions/1")
        .body["properties"]["dataUri"]
        .endswith("/final/")
    )
    assert "last: Completed" in world.log(job, "logs/azureml/executionlogs.txt")


@runs
def test_a_step_is_known_to_run_history_and_not_listed_among_the_jobs(world: World) -> None:
    job = submit(world, "lists", {"only": step(world, "make")})
    assert world.ended(job) == "Completed"
    name = children(world, job)["only"]["runId"]
    assert world.sandbox.call("GET", f"{world.ws}/jobs/{name}").body["properties"] is None
    listed = [each["name"] for each in world.sandbox.call("GET", f"{world.ws}/jobs?listViewType=All").body["value"]]
    assert "lists" in listed
    assert name not in listed


@runs
def test_steps_that_do_not_wait_for_each_other_run_side_by_side(world: World) -> None:
    go = world.sandbox.home.root.parent / "both"
    job = submit(world, "beside", {name: step(world, "wait", file=str(go)) for name in ("a", "b")})
    until(lambda: [each["status"] for each in children(world, job).values()] == ["Running", "Running"])
    go.touch()
    assert world.ended(job) == "Completed"


@runs
def test_a_failed_step_fails_the_pipeline_with_its_error_and_what_needs_it_is_not_run(world: World) -> None:
    job = submit(
        world, "fails",
        {
            "bad": step(world, "fail"),
            "after": step(world, "join", a="${{parent.jobs.bad.outputs.out}}"),
            "later": step(world, "join", a="${{parent.jobs.after.outputs.out}}"),
        },
    )  # fmt: skip
    assert world.ended(job) == "Failed"
    assert "Step 'bad' failed: Execution failed with exit code 5" in world.error(job)
    assert "Not run: after, later." in world.error(job)
    assert children(world, job).keys() == {"bad"}


@runs
@pytest.mark.parametrize(
    ("settings", "other"),
    [
        ({}, "Completed"),
        ({"continue_on_step_failure": True}, "Completed"),
        ({"continue_on_step_failure": False}, "Canceled"),
    ],
    ids=["unsaid", "goes on", "stops"],
)
def test_other_steps_go_on_after_a_failure_unless_the_pipeline_says_not_to(
    world: World, settings: dict[str, bool], other: str
) -> None:
    name, go_on = f"goes-on-{len(settings)}-{other}", other == "Completed"
    go = world.sandbox.home.root.parent / name
    job = submit(
        world, name, {"other": step(world, "wait", file=str(go)), "bad": step(world, "fail")}, settings=settings
    )
    until(lambda: children(world, job).get("bad", {}).get("status") == "Failed")
    go.touch() if go_on else None
    assert world.ended(job) == "Failed"
    assert children(world, job)["other"]["status"] == other


@runs
@pytest.mark.parametrize(("go_on", "other"), [(True, "Completed"), (False, "Canceled")])
def test_a_step_that_is_refused_when_its_turn_comes_fails_as_one_that_ran(
    world: World, go_on: bool, other: str
) -> None:
    """Its siblings are never left running by a pipeline that is over."""
    go = world.sandbox.home.root.parent / f"refused-{go_on}"
    job = submit(
        world, f"refused-{go_on}",
        {
            "other": step(world, "wait", file=str(go)),
            "first": step(world, "make"),
            "bad": step(world, "join", a="${{parent.jobs.first.outputs.out}}", zz="1"),
            "after": step(world, "join", a="${{parent.jobs.bad.outputs.out}}"),
        },
        settings={"continue_on_step_failure": go_on},
    )  # fmt: skip
    until(lambda: children(world, job).get("first", {}).get("status") == "Completed")
    until(lambda: "bad: refused" in world.log(job, "logs/azureml/executionlogs.txt"))
    assert world.status(job) == "Running" or not go_on
    go.touch() if go_on else None
    assert world.ended(job) == "Failed"
    assert "Step 'bad' failed: Pipeline job" in world.error(job)
    assert "step 'bad' is given 'zz'" in world.error(job)
    assert "Not run: after." in world.error(job)
    assert {name: each["status"] for name, each in children(world, job).items()} == {
        "other": other, "first": "Completed",
    }  # fmt: skip


@runs
def test_cancel_ends_every_step(world: World) -> None:
    never = str(world.sandbox.home.root.parent / "never")
    job = submit(world, "canceled", {"a": step(world, "wait", file=never), "b": step(world, "wait", file=never)})
    until(lambda: [each["status"] for each in children(world, job).values()] == ["Running", "Running"])
    assert world.sandbox.call("POST", f"{job}/cancel").status == 200
    assert world.ended(job) == "Canceled"
    assert {each["status"] for each in children(world, job).values()} == {"Canceled"}
    until(lambda: not world.processes())


@runs
def test_a_pipeline_component_runs_as_a_job_with_its_defaults_and_its_outputs(world: World) -> None:
    spec = {
        "name": "pipe", "version": "1", "type": "pipeline",
        "inputs": {"word": {"type": "string"}, "other": {"type": "string", "default": "standard"}},
        "outputs": {"final": FOLDER},
        "jobs": {
            "one": step(world, "make", text="${{parent.inputs.word}}"),
            "two": step(world, "make", text="${{parent.inputs.other}}"),
            "join": step(
                world, "join", {"out": {"type": "literal", "value": "${{parent.outputs.final}}"}},
                a="${{parent.jobs.one.outputs.out}}", b="${{parent.jobs.two.outputs.out}}",
            ),
        },
    }  # fmt: skip
    world.put(f"{world.ws}/components/pipe/versions/1", {"properties": {"componentSpec": spec}})
    inputs = {"word": {"jobInputType": "literal", "value": "given"}}
    job = submit(world, "piped", {}, componentId=f"{world.ws}/components/pipe/versions/1", inputs=inputs)
    assert world.ended(job) == "Completed", world.error(job)
    assert world.read("azureml/piped/final/f") == "given\nstandard\n"
    assert (
        world.sandbox.call("GET", job).body["properties"]["outputs"]["final"]["uri"].endswith("/azureml/piped/final/")
    )

    nested = {**step(world, "pipe", word="inner"), "type": "pipeline"}
    outer = {"inner": nested, "copy": step(world, "join", a="${{parent.jobs.inner.outputs.final}}")}
    job = submit(world, "nests", outer)
    assert world.ended(job) == "Completed", world.error(job)
    copied = children(world, job)["copy"]["runId"]
    assert world.read(f"azureml/{copied}/out/f") == "inner\nstandard\n"


def test_a_pipeline_that_could_never_run_is_refused_when_it_is_submitted(world: World) -> None:
    make = step(world, "make")
    for jobs, says in (
        ({}, "it has no steps"),
        ({"a": step(world, "join", a="${{parent.jobs.z.outputs.out}}")}, "reads an output of 'z'; its steps are a"),
        ({"a": {**make, "componentId": f"{world.ws}/components/no/versions/1"}}, "does not exist"),
        ({"a": {"type": "if_else"}}, "step 'a' is of type if_else"),
        (
            {
                "a": step(world, "join", a="${{parent.jobs.b.outputs.out}}"),
                "b": step(world, "join", a="${{parent.jobs.a.outputs.out}}"),
            },
            "the steps a, b wait for each other",
        ),
    ):
        answer = world.refused(f"{world.ws}/jobs/never", {"properties": {"jobType": "Pipeline", "jobs": jobs}})
        assert answer.status == 400
        assert says in answer.body["error"]["message"], answer


@pytest.mark.parametrize(
    ("inputs", "says"),
    [
        (
            {"sed": "7", "sead": "1"},
            "it is given 'sead', 'sed', which component 'typed' does not declare; its inputs are",
        ),
        ({"seed": "abc"}, "input 'seed' is 'abc': component 'typed' declares it as integer"),
        ({"seed": "7.5"}, "input 'seed' is '7.5'"),
        ({"rate": "fast"}, "input 'rate' is 'fast': component 'typed' declares it as number"),
        ({"deep": "yes"}, "input 'deep' is 'yes': component 'typed' declares it as boolean"),
        ({"seed": "-7", "rate": "1e-3", "deep": "True", "word": "7"}, ""),
        ({"rate": "2", "deep": "false"}, ""),
    ],
)
def test_a_job_gives_a_pipeline_component_what_it_declares(world: World, inputs: dict[str, str], says: str) -> None:
    kinds = {"seed": "integer", "rate": "number", "deep": "boolean", "word": "string"}
    spec = {
        "name": "typed", "version": "1", "type": "pipeline",
        "inputs": {name: {"type": kind, "optional": True} for name, kind in kinds.items()},
        "jobs": {"one": step(world, "make")},
    }  # fmt: skip
    world.put(f"{world.ws}/components/typed/versions/1", {"properties": {"componentSpec": spec}})
    given = {name: {"jobInputType": "literal", "value": value} for name, value in inputs.items()}
    properties = {"jobType": "Pipeline", "componentId": f"{world.ws}/components/typed/versions/1", "inputs": given}
    answer = world.sandbox.call("PUT", f"{world.ws}/jobs/{'-'.join(inputs)}", {"properties": properties})
    assert answer.status == (400 if says else 201), answer
    assert not says or says in answer.body["error"]["message"]


@runs
@pytest.mark.parametrize(
    ("name", "inputs", "says"),
    [
        ("missing", {}, "step 's' is given nothing for its input 'a'"),
        (
            "strange",
            {"a": "azureml://datastores/workspaceblobstore/paths/x", "zz": "1"},
            "given 'zz'; its inputs are a, b",
        ),
        ("unbound", {"a": "${{parent.inputs.nothing}}"}, "reads the pipeline's input 'nothing'"),
    ],
)
def test_a_step_with_wrong_inputs_fails_the_pipeline(
    world: World, name: str, inputs: dict[str, str], says: str
) -> None:
    job = submit(world, name, {"s": step(world, "join", None, **inputs)})
    assert world.ended(job) == "Failed"
    assert says in world.error(job)


@runs
def test_a_pipeline_goes_on_when_the_gateway_was_killed_and_no_step_runs_twice(world: World) -> None:
    home = world.sandbox.home.root.parent
    component(
        world, "counts", f"echo ${{{{inputs.name}}}} >> {home}/count; while [ ! -e {home}/on ]; do sleep 0.02; done; "
        "touch ${{outputs.out}}/f",
        {"name": {"type": "string"}, "a": {**FOLDER, "optional": True}},
    )  # fmt: skip
    job = submit(
        world, "resumes",
        {
            "one": step(world, "counts", name="one"),
            "two": step(world, "counts", name="two", a="${{parent.jobs.one.outputs.out}}"),
        },
    )  # fmt: skip
    until(lambda: children(world, job).get("one", {}).get("status") == "Running")
    until((home / "count").exists)
    world.sandbox.kill()
    world.sandbox.start()
    (home / "on").touch()
    assert world.ended(job) == "Completed", world.error(job)
    assert (home / "count").read_text() == "one\ntwo\n"
