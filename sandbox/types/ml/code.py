"""Code: an uploaded folder, found again by the hash of its content."""

from collections.abc import Mapping

from sandbox.arm.azure import Azure
from sandbox.arm.kind import Body, action
from sandbox.arm.resource import Listing, Resource, View
from sandbox.types.ml import upload
from sandbox.types.ml.asset import ML, Container, Version, shown


class CodeContainer(Container):
    """``workspaces/codes``."""

    arm_type = f"{ML}/workspaces/codes"


class CodeVersion(Version):
    """``workspaces/codes/versions``."""

    arm_type = f"{ML}/workspaces/codes/versions"
    path = "codeUri"

    def listed(self, scope: str, query: Mapping[str, str], view: View) -> Listing:
        """With ``hash``, every code of the workspace that has this content, whatever it is called."""
        if "hash" not in query:
            return super().listed(scope, query, view)
        return view.of_kind(self.arm_type, scope.rsplit("/", 2)[0]).where(
            lambda each: (
                each.properties.get("properties", {}).get("hash_sha256") == query["hash"] and shown(each, query)
            )
        )

    @action("startPendingUpload", absent=True)
    async def start_upload(self, me: Resource, body: Body, azure: Azure) -> Body:
        """A container to upload the folder to, before the version exists."""
        workspace = azure.need(me.id.text.rsplit("/", 4)[0])
        return await upload.start(azure.need(workspace["properties.storageAccount"]), workspace, azure)


class RegistryCodeContainer(CodeContainer):
    """``registries/codes``."""

    arm_type = f"{ML}/registries/codes"


class RegistryCodeVersion(CodeVersion):
    """``registries/codes/versions``."""

    arm_type = f"{ML}/registries/codes/versions"
