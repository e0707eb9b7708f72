"""U5, U8, U10: exit codes mean something, Ctrl-C is safe, and ``--json`` is one JSON object and nothing else."""

import json
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.__main__ import main, parser
from sandbox.constants import TENANT_ID
from tests.robustness.conftest import Done, Forks, Place, until

# Prepared how, the command, the exit code: 0 done, 1 failed, 2 wrong usage or configuration, 3 held by another run.
CODES = [
    ("nothing", "status", 0), ("nothing", "doctor", 0), ("nothing", "preview", 0), ("nothing", "down", 0),
    ("nothing", "restore", 1), ("nothing", "purge", 2), ("nothing", "up --stack none", 2),
    ("a bad value", "up", 2), ("a bad value", "preview", 2), ("a broken program", "preview", 1),
    ("a broken program", "up", 1), ("a refused resource", "up", 1),
    ("a mistaken program", "preview", 2), ("a mistaken program", "up", 2),
    ("a late mistake", "up", 1), ("a protected resource", "destroy --yes", 1),
    ("it is up", "up", 0), ("it is up", "preview", 0), ("it is up", "refresh", 0), ("it is up", "status", 0),
    ("it is up", "doctor", 0), ("it is up", "purge", 2), ("it is held", "up", 3), ("it is held", "destroy --yes", 3),
    ("it is held", "refresh", 3), ("it is held", "preview", 0), ("it is held", "status", 0),
    ("it is up", "destroy", 2), ("it is up", "destroy --yes", 0),
    ("it is up", "down", 0), ("it is up", "purge --yes", 0),
]  # fmt: skip


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory, schema_cache: Path, forks: Forks) -> Iterator[Place]:
    """A stack that is up."""
    found = Place(tmp_path_factory.mktemp("up"), schema_cache)
    assert forks.run(found, "up").code == 0
    yield found
    found.close()


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory, schema_cache: Path) -> Iterator[Place]:
    """A stack that never came up."""
    found = Place(tmp_path_factory.mktemp("empty"), schema_cache)
    yield found
    found.close()


@pytest.fixture
def prepared(request: pytest.FixtureRequest, up: Place, empty: Place, forks: Forks) -> Iterator[Place]:
    """The place as the row wants it, and as it was afterwards."""
    how: str = request.param
    place = up if how.startswith("it is") or how == "a protected resource" else empty
    program = place.folder / "__main__.py"
    text = program.read_text(encoding="utf-8")
    holder = None
    if how == "a bad value":
        place.configure("dev", identities="many")
    elif how == "a broken program":
        program.write_text(text + "\nraise OSError('no such thing')\n", encoding="utf-8")
    elif how == "a mistaken program":
        program.write_text(
            text.replace("top = ", "raise pulumi.RunError('owner: want a mail')\ntop = "), encoding="utf-8"
        )
    elif how == "a late mistake":
        place.configure("dev", owner="late@example.com")
        program.write_text(text + "\nlogs.customerId.apply(int)\n", encoding="utf-8")
    elif how == "a refused resource":
        place.configure("dev", container="Not_A_Name")
    elif how == "a protected resource":
        program.write_text(text.replace("depends_on=needs", "depends_on=needs, protect=True"), encoding="utf-8")
        assert forks.run(place, "up").code == 0
    elif how == "it is up":
        assert forks.run(place, "up").code == 0
    elif how == "it is held":
        holder = _hold(place)
    yield place
    if holder:
        holder.kill()
        holder.communicate()
        place.admin("DELETE", "/faults")
    program.write_text(text, encoding="utf-8")
    place.configure("dev")
    if how == "a protected resource":
        assert forks.run(place, "up").code == 0


def _hold(place: Place) -> "subprocess.Popen[str]":
    """Another run that takes its time."""
    place.admin("DELETE", "/faults")
    script = {"match": {"method": "PUT", "path": "/resourcegroups/rg-dev1$"}, "script": [{"delay": 60}]}
    place.admin("POST", "/faults", script)
    place.configure("dev", owner="another@example.com")
    process = place.start("up")
    until("the stack is held", lambda: place.held_by(process.pid))
    return process


@pytest.mark.parametrize(("prepared", "command", "code"), CODES, indirect=["prepared"], ids=lambda value: str(value))
def test_exit_code_and_json(prepared: Place, forks: Forks, command: str, code: int) -> None:
    verb, *rest = command.split()
    done = forks.run(prepared, verb, *rest, "--json")
    assert done.code == code, done.said
    envelope = json.loads(done.out)  # one object, and nothing around it
    assert done.out.count("\n") == 1
    assert done.err == ""
    assert envelope.keys() == {"command", "ok", "exit_code", "result", "errors"}
    assert (envelope["command"], envelope["ok"], envelope["exit_code"]) == (verb, code == 0, code)
    assert bool(envelope["errors"]) is (code != 0)
    assert "Traceback" not in done.out


def test_the_same_without_json(empty: Place, forks: Forks) -> None:
    """The last row of each kind, for people: words, the error on standard error, no escape sequences in a log."""
    for verb, code in (("preview", 0), ("restore", 1)):
        done: Done = forks.run(empty, verb)
        assert done.code == code
        assert bool(done.err) is (code != 0)
        assert "\x1b" not in done.said


@pytest.mark.parametrize("arguments", [["upp"], ["up", "--stak", "dev"], [], ["serve", "--port", "x"]])
def test_wrong_usage(empty: Place, forks: Forks, arguments: list[str]) -> None:
    done = forks.run(empty, *arguments)
    assert done.code == 2
    assert "usage: python -m sandbox" in done.err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "terminated"])
def test_an_interrupted_up_goes_on(up: Place, forks: Forks, number: signal.Signals) -> None:
    up.admin("DELETE", "/faults")
    match = {"method": "PUT", "path": "/resourcegroups/rg-dev1$"}
    up.admin("POST", "/faults", {"match": match, "script": [{"delay": 1}]})
    up.configure("dev", owner=f"{number.name.lower()}@example.com")
    process = up.start("up")
    until("the stack is held", lambda: up.held_by(process.pid))
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert process.returncode == (130 if number is signal.SIGINT else -signal.SIGTERM), out + err
    if number is signal.SIGINT:
        assert "up was interrupted: what was made is recorded, and what was under way is settled by the next one" in err
        assert "go on with: .venv/bin/python -m sandbox up" in err
    assert "Traceback" not in out + err
    again = forks.run(up, "up")
    assert again.code == 0, again.said
    assert set(up.resources("dev1").values()) == {"Succeeded"}


def test_beneath_make_an_interruption_says_its_verb(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("sandbox.__main__._status", stopped)
    monkeypatch.setenv("MAKELEVEL", "1")
    assert main(["status", "--stack", "prod"]) == 130
    says = "error: status was interrupted: nothing was changed; go on with: make status STACK=prod"
    assert capsys.readouterr().err.strip() == says


def test_help_of_every_verb_is_there(empty: Place, forks: Forks) -> None:
    (verbs,) = [action.choices for action in parser()._actions if action.dest == "verb"]
    assert verbs is not None
    for verb in verbs:
        done = forks.run(empty, verb, "--help")
        assert done.code == 0
        assert done.out.startswith(f"usage: python -m sandbox {verb}")


def test_a_destroy_says_first_what_it_takes(place: Place, forks: Forks) -> None:
    assert forks.run(place, "up").code == 0
    mark = place.last_write()
    asked = forks.run(place, "destroy")
    assert asked.code == 2
    assert ".venv/bin/python -m sandbox destroy --stack dev --yes" in asked.err
    listed = [line.split()[1:] for line in asked.out.splitlines() if line.startswith("   - ")]
    assert ["storage:StorageAccount", "account"] in listed
    assert listed[-1] == ["resources:ResourceGroup", "group"]
    assert place.last_write() == mark
    (place.folder / "__main__.py").unlink()  # the state has everything
    files = [place.home.outputs / "dev.json", place.home.live / "dev.yaml", place.home.live / "prod.yaml"]
    for file in files:
        file.parent.mkdir(exist_ok=True)
        file.write_text("{}", encoding="utf-8")
    done = forks.run(place, "destroy", "--yes")
    assert done.code == 0, done.said
    assert place.resources("dev1") == {}
    assert [file.exists() for file in files] == [False, False, True], "what is gone has nothing live"
    assert f"removed with it: {files[0]}, {files[1]}" in done.out
    again = forks.run(place, "destroy")
    assert again.code == 0, "what is not there needs no question"


def test_outputs_are_written_from_the_state_of_a_stack_that_is_up(place: Place, forks: Forks, tmp_path: Path) -> None:
    program, file, lost = place.folder / "__main__.py", tmp_path / "outputs" / "dev.json", tmp_path / "lost.json"
    text = program.read_text(encoding="utf-8")
    wanted = ("outputs", "--file", str(file))
    assert (forks.run(place, *wanted).said, forks.run(place, "outputs").out) == ("", "{}\n")
    program.write_text(text + "pulumi.export('customer', logs.customerId)\n", encoding="utf-8")
    match = {"method": "PUT", "path": "/workspaces/log-dev1$"}
    place.admin("POST", "/faults", {"match": match, "script": [{"status": 400}]})
    assert forks.run(place, "up").code == 1
    assert forks.run(place, *wanted).code == 0
    assert not file.exists(), "a stack that failed on its way up has not said all"
    place.admin("DELETE", "/faults")
    assert forks.run(place, "up", "--outputs", str(lost)).code == 0
    done = forks.run(place, *wanted)
    assert done.out == f"{file} is written again, from the state of stack dev\n"
    assert file.read_text(encoding="utf-8") == forks.run(place, "outputs").out[:-1]
    assert json.loads(file.read_text(encoding="utf-8")) == json.loads(lost.read_text(encoding="utf-8"))


def test_a_command_starts_the_gateway_of_a_sandbox_that_was_stopped(place: Place, forks: Forks) -> None:
    assert forks.run(place, "run", "--", "true").code == 1, "nothing came up yet"
    assert forks.run(place, "up").code == 0
    place.close()
    assert place.run("run", "--", "true").code == 0


@pytest.mark.parametrize("arguments", [[], ["--yes"]], ids=" ".join)
def test_a_destroy_of_what_is_protected_says_so_once(place: Place, forks: Forks, arguments: list[str]) -> None:
    program = place.folder / "__main__.py"
    text = program.read_text(encoding="utf-8")
    program.write_text(text.replace("depends_on=needs", "depends_on=needs, protect=True"), encoding="utf-8")
    assert forks.run(place, "up").code == 0
    done = forks.run(place, "destroy", *arguments)
    assert done.code == 1
    assert done.out.count("is protected\n") == 8
    assert done.err.startswith("error: nothing was destroyed: 8 of them are protected (")
    for part in ("`protect_data: false`", "Pulumi.dev.yaml", "make up STACK=dev", "make destroy STACK=dev"):
        assert done.err.count(part) == 1
    assert "go on?" not in done.said


VAULT = """
make(
    "keyvault:Vault", "vault", [top], vaultName="kv-kept", resourceGroupName=group, location="westeurope",
    properties={
        "tenantId": "%s", "sku": {"family": "A", "name": "standard"}, "accessPolicies": [],
        "softDeleteRetentionInDays": 7, "enablePurgeProtection": True,
    },
)
"""


def test_what_cannot_be_purged_is_told_with_what_works_instead(place: Place, forks: Forks) -> None:
    program = place.folder / "__main__.py"
    program.write_text(program.read_text(encoding="utf-8") + VAULT % TENANT_ID, encoding="utf-8")
    done = forks.run(place, "up")
    assert done.code == 0, done.said
    assert forks.run(place, "destroy", "--yes").code == 0
    done = forks.run(place, "purge", "--deleted", "--yes")
    assert done.code == 1
    assert "Instead: another name_salt, under mlops:platform" in done.err
    assert "make purge" in done.err


GUEST = """
make(
    "%s", "guest", [], resourceGroupName="rg-dev1", %s
)
"""
IDENTITY = ("managedidentity:UserAssignedIdentity", 'resourceName="id-guest", location="westeurope"')


def test_a_destroy_says_what_of_other_stacks_is_inside(place: Place, forks: Forks) -> None:
    assert forks.run(place, "up").code == 0
    program = place.folder / "__main__.py"
    text = program.read_text(encoding="utf-8")
    program.write_text(text + GUEST % IDENTITY, encoding="utf-8")
    place.configure("fraud")
    done = forks.run(place, "up", "--stack", "fraud")
    assert done.code == 0, done.said
    asked = forks.run(place, "destroy")
    assert asked.code == 2
    _, _, told = asked.out.partition("warning: ")
    assert told.splitlines() == [
        "these of stack fraud lie inside and go too; destroy that stack first: make destroy STACK=fraud",
        "   - managedidentity:UserAssignedIdentity         guest",
    ]
    assert "warning" not in forks.run(place, "destroy", "--stack", "fraud").out, "dev has nothing inside of fraud"


ROLE = """
make(
    "authorization:RoleAssignment", "guest", [top], principalId=make(
        "managedidentity:UserAssignedIdentity", "of-guest", [top], Identity, resourceName="id-guest", principalId=None,
        **within,
    ).principalId, principalType="ServicePrincipal", roleAssignmentName="5a9dbe11-0000-4000-8000-000000000001",
    roleDefinitionId="/providers/Microsoft.Authorization/roleDefinitions/acdd72a7-3385-48ef-bd42-f606fba81ae7",
    scope=f"/subscriptions/{__import__('os').environ['ARM_SUBSCRIPTION_ID']}/resourceGroups/rg-dev1",
)
"""
IDENTITY_CLASS = "class Identity(pulumi.CustomResource):\n    principalId: pulumi.Output[str]\n"


def test_a_role_that_goes_along_is_made_again_after_a_refresh(place: Place, forks: Forks) -> None:
    assert forks.run(place, "up").code == 0
    program = place.folder / "__main__.py"
    text = program.read_text(encoding="utf-8")
    place.configure("prod")
    program.write_text(text + IDENTITY_CLASS + ROLE, encoding="utf-8")
    done = forks.run(place, "up", "--stack", "prod")
    assert done.code == 0, done.said
    program.write_text(text, encoding="utf-8")
    done = forks.run(place, "destroy", "--yes")
    assert done.code == 0, done.said
    assert (
        "warning: these of stack prod lie inside and go too; once stack dev is up again: .venv/bin/python -m sandbox "
        "refresh --stack prod, then: make up STACK=prod\n"
    ) in done.out
    assert forks.run(place, "up").code == 0
    program.write_text(text + IDENTITY_CLASS + ROLE, encoding="utf-8")
    assert forks.run(place, "refresh", "--stack", "prod").code == 0
    again = forks.run(place, "up", "--stack", "prod")
    assert again.code == 0, again.said
    assert "1 created" in again.out


REGISTRY = """
make(
    "machinelearningservices:Registry", "shared", [top], resourceGroupName=group, location="westeurope",
    registryName="mlr-shared", identity={"type": "SystemAssigned"}, regionDetails=[{"location": "westeurope"}],
)
"""
ENDPOINT = (
    "/subscriptions/s/resourceGroups/rg/providers/Microsoft.MachineLearningServices/workspaces/w/onlineEndpoints/e"
)


def test_a_destroy_of_a_registry_says_who_serves_from_it(place: Place, forks: Forks) -> None:
    program = place.folder / "__main__.py"
    program.write_text(program.read_text(encoding="utf-8") + REGISTRY, encoding="utf-8")
    done = forks.run(place, "up")
    assert done.code == 0, done.said
    kind = "microsoft.machinelearningservices/workspaces/onlineendpoints/deployments"
    for name, registry in (("v1-aaaaaa", "mlr-shared"), ("v1-bbbbbb", "mlr-other")):
        path = f"{ENDPOINT}/deployments/{name}"
        body = {"properties": {"model": f"azureml://registries/{registry}/models/late/versions/1"}}
        row = (path.lower(), path, kind, ENDPOINT.lower(), name, json.dumps(body), "Succeeded", "", 1, "", "", "", 0)
        with sqlite3.connect(place.home.database) as connection:
            connection.execute("INSERT INTO resources VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
        connection.close()
    asked = forks.run(place, "destroy")
    assert asked.code == 2
    (said,) = [line for line in asked.out.splitlines() if "warning" in line]
    assert "e/v1-aaaaaa serves azureml://registries/mlr-shared/models/late/versions/1" in said
