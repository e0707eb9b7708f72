"""MLflow models that are served without scoring code: the environment is the model's own, the script is ours."""

import shutil
from pathlib import Path

import yaml

from sandbox import yaml_error
from sandbox.arm.azure import Azure
from sandbox.arm.resource import Resource, View
from sandbox.types.ml import asset
from sandbox.work import no_code_score, paths
from sandbox.work.places import PlaceError
from sandbox.work.runtimes import Choice

SCRIPT = "mlflow_score.py"
# What Azure adds to a model's own environment, and what MLflow's python_function cannot be loaded without.
_ADDED = ("azureml-inference-server-http", "pandas")


def applies(me: Resource, workspace: Resource, view: View) -> bool:
    """Whether a deployment needs no scoring code: it has none, and its model is an MLflow model."""
    reference = me.get("properties.model")
    if me.get("properties.codeConfiguration.scoringScript") or not reference:
        return False
    found = asset.resolve(str(reference), "models", workspace.id.text, view)
    return found is not None and found.get("properties.modelType") == "mlflow_model"


def write_script(code: Path) -> str:
    """Put the scoring script where a deployment's own would be; returns its name."""
    shutil.copyfile(no_code_score.__file__, paths.inside(code, SCRIPT))
    return SCRIPT


def choose(name: str, model: Path, azure: Azure) -> Choice:
    """The local Python that has the environment which the model was logged with.

    Raises:
        PathError: the model names a conda file that is not its own.
        PlaceError: the files are no MLflow model for Python.
        RuntimeMissingError: there is none.
    """
    described = next(model.rglob("MLmodel"), None)
    if described is None:
        raise PlaceError(f"its model {name} is of type mlflow_model and has no file MLmodel")
    flavors = _read(described).get("flavors")
    flavor = flavors.get("python_function") if isinstance(flavors, dict) else None
    if not isinstance(flavor, dict):
        raise PlaceError(f"its model {name} has no flavor python_function, by which it could be loaded")
    own = flavor.get("env")
    file = own.get("conda") if isinstance(own, dict) else own
    conda = paths.inside(described.parent, str(file)) if file else None
    if conda is None or not conda.is_file():
        raise PlaceError(f"its model {name} names no conda file, so nothing says what it runs in")
    return azure.work.runtimes.choose(f"model {name}", conda.read_text(encoding="utf-8"), added=_ADDED)


def _read(file: Path) -> dict[str, object]:
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise PlaceError(f"its model's {file.name} cannot be read: {error}") from error
    except yaml.YAMLError as error:
        line, reason = yaml_error.place(error)
        raise PlaceError(f"its model's {file.name}, line {line}, is not YAML: {reason}") from error
    return content if isinstance(content, dict) else {}
