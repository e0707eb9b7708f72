"""What an engine asks of a provider. Values are plain JSON with Pulumi's markers (``sandbox/values.py``)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from sandbox.values import Props


class ProviderError(Exception):
    """A call that failed.

    Args:
        message: what, why, what is accepted.
        code: the service's error code, such as ``ResourceNotFound``; '' when there is none.
        partial: the resource as it stands, when it exists although the call failed.
        uncertain: nobody knows whether the call took effect: the connection broke while it was under way.
    """

    def __init__(self, message: str, code: str = "", partial: "Made | None" = None, *, uncertain: bool = False) -> None:
        super().__init__(f"{code}: {message}" if code else message)
        self.message = message
        self.code = code
        self.partial = partial
        self.uncertain = uncertain


class OfflineError(ProviderError):
    """It takes asking the service, and this provider has nothing to ask it with: a preview does without."""


class Kind(Enum):
    """How one property changes."""

    ADD = "add"
    UPDATE = "update"
    DELETE = "delete"


@dataclass(frozen=True)
class Change:
    """One property's change.

    Attributes:
        kind: added, updated or deleted.
        replace: it can only be had by replacing the resource.
    """

    kind: Kind
    replace: bool = False


@dataclass(frozen=True)
class Diff:
    """What differs between the old and the new inputs.

    Attributes:
        changes: property path, such as ``tags.owner`` or ``rules[0].port``, to its change.
        delete_before_replace: the old resource must go before the new one can be made.
    """

    changes: Mapping[str, Change] = field(default_factory=dict)
    delete_before_replace: bool = False

    @property
    def replaces(self) -> tuple[str, ...]:
        """Paths that force a replacement."""
        return tuple(path for path, change in self.changes.items() if change.replace)


@dataclass(frozen=True)
class Checked:
    """Inputs with defaults and names filled in.

    Attributes:
        inputs: what the other calls are given.
        failures: property and reason of everything that is wrong.
    """

    inputs: Props
    failures: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Made:
    """A resource that exists.

    Attributes:
        id: how the service knows it.
        outputs: what the service says about it.
        inputs: what would make it as it is now; None to keep those that are known.
        problems: why it is not in order, although it exists.
    """

    id: str
    outputs: Props
    inputs: Props | None = None
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class Naming:
    """How a resource without a physical name gets one (``pulumi:autonaming`` of the project).

    Attributes:
        mode: ``default`` is the provider's way, ``verbatim`` the logical name, ``proposed`` the name given here,
            ``disabled`` none.
        proposed: the name.
    """

    mode: str = "default"
    proposed: str = ""


class Provider(Protocol):
    """Resources of one package. Calls may come from several threads at once."""

    def check_config(self, config: Props) -> tuple[tuple[str, str], ...]:
        """Property and reason of everything that is wrong with an explicit provider's configuration."""

    def check(self, urn: str, old: Props | None, new: Props, naming: Naming) -> Checked:
        """Fill in and check inputs; `old` are the inputs of the resource as it stands."""

    def diff(self, urn: str, resource_id: str, old: Props, outputs: Props, new: Props) -> Diff:
        """Compare inputs; `outputs` is the resource as it stands."""

    def claim(self, urn: str, inputs: Props) -> str:
        """The id that a creation will use, '' when only the creation itself shows it.

        Raises:
            ProviderError: somebody else's resource is there already.
        """

    def create(self, urn: str, inputs: Props, *, preview: bool, timeout: float) -> Made:
        """Make it. In preview: nothing but the outputs that are known before."""

    def read(self, urn: str, resource_id: str, inputs: Props | None, outputs: Props) -> Made | None:
        """The resource as the service has it, operations under way awaited; None when it is not there."""

    def update(
        self, urn: str, resource_id: str, old: Props, outputs: Props, new: Props, *, preview: bool, timeout: float
    ) -> Made:
        """Change it in place."""

    def delete(self, urn: str, resource_id: str, inputs: Props, outputs: Props, *, timeout: float) -> None:
        """Remove it; one that is not there is no error."""

    def invoke(self, function: str, args: Props) -> Props:
        """Call a function, such as ``azure-native:authorization:getClientConfig``."""

    def close(self) -> None:
        """Let go of connections."""
