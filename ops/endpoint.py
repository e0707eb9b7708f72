"""Says where an endpoint is and how to call it, and calls it.

    python -m ops.endpoint --outputs FILE [--model NAME] [--before COMMAND] [--json]
    python -m ops.endpoint --outputs FILE [--model NAME] --ask REQUEST.json [--deployment NAME] [--json]
    python -m ops.endpoint --outputs FILE [--model NAME] --key | --header

``--ask`` sends a request and prints the answer. A key is a secret: it is printed by ``--key``, and by ``--header`` as
the header that ``curl -H @-`` reads from its standard input, and nowhere else; so it is in no log and in no process's
arguments. ``--before`` is what a new shell has to run before the commands that are printed.
"""

import argparse
import json
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

from ops import command, model
from ops.command import OpsError, UsageError
from ops.scoring import Asker, Scorer
from ops.stack import Stack
from ops.workspace import Workspace


@dataclass(frozen=True)
class Call:
    """How an endpoint is called from a shell.

    Attributes:
        outputs: file that the stack was read from.
        model: that answers.
        request: file with a request.
        before: command that a new shell runs first, if there is one.
    """

    outputs: Path
    model: str
    request: Path
    before: str | None = None

    def card(self, uri: str) -> str:
        """Where the endpoint is, and commands that score a request when they are pasted into any shell."""
        return f"endpoint {uri}\ncall it  {self.ask()}\ncurl     {self.curl(uri)}"

    def ask(self) -> str:
        """A command that scores the request."""
        return self._pasted(f"{self._command()} --ask {_quoted(self.request)}")

    def curl(self, uri: str) -> str:
        """The same with curl, which reads the header with the key from its standard input."""
        return self._pasted(
            f"{self._command()} --header | "
            f'curl -sS -H @- -H "Content-Type: application/json" -d @{_quoted(self.request)} {uri}'
        )

    def _command(self) -> str:
        return (
            f"{shlex.quote(command.program())} -m ops.endpoint --outputs {_quoted(self.outputs)} --model {self.model}"
        )

    def _pasted(self, line: str) -> str:
        return f"bash -c {shlex.quote(f'{self.before} && {line}')}" if self.before else line


def ask(scorer: Asker, file: Path, deployment: str | None) -> object:
    """The answer to the request in a file.

    Raises:
        UsageError: the file cannot be read or holds no JSON.
        OpsError: the endpoint did not answer with success; says what it answered.
    """
    try:
        request = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"--ask {file}: cannot be read", why=str(error)) from None
    answer = scorer.ask(request, deployment)
    if answer.status != 200:
        raise OpsError(
            f"status {answer.status}" if answer.status else "no answer", why=json.dumps(answer.body),
            repair="a status 4xx names what is wrong with the request; for others read the deployment's log",
        )  # fmt: skip
    return answer.body


def _quoted(path: Path) -> str:
    # No single quotes: the line may have to stand between them.
    text = str(path)
    return text if shlex.quote(text) == text else f'"{text}"'


def _main(given: argparse.Namespace) -> dict[str, object]:
    if (given.key or given.header) and given.json:
        raise UsageError("--key and --header exclude --json: a key does not belong into a result that is kept")
    if given.deployment and not given.ask:
        raise UsageError("--deployment goes with --ask")
    stack = Stack.read(given.outputs)
    wanted = stack.model(given.model)
    workspace = Workspace(stack)
    if given.key or given.header:
        secret = workspace.endpoint_secret(wanted.endpoint)
        print(f"Authorization: Bearer {secret}" if given.header else secret)
        return {}
    view = workspace.endpoint(wanted.endpoint)
    if given.ask:
        scorer = Scorer(view.uri, workspace.endpoint_secret(wanted.endpoint))
        answer = ask(scorer, given.ask, given.deployment)
        if not given.json:
            print(json.dumps(answer))
        return {"answer": answer}
    call = Call(given.outputs, wanted.name, model.read([wanted.name])[wanted.name].smoke.file, given.before)
    if not given.json:
        print(call.card(view.uri))
    return {
        "endpoint": wanted.endpoint,
        "uri": view.uri,
        "traffic": view.traffic,
        "call": call.ask(),
        "curl": call.curl(view.uri),
    }


def parser() -> command.Parser:
    """The arguments of this command."""
    made = command.parser("endpoint", __doc__.partition("\n")[0])
    what = made.add_mutually_exclusive_group()
    what.add_argument("--ask", type=Path, metavar="FILE", help="send this request and print the answer")
    what.add_argument("--key", action="store_true", help="print the key and nothing else")
    what.add_argument("--header", action="store_true", help="print the header that holds the key, for curl -H @-")
    made.add_argument("--deployment", metavar="NAME", help="ask this deployment, whatever its weight")
    made.add_argument("--before", metavar="COMMAND", help="what a new shell runs before the commands that are printed")
    return made


if __name__ == "__main__":
    sys.exit(command.run(parser(), _main))
