"""Faults on demand: counted scripts with receipts, never dice.

A script names the requests it is for and what happens at the first, second ... of them. It is refused when it could
never fire, and it says afterwards how much of it did.
"""

import asyncio
import json
import os
import re
import signal
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from sandbox.arm.errors import ArmError
from sandbox.gateway.http import Request, Response, Send
from sandbox.store.db import Store, Tx

_FIELDS = {"method", "host", "path"}
_ACTS = {"pass", "status", "delay", "reset", "half", "crash"}
_VALUES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "status": (lambda value: type(value) is int and 200 <= value <= 599, "a whole number from 200 to 599"),
    "delay": (lambda value: type(value) in (int, float) and value >= 0, "seconds, 0 or more"),
}


@dataclass
class BrokenError(Exception):
    """The connection ends here, after `sent` bytes of an answer."""

    half: bool

    async def end(self, request: Request, send: Send) -> None:
        """Cut the connection, after half an answer if so asked."""
        if self.half:
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1000")]})
            await send({"type": "http.response.body", "body": b'{"half": ', "more_body": True})
        if request.protocol is not None and request.protocol.transport is not None:
            request.protocol.transport.abort()


class Faults:
    """The scripts in the state file, armed until they are used up or cleared."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._armed: list[tuple[int, dict[str, re.Pattern[str]], list[dict[str, Any]], int]] = []
        self._load()

    async def arm(self, match: dict[str, str], script: list[dict[str, Any]]) -> int:
        """Add a script; returns its number.

        Raises:
            ArmError: 400 for a script that could never fire.
        """
        _check(match, script)

        def write(tx: Any) -> int:
            tx.run("INSERT INTO faults (match, script) VALUES (?,?)", (json.dumps(match), json.dumps(script)))
            return int(tx.one("SELECT last_insert_rowid() AS id")["id"])

        number = await self._store.write(write)
        self._load()
        return number

    async def clear(self) -> None:
        """Forget every script."""
        await self._store.write(lambda tx: tx.run("DELETE FROM faults"))
        self._load()

    def receipts(self) -> list[dict[str, Any]]:
        """Each script with how many of its steps have fired."""
        return [
            {
                "id": row["id"],
                "match": json.loads(row["match"]),
                "steps": len(json.loads(row["script"])),
                "fired": row["fired"],
            }
            for row in self._store.all("SELECT * FROM faults ORDER BY id")
        ]

    async def strike(self, request: Request) -> Response | None:
        """What the scripts have planned for this request, or None to serve it."""
        for position, (number, match, script, fired) in enumerate(self._armed):
            if fired >= len(script) or not all(
                pattern.search(getattr(request, field)) for field, pattern in match.items()
            ):
                continue
            self._armed[position] = (number, match, script, fired + 1)
            await self._store.write(partial(_count, number))
            return await _act(script[fired])
        return None

    def _load(self) -> None:
        self._armed = [
            (
                row["id"],
                {field: re.compile(pattern, re.IGNORECASE) for field, pattern in json.loads(row["match"]).items()},
                json.loads(row["script"]),
                row["fired"],
            )
            for row in self._store.all("SELECT * FROM faults ORDER BY id")
        ]


def _count(number: int, tx: Tx) -> None:
    tx.run("UPDATE faults SET fired = fired + 1 WHERE id = ?", (number,))


def _check(match: object, script: object) -> None:
    if not isinstance(match, dict) or not isinstance(script, list):
        raise ArmError(400, "BadFault", "want {'match': {FIELD: REGULAR EXPRESSION}, 'script': [STEP...]}.")
    if unknown := set(match) - _FIELDS:
        raise ArmError(400, "BadFault", f"match has {sorted(unknown)}; accepted: {sorted(_FIELDS)}.")
    if not script:
        raise ArmError(400, "BadFault", "script is empty: it could never fire.")
    for step in script:
        if not isinstance(step, dict) or len(step) != 1 or not set(step) <= _ACTS:
            raise ArmError(400, "BadFault", f"{step}: each step has one of {sorted(_ACTS)}.")
        for act, (fits, wanted) in _VALUES.items():
            if act in step and not fits(step[act]):
                raise ArmError(400, "BadFault", f"{step}: {act} wants {wanted}.")
    for field, pattern in match.items():
        try:
            re.compile(pattern)
        except (re.error, TypeError) as error:
            raise ArmError(400, "BadFault", f"{field}={pattern!r} is no regular expression: {error}.") from error


async def _act(step: dict[str, Any]) -> Response | None:
    ((act, value),) = step.items()
    if act == "delay":
        await asyncio.sleep(float(value))
    elif act == "reset":
        raise BrokenError(half=False)
    elif act == "half":
        raise BrokenError(half=True)
    elif act == "crash":
        os.kill(os.getpid(), signal.SIGKILL)
    elif act == "status":
        headers = {"Retry-After": "1"} if value in (429, 503) else {}
        error = ArmError(value, "FaultOnDemand", f"A fault script answers {value} here.")
        return Response(value, error.json(), {"content-type": "application/json", "x-sandbox-fault": "1", **headers})
    return None
