"""The ML registry through which models cross stacks."""

import tempfile
from pathlib import Path
from typing import Any

from ops.command import OpsError
from ops.digest import digest
from ops.views import CUSTOM, ModelVersion
from ops.workspace import client


def model_id(registry: str, name: str, version: str) -> str:
    """How a deployment refers to a registry's model."""
    return f"azureml://registries/{registry}/models/{name}/versions/{version}"


class Registry:
    """An open registry.

    Args:
        name: of the registry, unique in all of Azure.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        _, self._client = client(registry_name=name)

    def version(self, name: str, version: str) -> ModelVersion | None:
        """A model version, or None."""
        found = self._get(name, version)
        return _version(found) if found else None

    def versions(self, name: str) -> list[ModelVersion]:
        """All versions of a model; none when the model is unknown."""
        from azure.core.exceptions import ResourceNotFoundError

        try:
            return [_version(found) for found in self._client.models.list(name=name)]
        except ResourceNotFoundError:
            return []

    def digest(self, name: str, version: str) -> str:
        """The digest of the files that are there now, whatever is recorded."""
        with tempfile.TemporaryDirectory() as folder:
            self._client.models.download(name, version, folder)
            return digest(Path(folder))

    def describe(self, model: ModelVersion) -> None:
        """Completes what is recorded on a version that is there.

        Raises:
            OpsError: there is no such version.
        """
        found = self._get(model.name, model.version)
        if found is None:
            raise OpsError(f"registry {self.name} has no model {model.reference}", repair="promote it again")
        found.properties = {**(found.properties or {}), **model.properties}
        found.tags = {**(found.tags or {}), **model.tags}
        self._client.models.create_or_update(found)

    def _get(self, name: str, version: str) -> Any:
        from azure.core.exceptions import ResourceNotFoundError

        try:
            return self._client.models.get(name, version)
        except ResourceNotFoundError:
            return None


def _version(found: Any) -> ModelVersion:
    return ModelVersion(
        name=str(found.name),
        version=str(found.version),
        tags=dict(found.tags or {}),
        properties=dict(found.properties or {}),
        kind=str(found.type or CUSTOM),
    )
