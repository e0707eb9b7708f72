"""What the engine knows of a resource between runs, and how it is written down without its secrets."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet, InvalidToken

from sandbox.atomic import write_private
from sandbox.store.migrate import StateError
from sandbox.values import SECRET_SIGNATURE, SIGNATURE, Json, Props, is_secret, secret, unwrap


@dataclass(frozen=True, kw_only=True)
class Resource:
    """One resource of a stack as the last run left it.

    Attributes:
        urn: its name in Pulumi.
        type: its Pulumi type.
        custom: a provider makes it; False for components and the stack.
        id: how the provider knows it.
        inputs: checked inputs; secrets marked.
        outputs: what the provider answered; secrets marked.
        parent: URN of the component around it.
        provider: ``URN::ID`` of its explicit provider, '' for the default one.
        dependencies: URNs that must exist before it.
        property_dependencies: input to the URNs that it is made from.
        additional_secret_outputs: outputs that are secret whatever the provider says.
        protect: it must not be deleted.
        retain_on_delete: deleting it leaves it in the cloud.
        deleted_with: URN whose deletion takes it along.
        external: read, not made; never deleted.
        problems: why the next run must update it even if nothing changed.
        pending_replacement: it was deleted so that its successor can be made.
    """

    urn: str
    type: str
    custom: bool
    id: str = ""
    inputs: Props = field(default_factory=dict)
    outputs: Props = field(default_factory=dict)
    parent: str = ""
    provider: str = ""
    dependencies: tuple[str, ...] = ()
    property_dependencies: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    additional_secret_outputs: tuple[str, ...] = ()
    protect: bool = False
    retain_on_delete: bool = False
    deleted_with: str = ""
    external: bool = False
    problems: tuple[str, ...] = ()
    pending_replacement: bool = False

    def needs(self) -> set[str]:
        """URNs that must outlive this resource."""
        provider = self.provider.rpartition("::")[0]
        return {urn for urn in (self.parent, provider, self.deleted_with, *self.dependencies) if urn}

    def points_at(self, urn: str) -> bool:
        """Whether anything written down here names that resource."""
        return urn in self.needs() or any(urn in urns for urns in self.property_dependencies.values())

    def pointing(self, old: str, new: str) -> "Resource":
        """The same, naming `new` wherever it named `old`."""

        def now(urn: str) -> str:
            return new if urn == old else urn

        provider, _, resource_id = self.provider.rpartition("::")
        return replace(
            self, parent=now(self.parent), deleted_with=now(self.deleted_with),
            provider=f"{now(provider)}::{resource_id}" if provider else self.provider,
            dependencies=tuple(now(each) for each in self.dependencies),
            property_dependencies={
                name: tuple(now(each) for each in urns) for name, urns in self.property_dependencies.items()
            },
        )  # fmt: skip


_FIELDS = {entry.name for entry in fields(Resource)}


class Codec:
    """Writes resources as JSON text and reads them back; secret values are encrypted with the sandbox's key.

    Args:
        key_file: where the key is, made on first use, readable by its owner only.
    """

    def __init__(self, key_file: Path) -> None:
        self._key_file = key_file
        self._fernet: Fernet | None = None

    def dump(self, resource: Resource) -> str:
        """The resource as text."""
        return json.dumps(
            {
                **vars(resource), "inputs": self._seal(resource.inputs), "outputs": self._seal(resource.outputs),
                "problems": [self._seal(secret(each)) for each in resource.problems],  # Azure's words may repeat one
            },
            separators=(",", ":"), sort_keys=True,
        )  # fmt: skip

    def load(self, text: str) -> Resource:
        """The resource that `text` describes.

        Raises:
            StateError: it holds secrets that this sandbox's key does not open.
        """
        content: dict[str, Any] = {key: value for key, value in json.loads(text).items() if key in _FIELDS}
        for key in ("dependencies", "additional_secret_outputs", "problems"):
            content[key] = tuple(content.get(key, ()))
        content["property_dependencies"] = {
            key: tuple(urns) for key, urns in content.get("property_dependencies", {}).items()
        }
        content["problems"] = tuple(unwrap(self._open(each)) for each in content["problems"])
        content["inputs"] = self._open(content.get("inputs", {}))
        content["outputs"] = self._open(content.get("outputs", {}))
        return Resource(**content)

    def _seal(self, value: Json) -> Json:
        if is_secret(value):
            clear = json.dumps(unwrap(value)).encode()
            return {SIGNATURE: SECRET_SIGNATURE, "ciphertext": self._key().encrypt(clear).decode()}
        if isinstance(value, dict):
            return {key: self._seal(item) for key, item in value.items()}
        return [self._seal(item) for item in value] if isinstance(value, list) else value

    def _open(self, value: Json) -> Json:
        if isinstance(value, dict) and value.get(SIGNATURE) == SECRET_SIGNATURE:
            try:
                return {SIGNATURE: SECRET_SIGNATURE, "value": json.loads(self._key().decrypt(value["ciphertext"]))}
            except InvalidToken:
                raise StateError(
                    f"{self._key_file}: is not the key that the stack's secrets were written with; put the "
                    "original file back, or start afresh with: make purge"
                ) from None
        if isinstance(value, dict):
            return {key: self._open(item) for key, item in value.items()}
        return [self._open(item) for item in value] if isinstance(value, list) else value

    def _key(self) -> Fernet:
        if self._fernet is None:
            if not self._key_file.exists():
                _write(self._key_file, Fernet.generate_key())
            try:
                self._fernet = Fernet(self._key_file.read_bytes())
            except ValueError:
                raise StateError(
                    f"{self._key_file}: is no key; put the original file back, or run: make purge"
                ) from None
        return self._fernet


def _write(path: Path, key: bytes) -> None:
    try:
        write_private(path, key, replace=False)
    except OSError as error:
        raise StateError(
            f"{path}: cannot be written ({error.strerror}). Nothing was changed; run the same command again once that "
            "is repaired"
        ) from error
