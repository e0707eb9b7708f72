"""Deployment: the resources of an ARM template, made in the order that they depend on each other.

Not here: the template's expressions (arm/template_reader.py).
"""

import json
from collections.abc import Mapping
from typing import Any

from sandbox.arm import access, ids
from sandbox.arm.accept import accept
from sandbox.arm.azure import Azure
from sandbox.arm.kind import Body, Kind, Name, Refusal, action
from sandbox.arm.resource import Change, Resource, View
from sandbox.arm.template_functions import invalid, provided
from sandbox.arm.template_reader import Scope
from sandbox.arm.verbs import log_activity

# What of a resource in a template is not sent; in lower case, as ARM reads it in any.
_ENVELOPE = frozenset({
    "type", "apiversion", "name", "scope", "condition", "dependson", "comments", "metadata", "resourcegroup",
    "subscriptionid", "resources", "copy",
})  # fmt: skip


# What a template has by name, and what of a resource is read before its expressions are evaluated.
_TABLES = ("parameters", "variables", "outputs")
_SHAPES: Mapping[str, type] = {"dependsOn": list, "properties": dict, "resourceGroup": str, "scope": str}


class Deployment(Kind):
    """``Microsoft.Resources/deployments``."""

    arm_type = "Microsoft.Resources/deployments"
    level = "runs"
    name = Name(r"[-\w.()]{1,64}", "1-64 letters, digits, underscores, hyphens, periods or parentheses")
    lro = True
    hidden = ("properties.template", "deployed", "caller")
    differs = {
        "properties.mode": "Complete is refused: nothing is deleted by a deployment",
        "properties.template.resources.copy": "refused; each resource is written out",
        "uniqueString": "as stable as Azure's, other letters",
    }

    def fill(self, new: Resource, old: Resource | None, change: Change) -> None:
        """It is deployed with the rights of whoever sent it last."""
        new.body["caller"] = change.caller

    def check(self, new: Resource, old: Resource | None, view: View) -> None:
        """A template to deploy, incrementally, whose expressions can be read."""
        mode = str(new.get("properties.mode", "Incremental"))
        if mode.lower() != "incremental":
            raise invalid(f"mode is '{mode}', and the sandbox deploys with Incremental only")
        if not isinstance(new.get("properties.template.resources"), list):
            raise invalid("properties.template.resources is missing")
        for name in ("properties.parameters", *(f"properties.template.{part}" for part in _TABLES)):
            _need_table(new, name)
        for resource in new["properties.template.resources"]:
            if not isinstance(resource, dict) or not all(
                isinstance(resource.get(key), str) for key in ("type", "name")
            ):
                raise invalid(f"a resource is {str(resource)[:80]}, and each needs a type and a name")
            for key, wanted in _SHAPES.items():
                if resource.get(key) is not None and not isinstance(resource[key], wanted):
                    raise invalid(f"{key} of resource '{resource['name']}' is {str(resource[key])[:80]}")
            if "copy" in resource:
                raise invalid(f"resource '{resource.get('name')}' has copy, which the sandbox does not expand")

    def outputs(self, me: Resource, view: View) -> Body:
        """What it made."""
        made = [{"id": each} for each in me.get("deployed", [])]
        return {"properties": {"duration": "PT1S", "outputResources": made}}

    async def apply(self, me: Resource, azure: Azure) -> None:
        """Write each resource on behalf of whoever asked, then evaluate the outputs."""
        caller = str(me.get("caller", ""))
        scope, made = _scope(me, azure.on_behalf_of(caller)), []
        for resource in _ordered(me, scope):
            where, body = _target(resource, scope)
            await _write(where, body, caller, azure)
            made.append(where.text)
        asked: Mapping[str, Any] = me.get("properties.template.outputs") or {}
        outputs = {
            name: {"type": each.get("type", "String"), "value": scope.evaluate(each.get("value"))}
            for name, each in asked.items()
            if scope.evaluate(each.get("condition", True))
        }

        def note(current: Resource) -> None:
            current.body["deployed"] = made
            current.properties["outputs"] = outputs

        await azure.revise(me, note)

    @action("validate", absent=True)
    async def validate(self, me: Resource, body: Body, azure: Azure) -> Body:
        """What a deployment would refuse, with nothing made."""
        wanted = Resource(me.id, body)
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
        return [_operation(me, number, text) for number, text in enumerate(me.get("deployed", []), 1)]


def _need_table(me: Resource, path: str) -> None:
    """An object; but for variables, of objects."""
    table = me.get(path)
    if table is None:
        return
    if not isinstance(table, dict):
        raise invalid(f"{path} is {str(table)[:80]}, and must be an object")
    for name, each in table.items():
        if not isinstance(each, dict) and not path.endswith("variables"):
            raise invalid(f"{path}.{name} is {str(each)[:80]}, and must be an object")


class _Rehearsed(Exception):  # noqa: N818 - no error: it undoes the rehearsal's transaction
    """Everything was accepted."""


def _rehearse(me: Resource, scope: Scope, change: Change) -> None:
    for resource in _ordered(me, scope):
        where, body = _target(resource, scope)
        _save(where, body, change)
    raise _Rehearsed


def _scope(me: Resource, view: View) -> Scope:
    """The template's own parameters, with their defaults where the caller gave none."""
    template = me["properties.template"]
    given = {name.lower(): each.get("value") for name, each in (me.get("properties.parameters") or {}).items()}
    parameters = {}
    for name, each in (template.get("parameters") or {}).items():
        if name.lower() not in given and "defaultValue" not in each:
            raise invalid(f"the value for the template parameter '{name}' is not provided")
        parameters[name.lower()] = given.get(name.lower(), each.get("defaultValue"))
    return Scope(me.id.parent, parameters, template.get("variables") or {}, view)


def _ordered(me: Resource, scope: Scope) -> list[Mapping[str, Any]]:
    """Resources whose condition holds, each after those that it depends on."""
    waiting = {}
    for resource in me["properties.template.resources"]:
        if scope.evaluate(resource.get("condition", True)):
            waiting[_where(resource, scope).key] = resource
    ordered: list[Mapping[str, Any]] = []
    while waiting:
        free = [key for key, resource in waiting.items() if not _needs(resource, scope) & (waiting.keys() - {key})]
        if not free:
            raise invalid(f"circular dependency between {', '.join(waiting)}")
        ordered += [waiting.pop(key) for key in free]
    return ordered


def _needs(resource: Mapping[str, Any], scope: Scope) -> set[str]:
    return {str(scope.evaluate(each)).lower() for each in resource.get("dependsOn") or []}


def _where(resource: Mapping[str, Any], scope: Scope) -> ids.ResourceId:
    names = str(scope.evaluate(resource["name"])).split("/")
    group = scope.group
    if target := scope.evaluate(resource.get("resourceGroup")):
        group = f"{group.rsplit('/', 1)[0]}/{target}"
    return ids.parse(f"{scope.evaluate(resource.get('scope')) or group}/{provided(resource['type'], names)}")


def _target(resource: Mapping[str, Any], scope: Scope) -> tuple[ids.ResourceId, Body]:
    """Where a resource goes and what is sent; a nested template keeps its expressions if they are its own."""
    where = _where(resource, scope)
    body = {key: value for key, value in resource.items() if key.lower() not in _ENVELOPE}
    known = scope.view.registry.schema.of_arm_type(where.type)
    if known and "location" not in known.inputs:
        body.pop("location", None)
    options = (resource.get("properties") or {}).get("expressionEvaluationOptions")
    inner = isinstance(options, dict) and str(options.get("scope")).lower() == "inner"
    nested = resource["properties"].get("template") if inner else None
    if nested is not None:
        body["properties"] = {key: value for key, value in body["properties"].items() if key != "template"}
    evaluated = json.loads(json.dumps(scope.evaluate(body)))  # its own copy: two may have one value of a variable
    if nested is not None:
        evaluated["properties"]["template"] = nested
    return where, {key: value for key, value in evaluated.items() if value is not None}


async def _write(where: ids.ResourceId, body: Body, caller: str, azure: Azure) -> None:
    made = await azure.change(caller, lambda change: _save(where, body, change))
    await azure.registry.need(where).apply(made, azure)


def _save(where: ids.ResourceId, body: Body, change: Change) -> Resource:
    kind = change.registry.need(where)
    access.require(change.reader, change.caller, kind.operation("write"), where.text)
    old = change.get(where.text)
    new = accept(kind, where, body, old, change, patch=False)
    change.save(new)
    kind.stored(new, old, change)
    log_activity(change, f"{kind.arm_type}/write", new.id.key, 200 if old else 201)
    return new


def _operation(me: Resource, number: int, target: str) -> Resource:
    where = ids.parse(target)
    body = {
        "operationId": f"{number:016X}",
        "properties": {
            "provisioningOperation": "Create", "provisioningState": "Succeeded", "timestamp": me.modified,
            "duration": "PT1S", "statusCode": "OK",
            "targetResource": {"id": where.text, "resourceType": where.type, "resourceName": where.name},
        },
    }  # fmt: skip
    return Resource(ids.parse(f"{me.id.text}/operations/{number:016X}"), body)
