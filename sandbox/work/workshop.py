"""Starts, adopts and stops real processes. Filled in by the files beside it."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sandbox.arm.azure import Azure


class Workshop:
    """All processes of the sandbox."""

    def __init__(self, azure: "Azure") -> None:
        self._azure = azure

    async def start(self) -> None:
        """Adopt or clear away what an earlier gateway left running."""

    async def stop_all(self) -> None:
        """Stop every process."""
