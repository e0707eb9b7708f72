"""A job keeps inside what is its own: the names that it gives, the links that it leaves, the files that it sees."""

import os
import socket
import subprocess

import pytest

from sandbox.work import cover
from tests.sandbox.conftest import Sandbox
from tests.sandbox.world import World

runs = pytest.mark.runs("Microsoft.MachineLearningServices/workspaces/jobs")


@pytest.fixture(scope="module")
def world(sandbox: Sandbox) -> World:
    return World(sandbox)


@runs
@pytest.mark.parametrize("side", ["inputs", "outputs"])
@pytest.mark.parametrize("name", ["/etc/x", "../up", "a/b", "a\0b", ""])
def test_a_name_of_an_input_or_output_that_is_no_file_of_the_job_is_refused(world: World, side: str, name: str) -> None:
    given = {"jobInputType": "literal", "value": "1"} if side == "inputs" else {"jobOutputType": "uri_folder"}
    world.environment("plain")
    properties = {"jobType": "Command", "command": "true", "environmentId": "azureml:plain:1", side: {name: given}}
    answer = world.refused(f"{world.ws}/jobs/names", {"properties": properties})
    assert answer.status == 400
    assert f"{side} has {name!r}" in answer.body["error"]["message"]


@runs
@pytest.mark.parametrize("name", ["%2F%2Fabs/x", "%2F..%2F..%2Fup", "back%5Cslash"])
def test_code_whose_names_lead_out_of_the_folder_fails_the_job(world: World, name: str) -> None:
    code = world.code(f"evil{abs(hash(name))}", {"main.py": "", name: "x"})
    job = world.submit(f"evil{abs(hash(name))}", "true", codeId=code)
    assert world.ended(job) == "Failed"
    assert "no name for a file below a folder" in world.error(job)


@runs
def test_links_that_a_job_leaves_are_not_followed(world: World) -> None:
    secret = world.sandbox.home.secret
    outputs = {"o": {"jobOutputType": "uri_folder"}}
    job = world.submit("links", f"echo f >${{{{outputs.o}}}}/f; ln -s {secret} ${{{{outputs.o}}}}/l", outputs=outputs)
    assert world.ended(job) == "Failed"
    assert world.error(job).startswith("output 'o': l: a link is not followed")
    job = world.submit("swaps", f"rmdir ${{{{outputs.o}}}}; ln -s {secret} ${{{{outputs.o}}}}", outputs=outputs)
    assert world.ended(job) == "Failed"
    assert "links are not followed" in world.error(job)
    job = world.submit(
        "tampers", f"ln -s {secret} outputs/l; ln -sf {secret} ../artifacts/system_logs/sandbox.log; exit 3"
    )
    before = secret.read_text(encoding="utf-8")
    assert world.ended(job) == "Failed"
    assert secret.read_text(encoding="utf-8") == before
    assert not [name for name in world.history(job, "/details")["logFiles"] if name.endswith("sandbox.log")]


@runs
def test_a_job_that_the_sandbox_cannot_start_has_failed(world: World) -> None:
    job = world.submit("nul", "true", environmentVariables={"A": "x\0y"})
    assert world.ended(job) == "Failed"
    assert world.error(job).startswith("The sandbox could not run the job: ValueError: embedded null byte")


@runs
@pytest.mark.skipif(bool(cover.troubles()), reason="no namespaces for users here")
def test_a_job_sees_nothing_of_the_sandbox_but_its_own(world: World) -> None:
    home = world.sandbox.home
    hidden = [home.secret, home.database, home.authority / "ca.key", home.server, home.blobs]
    job = world.submit(
        "peeks", f"ls {' '.join(map(str, hidden))}; ls {home.root} {home.work}/jobs; echo x >{home.secret}; "
        f"head -c 27 $SSL_CERT_FILE; id -u; cat /proc/{world.sandbox.server.pid}/environ; exit 0",
    )  # fmt: skip
    assert world.ended(job) == "Completed", world.error(job)
    log = world.log(job)
    for path in hidden:
        assert f"cannot access '{path}': No such file or directory" in log
    assert "authority\nwork\n" in log
    assert "BEGIN CERTIFICATE" in log
    assert f"{os.getuid()}\n" in log
    assert f"/proc/{world.sandbox.server.pid}/environ: No such file or directory" in log
    assert home.secret.read_text(encoding="utf-8").strip() != "x"


@runs
@pytest.mark.skipif(bool(cover.troubles()), reason="no namespaces for users here")
def test_a_job_reaches_the_gateway_and_no_other_port(world: World) -> None:
    code = world.code(
        "ports", {"call.py": "import socket, sys, urllib.request\n"
                  "print(urllib.request.urlopen('https://login.microsoftonline.com/common/discovery/instance').status)\n"
                  "try:\n    socket.create_connection(('127.0.0.1', int(sys.argv[1])))\n"
                  "except OSError as error:\n    print(error)\n"},
    )  # fmt: skip
    with socket.create_server(("127.0.0.1", 0)) as other:
        other.settimeout(0)
        job = world.submit("ports", f"python call.py {other.getsockname()[1]}", codeId=code)
        assert world.ended(job) == "Completed", world.log(job)
        with pytest.raises(BlockingIOError):
            other.accept()
    assert world.log(job) == "200\n[Errno 111] Connection refused\n"


@runs
def test_what_a_job_leaves_running_is_dead_before_its_outputs_are_kept(world: World) -> None:
    """It swaps an output's folder for a link as long as it lives."""
    secret = world.sandbox.home.root.parent / "outside"
    secret.mkdir()
    (secret / "f").write_text("secret")
    swap = f"while true; do mv $O $O.x; ln -s {secret} $O; rm $O; mv $O.x $O; done"
    job = world.submit(
        "races", f"export O=${{{{outputs.o}}}}; for i in $(seq 300); do echo own >$O/f$i; done; echo own >$O/f; "
        f"setsid env -i O=$O bash -c '{swap}' & sleep 0.2; exit 0", outputs={"o": {"jobOutputType": "uri_folder"}},
    )  # fmt: skip
    ended = world.ended(job)
    assert not [line for line in running() if "mv $O" in line]
    if ended == "Completed":
        assert world.read("azureml/races/o/f") == "own\n"
    else:
        assert "link" in world.error(job) or "did not write" in world.error(job)


def running() -> list[str]:
    """Command lines of all processes."""
    return subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout.splitlines()


@runs
def test_nothing_in_a_job_reports_to_its_maker(world: World) -> None:
    """ONNX Runtime sends what it does to Microsoft, and keeps a device's id for that."""
    job = world.submit("telemetry", "python -c 'import onnxruntime'; find .. -name '*deviceid*'; echo looked")
    assert world.ended(job) == "Completed", world.error(job)
    assert world.log(job) == "looked\n"


@runs
def test_a_job_logs_into_its_own_run_and_cannot_touch_the_others(world: World) -> None:
    script = (
        "import os, sqlite3, sys\n"
        "file = sqlite3.connect(os.environ['MLFLOW_TRACKING_URI'].removeprefix('sqlite:///'))\n"
        "seen = [run for run, in file.execute('SELECT run_uuid FROM runs')]\n"
        "print(seen)\n"
        "for run in (*seen, 'victim'):\n"
        "    file.execute('INSERT INTO params (key, value, run_uuid) VALUES (?,?,?)', ('by', 'intruder', run))\n"
        "file.commit()\n"
    )
    code = world.code("tracks", {"t.py": script})
    victim = world.submit("victim", "true")
    assert world.ended(victim) == "Completed"
    job = world.submit("intruder", "python t.py", codeId=code)
    assert world.ended(job) == "Completed", world.error(job)
    assert world.log(job) == "['intruder']\n"
    assert world.history(job)["properties"]["params.by"] == "intruder"
    assert "params.by" not in world.history(victim)["properties"]
    assert not (world.folder("jobs", "intruder") / "mlflow.db").exists()


@runs
def test_another_file_in_the_place_of_a_jobs_run_is_not_read(world: World) -> None:
    job = world.submit("links-run", f"ln -sf {world.sandbox.home.database} ${{MLFLOW_TRACKING_URI#sqlite:///}}")
    assert world.ended(job) == "Completed", world.error(job)
    assert not [name for name in world.history(job)["properties"] if name.startswith(("params.", "metrics."))]
