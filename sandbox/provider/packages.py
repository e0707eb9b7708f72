"""Which provider packages the sandbox has."""

from collections.abc import Callable, Mapping

from sandbox.arm.schema import Schema
from sandbox.home import Home
from sandbox.provider.azure_native import factory
from sandbox.provider.base import Provider
from sandbox.provider.held import of_state


def factories(
    home: Home, project: str, config: Mapping[str, str], *, offline: bool
) -> dict[str, Callable[[Mapping[str, object]], Provider]]:
    """Package to a function that makes its provider; `offline` for a preview that must need no credentials."""

    def dynamic(_: Mapping[str, object]) -> Provider:
        from sandbox.provider.dynamic import Dynamic  # imports the SDK, which the plugin's callers have no need of

        return Dynamic(project, dict(config))

    azure = factory(Schema(home.cache), offline=offline, find_held=of_state(home.database))
    return {"azure-native": azure, "pulumi-python": dynamic}
