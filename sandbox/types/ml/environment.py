"""Environment: an image with a conda file, or the context to build one from; what jobs and deployments run in.

Azure's own (curated) environments are there in every workspace without being stored in it.
"""

from collections.abc import Mapping

from sandbox.arm.ids import ResourceId, parse
from sandbox.arm.kind import Body, Refusal
from sandbox.arm.resource import Change, Listing, Resource, View, whole
from sandbox.types.ml.asset import ML, Container, Version
from sandbox.types.ml.build_context import same_files

_BORN = "2022-01-10T00:00:00.000000Z"
# Name to the number of versions. Source: learn.microsoft.com, "Azure Machine Learning curated environments".
_CURATED = {
    "AzureML-sklearn-1.0-ubuntu20.04-py38-cpu": 33,
    "AzureML-lightgbm-3.2-ubuntu18.04-py37-cpu": 48,
    "AzureML-minimal-ubuntu18.04-py37-cpu-inference": 61,
}
_RESERVED = ("azureml-", "microsoft-")


def _curated(where: ResourceId, body: Body) -> Resource:
    return Resource(where, {"properties": body}, created=_BORN, modified=_BORN, author="Microsoft", etag='"curated"')


def _curated_name(name: str) -> str:
    return next((each for each in _CURATED if each.lower() == name.lower()), "")


class EnvironmentContainer(Container):
    """``workspaces/environments``."""

    arm_type = f"{ML}/workspaces/environments"

    def check(self, new: Resource, old: Resource | None, view: View) -> None:
        """Azure keeps some names for itself."""
        if new.name.lower().startswith(_RESERVED):
            raise Refusal(
                400,
                "UserError",
                f"The name '{new.name}' is reserved: want one without {' or '.join(_RESERVED)} before it.",
            )

    def find(self, where: ResourceId, view: View) -> Resource | None:
        """A stored one, or a curated one."""
        if (found := view.get(where.text)) or not _curated_name(where.name):
            return found
        return _curated(where, {})

    def listed(self, scope: str, query: Mapping[str, str], view: View) -> Listing:
        """Stored ones, then Azure's own."""
        found = super().listed(scope, query, view)
        if query.get("listViewType") == "ArchivedOnly":
            return found
        return whole([*found, *(_curated(parse(f"{scope}/environments/{name}"), {}) for name in _CURATED)])

    def outputs(self, me: Resource, view: View) -> Body:
        """A curated one counts up by itself."""
        if name := _curated_name(me.name):
            latest = _CURATED[name]
            return {"properties": {"latestVersion": str(latest), "nextVersion": str(latest + 1)}}
        return super().outputs(me, view)


class EnvironmentVersion(Version):
    """``workspaces/environments/versions``."""

    arm_type = f"{ML}/workspaces/environments/versions"
    differs = {
        "properties.image": "no image is pulled: a local runtime that has the conda file's pins stands in for it",
        "properties.condaFile": "another minor version of Python may stand in; the log of a job or deployment says so",
    }

    def fill(self, new: Resource, old: Resource | None, change: Change) -> None:
        """Linux unless said otherwise; the same context uploaded again is the first one."""
        super().fill(new, old, change)
        new.properties["osType"] = str(new.properties.get("osType") or "Linux").capitalize()
        before, after = (each.get("properties.build.contextUri") if each else None for each in (old, new))
        if before and after and before != after and same_files(before, after, change):
            new.properties["build"]["contextUri"] = before

    def check(self, new: Resource, old: Resource | None, view: View) -> None:
        """An image or a build context, not both and not neither."""
        image, build = new.get("properties.image"), new.get("properties.build")
        if bool(image) == bool(build):
            raise Refusal(
                400,
                "UserError",
                f"environments {new.id.parent.rsplit('/', 1)[-1]}:{new.name} has "
                f"{'both image and build' if image else 'neither image nor build'}; want one of properties.image and "
                "properties.build.contextUri.",
            )
        super().check(new, old, view)

    def find(self, where: ResourceId, view: View) -> Resource | None:
        """A stored one, or one of a curated environment's versions."""
        if found := super().find(where, view):
            return found
        name = _curated_name(where.parent.rsplit("/", 1)[-1])
        if not name or not where.name.isdigit() or not 1 <= int(where.name) <= _CURATED[name]:
            return None
        image = f"mcr.microsoft.com/azureml/curated/{name.removeprefix('AzureML-').lower()}:{where.name}"
        return _curated(
            where, {"image": image, "osType": "Linux", "isAnonymous": False, "isArchived": False, "tags": {}}
        )

    def listed(self, scope: str, query: Mapping[str, str], view: View) -> Listing:
        """Stored ones, or a curated environment's, the newest first."""
        name = _curated_name(scope.rsplit("/", 1)[-1])
        if not name:
            return super().listed(scope, query, view)
        wanted = (self.find(parse(f"{scope}/versions/{number}"), view) for number in range(_CURATED[name], 0, -1))
        return whole([each for each in wanted if each])

    def outputs(self, me: Resource, view: View) -> Body:
        """Who made it: a person, or Azure."""
        made = "Curated" if _curated_name(me.id.parent.rsplit("/", 1)[-1]) else "UserCreated"
        return {**super().outputs(me, view), "properties": {"environmentType": made}}


class RegistryEnvironmentContainer(EnvironmentContainer):
    """``registries/environments``."""

    arm_type = f"{ML}/registries/environments"


class RegistryEnvironmentVersion(EnvironmentVersion):
    """``registries/environments/versions``."""

    arm_type = f"{ML}/registries/environments/versions"


def same_environment(me: Resource, scope: str, view: View) -> Resource:
    """An anonymous environment's namesake: the named one of the same content, where there is one."""
    if not me.get("properties.isAnonymous"):
        return me
    versions = EnvironmentVersion() if "/workspaces/" in scope else RegistryEnvironmentVersion()
    containers = EnvironmentContainer() if "/workspaces/" in scope else RegistryEnvironmentContainer()
    wanted = versions.content(me.properties)
    for container in containers.listed(scope, {}, view):
        for each in versions.listed(container.id.text, {}, view):
            if not each.get("properties.isAnonymous") and versions.content(each.properties) == wanted:
                return each
    return me
