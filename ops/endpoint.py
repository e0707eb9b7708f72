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


def key_command(outputs: Path) -> str:
    """The command that prints the key."""
    return f"{_python()} -m ops.endpoint --outputs {outputs} --key"


def curl(uri: str, outputs: Path, request: Path) -> str:
    """A command line that scores a request; the key is fetched when it runs, so no secret is in it."""
    return (
        f'curl -sS {uri} -H "Authorization: Bearer $({key_command(outputs)})" '
        f"-H 'Content-Type: application/json' -d @{request}"
    )


def _python() -> str:
    """The interpreter as a caller in this folder would write it."""
    path = Path(sys.executable)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def _main(given: argparse.Namespace) -> dict[str, object]:
    if given.key and given.json:
        raise UsageError("--key and --json exclude each other: a key does not belong into a result that is kept")
    stack = Stack.read(given.outputs)
    workspace = Workspace(stack)
    if given.key:
        print(workspace.endpoint_secret(stack.endpoint))
        return {}
    view = workspace.endpoint(stack.endpoint)
    line = curl(view.uri, given.outputs, given.request)
    if not given.json:
        key = workspace.endpoint_secret(stack.endpoint) if sys.stdout.isatty() else key_command(given.outputs)
        print(f"endpoint {view.uri}\nkey      {key}\ncall it  {line}")
    return {"endpoint": stack.endpoint, "uri": view.uri, "traffic": view.traffic, "curl": line}


def parser() -> argparse.ArgumentParser:
    """The arguments of this command."""
    made = command.parser("endpoint", __doc__.partition("\n")[0])
    made.add_argument("--key", action="store_true", help="print the key and nothing else")
    made.add_argument("--request", type=Path, default=SAMPLE_REQUEST, metavar="FILE", help="(%(default)s)")
    return made


if __name__ == "__main__":
    sys.exit(command.run(parser(), _main))
