"""Looks at an endpoint's weights again and again, as somebody who is told of each moment would."""

import threading

from tests.sandbox.conftest import Sandbox

_EVERY_SECONDS = 0.05


class Watch:
    """A thread that asks Azure for the weights until it is closed.

    Attributes:
        seen: the different weights, in the order in which they came.
    """

    def __init__(self, sandbox: Sandbox, endpoint: str) -> None:
        self._sandbox, self._endpoint = sandbox, endpoint
        self._over = threading.Event()
        self.seen: list[dict[str, int]] = []
        self._look()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Looks for the last time."""
        self._over.set()
        self._thread.join()
        self._look()
        self._sandbox.close()

    @property
    def sums(self) -> set[int]:
        """What the weights added up to."""
        return {sum(weights.values()) for weights in self.seen}

    def _run(self) -> None:
        while not self._over.wait(_EVERY_SECONDS):
            self._look()

    def _look(self) -> None:
        weights = self._sandbox.call("GET", self._endpoint).body["properties"]["traffic"]
        if not self.seen or self.seen[-1] != weights:
            self.seen.append(weights)
