"""Callers of an endpoint at a steady rate, a program of its own: ``caller.py URI RATE BODY``, the secret on its input.

Sends until its input closes, then prints one JSON object: how many were sent, how many were answered, how many failed
and the first failures, and how many each deployment answered. A request counts as failed when its status is not 200 or
when no answer came; none is sent twice. On a machine that is too slow for the rate callers wait for answers before they
ask more, so that what fails is never the machine's fault alone.
"""

import asyncio
import json
import os
import ssl
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import aiohttp

_ANSWER_SECONDS = 60
_FAILURES_SHOWN = 5
# A machine that keeps the rate has a handful of them under way.
_AT_ONCE = 24
_LATE_SECONDS = 0.05


class Caller:
    """Sends one request every ``1 / rate`` seconds, and waits while too many are unanswered; it catches nothing up."""

    def __init__(self, uri: str, rate: float, body: bytes, secret: str) -> None:
        self._uri, self._rate, self._body = uri, rate, body
        self._headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"}
        self.sent = 0
        self.by: Counter[str] = Counter()
        self.failures: list[str] = []
        self.seconds: list[float] = []

    async def run(self, over: threading.Event) -> dict[str, Any]:
        """Sends until it is over and every answer is there."""
        trusted = ssl.create_default_context(cafile=os.environ["SSL_CERT_FILE"])
        limit = aiohttp.ClientTimeout(total=_ANSWER_SECONDS)
        connector = aiohttp.TCPConnector(ssl=trusted, limit=0)
        async with aiohttp.ClientSession(connector=connector, timeout=limit, headers=self._headers) as session:
            pending: set[asyncio.Task[None]] = set()
            begun = due = time.monotonic()
            while not over.is_set():
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                if len(pending) >= _AT_ONCE:
                    await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                due = max(due, time.monotonic() - _LATE_SECONDS) + 1 / self._rate
                self.sent += 1
                task = asyncio.create_task(self._ask(session))
                pending.add(task)
                task.add_done_callback(pending.discard)
            asked = time.monotonic() - begun
            await asyncio.gather(*pending)
        return {
            "rate": round(self.sent / asked, 1),
            "sent": self.sent, "answered": sum(self.by.values()), "by": dict(self.by), "failed": len(self.failures),
            "failures": self.failures[:_FAILURES_SHOWN],
            "p50_ms": self._quantile(0.5), "p99_ms": self._quantile(0.99),
        }  # fmt: skip

    def _quantile(self, share: float) -> float | None:
        """Milliseconds within which that share of the answers came."""
        ordered = sorted(self.seconds)
        return round(ordered[int(len(ordered) * share)] * 1000, 1) if ordered else None

    async def _ask(self, session: aiohttp.ClientSession) -> None:
        begun = time.monotonic()
        try:
            async with session.post(self._uri, data=self._body, proxy=os.environ["HTTPS_PROXY"]) as response:
                text = await response.text()
                if response.status != 200:
                    self.failures.append(f"{response.status} {text[:200]}")
                    return
                self.by[response.headers.get("azureml-model-deployment", "")] += 1
        except (aiohttp.ClientError, TimeoutError) as error:
            self.failures.append(f"{type(error).__name__} {error}")
            return
        self.seconds.append(time.monotonic() - begun)


def main(uri: str, rate: str, body: str) -> None:
    """Reads the secret's line, sends until the input ends."""
    secret, over = sys.stdin.readline().strip(), threading.Event()
    caller = Caller(uri, float(rate), Path(body).read_bytes(), secret)

    def wait() -> None:
        sys.stdin.read()
        over.set()

    threading.Thread(target=wait, daemon=True).start()
    print(json.dumps(asyncio.run(caller.run(over))))


if __name__ == "__main__":
    main(*sys.argv[1:])
