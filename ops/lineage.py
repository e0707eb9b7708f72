"""Says what a live endpoint is made of, and what was made of a data version.

    python -m ops.lineage --outputs FILE [--model NAME] [--json]
    python -m ops.lineage --outputs FILE --data NAME:VERSION [--also FILE]... [--json]

The first goes from an endpoint to its deployments, and from each to model, run, commit, code, data and environment. The
second goes from a data version to every model that was trained on it, in the workspace and in the registry, and to
every deployment of those, in the workspace and in the stacks whose outputs ``--also`` names.
"""

import argparse
import sys
from collections.abc import Sequence

from ops import command
from ops.command import UsageError
from ops.facts import Cloud, Versions, comes_from, lineage
from ops.registry import Registry
from ops.stack import Model, Stack
from ops.versions import also
from ops.views import ModelVersion
from ops.workspace import Workspace


def of_endpoint(azure: Cloud, model: Model) -> dict[str, object]:
    """An endpoint with its deployments, each with what it is made of."""
    versions, view = Versions(azure=azure), azure.endpoint(model.endpoint)
    found = {
        each.name: {
            "traffic": view.traffic.get(each.name, 0),
            "state": each.state,
            "model": each.model,
            "serving_code": each.code,
            "serving_environment": each.environment,
            **lineage(versions.get(each.model)),
        }
        for each in azure.deployments(model.endpoint)
    }
    return {"endpoint": model.endpoint, "deployments": found}


def of_data(
    azure: Cloud, data: str, shared: Sequence[ModelVersion], elsewhere: Sequence[Cloud] = ()
) -> dict[str, object]:
    """Every model that was trained on a data version, and every deployment of those.

    Args:
        azure: workspace that the data is in.
        data: ``NAME:VERSION``.
        shared: versions in the registry.
        elsewhere: other workspaces that may have deployments of the registry's models.

    Raises:
        UsageError: neither the workspace nor a model of the registry knows this version; names those they know.
    """
    there = sorted({*azure.data(), *(each.properties["data"] for each in shared if "data" in each.properties)})
    if data not in there:
        raise UsageError(
            f"{command.option('data', data)}: there is no such version of data",
            why=f"want NAME:VERSION; there are {', '.join(there) or 'none'}",
            repair=command.next_command("lineage", data=there[-1]) if there else "",
        )
    versions = Versions(azure=azure)
    models = [each for name in azure.model_names() for each in versions.of(name) if each.properties.get("data") == data]
    names = {each.reference for each in models}
    promoted = [each for each in shared if each.properties.get("data") == data]
    copies = {each.reference for each in promoted}
    deployed = []
    for number, cloud in enumerate([azure, *elsewhere]):
        for endpoint in cloud.endpoint_names():
            traffic = cloud.endpoint(endpoint).traffic
            for each in cloud.deployments(endpoint):
                # Another workspace has numbers of its own; only the registry's mean the same there.
                known = copies if each.model.startswith("azureml://") else names if number == 0 else set()
                if _reference(each.model) in known:
                    share = traffic.get(each.name, 0)
                    deployed.append(
                        {"endpoint": endpoint, "deployment": each.name, "traffic": share, "model": each.model}
                    )
    return {
        "data": data,
        "models": {each.reference: comes_from(each) for each in models},
        "promoted": {each.reference: comes_from(each) for each in promoted},
        "deployments": deployed,
    }


def _reference(model: str) -> str:
    parts = model.split("/")
    return f"{parts[-3]}:{parts[-1]}" if len(parts) > 3 else model


def told(value: object, indent: str = "") -> str:
    """A nested result as indented lines."""
    if isinstance(value, dict):
        lines = []
        for key, each in value.items():
            inner = told(each, f"{indent}  ")
            lines.append(f"{indent}{key}\n{inner}" if isinstance(each, dict | list) else f"{indent}{key:<20} {inner}")
        return "\n".join(lines) or f"{indent}none"
    if isinstance(value, list):
        rows = [" ".join(f"{key} {part}" for key, part in each.items()) for each in value]
        return "\n".join(f"{indent}{row}" for row in rows) or f"{indent}none"
    return str(value)


def _main(given: argparse.Namespace) -> dict[str, object]:
    stack = Stack.read(given.outputs)
    others = [Stack.read(file) for file in given.also]
    workspace = Workspace(stack)
    if given.data:
        registry = Registry(stack.registry) if stack.registry else None
        shared = [each for name in stack.models for each in (registry.versions(name) if registry else ())]
        result = of_data(workspace, given.data, shared, [Workspace(other) for other in others])
    else:
        models = [stack.model(given.model)] if given.model else list(stack.models.values())
        result = {model.name: of_endpoint(workspace, model) for model in models}
    if not given.json:
        print(told(result))
    return result


def parser() -> command.Parser:
    """The arguments of this command."""
    made = command.parser("lineage", __doc__.partition("\n")[0])
    made.add_argument("--data", metavar="NAME:VERSION", help="go from this data version to what was made of it")
    also(made)
    return made


if __name__ == "__main__":
    sys.exit(command.run(parser(), _main))
