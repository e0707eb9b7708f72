"""Finds every type file, checks its declaration, refuses two that claim the same type."""

import importlib
import pkgutil
from collections.abc import Iterator

from sandbox import types
from sandbox.arm.errors import ArmError
from sandbox.arm.ids import ResourceId
from sandbox.arm.kind import Kind
from sandbox.arm.schema import Schema


class Registry:
    """All kinds, by ARM type without case.

    Args:
        kinds: one of each.
        schema: the properties of each type.

    Raises:
        RuntimeError: two files claim one type; both are named.
    """

    def __init__(self, kinds: list[Kind], schema: Schema) -> None:
        self.schema = schema
        self._kinds: dict[str, Kind] = {}
        for kind in kinds:
            key = kind.arm_type.lower()
            if other := self._kinds.get(key):
                raise RuntimeError(
                    f"{kind.arm_type} is claimed by {type(other).__module__} and {type(kind).__module__}"
                )
            self._kinds[key] = kind

    @classmethod
    def find(cls, schema: Schema) -> "Registry":
        """The kinds of ``sandbox/types``."""
        kinds: list[Kind] = []
        for module in pkgutil.walk_packages(types.__path__, f"{types.__name__}."):
            found = vars(importlib.import_module(module.name)).values()
            kinds += [
                thing()
                for thing in found
                if isinstance(thing, type) and issubclass(thing, Kind) and thing.__module__ == module.name
                and "arm_type" in vars(thing)
            ]  # fmt: skip
        return cls(kinds, schema)

    def __iter__(self) -> Iterator[Kind]:
        return iter(self._kinds.values())

    def get(self, arm_type: str) -> Kind | None:
        """The kind of an ARM type, or None."""
        return self._kinds.get(arm_type.lower())

    def need(self, resource_id: ResourceId) -> Kind:
        """The kind of a resource; errors as :meth:`need_type`."""
        return self._kinds.get(resource_id.kind) or self.need_type(resource_id.type)

    def need_type(self, arm_type: str) -> Kind:
        """The kind of an ARM type.

        Raises:
            ArmError: 404 InvalidResourceType, as ARM answers for a type that a namespace does not have, or
                NoRegisteredProviderFound for a namespace that is not there at all.
        """
        if found := self._kinds.get(arm_type.lower()):
            return found
        namespace = arm_type.split("/")[0]
        if any(key.startswith(namespace.lower() + "/") for key in self._kinds):
            raise ArmError(
                404, "InvalidResourceType",
                f"The resource type '{arm_type}' could not be found in the namespace '{namespace}'; "
                "the types it has are in docs/reference/resources.md.",
            )  # fmt: skip
        raise ArmError(
            404, "InvalidResourceNamespace",
            f"The resource namespace '{namespace}' is not one the sandbox has; docs/reference/resources.md lists them.",
        )  # fmt: skip
