"""Waits until Azure acts on the role assignments that a workspace and the uploads stand on.

An assignment is accepted at once and takes effect within minutes. Nothing tells when; so whoever deploys asks the
data plane until it answers. All assignments before it were made earlier than its own answer.
"""

import time
from typing import Any

import pulumi
from pulumi import dynamic

from azure_client import alone, credential

# Azure promises ten minutes.
_DEADLINE_SECONDS = 600
_RETRY_SECONDS = 5


class RolePropagationProvider(dynamic.ResourceProvider):
    """Asks for the first blob of a container until that is allowed."""

    # Holds no secret: it is stored readable, so that a review sees what runs.
    serialize_as_secret_always = False

    def create(self, props: dict[str, Any]) -> dynamic.CreateResult:
        """Waits.

        Raises:
            RuntimeError: still not allowed after ten minutes; says who has to be let in, and where.
        """
        _wait(props)
        return dynamic.CreateResult(id_=_container_url(props), outs=props)

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> dynamic.DiffResult:
        """Other assignments, or another container, are waited for again."""
        changed = any(olds.get(key) != news.get(key) for key in ("blob_endpoint", "container", "assignments"))
        return dynamic.DiffResult(changes=changed)

    def update(self, _id: str, _olds: dict[str, Any], news: dict[str, Any]) -> dynamic.UpdateResult:
        """Waits."""
        _wait(news)
        return dynamic.UpdateResult(outs=news)

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """There is nothing to take back."""


# One object, so that the SDK writes it into the state once and not anew for each resource.
_PROVIDER = RolePropagationProvider()


class RolePropagation(dynamic.Resource, name="RolePropagation"):
    """Is there once the role assignments have taken effect.

    Inputs: ``blob_endpoint`` and ``container`` that whoever deploys may read, ``assignments`` (ids).
    """

    def __init__(
        self,
        name: str,
        *,
        blob_endpoint: pulumi.Input[str],
        container: pulumi.Input[str],
        grants: list[pulumi.Resource],
        opts: pulumi.ResourceOptions,
    ) -> None:
        ids = [grant.id for grant in grants if isinstance(grant, pulumi.CustomResource)]
        props = {"blob_endpoint": blob_endpoint, "container": container, "assignments": ids}
        super().__init__(_PROVIDER, name, props, opts)


def _container_url(props: dict[str, Any]) -> str:
    return f"{props['blob_endpoint']}{props['container']}"


def _wait(props: dict[str, Any]) -> None:
    with alone:
        from azure.core.exceptions import HttpResponseError
        from azure.storage.blob import ContainerClient

    client = ContainerClient.from_container_url(_container_url(props), credential=credential())
    deadline = time.monotonic() + _DEADLINE_SECONDS
    with client as container:
        while True:
            try:
                next(iter(container.list_blobs(results_per_page=1)), None)
            except HttpResponseError as error:
                if error.status_code != 403:
                    raise
                if time.monotonic() >= deadline:
                    raise RuntimeError(
                        f"{_container_url(props)}: still refused after {_DEADLINE_SECONDS} s; whoever deploys needs "
                        "'Storage Blob Data Contributor' there: add the object id to platform.deployers"
                    ) from error
            else:
                return
            time.sleep(_RETRY_SECONDS)
