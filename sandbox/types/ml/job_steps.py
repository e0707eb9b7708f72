"""The steps of a pipeline job: which there are, what each waits for, and the job that each becomes."""

import re
from dataclasses import dataclass
from typing import Any

from sandbox.arm.kind import Body, Refusal
from sandbox.arm.resource import Resource, View
from sandbox.types.ml import asset, content
from sandbox.types.ml.job_state import workspace_of
from sandbox.work.expressions import fill, names, only

_DATA = ("uri_file", "uri_folder", "mltable", "custom_model", "mlflow_model", "triton_model")
_TYPES = {"automl": "AutoML"}
# Literals travel as text.
_NUMBER = r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?"
_LITERALS = {"integer": r"[+-]?\d+", "number": _NUMBER, "boolean": "true|false"}


@dataclass(frozen=True)
class Step:
    """One node of a pipeline.

    Attributes:
        name: in the pipeline.
        node: what the pipeline says about it.
        waits: steps whose outputs it reads.
    """

    name: str
    node: Body
    waits: frozenset[str]


def plan(me: Resource, view: View) -> dict[str, Step]:
    """The steps of a pipeline job by name: its own, or those of the component that it runs.

    Raises:
        Refusal: 400 for a pipeline that could never run, naming the step.
    """
    nodes: Body = me.get("properties.jobs") or specification(me, view).get("jobs") or {}
    if not nodes:
        raise _refuse(me, "it has no steps")
    steps = {name: Step(name, node, _waits(node)) for name, node in nodes.items()}
    for step in steps.values():
        if unknown := sorted(step.waits - steps.keys()):
            raise _refuse(me, f"step '{step.name}' reads an output of '{unknown[0]}'; its steps are {', '.join(steps)}")
        if not isinstance(step.node.get("componentId"), str):
            raise _refuse(me, f"step '{step.name}' is of type {step.node.get('type')}, which has no component to run")
        asset.need(step.node["componentId"], "components", workspace_of(me, view).id.text, view)
    _refuse_circles(me, steps)
    return steps


def specification(me: Resource, view: View) -> Body:
    """The pipeline component that a job runs as a whole; empty when its steps are its own."""
    reference = me.get("properties.componentId")
    if not reference:
        return {}
    found = asset.need(str(reference), "components", workspace_of(me, view).id.text, view)
    spec: Body = found.get("properties.componentSpec", {})
    return spec


def check_inputs(me: Resource, view: View) -> None:
    """Inputs of a job that runs a pipeline component are declared there, and its literals are of the declared type.

    Raises:
        Refusal: 400 with the names.
    """
    spec = specification(me, view)
    if not spec:
        return
    name, declared = spec.get("name"), spec.get("inputs") or {}
    given = {key: each for key, each in (me.get("properties.inputs") or {}).items() if each is not None}
    if unknown := sorted(given.keys() - declared.keys()):
        said = ", ".join(f"'{each}'" for each in unknown)
        there = ", ".join(declared) or "none"
        raise _refuse(me, f"it is given {said}, which component '{name}' does not declare; its inputs are {there}")
    for key, each in given.items():
        kind, value = declared[key].get("type"), str(each.get("value"))
        wanted = _LITERALS.get(kind) if each.get("jobInputType") == "literal" else None
        if wanted and not re.fullmatch(wanted, value, re.IGNORECASE):
            raise _refuse(me, f"input '{key}' is '{value}': component '{name}' declares it as {kind}")


def child(step: Step, me: Resource, view: View) -> Body:
    """The body of the job that a step becomes, once what it waits for is there.

    Raises:
        Refusal: 400 for an input that is missing or an expression that names nothing.
    """
    workspace = workspace_of(me, view)
    component = asset.need(step.node["componentId"], "components", workspace.id.text, view)
    spec: Body = component.get("properties.componentSpec", {})
    kind = str(spec.get("type", step.node.get("type", "command")))
    properties: Body = {
        "jobType": _TYPES.get(kind, kind.capitalize()), "experimentName": me["properties.experimentName"],
        "displayName": step.node.get("display_name") or step.name, "isArchived": False, "status": "NotStarted",
        "inputs": _inputs(step, spec, me, view), "outputs": _outputs(step, spec, me, workspace, view),
        "environmentVariables": step.node.get("environment_variables"), "tags": {}, "properties": {},
        "identity": step.node.get("identity") or me.get("properties.identity"),
        "resources": step.node.get("resources") or spec.get("resources"),
        "limits": step.node.get("limits") or spec.get("limits"),
        "computeId": _compute(step, me, workspace),
    }  # fmt: skip
    if kind == "pipeline":
        properties |= {"componentId": component.id.text, "settings": me.get("properties.settings"), "jobs": {}}
    else:
        properties |= {
            "command": spec.get("command"), "codeId": spec.get("code"),
            "environmentId": step.node.get("environment") or spec.get("environment"),
        }  # fmt: skip
    root = me.get("run.root", me.name)
    return {
        "properties": {key: value for key, value in properties.items() if value is not None},
        "run": {"parent": me.name, "root": root, "step": step.name},
    }


def _inputs(step: Step, spec: Body, me: Resource, view: View) -> Body:
    given = step.node.get("inputs") or {}
    found: Body = {}
    for name, wanted in (spec.get("inputs") or {}).items():
        value = _value(given[name], str(wanted.get("type")), step, me, view) if given.get(name) is not None else None
        if value is None and wanted.get("default") is not None:
            value = {"jobInputType": "literal", "value": str(wanted["default"])}
        if value is not None:
            found[name] = value
        elif not wanted.get("optional"):
            raise _refuse(me, f"step '{step.name}' is given nothing for its input '{name}'")
    if unknown := sorted(given.keys() - (spec.get("inputs") or {}).keys()):
        raise _refuse(
            me, f"step '{step.name}' is given '{unknown[0]}'; its inputs are {', '.join(spec.get('inputs') or {})}"
        )
    return found


def _value(given: Any, kind: str, step: Step, me: Resource, view: View) -> Body | None:
    """An input of a step as a job takes it."""
    if not isinstance(given, dict):
        given = {"job_input_type": "literal", "value": given}
    mode = {"mode": given["mode"]} if given.get("mode") else {}
    if "value" not in given:
        return {"jobInputType": given.get("job_input_type", kind), "uri": str(given.get("uri", "")), **mode}
    text = str(given["value"])
    source = (only(text) or "").split(".")
    if source[:2] == ["parent", "inputs"]:
        return _of_parent(".".join(source[2:]), mode, step, me, view)
    if source[:2] == ["parent", "jobs"] and len(source) == 5:
        before = me.get("run.steps", {})[source[2]]
        return {"jobInputType": kind, "uri": f"azureml://jobs/{before}/outputs/{source[4]}", **mode}
    inputs = (me.get("properties.inputs") or {}).items()
    values = {f"parent.inputs.{name}": str(each.get("value", each.get("uri"))) for name, each in inputs if each}
    values |= {name: f"${{{{{name}}}}}" for name in names(text) if not name.startswith("parent.")}
    text = fill(text, values)
    return {"jobInputType": kind, "uri": text, **mode} if kind in _DATA else {"jobInputType": "literal", "value": text}


def _of_parent(name: str, mode: Body, step: Step, me: Resource, view: View) -> Body | None:
    """The pipeline's own input; None when it is optional and was not given."""
    inputs = me.get("properties.inputs") or {}
    if inputs.get(name) is not None:
        return {**inputs[name], **mode}
    declared = (specification(me, view).get("inputs") or {}).get(name)
    if declared is None and name not in inputs:
        raise _refuse(
            me, f"step '{step.name}' reads the pipeline's input '{name}'; there is: {', '.join(inputs) or 'none'}"
        )
    default = (declared or {}).get("default")
    return None if default is None else {"jobInputType": "literal", "value": str(default)}


def _outputs(step: Step, spec: Body, me: Resource, workspace: Resource, view: View) -> Body:
    found: Body = {}
    for name, wanted in (spec.get("outputs") or {}).items():
        given = (step.node.get("outputs") or {}).get(name) or {}
        here: Body = {"jobOutputType": given.get("job_output_type") or (wanted or {}).get("type", "uri_folder")}
        source = (only(given.get("value") if isinstance(given, dict) else given) or "").split(".")
        if source[:2] == ["parent", "outputs"]:
            here["uri"] = content.output_uri(me, ".".join(source[2:]), workspace, view)
        elif given.get("uri"):
            here["uri"] = given["uri"]
        for ours, theirs in (("assetName", "asset_name"), ("assetVersion", "asset_version")):
            if given.get(theirs):
                here[ours] = given[theirs]
        found[name] = here
    return found


def _compute(step: Step, me: Resource, workspace: Resource) -> str | None:
    """The step's compute, else the pipeline's, else its default; None for serverless."""
    settings = me.get("properties.settings") or {}
    target = step.node.get("computeId") or me.get("properties.computeId") or settings.get("default_compute")
    if not target or target == "serverless":
        return None
    target = str(target).removeprefix("azureml:")
    return target if target.startswith("/") else f"{workspace.id.text}/computes/{target}"


def _waits(node: Body) -> frozenset[str]:
    texts = [
        str(each.get("value", "") if isinstance(each, dict) else each) for each in (node.get("inputs") or {}).values()
    ]
    found = [name.split(".") for text in texts for name in names(text)]
    return frozenset(parts[2] for parts in found if parts[:2] == ["parent", "jobs"] and len(parts) > 2)


def _refuse_circles(me: Resource, steps: dict[str, Step]) -> None:
    done: set[str] = set()
    while ready := {name for name, step in steps.items() if name not in done and step.waits <= done}:
        done |= ready
    if left := sorted(steps.keys() - done):
        raise _refuse(me, f"the steps {', '.join(left)} wait for each other")


def _refuse(me: Resource, what: str) -> Refusal:
    return Refusal(400, "UserError", f"Pipeline job '{me.name}': {what}.")
