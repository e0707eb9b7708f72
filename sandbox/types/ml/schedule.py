"""Schedule: a trigger in time, and the job, batch call or monitor that it starts."""

import re
from collections.abc import Mapping
from datetime import datetime

from sandbox.arm.kind import Kind, Refusal
from sandbox.arm.resource import Change, Listing, Resource, View
from sandbox.types.ml import asset
from sandbox.types.ml.asset import ASSET_NAME, ML
from sandbox.types.ml.job import Job

_FIELDS = (("minute", 0, 59), ("hour", 0, 23), ("day of the month", 1, 31), ("month", 1, 12), ("day of the week", 0, 6))
_NAMES = {
    name: number
    for names in ("JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC", "SUN MON TUE WED THU FRI SAT")
    for number, name in enumerate(names.split(), 1 if names.startswith("JAN") else 0)
}
_FREQUENCIES = ("Minute", "Hour", "Day", "Week", "Month")
_VIEWS = {"EnabledOnly": (True,), "DisabledOnly": (False,), "All": (True, False)}


class Schedule(Kind):
    """``workspaces/schedules``."""

    arm_type = f"{ML}/workspaces/schedules"
    level = "enforced"
    name = ASSET_NAME
    system_data = True
    lro = True
    sealed = tuple(f"properties.action.jobDefinition.{path.removeprefix('properties.')}" for path in Job.sealed)
    defaults = {"properties.isEnabled": True}
    differs = {"properties.trigger": "checked and kept: nothing is started by the clock"}

    def fill(self, new: Resource, old: Resource | None, change: Change) -> None:
        """UTC unless said otherwise; maps that Azure shows empty."""
        trigger = new.properties.get("trigger")
        if isinstance(trigger, dict):
            trigger.setdefault("timeZone", "UTC")
        for bag in ("tags", "properties"):
            new.properties[bag] = new.properties.get(bag) or {}

    def check(self, new: Resource, old: Resource | None, view: View) -> None:
        """A trigger that can fire, and an action whose component exists."""
        trigger = new["properties.trigger"]
        if trigger.get("triggerType") == "Cron":
            _check_cron(new, str(trigger.get("expression", "")))
        else:
            frequency, interval = trigger.get("frequency"), trigger.get("interval")
            if str(frequency).capitalize() not in _FREQUENCIES or not isinstance(interval, int) or interval < 1:
                raise _refuse(
                    new, f"it recurs every {interval} {frequency}: want 1 or more of {', '.join(_FREQUENCIES)}"
                )
        start, end = _moment(new, "startTime"), _moment(new, "endTime")
        if start and end and start >= end:
            raise _refuse(new, f"endTime {trigger['endTime']} is not after startTime {trigger['startTime']}")
        component = new.get("properties.action.jobDefinition.componentId")
        if component:
            asset.need(str(component), "components", new.id.parent, view)

    def listed(self, scope: str, query: Mapping[str, str], view: View) -> Listing:
        """Those that are enabled, unless others are asked for."""
        view.need(scope)
        wanted = _VIEWS.get(query.get("listViewType", ""), _VIEWS["EnabledOnly"])
        return view.listing(scope, self.arm_type).where(lambda each: each.get("properties.isEnabled") in wanted)

    def uses(self, me: Resource) -> set[str]:
        """Versions that its action would take."""
        return asset.versions_in(me)


def _check_cron(me: Resource, expression: str) -> None:
    fields = expression.split()
    if len(fields) != len(_FIELDS):
        raise _refuse(me, f"expression '{expression}' has {len(fields)} fields: want 5, minute hour day month weekday")
    for field, (what, low, high) in zip(fields, _FIELDS, strict=True):
        for part in field.split(","):
            found = re.fullmatch(r"(?:\*|(\w+)(?:-(\w+))?)(?:/([1-9]\d*))?", part)
            ends = [_number(end) for end in (found.groups()[:2] if found else ()) if end is not None]
            if found is None or any(not low <= end <= high for end in ends) or ends != sorted(ends):
                raise _refuse(me, f"'{part}' of expression '{expression}' is no {what}: want {low} to {high}")


def _number(text: str) -> int:
    return int(text) if text.isdigit() else _NAMES.get(text.upper(), -1)


def _moment(me: Resource, name: str) -> datetime | None:
    text = me.get(f"properties.trigger.{name}")
    if not text:
        return None
    try:
        return datetime.fromisoformat(str(text)).replace(tzinfo=None)
    except ValueError as error:
        raise _refuse(me, f"{name} is '{text}': want a time such as 2026-11-21T07:00:00") from error


def _refuse(me: Resource, what: str) -> Refusal:
    return Refusal(400, "UserError", f"Schedule '{me.name}': {what}.")
