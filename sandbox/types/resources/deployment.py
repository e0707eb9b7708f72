"""Deployment: the resources of an ARM template, made in the order that they depend on each other.

Not here: the template's expressions (arm/template_reader.py), the order (arm/template_plan.py).
"""

import json
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

from sandbox.arm import access, ids
from sandbox.arm.accept import accept
from sandbox.arm.azure import Azure
from sandbox.arm.errors import ArmError
from sandbox.arm.kind import Body, Kind, Name, Refusal, action
from sandbox.arm.resource import Change, Resource, View
from sandbox.arm.template_functions import invalid
from sandbox.arm.template_plan import Step, check_shape, plan
from sandbox.arm.template_reader import Scope
from sandbox.arm.verbs import Verbs

# What of a resource in a template is not sent; in lower case, as ARM reads it in any.
_ENVELOPE = frozenset({
    "type", "apiversion", "name", "scope", "condition", "dependson", "comments", "metadata", "resourcegroup",
    "subscriptionid", "resources", "copy",
})  # fmt: skip


# What a template has by name.
_TABLES = ("parameters", "variables", "outputs")
_SECURE = ("securestring", "secureobject")
_SHORTEST = 4  # characters of a secret that is blotted out in a message


class Deployment(Kind):
    """``Microsoft.Resources/deployments``."""

    arm_type = "Microsoft.Resources/deployments"
    level = "runs"
    name = Name(r"[-\w.()]{1,64}", "1-64 letters, digits, underscores, hyphens, periods or parentheses")
    lro = True
    hidden = ("properties.template", "secure", "steps", "caller")
    sealed = ("properties.template", "secure")
    differs = {
        "properties.mode": "Complete is refused: nothing is deleted by a deployment",
        "properties.parameters.reference": "refused: values are given, not taken from a key vault",
        "properties.template.resources": "made one after the other; all that does not need a failed one is made",
        "properties.template.resources.copy": "refused; each resource is written out",
        "uniqueString": "as stable as Azure's, other letters",
    }

    def fill(self, new: Resource, old: Resource | None, change: Change) -> None:
        """It is deployed with the rights of whoever sent it last; secure parameters are never shown."""
        _check_shape(new)
        _set_aside(new)
        new.body["caller"] = change.caller

    def check(self, new: Resource, old: Resource | None, view: View) -> None:
        """A template to deploy, incrementally, whose resources have a place and an order."""
        if old and old.state in ("Creating", "Updating"):
            raise Refusal(
                409, "DeploymentActive",
                f"Unable to edit or replace deployment '{new.name}': the previous one is still active. Wait until it "
                "has ended, or take another name.",
            )  # fmt: skip
        steps = plan(new["properties.template.resources"], _scope(new, view))
        if any(step.where.key == new.id.key for step in steps):
            raise invalid(f"deployment '{new.name}' is in its own template")

    def outputs(self, me: Resource, view: View) -> Body:
        """What it made."""
        made = [{"id": each["id"]} for each in me.get("steps", []) if not each["error"]]
        return {"properties": {"duration": "PT1S", "outputResources": made}}

    async def apply(self, me: Resource, azure: Azure) -> None:
        """Make each resource on behalf of whoever asked, then evaluate the outputs; a failure is kept, without secrets.

        Raises:
            ArmError: DeploymentFailed, with the error of each resource that could not be made.
        """
        scope = _scope(me, azure.on_behalf_of(str(me.get("caller", ""))))
        try:
            await _make_all(me, scope, azure)
            outputs = _outputs(me, scope)
        except ArmError as error:
            told = _blotted(error, me)
            await azure.revise(me, lambda current: current.properties.update(told.body()))
            raise told from None
        await azure.revise(me, lambda current: current.properties.update(outputs=outputs))

    @action("validate", absent=True)
    async def validate(self, me: Resource, body: Body, azure: Azure) -> Body:
        """What a deployment would refuse, with nothing made."""
        wanted = Resource(me.id, body)
        _check_shape(wanted)
        self.check(wanted, None, azure)
        scope = _scope(wanted, azure)
        try:
            await azure.change(azure.caller, lambda change: _rehearse(wanted, scope, change))
        except _Rehearsed:
            return {"id": me.id.text, "name": me.name, "properties": {"provisioningState": "Succeeded"}}
        except Refusal as refusal:
            message = "The template deployment failed with errors: see details."
            details = [{"code": refusal.code, "message": refusal.message, "target": "properties"}]
            return {"error": {"code": "InvalidTemplateDeployment", "message": message, "details": details}}
        raise AssertionError("a rehearsal always ends by undoing itself")


class Operation(Kind):
    """``Microsoft.Resources/deployments/operations``: one for each resource of a deployment."""

    arm_type = "Microsoft.Resources/deployments/operations"
    level = "enforced"
    provisioning = False
    made_by_azure = True

    def check(self, new: Resource, old: Resource | None, view: View) -> None:
        """Never written by a client."""
        raise Refusal(405, "MethodNotAllowed", "A deployment's operations are made by the deployment.")

    def listed(self, scope: str, query: Mapping[str, str], view: View) -> list[Resource]:
        """What the deployment has made so far."""
        me = view.need(scope)
        return [_operation(me, number, step) for number, step in enumerate(me.get("steps", []), 1)]


def _check_shape(me: Resource) -> None:
    """Refuse what cannot be read as a deployment."""
    mode = str(me.get("properties.mode", "Incremental"))
    if mode.lower() != "incremental":
        raise invalid(f"mode is '{mode}', and the sandbox deploys with Incremental only")
    check_shape(me.get("properties.template.resources"), "properties.template.resources")
    for name in ("properties.parameters", *(f"properties.template.{part}" for part in _TABLES)):
        _need_table(me, name)


def _need_table(me: Resource, path: str) -> None:
    """An object; but for variables, of objects."""
    table = me.get(path)
    if table is None:
        return
    if not isinstance(table, dict):
        raise invalid(f"{path} is {str(table)[:80]}, and must be an object")
    if "copy" in table and path != "properties.parameters":
        raise invalid(f"{path} has copy, which the sandbox does not expand")
    for name, each in table.items():
        if not isinstance(each, dict) and not path.endswith("variables"):
            raise invalid(f"{path}.{name} is {str(each)[:80]}, and must be an object")


def _set_aside(me: Resource) -> None:
    """Keep the values of secure parameters apart, where no read shows them."""
    declared = {name.lower(): str(each.get("type")) for name, each in _declared(me).items()}
    me.body["secure"] = secure = {}
    given = me.get("properties.parameters") or {}
    for name, each in given.items():
        if declared.get(name.lower(), "").lower() in _SECURE and "value" in each:
            secure[name.lower()] = each["value"]
            given[name] = {"type": declared[name.lower()]}


def _declared(me: Resource) -> Mapping[str, Any]:
    return me.get("properties.template.parameters") or {}


class _Rehearsed(Exception):  # noqa: N818 - no error: it undoes the rehearsal's transaction
    """Everything was accepted."""


def _rehearse(me: Resource, scope: Scope, change: Change) -> None:
    for step in plan(me["properties.template.resources"], scope):
        kind, body = change.registry.need(step.where), _evaluated(step, scope)
        access.require(change.reader, change.caller, kind.operation("write"), step.where.text)
        old = change.get(step.where.text)
        new = accept(kind, step.where, body, old, change, patch=False)
        change.save(new)
        kind.stored(new, old, change)
    raise _Rehearsed


def _scope(me: Resource, view: View) -> Scope:
    """The template's own parameters, with their defaults where the caller gave none."""
    declared = {name.lower(): (name, each) for name, each in _declared(me).items()}
    values = dict(me.get("secure", {}))
    for name, each in (me.get("properties.parameters") or {}).items():
        if name.lower() not in declared:
            raise invalid(
                f"the template has no parameter '{name}', which a value is given for; it has: "
                f"{', '.join(known for known, _ in declared.values()) or 'none'}"
            )
        if "value" in each:
            values[name.lower()] = each["value"]
        elif name.lower() not in values:
            raise invalid(f"parameter '{name}' has no value; references to a key vault are not in the sandbox")
    for key, (name, each) in declared.items():
        if key not in values and "defaultValue" not in each:
            raise invalid(f"the value for the template parameter '{name}' is not provided")
        values.setdefault(key, each.get("defaultValue"))
    return Scope(me.id.parent, values, me.get("properties.template.variables") or {}, view)


async def _make_all(me: Resource, scope: Scope, azure: Azure) -> None:
    """Make each resource, but for those that need one which could not be made."""
    steps: list[Body] = []
    lost: set[str] = set()
    for step in plan(me["properties.template.resources"], scope):
        if step.needs & lost:
            lost.add(step.where.key)
            continue
        try:
            await _make(step, scope, azure)
            done: Body = {"id": step.where.text, "error": None}
        except ArmError as error:
            told = _blotted(error, me)
            done = {"id": step.where.text, "status": told.status, **told.body()}
            lost.add(step.where.key)
        steps.append(done)
        await azure.revise(me, lambda current: current.body.update(steps=steps))
    if failed := [each for each in steps if each["error"]]:
        raise ArmError(
            409, "DeploymentFailed",
            "At least one resource deployment operation failed. Please list deployment operations for details: GET "
            f"{me.id.text}/operations",
            [(each["error"]["code"], each["error"]["message"], each["id"]) for each in failed],
        )  # fmt: skip


async def _make(step: Step, scope: Scope, azure: Azure) -> None:
    """Write one resource as its own request would, and wait for its end."""
    caller, kind = scope.view.caller, azure.registry.need(step.where)
    body = _evaluated(step, scope)
    access.require(azure.reader, caller, kind.operation("write"), step.where.text)
    operation = azure.operations.resumed(step.where.key)  # what a crash cut off goes on by itself
    if not operation:
        _, _, operation = await Verbs(azure, azure.operations).put(step.where, body, caller)
    if operation:
        await azure.operations.follow(operation)


def _evaluated(step: Step, scope: Scope) -> Body:
    """What is sent for a resource; a nested template keeps its expressions if they are its own."""
    content = step.content
    body = {key: value for key, value in content.items() if key.lower() not in _ENVELOPE}
    known = scope.view.registry.schema.of_arm_type(step.where.type)
    if known and "location" not in known.inputs:
        body.pop("location", None)
    options = (content.get("properties") or {}).get("expressionEvaluationOptions")
    inner = isinstance(options, dict) and str(options.get("scope")).lower() == "inner"
    nested = content["properties"].get("template") if inner else None
    if nested is not None:
        body["properties"] = {key: value for key, value in body["properties"].items() if key != "template"}
    evaluated = json.loads(json.dumps(scope.evaluate(body)))  # its own copy: two may have one value of a variable
    if nested is not None:
        evaluated["properties"]["template"] = nested
    return {key: value for key, value in evaluated.items() if value is not None}


def _outputs(me: Resource, scope: Scope) -> Body:
    """The template's outputs; of a secure one only that it is there."""
    asked: Mapping[str, Any] = me.get("properties.template.outputs") or {}
    found = {}
    for name, each in asked.items():
        if scope.evaluate(each.get("condition", True)):
            kind, value = each.get("type", "String"), scope.evaluate(each.get("value"))
            found[name] = {"type": kind} if str(kind).lower() in _SECURE else {"type": kind, "value": value}
    return found


def _blotted(error: ArmError, me: Resource) -> ArmError:
    """The error without the values of secure parameters: it is kept, and shown to whoever may read the deployment."""
    secrets = sorted(set(_texts(me.get("secure", {}))), key=len, reverse=True)

    def blot(text: str) -> str:
        for secret in secrets:
            text = text.replace(secret, "[secret]")
        return text

    details = [(code, blot(message), target) for code, message, target in error.details]
    return ArmError(error.status, error.code, blot(error.message), details)


def _texts(value: Any) -> Iterator[str]:
    """The texts in a value that are long enough to be told from others."""
    if isinstance(value, str) and len(value) >= _SHORTEST:
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _texts(each)


def _operation(me: Resource, number: int, step: Body) -> Resource:
    where, error = ids.parse(step["id"]), step["error"]
    properties: Body = {
        "provisioningOperation": "Create", "provisioningState": "Failed" if error else "Succeeded",
        "timestamp": me.modified, "duration": "PT1S",
        "statusCode": HTTPStatus(step["status"] if error else 200).phrase.replace(" ", ""),
        "targetResource": {"id": where.text, "resourceType": where.type, "resourceName": where.name},
    }  # fmt: skip
    if error:
        properties["statusMessage"] = {"status": "Failed", "error": error}
    body = {"operationId": f"{number:016X}", "properties": properties}
    return Resource(ids.parse(f"{me.id.text}/operations/{number:016X}"), body)
