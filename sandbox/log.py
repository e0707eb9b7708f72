"""``log``: the activity log as columns, the newest last. The state is read; no gateway is asked."""

import argparse
import difflib
import json
import re
import sqlite3
from contextlib import closing
from datetime import timedelta
from typing import Any

from sandbox import clock
from sandbox.arm import activity
from sandbox.arm.errors import ArmError
from sandbox.console import EXIT_OK, Console, plain
from sandbox.engine.config import ConfigError
from sandbox.home import Home
from sandbox.store.db import Reader
from sandbox.store.migrate import VERSION, examine

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def log(options: argparse.Namespace, console: Console, home: Home) -> tuple[int, Any]:
    """What the activity log has for the options.

    Raises:
        ConfigError: --since or --status is none.
    """
    problems: list[str] = []
    since, status = _since(options.since, problems), _status(options.status or "", problems)
    if problems:
        raise ConfigError(problems)
    if not home.database.exists():
        console.line(f"nothing has come up in {home.root} yet; begin with: make up")
        return EXIT_OK, []
    if (version := examine(home.database)) < VERSION:
        console.line(f"{home.database} is of version {version}; make up brings it to {VERSION}, and keeps a copy")
        return EXIT_OK, []
    wanted = activity.Filter(since=since, state=status, caller=options.by or "", named=options.resource or "")
    with closing(sqlite3.connect(home.database, timeout=30)) as connection:
        connection.execute("PRAGMA query_only=1")
        connection.row_factory = sqlite3.Row
        reader = Reader(connection)
        events = [activity.event(row) for row in reversed(activity.lines(reader, wanted))]
    for each in events:
        _print(each, console)
    if not events:
        console.line(f"nothing since {since[:19]}Z; more with: --since 7d, without --by, --resource and --status")
    return EXIT_OK, events


def _print(event: dict[str, Any], console: Console) -> None:
    time = event["eventTimestamp"][:19].replace("T", " ")
    state = event["status"]["value"]
    action = event["operationName"]["value"].partition("/")[2]
    where = event["resourceId"].partition("/resourceGroups/")[2].replace("/providers/", "/") or event["resourceId"]
    painted = console.paint(f"{state:<9}", {"Failed": "red", "Succeeded": "green"}.get(state, "yellow"))
    console.line(f"{time}Z  {plain(event['claims']['name']):<20}  {painted}  {plain(action):<44}  {plain(where)}")
    if error := event["properties"].get("statusMessage"):
        console.line(f"    {plain(_told(error))}")


def _told(message: str) -> str:
    error = json.loads(message)["error"]
    return f"{error['code']}: {error['message']}"


def _since(text: str, problems: list[str]) -> str:
    if found := re.fullmatch(r"(\d{1,6})([smhd])", text):
        return clock.timestamp(timedelta(**{_UNITS[found[2]]: int(found[1])}))
    try:
        return activity.moment(text)
    except ArmError:
        problems.append(f"--since is '{text}'; accepted: 30m, 12h, 7d, or a time such as 2026-11-21T07:00:00Z")
    return ""


def _status(text: str, problems: list[str]) -> str:
    by_lower = {state.lower(): state for state in activity.STATES}
    if text and text.lower() not in by_lower:
        near = difflib.get_close_matches(text.lower(), list(by_lower), 1)
        said = f"; did you mean '{by_lower[near[0]]}'?" if near else ""
        problems.append(f"--status is '{text}'{said}; accepted: {', '.join(activity.STATES)}")
    return by_lower.get(text.lower(), "")
