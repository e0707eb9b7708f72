"""Which provider makes a resource: by package, or the explicit one that the program configured."""

import threading
from collections.abc import Callable, Mapping

from sandbox.engine.urns import type_of
from sandbox.provider.base import Checked, Diff, Made, Naming, Provider, ProviderError
from sandbox.provider.diffing import compare
from sandbox.values import UNKNOWN, Props, plain

PREFIX = "pulumi:providers:"
Factory = Callable[[Mapping[str, object]], Provider]


class Providers:
    """One provider a package and configuration.

    Args:
        factories: package to a function that makes its provider from a configuration.
        config: package to the configuration of its default provider.
    """

    def __init__(self, factories: Mapping[str, Factory], config: Callable[[str], Mapping[str, str]]) -> None:
        self._factories = factories
        self._config = config
        self._made: dict[str, Provider] = {}
        self._explicit: dict[str, Props] = {}
        self._guard = threading.Lock()
        self._itself = _ProviderResources(self._check_config)

    def declare(self, urn: str, inputs: Props) -> None:
        """Note the configuration of an explicit provider."""
        with self._guard:
            self._explicit[urn] = inputs
            self._made.pop(urn, None)

    def _check_config(self, package: str, config: Props) -> tuple[tuple[str, str], ...]:
        if package not in self._factories:
            return (("", f"the sandbox has no provider '{package}'; it has: {', '.join(self._factories)}"),)
        provider = self._factories[package](plain(config))
        try:
            return provider.check_config(config)
        finally:
            provider.close()

    def close(self) -> None:
        """Let go of every provider's connections."""
        for provider in self._made.values():
            provider.close()

    def find(self, type_: str, reference: str) -> Provider:
        """The provider of a resource of this type.

        Raises:
            ProviderError: there is none in the sandbox.
        """
        if type_.startswith(PREFIX):
            return self._itself
        package = type_.split(":")[0]
        urn = reference.rpartition("::")[0]
        with self._guard:
            key = urn or package
            if key not in self._made:
                if package not in self._factories:
                    raise ProviderError(
                        f"{type_}: the sandbox has no provider '{package}'; it has: {', '.join(self._factories)}"
                    )
                config: Mapping[str, object] = (
                    plain(self._explicit[urn]) if urn in self._explicit else self._config(package)
                )
                self._made[key] = self._factories[package](config)
            return self._made[key]


class _ProviderResources:
    """An explicit provider is a resource too; the cloud knows nothing of it."""

    def __init__(self, check: Callable[[str, Props], tuple[tuple[str, str], ...]]) -> None:
        self._check = check

    def check_config(self, config: Props) -> tuple[tuple[str, str], ...]:
        return ()

    def check(self, urn: str, old: Props | None, new: Props, naming: Naming) -> Checked:
        return Checked(new, self._check(type_of(urn).removeprefix(PREFIX), new))

    def diff(self, urn: str, resource_id: str, old: Props, outputs: Props, new: Props) -> Diff:
        return Diff(compare(old, new))

    def claim(self, urn: str, inputs: Props) -> str:
        return urn.rpartition("::")[2]

    def create(self, urn: str, inputs: Props, *, preview: bool, timeout: float) -> Made:
        return Made(UNKNOWN if preview else self.claim(urn, inputs), inputs)

    def read(self, urn: str, resource_id: str, inputs: Props | None, outputs: Props) -> Made | None:
        return Made(resource_id, outputs, inputs)

    def update(
        self, urn: str, resource_id: str, old: Props, outputs: Props, new: Props, *, preview: bool, timeout: float
    ) -> Made:
        return Made(resource_id, new)

    def delete(self, urn: str, resource_id: str, inputs: Props, outputs: Props, *, timeout: float) -> None:
        return

    def invoke(self, function: str, args: Props) -> Props:
        raise ProviderError(f"{function}: providers have no functions")

    def close(self) -> None:
        return
