"""Says where the endpoint is and how to call it.

    python -m ops.endpoint --outputs FILE [--key] [--request ml_jobs/sample_request.json] [--json]

A key is a secret: it is shown on a terminal only. Elsewhere, in a log for example, stands the command that fetches it.
With ``--key`` the key is all that is printed, for use in another command.
"""

import argparse
import sys
from pathlib import Path

from ops import command
from ops.command import UsageError
from ops.stack import Stack
from ops.workspace import Workspace

SAMPLE_REQUEST = Path("ml_jobs/sample_request.json")


def card(uri: str, secret: str, outputs: Path, request: Path) -> str:
    """Where the endpoint is, its key, and a command that scores a request."""
    key = secret if sys.stdout.isatty() else _key_command(outputs)
    return f"endpoint {uri}\nkey      {key}\ncall it  {curl(uri, outputs, request)}"


def curl(uri: str, outputs: Path, request: Path) -> str:
    """A command that scores a request; the key is fetched when it runs, so no secret is in it."""
    return (
        f'curl -sS {uri} -H "Authorization: Bearer $({_key_command(outputs)})" '
        f"-H 'Content-Type: application/json' -d @{request}"
    )


def _key_command(outputs: Path) -> str:
    python = Path(sys.executable)
    here = python.relative_to(Path.cwd()) if python.is_relative_to(Path.cwd()) else python
    return f"{here} -m ops.endpoint --outputs {outputs} --key"


def _main(given: argparse.Namespace) -> dict[str, object]:
    if given.key and given.json:
        raise UsageError("--key and --json exclude each other: a key does not belong into a result that is kept")
    stack = Stack.read(given.outputs)
    workspace = Workspace(stack)
    if given.key:
        print(workspace.endpoint_secret(stack.endpoint))
        return {}
    view = workspace.endpoint(stack.endpoint)
    if not given.json:
        print(card(view.uri, workspace.endpoint_secret(stack.endpoint), given.outputs, given.request))
    return {
        "endpoint": stack.endpoint,
        "uri": view.uri,
        "traffic": view.traffic,
        "curl": curl(view.uri, given.outputs, given.request),
    }


def parser() -> argparse.ArgumentParser:
    """The arguments of this command."""
    made = command.parser("endpoint", __doc__.partition("\n")[0])
    made.add_argument("--key", action="store_true", help="print the key and nothing else")
    made.add_argument("--request", type=Path, default=SAMPLE_REQUEST, metavar="FILE", help="(%(default)s)")
    return made


if __name__ == "__main__":
    sys.exit(command.run(parser(), _main))
