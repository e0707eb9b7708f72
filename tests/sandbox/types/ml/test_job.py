import signal

import pytest

from sandbox.work import process
from tests.sandbox.conftest import Sandbox
from tests.sandbox.world import CONTRIBUTOR, READER, World, until

runs = pytest.mark.runs("Microsoft.MachineLearningServices/workspaces/jobs")
WAIT = "while [ ! -e {} ]; do sleep 0.02; done"


@pytest.fixture(scope="module")
def world(sandbox: Sandbox) -> World:
    return World(sandbox)


def literal(value: str) -> dict[str, str]:
    return {"jobInputType": "literal", "value": value}


@runs
def test_a_command_reads_its_inputs_and_its_outputs_are_kept(world: World) -> None:
    uri = world.upload("in", {"a.txt": "hello", "deep/b.txt": "there"})
    code = world.code("upper", {"upper.py": "import sys\nprint(open(sys.argv[1]).read().upper(), sys.argv[2:])"})
    job = world.submit(
        "reads",
        "python upper.py ${{inputs.data}}/a.txt ${{inputs.count}} $[[--skip ${{inputs.absent}}]] && "
        "cp ${{inputs.data}}/deep/b.txt ${{inputs.file}} ${{outputs.out}}",
        codeId=code,
        inputs={
            "data": {"jobInputType": "uri_folder", "uri": uri},
            "file": {"jobInputType": "uri_file", "uri": f"{uri}a.txt"},
            "count": literal("3"),
        },
        outputs={"out": {"jobOutputType": "uri_folder"}},
    )
    assert world.ended(job) == "Completed", world.error(job)
    assert world.log(job) == "HELLO ['3']\n"
    assert world.read("azureml/reads/out/b.txt") == "there"
    assert world.read("azureml/reads/out/a.txt") == "hello"
    shown = world.sandbox.call("GET", job).body["properties"]
    assert shown["outputs"]["out"]["uri"] == "azureml://datastores/workspaceblobstore/paths/azureml/reads/out/"
    assert shown["status"] == "Completed"


@runs
def test_data_and_model_assets_and_outputs_of_jobs_are_inputs(world: World) -> None:
    first = world.submit("makes", "echo made > ${{outputs.o}}/f", outputs={"o": {"jobOutputType": "uri_folder"}})
    assert world.ended(first) == "Completed"
    uri = world.upload("asset", {"x": "from data"})
    world.put(f"{world.ws}/data/d/versions/1", {"properties": {"dataType": "uri_folder", "dataUri": uri}})
    world.model("m", {"w": "from model"})
    job = world.submit(
        "takes",
        "cat ${{inputs.d}}/x ${{inputs.m}}/w ${{inputs.j}}/f; echo ${{inputs.direct}}",
        inputs={
            "d": {"jobInputType": "uri_folder", "uri": "azureml:d:1"},
            "m": {"jobInputType": "custom_model", "uri": f"{world.ws}/models/m/versions/1"},
            "j": {"jobInputType": "uri_folder", "uri": "azureml://jobs/makes/outputs/o"},
            "direct": {"jobInputType": "uri_folder", "uri": uri, "mode": "Direct"},
        },
    )
    assert world.ended(job) == "Completed", world.error(job)
    assert world.log(job) == f"from datafrom modelmade\n{uri}\n"


@runs
def test_files_are_found_by_every_form_of_uri(world: World) -> None:
    world.upload("forms", {"f": "found"})
    store = world.sandbox.call("GET", f"{world.ws}/datastores/workspaceblobstore").body["properties"]
    account, container = store["accountName"], store["containerName"]
    forms = {
        "short": "azureml://datastores/workspaceblobstore/paths/forms/f",
        "long": f"azureml:/{world.ws}/datastores/workspaceblobstore/paths/forms/f",
        "https": f"https://{account}.blob.core.windows.net/{container}/forms/f",
        "wasbs": f"wasbs://{container}@{account}.blob.core.windows.net/forms/f",
        "abfss": f"abfss://{container}@{account}.dfs.core.windows.net/forms/f",
    }
    inputs = {name: {"jobInputType": "uri_file", "uri": uri} for name, uri in forms.items()}
    job = world.submit("forms", " ".join(["cat", *(f"${{{{inputs.{name}}}}}" for name in forms)]), inputs=inputs)
    assert world.ended(job) == "Completed", world.error(job)
    assert world.log(job) == "found" * len(forms)


@runs
def test_where_datastores_keep_keys_a_job_needs_no_role(world: World) -> None:
    shown = world.sandbox.call("GET", world.ws).body["properties"]
    place = {name: shown[name] for name in ("storageAccount", "keyVault")}
    keyed = f"{world.ws.rpartition('/')[0]}/keyed"
    world.put(keyed, {"location": "westeurope", "identity": {"type": "SystemAssigned"}, "properties": place})
    world.put(f"{keyed}/environments/plain/versions/1", {"properties": {"image": "mcr.microsoft.com/azureml/minimal"}})
    scale = {"vmSize": "Standard_D2ds_v5", "scaleSettings": {"minNodeCount": 0, "maxNodeCount": 1}}
    world.put(f"{keyed}/computes/bare", {"properties": {"computeType": "AmlCompute", "properties": scale}})
    properties = {
        "jobType": "Command", "command": "touch ${{outputs.o}}/f", "environmentId": "azureml:plain:1",
        "computeId": f"{keyed}/computes/bare", "outputs": {"o": {"jobOutputType": "uri_folder"}},
    }  # fmt: skip
    assert world.sandbox.call("PUT", f"{keyed}/jobs/keyed", {"properties": properties}).status == 201
    assert world.ended(f"{keyed}/jobs/keyed") == "Completed", world.error(f"{keyed}/jobs/keyed")


@runs
def test_a_named_output_becomes_an_asset(world: World) -> None:
    outputs = {
        "d": {"jobOutputType": "uri_folder", "assetName": "made"},
        "m": {"jobOutputType": "custom_model", "assetName": "trained", "assetVersion": "7"},
    }
    job = world.submit("registers", "touch ${{outputs.d}}/a ${{outputs.m}}/b", outputs=outputs)
    assert world.ended(job) == "Completed", world.error(job)
    data = world.sandbox.call("GET", f"{world.ws}/data/made/versions/1").body["properties"]
    model = world.sandbox.call("GET", f"{world.ws}/models/trained/versions/7").body["properties"]
    assert data["dataUri"].endswith("/azureml/registers/d/")
    assert (model["modelUri"].split("/paths/")[1], model["jobName"]) == ("azureml/registers/m/", "registers")


@runs
def test_logs_and_the_outputs_folder_are_kept_as_artifacts(world: World) -> None:
    job = world.submit("leaves", "echo said; echo kept > outputs/kept.txt")
    assert world.ended(job) == "Completed"
    where = "ExperimentRun/dcid.leaves"
    assert world.read(f"{where}/outputs/kept.txt", "azureml") == "kept\n"
    assert world.read(f"{where}/user_logs/std_log.txt", "azureml") == "said\n"


@runs
def test_a_job_knows_what_azure_tells_it_and_nothing_of_the_callers(world: World) -> None:
    job = world.submit("knows", "env", experimentName="exp", environmentVariables={"MINE": "yes"})
    assert world.ended(job) == "Completed"
    seen = dict(line.split("=", 1) for line in world.log(job).splitlines() if "=" in line)
    assert (seen["AZUREML_RUN_ID"], seen["AZUREML_EXPERIMENT_NAME"], seen["MINE"]) == ("knows", "exp", "yes")
    assert seen["AZUREML_ARM_WORKSPACE_NAME"] == "world"
    secret = world.sandbox.home.secret.read_text().strip()
    assert secret not in world.log(job)
    assert not [name for name in seen if name.startswith(("AZURE_CLIENT", "ARM_", "PYTEST", "SSH"))]


@runs
def test_a_job_reaches_nothing_outside_this_machine(world: World) -> None:
    code = world.code(
        "calls", {"call.py": "import sys, urllib.request\ntry:\n    urllib.request.urlopen(sys.argv[1], timeout=20)\n"
                            "except OSError as error:\n    print(error)\n"},
    )  # fmt: skip
    job = world.submit("calls", "python call.py https://example.com/; python call.py http://example.com/", codeId=code)
    assert world.ended(job) == "Completed"
    first, second = world.log(job).splitlines()
    assert "Tunnel connection failed: 403" in first
    assert "421" in second


@runs
def test_mlflow_logs_into_the_jobs_own_run(world: World) -> None:
    code = world.code("logs", {"t.py": "import mlflow\nmlflow.log_metric('auc', 0.75)\nmlflow.log_param('depth', 3)"})
    job = world.submit("logs", "python t.py", codeId=code)
    assert world.ended(job, 90) == "Completed", world.error(job)
    properties = world.history(job)["properties"]
    assert (properties["metrics.auc"], properties["params.depth"]) == ("0.75", "3")


@runs
@pytest.mark.parametrize(
    ("name", "command", "more", "says"),
    [
        ("exits", "echo no >&2; exit 3", {}, "exit code 3"),
        ("killed", "kill -9 $$", {}, "killed by signal 9"),
        ("late", "sleep 60", {"limits": {"jobLimitsType": "Command", "timeout": "PT0.2S"}}, "limit of PT0.2S"),
        ("unknown-expression", "echo ${{inputs.nothing}}", {}, "${{inputs.nothing}} names nothing"),
        ("promises", "true", {"outputs": {"o": {"jobOutputType": "uri_file"}}}, "output 'o': the job did not write"),
        ("no-data", "true", {"inputs": {"d": {"jobInputType": "uri_folder", "uri": "azureml://datastores/workspaceblobstore/paths/none"}}}, "no file is there"),  # noqa: E501 - a row
        ("no-store", "true", {"inputs": {"d": {"jobInputType": "uri_folder", "uri": "azureml://datastores/nope/paths/x"}}}, "there is no datastore 'nope'"),  # noqa: E501 - a row
        ("outside", "true", {"inputs": {"d": {"jobInputType": "uri_file", "uri": "https://example.com/x"}}}, "nothing outside this machine"),  # noqa: E501 - a row
    ],
)  # fmt: skip
def test_a_job_that_fails_says_why(world: World, name: str, command: str, more: dict[str, object], says: str) -> None:
    job = world.submit(name, command, **more)
    assert world.ended(job) == "Failed"
    assert says in world.error(job)


@runs
def test_an_environment_that_no_runtime_has_fails_naming_the_pins(world: World) -> None:
    environment = world.environment("strange", "numpy==0.0.1", "no-such-package==1.0")
    job = world.submit("strange", "true", environmentId=environment)
    assert world.ended(job) == "Failed"
    error = world.error(job)
    assert "numpy==0.0.1" in error
    assert "no-such-package==1.0 is missing" in error
    assert "make" in error


@runs
def test_without_a_role_on_the_storage_a_job_fails_and_with_it_it_runs(world: World) -> None:
    cluster = world.compute("bare", role="")
    uri = world.upload("guarded", {"a": "x"})
    inputs = {"d": {"jobInputType": "uri_folder", "uri": uri}}
    refused = world.submit("may-not-read", "true", computeId=cluster, inputs=inputs)
    assert world.ended(refused) == "Failed"
    assert "the identity of compute 'bare' may not read" in world.error(refused)
    assert "Storage Blob Data Reader" in world.error(refused)
    world.may(world.sandbox.call("GET", cluster).body["identity"]["principalId"], READER)
    outputs = {"o": {"jobOutputType": "uri_folder"}}
    refused = world.submit("may-not-write", "true", computeId=cluster, inputs=inputs, outputs=outputs)
    assert world.ended(refused) == "Failed"
    assert "may not write" in world.error(refused)
    world.may(world.sandbox.call("GET", cluster).body["identity"]["principalId"], CONTRIBUTOR)
    assert world.ended(world.submit("may", "true", computeId=cluster, inputs=inputs, outputs=outputs)) == "Completed"


@runs
def test_cancel_ends_the_process(world: World) -> None:
    job = world.submit("canceled", "sleep 60")
    world.reaches(job, "Running")
    assert world.sandbox.call("POST", f"{job}/cancel").status == 200
    assert world.ended(job) == "Canceled"
    assert process.ended(world.folder("jobs", "canceled")) == process.Exit(-signal.SIGTERM, "stopped")
    assert world.sandbox.call("POST", f"{job}/cancel").status == 200
    assert world.status(job) == "Canceled"


@runs
def test_jobs_take_turns_on_a_compute(world: World) -> None:
    cluster = world.compute("single", nodes=1)
    first = world.submit("first", "sleep 60", computeId=cluster)
    world.reaches(first, "Running")
    second = world.submit("second", "true", computeId=cluster)
    waiting = world.submit("waits-in-vain", "true", computeId=cluster)
    assert world.sandbox.call("POST", f"{waiting}/cancel").status == 200
    assert world.ended(waiting) == "Canceled"
    assert world.status(second) == "NotStarted"
    world.sandbox.call("POST", f"{first}/cancel")
    assert world.ended(second) == "Completed"


def test_what_is_wrong_with_a_job_is_refused_when_it_is_submitted(world: World) -> None:
    fine = {"jobType": "Command", "command": "true", "environmentId": world.environment("fine")}
    for changed, says in (
        ({"jobType": "Strange"}, "'Strange'"),
        ({"command": ""}, "command is missing"),
        ({"environmentId": "azureml:no:1"}, "'azureml:no:1' does not exist"),
        ({"codeId": f"{world.ws}/codes/no/versions/1"}, "does not exist"),
        ({"computeId": f"{world.ws}/computes/no"}, "does not exist"),
        ({"limits": {"jobLimitsType": "Command", "timeout": "soon"}}, "'soon' is no ISO 8601 duration"),
    ):
        answer = world.refused(f"{world.ws}/jobs/wrong", {"properties": {**fine, **changed}})
        assert answer.status == 400
        assert says in answer.body["error"]["message"], answer
    assert world.sandbox.call("GET", f"{world.ws}/jobs/wrong").status == 404


def test_a_submitted_job_changes_its_tags_only(world: World) -> None:
    job = world.submit("fixed", "true")
    body = world.sandbox.call("GET", job).body
    body["properties"]["tags"] = {"a": "b"}
    assert world.sandbox.call("PUT", job, {"properties": body["properties"]}).status == 200
    body["properties"]["command"] = "false"
    answer = world.refused(job, {"properties": body["properties"]})
    assert answer.status == 409
    assert "command cannot change" in answer.body["error"]["message"]
    assert world.ended(job) == "Completed"
    assert world.sandbox.call("GET", job).body["properties"]["tags"] == {"a": "b"}


def test_a_job_that_runs_cannot_be_deleted_and_one_that_is_over_leaves_no_files(world: World) -> None:
    job = world.submit("deleted", "sleep 60")
    world.reaches(job, "Running")
    assert world.sandbox.call("DELETE", job).status == 409
    world.sandbox.call("POST", f"{job}/cancel")
    assert world.ended(job) == "Canceled"
    folder = world.folder("jobs", "deleted")
    assert world.sandbox.call("DELETE", job).status in (200, 202)
    until(lambda: world.sandbox.call("GET", job).status == 404)
    assert not folder.exists()


def test_kinds_of_job_that_are_not_run_fail_and_say_so(world: World) -> None:
    trial = {"command": "true", "environmentId": world.environment("sweeps")}
    properties = {
        "jobType": "Sweep", "trial": trial, "objective": {"goal": "Maximize", "primaryMetric": "auc"},
        "samplingAlgorithm": {"samplingAlgorithmType": "Random"}, "searchSpace": {"lr": ["uniform", [0, 1]]},
    }  # fmt: skip
    assert world.sandbox.call("PUT", f"{world.ws}/jobs/sweep", {"properties": properties}).status == 201
    assert world.ended(f"{world.ws}/jobs/sweep") == "Failed"
    assert "Sweep jobs are not run by the sandbox" in world.error(f"{world.ws}/jobs/sweep")


def test_archived_jobs_and_other_types_are_left_out_of_the_list(world: World) -> None:
    job = world.submit("archived", "true")
    assert world.ended(job) == "Completed"
    body = world.sandbox.call("GET", job).body["properties"]
    world.put(job, {"properties": {**body, "isArchived": True}})

    def names(query: str = "") -> list[str]:
        return [each["name"] for each in world.sandbox.call("GET", f"{world.ws}/jobs?{query}").body["value"]]

    assert "archived" not in names()
    assert "archived" in names("listViewType=ArchivedOnly")
    assert "archived" in names("listViewType=All&jobType=Command")
    assert "archived" not in names("listViewType=All&jobType=Pipeline")
