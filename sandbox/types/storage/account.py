"""Storage account: an Azure-wide name, its addresses and its keys.

Not here: what is stored in it (planes/blob.py), who may sign with a key (planes/blob_access.py).
"""

from sandbox import clock
from sandbox.arm.azure import Azure
from sandbox.arm.keys import own
from sandbox.arm.kind import Body, Kind, Name, Refusal, action
from sandbox.arm.resource import Change, Resource, View, present

UNIQUE = "storage"
_KINDS = ("Storage", "StorageV2", "BlobStorage", "FileStorage", "BlockBlobStorage")
_SKUS = (
    "Standard_LRS", "Standard_GRS", "Standard_RAGRS", "Standard_ZRS", "Standard_GZRS", "Standard_RAGZRS",
    "Premium_LRS", "Premium_ZRS",
)  # fmt: skip
_KEYS = ("key1", "key2")
_VERSIONS = "properties.keyVersions"


class StorageAccount(Kind):
    """``Microsoft.Storage/storageAccounts``."""

    arm_type = "Microsoft.Storage/storageAccounts"
    level = "enforced"
    name = Name(
        r"[a-z0-9]{3,24}", "3-24 lower-case letters and digits", UNIQUE,
        invalid="AccountNameInvalid", taken="StorageAccountAlreadyTaken",
    )  # fmt: skip
    tracked = True
    created = 200
    frozen = (
        "properties.isHnsEnabled",
        "properties.isNfsV3Enabled",
        "properties.encryption.requireInfrastructureEncryption",
    )
    hidden = (_VERSIONS,)
    defaults = {
        "kind": "StorageV2",
        "properties.accessTier": "Hot",
        "properties.allowBlobPublicAccess": False,
        "properties.minimumTlsVersion": "TLS1_2",
        "properties.supportsHttpsTrafficOnly": True,
        "properties.networkAcls": {
            "bypass": "AzureServices", "defaultAction": "Allow", "ipRules": [], "virtualNetworkRules": [],
        },
        "properties.encryption": {
            "keySource": "Microsoft.Storage",
            "services": {
                "blob": {"enabled": True, "keyType": "Account"},
                "file": {"enabled": True, "keyType": "Account"},
            },
        },
    }  # fmt: skip
    differs = {
        "PUT": "done when it is answered; Azure answers 202 and takes some seconds",
        "properties.networkAcls": "kept, not enforced: every client is on this machine",
        "properties.publicNetworkAccess": "kept, not enforced: every client is on this machine",
        "properties.encryption": "kept, contents are not encrypted",
    }

    def fill(self, new: Resource, old: Resource | None, change: Change) -> None:
        """The tier follows from the sku; key versions and dates stay."""
        sku = new.body.get("sku")
        if isinstance(sku, dict) and "name" in sku:
            sku["tier"] = str(sku["name"]).split("_")[0]
        new.properties["creationTime"] = old["properties.creationTime"] if old else clock.timestamp()
        made = dict.fromkeys(_KEYS, new["properties.creationTime"])
        new.properties["keyCreationTime"] = old["properties.keyCreationTime"] if old else made
        new.properties["keyVersions"] = old[_VERSIONS] if old else dict.fromkeys(_KEYS, 1)

    def check(self, new: Resource, old: Resource | None, view: View) -> None:
        """Kinds and skus that Azure has, and that go together."""
        sku, kind = str(new.get("sku.name")), str(new.get("kind"))
        for path, value, known in (("sku.name", sku, _SKUS), ("kind", kind, _KINDS)):
            if value not in known:
                raise Refusal(
                    400, "InvalidRequestPropertyValue", f"{path} is '{value}': want one of {', '.join(known)}."
                )
        premium = sku.startswith("Premium_")
        if premium != (kind in ("FileStorage", "BlockBlobStorage")) and not (premium and kind == "StorageV2"):
            raise Refusal(400, "InvalidStorageAccountTypeForKind", f"sku.name '{sku}' does not go with kind '{kind}'.")
        if old:
            self._check_change(new, old)

    def _check_change(self, new: Resource, old: Resource) -> None:
        if new["kind"] != old["kind"] and (old["kind"], new["kind"]) != ("Storage", "StorageV2"):
            raise Refusal(
                409, "StorageAccountKindChangeNotAllowed",
                f"kind cannot change from '{old['kind']}' to '{new['kind']}'; only Storage becomes StorageV2.",
            )  # fmt: skip
        if new["sku.tier"] != old["sku.tier"]:
            raise Refusal(
                409, "StorageAccountTypeConversionNotAllowed",
                f"sku.name cannot change from '{old['sku.name']}' to '{new['sku.name']}': the tier is fixed.",
            )  # fmt: skip

    def stored(self, new: Resource, old: Resource | None, change: Change) -> None:
        """The services that every account has."""
        for service in ("blobServices", "fileServices"):
            change.make(f"{new.id.text}/{service}/default", {"properties": {}})

    def outputs(self, me: Resource, view: View) -> Body:
        """Addresses, by name."""
        services = ("blob", "dfs", "file", "queue", "table")
        addresses = {service: f"https://{me.name}.{service}.core.windows.net/" for service in services}
        properties: Body = {
            "primaryEndpoints": {**addresses, "web": f"https://{me.name}.z6.web.core.windows.net/"},
            "primaryLocation": me["location"],
            "statusOfPrimary": "available",
            "privateEndpointConnections": [],
        }
        if not present(me.body, "properties.allowSharedKeyAccess"):
            properties["allowSharedKeyAccess"] = True
        return {"properties": properties}

    @action("listKeys")
    def list_keys(self, me: Resource, body: Body, azure: Azure) -> Body:
        """Both keys, also where the account lets nobody sign with them."""
        return {"keys": [_key(me, name, azure) for name in _KEYS]}

    @action("regenerateKey")
    async def regenerate_key(self, me: Resource, body: Body, azure: Azure) -> Body:
        """A new key in place of one."""
        name = body.get("keyName")
        if name not in _KEYS:
            raise Refusal(400, "InvalidRequestPropertyValue", f"keyName is '{name}': want one of {', '.join(_KEYS)}.")

        def renew(now: Resource) -> None:
            now.properties["keyVersions"][name] += 1
            now.properties["keyCreationTime"][name] = clock.timestamp()

        await azure.revise(me, renew)
        return self.list_keys(azure.need(me.id.text), {}, azure)


def _key(me: Resource, name: str, view: View) -> Body:
    return {
        "keyName": name, "value": key(view, me, name), "permissions": "FULL",
        "creationTime": me[f"properties.keyCreationTime.{name}"],
    }  # fmt: skip


def key(view: View, me: Resource, name: str) -> str:
    """One of the account's two keys, in base64."""
    return own(view.reader, me, name, str(me[f"{_VERSIONS}.{name}"]))


def keys(view: View, me: Resource) -> list[str]:
    """Both keys of an account."""
    return [key(view, me, name) for name in _KEYS]


def account_of(me: Resource) -> str:
    """The name of the account that a resource is below."""
    return me.id.text.split("/")[8]
