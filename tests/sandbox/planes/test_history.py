"""Runs, logs and outputs as Microsoft's own client reads them."""

import io
import json
import threading
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from sandbox.constants import SUBSCRIPTION_ID
from tests.sandbox.conftest import Sandbox
from tests.sandbox.world import World, until


@pytest.fixture(scope="module")
def world(sandbox: Sandbox) -> World:
    return World(sandbox)


@pytest.fixture(scope="module")
def client(world: World) -> Iterator[Any]:
    """azure-ai-ml's client, made local by environment variables alone."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**world.sandbox.environment, "AZUREML_RUN_POLLING_INTERVAL_MIN": "0"}.items():
            patch.setenv(name, value)
        from azure.ai.ml import MLClient
        from azure.identity import DefaultAzureCredential

        yield MLClient(DefaultAzureCredential(), SUBSCRIPTION_ID, "world", "world")


@pytest.mark.runs("Microsoft.MachineLearningServices/workspaces/jobs")
def test_a_command_job_is_submitted_streamed_downloaded_and_listed(world: World, client: Any, tmp_path: Path) -> None:
    from azure.ai.ml import Input, Output, command

    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "say.py").write_text(
        "import os, sys\nprint('said', open(sys.argv[1]).read())\nopen(sys.argv[2] + '/o', 'w').write('out')\n"
        "while not os.path.exists(sys.argv[3]): pass\n"
    )
    go = tmp_path / "go"
    (tmp_path / "in.txt").write_text("in")
    world.environment("plain")
    job = client.jobs.create_or_update(
        command(
            code=str(tmp_path / "src"), command=f"python say.py ${{{{inputs.i}}}} ${{{{outputs.o}}}} {go}",
            environment="plain:1", compute="cpu", experiment_name="exp",
            inputs={"i": Input(type="uri_file", path=str(tmp_path / "in.txt"))},
            outputs={"o": Output(type="uri_folder")},
        )
    )  # fmt: skip
    printed = io.StringIO()
    # The client prints logs only of a job that was still running when it first looked.
    log = world.sandbox.home.logs / "gateway.log"

    def let_go() -> None:
        until(lambda: f"{job.name}/details" in log.read_text(encoding="utf-8"))
        go.touch()

    looked = threading.Thread(target=let_go)
    looked.start()
    with redirect_stdout(printed):
        client.jobs.stream(job.name)
    looked.join()
    assert "said in" in printed.getvalue()
    assert client.jobs.get(job.name).status == "Completed"
    client.jobs.download(job.name, download_path=tmp_path / "all", all=True)
    assert (tmp_path / "all/named-outputs/o/o").read_text() == "out"
    assert (tmp_path / "all/artifacts/user_logs/std_log.txt").read_text() == "said in\n"
    client.jobs.download(job.name, download_path=tmp_path / "one", output_name="o")
    assert (tmp_path / "one/named-outputs/o/o").read_text() == "out"
    assert job.name in [each.name for each in client.jobs.list()]


@pytest.mark.runs("Microsoft.MachineLearningServices/workspaces/jobs")
def test_a_failed_job_is_raised_with_its_error_while_it_is_streamed(world: World, client: Any) -> None:
    from azure.ai.ml import command
    from azure.ai.ml.exceptions import JobException

    world.environment("plain")
    job = client.jobs.create_or_update(command(command="echo before; exit 9", environment="plain:1", compute="cpu"))
    with pytest.raises(JobException, match="exit code 9"), redirect_stdout(io.StringIO()):
        client.jobs.stream(job.name)


@pytest.mark.runs("Microsoft.MachineLearningServices/workspaces/jobs")
def test_a_pipeline_is_submitted_and_its_steps_are_its_children(world: World, client: Any, tmp_path: Path) -> None:
    from azure.ai.ml import load_job

    world.environment("plain")
    (tmp_path / "pipeline.yml").write_text(
        """
type: pipeline
inputs: {word: hello}
outputs: {final: {type: uri_folder}}
settings: {default_compute: azureml:cpu}
jobs:
  one:
    type: command
    command: echo ${{inputs.word}} > ${{outputs.out}}/f
    environment: azureml:plain:1
    inputs: {word: "${{parent.inputs.word}}"}
    outputs: {out: {type: uri_folder}}
    limits: {timeout: 60}
    environment_variables: {A: b}
  two:
    type: command
    command: cat ${{inputs.a}}/f > ${{outputs.out}}/g
    environment: azureml:plain:1
    inputs: {a: "${{parent.jobs.one.outputs.out}}"}
    outputs: {out: "${{parent.outputs.final}}"}
"""
    )
    job = client.jobs.create_or_update(load_job(tmp_path / "pipeline.yml"))
    printed = io.StringIO()
    with redirect_stdout(printed):
        client.jobs.stream(job.name)
    assert "two: Completed" in printed.getvalue()
    children = {each.display_name: each for each in client.jobs.list(parent_job_name=job.name)}
    assert {name: each.status for name, each in children.items()} == {"one": "Completed", "two": "Completed"}
    assert client.jobs.get(children["one"].name).display_name == "one"
    client.jobs.download(job.name, download_path=tmp_path / "all", output_name="final")
    assert (tmp_path / "all/named-outputs/final/g").read_text() == "hello\n"
    client.jobs.download(children["one"].name, download_path=tmp_path / "step", all=True)
    assert (tmp_path / "step/named-outputs/out/f").read_text() == "hello\n"


def test_a_job_is_canceled_archived_and_described(world: World, client: Any) -> None:
    from azure.ai.ml import command

    world.environment("plain")
    job = client.jobs.create_or_update(command(command="sleep 60", environment="plain:1", compute="cpu"))
    assert client.jobs.begin_cancel(job.name).result() is None
    until(lambda: client.jobs.get(job.name).status == "Canceled")
    client.jobs.archive(job.name)
    assert job.name not in [each.name for each in client.jobs.list()]
    client.jobs.restore(job.name)
    assert job.name in [each.name for each in client.jobs.list()]
    assert client.jobs.update(job.name, tags={"kept": "yes"}, display_name="called").display_name == "called"
    assert client.jobs.get(job.name).tags["kept"] == "yes"


@pytest.mark.runs("Microsoft.MachineLearningServices/workspaces/onlineEndpoints")
def test_an_endpoint_is_created_deployed_invoked_and_deleted(world: World, client: Any, tmp_path: Path) -> None:
    from azure.ai.ml.entities import CodeConfiguration, ManagedOnlineDeployment, ManagedOnlineEndpoint

    endpoint = client.online_endpoints.begin_create_or_update(
        ManagedOnlineEndpoint(name="invoked", auth_mode="key")
    ).result()
    world.may(endpoint.identity.principal_id, "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1")
    (tmp_path / "score.py").write_text("def init():\n    pass\ndef run(raw):\n    return {'heard': raw}\n")
    world.environment("server", "azureml-inference-server-http==1.5.1")
    deployment = ManagedOnlineDeployment(
        name="blue", endpoint_name="invoked", environment="server:1", instance_count=1,
        instance_type="Standard_D2ds_v5",
        code_configuration=CodeConfiguration(code=str(tmp_path), scoring_script="score.py"),
    )  # fmt: skip
    assert client.online_deployments.begin_create_or_update(deployment).result().provisioning_state == "Succeeded"
    endpoint.traffic = {"blue": 100}
    assert client.online_endpoints.begin_create_or_update(endpoint).result().traffic == {"blue": 100}
    (tmp_path / "request.json").write_text(json.dumps({"a": 1}))
    answer = client.online_endpoints.invoke("invoked", request_file=str(tmp_path / "request.json"))
    assert json.loads(answer) == {"heard": '{"a": 1}'}
    named = client.online_endpoints.invoke(
        "invoked", request_file=str(tmp_path / "request.json"), deployment_name="blue"
    )
    assert named == answer
    until(lambda: "POST /score 200" in client.online_deployments.get_logs("blue", "invoked", 50))
    keys = client.online_endpoints.get_keys("invoked")
    client.online_endpoints.begin_regenerate_keys("invoked", key_type="secondary").result()
    after = client.online_endpoints.get_keys("invoked")
    assert (after.primary_key == keys.primary_key, after.secondary_key == keys.secondary_key) == (True, False)
    client.online_endpoints.begin_delete("invoked").result()
    assert [each.name for each in client.online_endpoints.list()] == []
    assert list(world.sandbox.home.work.glob("deployments/*")) == []


def test_run_history_asks_for_a_token_and_a_role(world: World) -> None:
    where = f"https://westeurope.api.azureml.ms/history/v1.0{world.ws}/runs/x?api-version=v1.0"
    assert world.sandbox.call("GET", where, token="").status == 401
    assert world.sandbox.call("GET", where, token=world.sandbox.token("https://storage.azure.com")).status == 401
    assert world.sandbox.call("GET", where).status == 404


def test_a_log_is_read_by_its_link_alone(world: World) -> None:
    job = world.submit("linked", "echo secret")
    assert world.ended(job) == "Completed"
    link = world.history(job, "/details")["logFiles"]["user_logs/std_log.txt"]
    assert world.sandbox.call("GET", link, token="").body == b"secret\n"
    assert world.sandbox.call("GET", link.partition("?")[0], token="").status == 401
    other = link.replace("std_log.txt?", "../../../../process.json?")
    assert world.sandbox.call("GET", other, token="").status == 401
