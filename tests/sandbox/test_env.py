"""`env`, `env --unset` and `run`: a shell becomes local and what it was before again."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox import launch
from sandbox.constants import SUBSCRIPTION_ID
from tests.sandbox.conftest import Sandbox

ROOT = Path(__file__).parents[2]
PYTHON = sys.executable
SHOW = f"{PYTHON} -c 'import json, os; print(json.dumps(dict(os.environ)))'"
ENV = f'eval "$({PYTHON} -m sandbox env --pulumi)"'
UNSET = f'eval "$({PYTHON} -m sandbox env --unset)"'


def shell(sandbox: Sandbox, script: str, **more: str) -> subprocess.CompletedProcess[str]:
    ours = ("ARM_", "AZURE_", "PULUMI_", "ORT_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    environment = {**launch.local_free(kept), "PYTHONPATH": str(ROOT), "SANDBOX_HOME": str(sandbox.home.root), **more}
    return subprocess.run(
        ["/bin/sh", "-ec", script], env=environment, text=True, capture_output=True, timeout=60, check=False
    )


def shown(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads(done.stdout)
    return found


def test_the_shell_has_every_variable_and_loses_them_again(sandbox: Sandbox) -> None:
    before = shown(shell(sandbox, SHOW))
    during = shown(shell(sandbox, f"{ENV}; {SHOW}"))
    assert during["HTTPS_PROXY"] == f"http://127.0.0.1:{sandbox.server.port}"
    assert during["MLOPS_LIVE"] == str(sandbox.home.root / "live")
    assert during["ARM_SUBSCRIPTION_ID"] == SUBSCRIPTION_ID
    assert "PULUMI_HOME" in during
    after = shown(shell(sandbox, f"{ENV}; {UNSET}; {SHOW}"))
    assert {name: value for name, value in after.items() if name != "_"} == {
        name: value for name, value in before.items() if name != "_"
    }


def test_a_proxy_that_was_there_is_told_and_comes_back(sandbox: Sandbox) -> None:
    own = {"HTTPS_PROXY": "http://proxy.example.com:8080", "NO_PROXY": "it's mine", "REQUESTS_CA_BUNDLE": "/my own/ca"}
    done = shell(sandbox, f"{ENV}; {ENV}; {SHOW}", **own)
    assert shown(done)["HTTPS_PROXY"] == f"http://127.0.0.1:{sandbox.server.port}"
    assert "http://proxy.example.com:8080 was the proxy" in done.stderr
    assert "env --unset" in done.stderr
    after = shown(shell(sandbox, f"{ENV}; {ENV}; {UNSET}; {SHOW}", **own))
    assert {name: after[name] for name in own} == own
    assert not [name for name in after if name.startswith("SANDBOX_BEFORE")]


def test_values_are_quoted_for_the_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HTTPS_PROXY", raising=False)
    script = "; ".join(launch.exports({"A": "it's $HOME `x`", "B": ""}))
    done = subprocess.run(["/bin/sh", "-ec", f'{script}; printf \'%s|%s\' "$A" "$B"'], text=True, capture_output=True)
    assert done.stdout == "it's $HOME `x`|"


def test_one_command_runs_with_them(sandbox: Sandbox) -> None:
    done = shell(sandbox, f"{PYTHON} -m sandbox run -- {SHOW}; {PYTHON} -m sandbox run -- sh -c 'exit 7'")
    assert done.returncode == 7
    assert f"http://127.0.0.1:{sandbox.server.port}" in done.stdout
    missing = shell(sandbox, f"{PYTHON} -m sandbox run -- no-such-command")
    assert missing.returncode == 2
    assert "no-such-command: No such file or directory" in missing.stderr
