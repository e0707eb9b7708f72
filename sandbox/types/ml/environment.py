"""Environment: an image with a conda file, or the context to build one from; what jobs and deployments run in."""

from sandbox.arm.kind import Body, Refusal
from sandbox.arm.resource import Change, Resource, View
from sandbox.types.ml.asset import ML, Container, Version


class EnvironmentContainer(Container):
    """``workspaces/environments``."""

    arm_type = f"{ML}/workspaces/environments"


class EnvironmentVersion(Version):
    """``workspaces/environments/versions``."""

    arm_type = f"{ML}/workspaces/environments/versions"
    differs = {
        "properties.image": "no image is pulled: a local runtime that has the conda file's pins stands in for it"
    }

    def fill(self, new: Resource, old: Resource | None, change: Change) -> None:
        """Linux unless said otherwise."""
        super().fill(new, old, change)
        new.properties.setdefault("osType", "Linux")

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

    def outputs(self, me: Resource, view: View) -> Body:
        """Who made it: a person, or Azure (curated)."""
        return {**super().outputs(me, view), "properties": {"environmentType": "UserCreated"}}


class RegistryEnvironmentContainer(EnvironmentContainer):
    """``registries/environments``."""

    arm_type = f"{ML}/registries/environments"


class RegistryEnvironmentVersion(EnvironmentVersion):
    """``registries/environments/versions``."""

    arm_type = f"{ML}/registries/environments/versions"
