"""Container registry: an Azure-wide name and its login address. No image is stored here."""

from sandbox.arm.azure import Azure
from sandbox.arm.keys import own
from sandbox.arm.kind import Body, Kind, Name, Refusal, action
from sandbox.arm.resource import Change, Resource, View

_SKUS = ("Basic", "Standard", "Premium")
_PREMIUM = ("networkRuleSet", "encryption", "dataEndpointEnabled")
_PASSWORDS = ("password", "password2")


class Registry(Kind):
    """``Microsoft.ContainerRegistry/registries``."""

    arm_type = "Microsoft.ContainerRegistry/registries"
    level = "enforced"
    name = Name(
        r"[A-Za-z0-9]{5,50}",
        "5-50 letters and digits",
        "registry",
        invalid="RegistryNameNotValid",
        taken="AlreadyInUse",
    )
    tracked = True
    system_data = True
    lro = True
    hidden = ("properties.passwordVersions",)
    defaults = {
        "properties.adminUserEnabled": False,
        "properties.anonymousPullEnabled": False,
        "properties.dataEndpointEnabled": False,
        "properties.publicNetworkAccess": "Enabled",
        "properties.networkRuleBypassOptions": "AzureServices",
        "properties.zoneRedundancy": "Disabled",
    }
    differs = {"azurecr.io": "not served: environments are found among the local runtimes, no image is built or pulled"}

    def fill(self, new: Resource, old: Resource | None, change: Change) -> None:
        """The tier follows from the sku; password versions and date stay."""
        sku = new.body.get("sku")
        if isinstance(sku, dict) and "name" in sku:
            sku["tier"] = sku["name"]
        versions = dict.fromkeys(_PASSWORDS, 1)
        new.properties["passwordVersions"] = old["properties.passwordVersions"] if old else versions

    def check(self, new: Resource, old: Resource | None, view: View) -> None:
        """A sku that Azure has, and nothing that it does not include."""
        sku = new.get("sku.name")
        if sku not in _SKUS:
            raise Refusal(400, "InvalidSku", f"sku.name is '{sku}': want one of {', '.join(_SKUS)}.")
        if sku == "Premium":
            return
        wanted = [name for name in _PREMIUM if new.get(f"properties.{name}")]
        if new["properties.publicNetworkAccess"] == "Disabled":
            wanted.append("publicNetworkAccess")
        if new["properties.zoneRedundancy"] == "Enabled":
            wanted.append("zoneRedundancy")
        if wanted:
            raise Refusal(
                400, "FeatureNotSupported",
                f"properties.{wanted[0]} of '{new.name}' needs sku.name 'Premium', it is '{sku}'.",
            )  # fmt: skip

    def outputs(self, me: Resource, view: View) -> Body:
        """Its address and date."""
        return {
            "properties": {
                "loginServer": f"{me.name.lower()}.azurecr.io",
                "creationDate": me.created,
                "privateEndpointConnections": [],
            }
        }

    @action("listCredentials")
    def list_credentials(self, me: Resource, body: Body, azure: Azure) -> Body:
        """Name and passwords of the admin user, where it is on."""
        if not me["properties.adminUserEnabled"]:
            raise Refusal(
                400, "UnAuthorizedForCredentialOperations",
                f"Cannot perform credential operations for {me.id.text} as admin user is disabled. Kindly enable admin "
                "user, or give an identity the role AcrPull.",
            )  # fmt: skip
        return {
            "username": me.name,
            "passwords": [{"name": name, "value": _password(me, name, azure)} for name in _PASSWORDS],
        }

    @action("regenerateCredential")
    async def regenerate_credential(self, me: Resource, body: Body, azure: Azure) -> Body:
        """A new password in place of one."""
        name = body.get("name")
        if name not in _PASSWORDS:
            raise Refusal(400, "InvalidRequestPropertyValue", f"name is '{name}': want one of {', '.join(_PASSWORDS)}.")

        def renew(now: Resource) -> None:
            now.properties["passwordVersions"][name] += 1

        self.list_credentials(me, {}, azure)
        await azure.revise(me, renew)
        return self.list_credentials(azure.need(me.id.text), {}, azure)


def _password(me: Resource, name: str, view: View) -> str:
    return own(view.reader, me, name, str(me[f"properties.passwordVersions.{name}"]), size=36)
