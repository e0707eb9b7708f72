"""At which depth each Pulumi type lives in the sandbox."""

from sandbox.arm.registry import Registry
from sandbox.arm.schema import Schema, UnknownTypeError
from sandbox.home import Home


class Levels:
    """Depth of Pulumi types, from the kinds behind them.

    Args:
        home: its cache holds the types read from the provider package.
    """

    def __init__(self, home: Home) -> None:
        self._schema = Schema(home.cache)
        self._registry = Registry.find(self._schema)

    def of(self, token: str) -> str:
        """``runs``, ``enforced``, ``recorded``; '' for a component; ``unknown`` for what the sandbox lacks."""
        if token.startswith("pulumi-python:dynamic"):
            return "runs"
        if token.count(":") == 2 and not token.startswith("azure-native:"):
            return ""
        try:
            kind = self._registry.get(self._schema.resource(token).arm_type)
        except UnknownTypeError:
            return "unknown"
        return kind.level if kind else "unknown"
