"""What Azure ML receives for a component, from the YAML that `az ml` and people read.

The client library does the same and takes four seconds to import; a test holds the two against each other. Keys this
platform does not use are refused, because a key that is dropped silently is a setting that never works.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi

import yaml_lines

Spec = dict[str, Any]

_MODES = {
    "ro_mount": "ReadOnlyMount",
    "rw_mount": "ReadWriteMount",
    "download": "Download",
    "direct": "Direct",
    "upload": "Upload",
}
_COMMON = {"$schema", "type", "name", "version", "display_name", "description", "inputs", "outputs"}
_COMMAND = _COMMON | {"command", "code", "environment", "is_deterministic", "resources"}
_PIPELINE = _COMMON | {"jobs"}
_NODE = {"type", "component", "inputs", "outputs"}
_PORT_TEXTS = ("default", "min", "max")  # Azure ML keeps numbers and truth values as text


@dataclass(frozen=True, kw_only=True)
class Source:
    """One component file, read and checked.

    Attributes:
        path: the file.
        text: its content, which is part of the component's version.
        fields: its content, parsed.
    """

    path: Path
    text: str
    fields: dict[str, Any]

    @property
    def name(self) -> str:
        """Asset name of the component."""
        return str(self.fields["name"])

    @property
    def environment(self) -> str:
        """Name of the environment a command asks for; the stack decides which version of it."""
        return str(self.fields["environment"]).removeprefix("azureml:").partition("@")[0]

    def steps(self) -> dict[str, Path]:
        """File of the component behind each node of a pipeline."""
        return {node: self.path.parent / job["component"] for node, job in self.fields["jobs"].items()}


def read(path: Path, kind: str) -> Source:
    """Reads a component file of one kind, ``command`` or ``pipeline``.

    Raises:
        ValueError: names the file, the key, and what is accepted.
    """
    text = path.read_text(encoding="utf-8")
    fields = yaml_lines.read(path).content
    if not isinstance(fields, dict) or fields.get("type") != kind:
        raise ValueError(f"{path.as_posix()}: want a component with type: {kind}")
    _refuse_unknown(path, "", fields, _COMMAND if kind == "command" else _PIPELINE)
    wanted = ("name", "command", "environment") if kind == "command" else ("name", "jobs")
    missing = [key for key in wanted if not fields.get(key)]
    if missing:
        raise ValueError(f"{path.as_posix()}: {', '.join(missing)} missing")
    for node, job in fields.get("jobs", {}).items():
        _refuse_unknown(path, f"jobs.{node}.", job, _NODE)
        if not str(job.get("component", "")).endswith(".yaml"):
            raise ValueError(
                f"{path.as_posix()}: jobs.{node}.component={job.get('component')!r}: "
                "want the file of a command component, such as ./components/train.yaml"
            )
    return Source(path=path, text=text, fields=fields)


def command(source: Source, version: str, code_id: pulumi.Output[str], environment_id: pulumi.Output[str]) -> Spec:
    """Returns the specification of a command component."""
    kept = ("command", "resources")
    return {
        **_common(source, version),
        **{key: source.fields[key] for key in kept if key in source.fields},
        # True lets Azure ML take the outputs of an earlier run with the same inputs.
        "is_deterministic": source.fields.get("is_deterministic", True),
        "code": pulumi.Output.concat("azureml:", code_id),
        "environment": pulumi.Output.concat("azureml:", environment_id),
    }


def pipeline(source: Source, version: str, component_ids: dict[str, pulumi.Output[str]]) -> Spec:
    """Returns the specification of a pipeline component, its nodes bound to exact component versions."""
    return {
        **_common(source, version),
        "jobs": {node: _node(node, job, component_ids[node]) for node, job in source.fields["jobs"].items()},
    }


def _node(name: str, job: dict[str, Any], component_id: pulumi.Output[str]) -> Spec:
    node: Spec = {
        "name": name,
        "type": "command",
        "componentId": component_id,
        "inputs": {key: _node_input(value) for key, value in job.get("inputs", {}).items()},
        "_source": "REMOTE.WORKSPACE.COMPONENT",
    }
    if "outputs" in job:
        node["outputs"] = {key: _node_output(value) for key, value in job["outputs"].items()}
    return node


def _common(source: Source, version: str) -> Spec:
    fields = source.fields
    kept = ("$schema", "type", "name", "display_name", "description")
    return {
        **{key: fields[key] for key in kept if key in fields},
        "version": version,
        "inputs": {key: _port(value) for key, value in fields.get("inputs", {}).items()},
        "outputs": {key: _port(value) for key, value in fields.get("outputs", {}).items()},
        "_source": "YAML.COMPONENT",
    }


def _port(declared: dict[str, Any]) -> Spec:
    text_of = (lambda value: str(float(value))) if declared.get("type") == "number" else str
    return {key: text_of(value) if key in _PORT_TEXTS else value for key, value in declared.items()}


def _node_input(value: Any) -> Spec:
    if isinstance(value, dict):
        return {"value": value["path"], "mode": _MODES[value["mode"]], "job_input_type": "literal"}
    return {"value": str(value), "job_input_type": "literal"}


def _node_output(value: Any) -> Spec:
    if isinstance(value, dict):
        return {"mode": _MODES[value["mode"]], "job_output_type": value.get("type", "uri_folder")}
    return {"value": value, "type": "literal"}


def _refuse_unknown(path: Path, where: str, found: dict[str, Any], known: set[str]) -> None:
    for key in found:
        if key not in known:
            raise ValueError(
                f"{path.as_posix()}: {where}{key} is not supported; want one of {', '.join(sorted(known))}"
            )
