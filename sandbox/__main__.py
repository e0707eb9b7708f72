"""The sandbox's verbs: ``python -m sandbox VERB --help``.

Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 another `up` holds the stack, 130 interrupted.
"""

import argparse
import os
import re
import shlex
import sqlite3
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sandbox import launch
from sandbox.console import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_LOCKED, EXIT_OK, EXIT_USAGE, Console
from sandbox.doctor import NotReadyError, examine, report
from sandbox.engine.config import ConfigError
from sandbox.engine.locking import StackLockedError
from sandbox.home import Home
from sandbox.store.migrate import StateError, explain

if TYPE_CHECKING:
    from sandbox.engine.events import Mode

_JSON = "one JSON object on standard output, nothing else"


def main(arguments: list[str] | None = None) -> int:
    """Run one verb; returns the exit code."""
    options = parser().parse_args(arguments)
    console = Console(as_json=getattr(options, "json", None) is True)
    code, result = EXIT_FAILED, None
    try:
        code, result = options.run(options, console, Home.find())
    except (ConfigError, NotReadyError) as error:
        code = EXIT_USAGE if isinstance(error, ConfigError) else EXIT_FAILED
        for problem in error.problems:
            console.error(problem)
    except StackLockedError as error:
        code = EXIT_LOCKED
        console.error(str(error))
    except (launch.LaunchError, StateError) as error:
        console.error(str(error))
    except sqlite3.Error as error:
        console.error(str(explain(Home.find().database, error)))
    except OSError as error:
        where = f"{error.filename}: {error.strerror}" if error.filename else str(error) or type(error).__name__
        console.error(f"{where}; repair that, then go on with the same command")
    except KeyboardInterrupt:
        code = EXIT_INTERRUPTED
        console.error(_interrupted(options, sys.argv[1:] if arguments is None else arguments))
    console.envelope(options.verb, code, result)
    return int(code)


def _interrupted(options: argparse.Namespace, words: list[str]) -> str:
    """What was interrupted, what that leaves, and the command that goes on."""
    left = {
        "up": "what was made is recorded, and what was under way is settled by the next one",
        "destroy": "what is gone is recorded, and what was under way is settled by the next one",
        "refresh": "what was read by then is recorded",
        "purge": "what is left of the folder stays",
        "restore": "the state is the one before, or the copy",
    }.get(options.verb, "nothing was changed")
    again = shlex.join([".venv/bin/python", "-m", "sandbox", *words])
    if "MAKELEVEL" in os.environ and options.verb in ("up", "preview", "status", "destroy", "down", "purge"):
        stack = getattr(options, "stack", "dev")
        again = f"make {options.verb}" + (f" STACK={stack}" if stack != "dev" else "")
    return f"{options.verb} was interrupted: {left}; go on with: {again}"


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(prog="python -m sandbox", description="Azure on this machine.")
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB")

    def verb(name: str, run: Any, text: str, *, stack: bool = False, as_json: bool = True) -> argparse.ArgumentParser:
        each = verbs.add_parser(name, help=text, description=text)
        each.set_defaults(run=run)
        if as_json:
            each.add_argument("--json", action="store_true", help=_JSON)
        if stack:
            each.add_argument("--stack", type=_stack_name, default="dev", help="stack name (default: dev)")
        return each

    env = verb("env", _env, "print the variables that make any Azure client local", as_json=False)
    env.add_argument("--pulumi", action="store_true", help="also those that make the Pulumi CLI local")
    env.add_argument("--as", dest="who", metavar="NAME", help="sign in as this identity (see identity)")
    env.add_argument("--unset", action="store_true", help="print what undoes it")
    inside = verb("run", _run, "run a command with those variables, and the gateway: run -- COMMAND ...", as_json=False)
    inside.add_argument("--as", dest="who", metavar="NAME", help="sign in as this identity (see identity)")
    inside.add_argument("command", nargs="+", help="the command and its arguments, after --")
    _identity_verbs(
        verb("identity", _identity, "add, list and remove those that `env --as` and `run --as` become", as_json=False)
    )
    log = verb("log", _log, "who changed what, when and with which result; refused changes too (the activity log)")
    log.add_argument("--since", default="1d", metavar="TIME", help="30m, 12h, 7d or a time (default: 1d)")
    log.add_argument("--by", metavar="NAME", help="an identity's name, user principal name, object id or client id")
    log.add_argument("--resource", metavar="NAME", help="a resource's or group's name or id, with all below it")
    log.add_argument("--status", help="Accepted, Succeeded or Failed")
    serve = verb("serve", _serve, "run the gateway in the foreground", as_json=False)
    serve.add_argument(
        "--port", type=_port, default=0, help="port on 127.0.0.1 (default: the last one, else a free one)"
    )
    up = verb("up", partial(_stack, mode="up"), "make this machine what the program declares", stack=True)
    up.add_argument("--outputs", type=Path, help="write the stack's exports to this file, as JSON")
    preview = verb("preview", partial(_stack, mode="preview"), "show what `up` would do", stack=True, as_json=False)
    preview.add_argument(
        "--json", nargs="?", const=True, metavar="FILE",
        help="one JSON object on standard output; with FILE: write what providers would make there instead",
    )  # fmt: skip
    verb("refresh", partial(_stack, mode="refresh"), "read what really is, and report what drifted", stack=True)
    destroy = verb("destroy", partial(_stack, mode="destroy"), "delete everything the stack declares", stack=True)
    destroy.add_argument("--yes", action="store_true", help="do not ask")
    verb("status", _status, "what a stack has, at which depth, and what it exports", stack=True)
    outputs = verb("outputs", _outputs, "what a stack exports, as JSON, from its state", stack=True, as_json=False)
    outputs.add_argument("--file", type=Path, help="write it there; of a stack that is not up nothing is written")
    verb("doctor", _doctor, "judge this machine and the state, and say how to repair each trouble")
    verb("down", _down, "stop the gateway and every process it runs; keep the data")
    purge = verb("purge", _purge, "stop everything and remove the sandbox's folder")
    purge.add_argument("--yes", action="store_true", help="do not ask")
    purge.add_argument(
        "--deleted", action="store_true", help="only what stacks deleted and Azure still keeps under its name"
    )
    verb("restore", _restore, "put the last good copy of the state back")
    return top


def _stack_name(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_.-]{1,100}", text) or set(text) == {"."}:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no stack name; accepted: 1-100 letters, digits, hyphens, underscores and periods"
        )
    return text


def _port(text: str) -> int:
    if not text.isdigit() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port; accepted: 0 (any free one) to 65535")
    return int(text)


def _stack(options: argparse.Namespace, console: Console, home: Home, mode: "Mode") -> tuple[int, Any]:
    from sandbox.stack import run

    return run(options, console, home, mode)


def _status(options: argparse.Namespace, console: Console, home: Home) -> tuple[int, Any]:
    from sandbox.state import status

    return status(options, console, home)


def _outputs(options: argparse.Namespace, console: Console, home: Home) -> tuple[int, Any]:
    from sandbox.state import outputs

    return outputs(options, console, home)


def _env(options: argparse.Namespace, console: Console, home: Home) -> tuple[int, Any]:
    if options.unset:
        from sandbox.provider.plugin import variables as of_pulumi

        names = dict.fromkeys([*launch.environment(home), *launch.SIGN_IN, *of_pulumi(home)])
        print("\n".join(launch.forgets(names)))
        return EXIT_OK, None
    variables = _variables(options, console, home)
    if variables is None:
        return EXIT_FAILED, None
    if options.pulumi:
        from sandbox.provider.plugin import install

        variables |= install(home)
    print("\n".join(launch.exports(variables)))
    if proxy := launch.put_aside(variables).get("HTTPS_PROXY"):
        print(
            f"note: {proxy} was the proxy; while these variables are set only the sandbox is reached. Back to it: "
            'eval "$(.venv/bin/python -m sandbox env --unset)"', file=sys.stderr,
        )  # fmt: skip
    return EXIT_OK, None


def _run(options: argparse.Namespace, console: Console, home: Home) -> tuple[int, Any]:
    if home.database.exists():
        launch.ensure(home)
    variables = _variables(options, console, home)
    if variables is None:
        return EXIT_FAILED, None
    kept = {name: value for name, value in os.environ.items() if name not in launch.SIGN_IN}
    try:
        os.execvpe(options.command[0], options.command, {**kept, **variables})  # noqa: S606 - what was asked
    except OSError as error:
        console.error(f"{options.command[0]}: {error.strerror}; want a command that this shell would find")
    return EXIT_USAGE, None


def _variables(options: argparse.Namespace, console: Console, home: Home) -> dict[str, str] | None:
    server = launch.running(home)
    if server is None:
        console.error("the sandbox is not running; start it with: make up")
        return None
    if options.who is not None:
        from sandbox.identity import variables

        return variables(home, server, options.who)
    return launch.client_environment(home, server)


def _identity_verbs(verb: argparse.ArgumentParser) -> None:
    does = verb.add_subparsers(dest="does", required=True, metavar="add|list|remove")

    def each(name: str, text: str) -> argparse.ArgumentParser:
        made = does.add_parser(name, help=text, description=text)
        made.add_argument("--json", action="store_true", help=_JSON)
        return made

    add = each("add", "add an identity, or give one that is there another role or credential")
    add.add_argument("name", metavar="NAME", help="how it is called")
    add.add_argument("--role", help="a role's name, built in or custom; is added to those that it has")
    add.add_argument("--scope", help="where: subscription, a resource group's name, or the id of a resource")
    add.add_argument("--kind", help="service-principal (default), user-assigned or person")
    add.add_argument(
        "--federated", nargs=2, metavar=("ISSUER", "SUBJECT"),
        help="sign in with a token of that issuer for that subject, as a pipeline does, and with no secret",
    )  # fmt: skip
    each("list", "list them with their roles")
    each("remove", "take one away, with its credentials and role assignments").add_argument(
        "name", metavar="NAME", help="which"
    )


def _identity(options: argparse.Namespace, console: Console, home: Home) -> tuple[int, Any]:
    from sandbox.identity import run

    return run(options, console, home)


def _log(options: argparse.Namespace, console: Console, home: Home) -> tuple[int, Any]:
    from sandbox.log import log

    return log(options, console, home)


def _serve(options: argparse.Namespace, console: Console, home: Home) -> tuple[int, Any]:
    from sandbox.server import serve

    if found := launch.running(home):
        console.error(f"a gateway runs already: process {found.pid}, 127.0.0.1:{found.port}, since {found.since}")
        return EXIT_USAGE, None
    serve(home, options.port)
    return EXIT_OK, None


def _doctor(options: argparse.Namespace, console: Console, home: Home) -> tuple[int, Any]:
    findings = examine(home)
    return report(findings, console), [vars(each) for each in findings]


def _down(options: argparse.Namespace, console: Console, home: Home) -> tuple[int, Any]:
    server = launch.running(home)
    if server is None:
        launch.stop(home)  # a gateway that was killed leaves what it ran
        console.line("the gateway was not running; nothing that it started is left")
        return EXIT_OK, {"stopped": False}
    console.line(f"stopping the gateway (process {server.pid}, 127.0.0.1:{server.port}) and what it runs")
    launch.stop(home)
    console.line(f"stopped; the data stays in {home.root} (make up goes on with it, make purge removes it)")
    return EXIT_OK, {"stopped": True}


def _purge(options: argparse.Namespace, console: Console, home: Home) -> tuple[int, Any]:
    import shutil

    if not home.root.exists():
        console.line(f"nothing to remove: {home.root} is not there")
        return EXIT_OK, {"removed": None}
    if options.deleted:
        from sandbox.stack import free_names

        return free_names(options, console, home)
    parts = sorted(each.name for each in home.root.iterdir())
    console.line(f"removing {home.root} with {', '.join(parts)}")
    if not options.yes and (not sys.stdin.isatty() or input("go on? [y/N] ").strip().lower() != "y"):
        console.error("not removed; to remove without being asked: .venv/bin/python -m sandbox purge --yes")
        return EXIT_USAGE, None
    launch.stop(home)
    shutil.rmtree(home.root)
    console.line("removed")
    return EXIT_OK, {"removed": str(home.root)}


def _restore(options: argparse.Namespace, console: Console, home: Home) -> tuple[int, Any]:
    from sandbox.store.snapshot import restore

    launch.stop(home)
    console.line(restore(home))
    return EXIT_OK, {"restored": str(home.database)}


if __name__ == "__main__":
    sys.exit(main())
