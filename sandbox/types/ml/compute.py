"""Compute: a cluster that scales, an instance for one person, or something attached."""

import re
from typing import Any

from sandbox.arm.azure import Azure
from sandbox.arm.kind import Body, Kind, Name, Refusal, action
from sandbox.arm.resource import Change, Resource, View
from sandbox.types.ml.asset import ML
from sandbox.types.ml.vm_sizes import need_size

_TYPES = (
    "AmlCompute", "ComputeInstance", "Kubernetes", "AKS", "VirtualMachine", "Databricks", "HDInsight", "DataFactory",
    "DataLakeAnalytics", "SynapseSpark",
)  # fmt: skip
_LENGTHS = {"AmlCompute": (2, 32), "ComputeInstance": (3, 24)}
_DURATION = re.compile(r"P(?=.)(\d+D)?(T(?=.)(\d+H)?(\d+M)?(\d+(\.\d+)?S)?)?")
# Given once and shown never.
_SECRETS = tuple(
    f"properties.properties.{each}"
    for each in (
        "userAccountCredentials.adminUserPassword", "administratorAccount.password",
        "administratorAccount.privateKeyData", "databricksAccessToken",
    )
)  # fmt: skip
_MANAGED = ("AmlCompute", "ComputeInstance")


class Compute(Kind):
    """``workspaces/computes``."""

    arm_type = f"{ML}/workspaces/computes"
    level = "enforced"
    name = Name(r"[A-Za-z][-A-Za-z0-9]{0,30}[A-Za-z0-9]", "2-32 letters, digits or hyphens, starting with a letter")
    system_data = True
    lro = True
    frozen = (
        "properties.computeType", "properties.resourceId", "properties.properties.vmSize",
        "properties.properties.subnet", "properties.properties.vmPriority", "properties.properties.enableNodePublicIp",
    )  # fmt: skip
    hidden = _SECRETS
    sealed = _SECRETS
    extra = tuple(
        f"properties.properties.{each}"
        for each in ("enableRootAccess", "releaseQuotaOnStop", "enableOSPatching", "enableSSO", "isolatedNetwork")
    )
    differs = {"properties.properties.scaleSettings": "kept; jobs run at once on this machine, node counts stay"}

    def fill(self, new: Resource, old: Resource | None, change: Change) -> None:
        """It is where its workspace is."""
        workspace = change.parent(new)
        new.body.setdefault("location", workspace["location"])
        new.properties.setdefault("computeLocation", new["location"])
        inner = new.properties.setdefault("properties", {})
        if new.get("properties.computeType") == "AmlCompute":
            inner.setdefault("vmPriority", "Dedicated")
            inner.setdefault("osType", "Linux")
            inner.setdefault("enableNodePublicIp", True)
            inner.setdefault("isolatedNetwork", False)
            inner.setdefault("remoteLoginPortPublicAccess", "NotSpecified")
            scale = inner.setdefault("scaleSettings", {})
            scale.setdefault("minNodeCount", 0)
            scale.setdefault("nodeIdleTimeBeforeScaleDown", "PT120S")
        if new.get("properties.computeType") == "ComputeInstance":
            inner["state"] = old.get("properties.properties.state", "Running") if old else "Running"
            inner.setdefault("applicationSharingPolicy", "Shared")

    def check(self, new: Resource, old: Resource | None, view: View) -> None:
        """Type, name, size and scale."""
        kind = new.get("properties.computeType")
        if kind not in _TYPES:
            raise _refuse(new, f"computeType is '{kind}': want one of {', '.join(_TYPES)}")
        low, high = _LENGTHS.get(kind, (2, 16))
        if not low <= len(new.name) <= high:
            raise _refuse(new, f"its name has {len(new.name)} characters; {kind} takes {low} to {high}")
        inner = new.properties["properties"]
        if kind in _MANAGED:
            need_size(str(inner.get("vmSize")), f"compute '{new.name}'")
        if kind == "AmlCompute":
            _check_scale(new, inner["scaleSettings"])

    def outputs(self, me: Resource, view: View) -> Body:
        """How many nodes there are, and in which state."""
        properties: dict[str, Any] = {
            "isAttachedCompute": me.get("properties.computeType") not in _MANAGED,
            "createdOn": me.created,
            "modifiedOn": me.modified,
            "provisioningErrors": None,
        }
        if me.get("properties.computeType") == "AmlCompute":
            nodes = int(me.get("properties.properties.scaleSettings.minNodeCount", 0))
            properties["properties"] = {
                "allocationState": "Steady",
                "allocationStateTransitionTime": me.modified,
                "currentNodeCount": nodes,
                "targetNodeCount": nodes,
                "nodeStateCounts": {
                    "idleNodeCount": nodes,
                    "runningNodeCount": 0,
                    "preparingNodeCount": 0,
                    "unusableNodeCount": 0,
                    "leavingNodeCount": 0,
                    "preemptedNodeCount": 0,
                },
                "errors": None,
            }
        return {"properties": properties}

    @action("start", slow=True)
    async def begin(self, me: Resource, body: Body, azure: Azure) -> None:
        """Start an instance."""
        await _set_state(me, "Running", azure)

    @action("stop", slow=True)
    async def end(self, me: Resource, body: Body, azure: Azure) -> None:
        """Stop an instance."""
        await _set_state(me, "Stopped", azure)

    @action("restart", slow=True)
    async def again(self, me: Resource, body: Body, azure: Azure) -> None:
        """Stop and start an instance."""
        await _set_state(me, "Running", azure)

    @action("listNodes")
    def nodes(self, me: Resource, body: Body, azure: Azure) -> Body:
        """No node is ever kept."""
        return {"nodes": []}


def _check_scale(me: Resource, scale: dict[str, Any]) -> None:
    least, most, idle = scale.get("minNodeCount"), scale.get("maxNodeCount"), scale["nodeIdleTimeBeforeScaleDown"]
    if not isinstance(least, int) or not isinstance(most, int) or not 0 <= least <= most or most < 1:
        raise _refuse(
            me, f"scaleSettings have minNodeCount {least} and maxNodeCount {most}: want 0 <= min <= max, max > 0"
        )
    if not _DURATION.fullmatch(str(idle)):
        raise _refuse(me, f"nodeIdleTimeBeforeScaleDown is '{idle}': want an ISO 8601 duration such as PT120S")


async def _set_state(me: Resource, state: str, azure: Azure) -> None:
    if me.get("properties.computeType") != "ComputeInstance":
        raise _refuse(
            me, f"a {me.get('properties.computeType')} is neither started nor stopped, only a ComputeInstance"
        )
    await azure.revise(me, lambda current: current.properties["properties"].update(state=state))


def _refuse(me: Resource, what: str) -> Refusal:
    return Refusal(400, "ValidationError", f"Compute '{me.name}': {what}.")
