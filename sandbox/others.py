"""What a destroy of one stack takes from others; the sandbox's state is asked."""

import json
import sqlite3
from collections.abc import Iterable
from pathlib import Path

from sandbox.engine.journal import Journal
from sandbox.engine.state import Resource
from sandbox.home import Home

_KIND = "microsoft.machinelearningservices/workspaces/onlineendpoints/deployments"


def inside(home: Home, stack: str, going: Iterable[str]) -> dict[str, list[Resource]]:
    """By stack, what other stacks declared inside what goes: Azure deletes it along, and their state still has it.

    Args:
        home: of the sandbox.
        stack: whose resources go; left out.
        going: resource ids.
    """
    heads = tuple(f"{each}/".lower() for each in going if each.startswith("/"))
    connection = sqlite3.connect(home.database)
    try:
        connection.execute("PRAGMA query_only=1")
        stacks = [name for (name,) in connection.execute("SELECT DISTINCT stack FROM engine_resources ORDER BY stack")]
    finally:
        connection.close()
    found = {}
    for name in stacks:
        if name != stack:
            journal = Journal.open(home, name, write=False)
            found[name] = [
                each for each in journal.current.values()
                if each.custom and not each.external and each.id.lower().startswith(heads)
            ]  # fmt: skip
            journal.close()
    return {name: resources for name, resources in found.items() if resources}


def serving_from(database: Path, registries: Iterable[str], besides: Iterable[str]) -> list[str]:
    """Which deployments serve a model of an ML registry, whatever made them: endpoint, name, and the model's address.

    Args:
        database: the sandbox's state.
        registries: names of ML registries.
        besides: resource ids of deployments that are left out.
    """
    heads = tuple(f"azureml://registries/{name}/models/".lower() for name in registries)
    left_out = {each.lower() for each in besides}
    connection = sqlite3.connect(database)
    try:
        connection.execute("PRAGMA query_only=1")
        rows = connection.execute(
            "SELECT key, id, body FROM resources WHERE kind = ? ORDER BY key", (_KIND,)
        ).fetchall()
    finally:
        connection.close()
    found = []
    for key, path, body in rows:
        model = json.loads(body).get("properties", {}).get("model")
        if key not in left_out and isinstance(model, str) and model.lower().startswith(heads):
            endpoint, name = path.split("/")[-3::2]
            found.append(f"{endpoint}/{name} serves {model}")
    return found
