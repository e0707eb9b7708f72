"""``identity add|list|remove``, and the variables that make a client sign in as one of them."""

import argparse
import json
import urllib.error
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sandbox import launch
from sandbox.console import EXIT_OK, Console, plain
from sandbox.engine.config import ConfigError
from sandbox.home import Home

_CLI = "04b07795-8ddb-461a-bbee-02f9e1bf7b46"  # Azure's command line, through which people sign in
_ADD = ".venv/bin/python -m sandbox identity add"


def run(options: argparse.Namespace, console: Console, home: Home) -> tuple[int, Any]:
    """One of the three.

    Raises:
        ConfigError: what was asked for is not there or cannot be.
        LaunchError: the sandbox is not running.
    """
    server = _server(home)
    match options.does:
        case "add":
            asked = {part: getattr(options, part) for part in ("role", "scope", "kind", "federated")}
            found = _ask(home, server, "PUT", options.name, {part: value for part, value in asked.items() if value})
            _print(found, console)
            console.line(f'become it: eval "$(.venv/bin/python -m sandbox env --as {found["name"]})"')
        case "list":
            found = _ask(home, server, "GET")["value"]
            for each in found:
                _print(each, console)
            if not found:
                console.line(f"no identities; add one with: {_ADD} NAME --role Reader --scope subscription")
        case _:
            found = _ask(home, server, "DELETE", options.name)
            left = "; the identity itself stays, with the roles that a program gave it" if found["declared"] else ""
            console.line(f"removed {found['name']}, its credentials and role assignments{left}")
    return EXIT_OK, found


def variables(home: Home, server: launch.Running, name: str) -> dict[str, str]:
    """What makes a client of Azure sign in as an identity; a token's file is new each time.

    Raises:
        ConfigError: there is no such identity; with those that there are.
    """
    found = _ask(home, server, "POST", name)
    client = found["clientId"]
    if not client:
        gone = f"{name}: its user-assigned identity was deleted; take it away, then add it again: "
        raise ConfigError([f"{gone}.venv/bin/python -m sandbox identity remove {name}"])
    if found["kind"] == "person":
        own = {"AZURE_CLIENT_ID": _CLI, "AZURE_USERNAME": client, "AZURE_PASSWORD": _read(found)}
    elif found["federated"]:
        own = {
            "AZURE_CLIENT_ID": client, "AZURE_FEDERATED_TOKEN_FILE": found["file"], "ARM_CLIENT_ID": client,
            "AZURE_AUTHORITY_HOST": "https://login.microsoftonline.com", "ARM_USE_OIDC": "true",
            "ARM_OIDC_TOKEN_FILE_PATH": found["file"],
        }  # fmt: skip
    else:
        secret = _read(found)
        own = {
            "AZURE_CLIENT_ID": client, "AZURE_CLIENT_SECRET": secret, "ARM_CLIENT_ID": client,
            "ARM_CLIENT_SECRET": secret,
        }  # fmt: skip
    others = launch.environment(home, server.port)
    return {**{key: value for key, value in others.items() if key not in launch.SIGN_IN}, **own}


def _server(home: Home) -> launch.Running:
    if home.database.exists():
        return launch.ensure(home)[0]
    raise launch.LaunchError("the sandbox is not running; start it with: make up")


def _ask(home: Home, server: launch.Running, method: str, name: str | None = None, body: object = None) -> Any:
    path = f"/identities/{quote(name, safe='')}" if name is not None else "/identities"
    try:
        return launch.ask(server, method, path, body, home.secret.read_text(encoding="utf-8").strip())
    except urllib.error.HTTPError as refusal:
        said = str(json.loads(refusal.read())["error"]["message"])
        raise ConfigError([plain(line) for line in said.split("\n")]) from refusal


def _print(found: dict[str, Any], console: Console) -> None:
    federated = found["federated"]
    signs_in = f"a token of {federated[0]} for {plain(federated[1])}" if federated else f"the secret in {found['file']}"
    console.line(f"{found['name']}  {found['kind']}, client {found['clientId'] or 'gone'}, object {found['objectId']}")
    console.line(f"  signs in with {signs_in}")
    for each in found["roles"]:
        console.line(f"  {plain(each['role'])} on {each['scope']}")


def _read(found: dict[str, Any]) -> str:
    try:
        return Path(found["file"]).read_text(encoding="utf-8").strip()
    except OSError as error:
        again = f"a new secret is made by: {_ADD} {found['name']}"
        raise ConfigError([f"{found['file']}: {error.strerror}; {again}"]) from error
