"""Which provider packages the sandbox has."""

from collections.abc import Callable, Mapping

from sandbox.arm.schema import Schema
from sandbox.home import Home
from sandbox.provider.azure_native import factory
from sandbox.provider.base import Provider


def factories(
    home: Home, project: str, config: Mapping[str, str], *, offline: bool
) -> dict[str, Callable[[Mapping[str, object]], Provider]]:
    """Package to a function that makes its provider; `offline` for a preview that must need no credentials."""

    def dynamic(_: Mapping[str, object]) -> Provider:
        from sandbox.provider.dynamic import Dynamic  # imports the SDK, which the plugin's callers have no need of

        return Dynamic(project, dict(config))

    return {"azure-native": factory(Schema(home.cache), offline=offline), "pulumi-python": dynamic}
