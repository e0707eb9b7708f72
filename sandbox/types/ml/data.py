"""Data asset: a name and a version for files that stay where they are."""

import re

from sandbox.arm.kind import Body, Refusal
from sandbox.arm.resource import Change, Resource, View
from sandbox.types.ml.asset import ML, Container, Version

_TYPES = ("uri_file", "uri_folder", "mltable")
_FOLDERS = ("uri_folder", "mltable")
_URI = re.compile(r"(azureml|https?|wasbs?|abfss?|adl|file|hdfs|runs)://?.+", re.IGNORECASE)


class DataContainer(Container):
    """``workspaces/data``."""

    arm_type = f"{ML}/workspaces/data"
    provisioning = False
    frozen = ("properties.dataType",)


class DataVersion(Version):
    """``workspaces/data/versions``."""

    arm_type = f"{ML}/workspaces/data/versions"
    provisioning = False
    path = "dataUri"
    extra = (*Version.extra, "properties.autoDeleteSetting", "properties.intellectualProperty", "properties.stage")

    def parent_body(self, new: Resource) -> Body:
        """All versions are of the type that the first one has."""
        return {"properties": {"dataType": new.get("properties.dataType")}}

    def fill(self, new: Resource, old: Resource | None, change: Change) -> None:
        """A folder's uri ends in a slash."""
        super().fill(new, old, change)
        uri = str(new.properties.get("dataUri", ""))
        if new.properties.get("dataType") in _FOLDERS and uri:
            new.properties["dataUri"] = f"{uri.rstrip('/')}/"

    def check(self, new: Resource, old: Resource | None, view: View) -> None:
        """The type is the container's; the uri has a scheme that Azure ML reads."""
        uri, kind = str(new.get("properties.dataUri", "")), new.get("properties.dataType")
        if not _URI.fullmatch(uri):
            raise Refusal(
                400,
                "UserError",
                f"dataUri of data {new.id.parent.rsplit('/', 1)[-1]}:{new.name} is '{uri}': want azureml://datastores/"
                "NAME/paths/PATH, or a uri with https, wasbs, abfss or adl.",
            )
        above = view.parent(new).get("properties.dataType")
        if kind != above:
            raise Refusal(
                400,
                "UserError",
                f"dataType of data {new.id.parent.rsplit('/', 1)[-1]}:{new.name} is '{kind}', its other versions are "
                f"'{above}'; the types are {', '.join(_TYPES)}.",
            )
        super().check(new, old, view)


class RegistryDataContainer(DataContainer):
    """``registries/data``."""

    arm_type = f"{ML}/registries/data"


class RegistryDataVersion(DataVersion):
    """``registries/data/versions``."""

    arm_type = f"{ML}/registries/data/versions"
