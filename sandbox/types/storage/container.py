"""Blob container: the same one in ARM and on the blob address, whichever made it."""

from sandbox.arm.kind import Body, Kind, Name, Refusal
from sandbox.arm.resource import Change, Resource, View
from sandbox.store.blob_rows import drop_container, find_container, save_container
from sandbox.types.storage.account import account_of

_PUBLIC = ("None", "Blob", "Container")


def container_id(account_id: str, name: str) -> str:
    """The ARM id of a container, for role checks and for making it from the blob address."""
    return f"{account_id}/blobServices/default/containers/{name}"


class BlobContainer(Kind):
    """``Microsoft.Storage/storageAccounts/blobServices/containers``."""

    arm_type = "Microsoft.Storage/storageAccounts/blobServices/containers"
    level = "runs"
    name = Name(
        r"(?!.*--)[a-z0-9][a-z0-9-]{1,61}[a-z0-9]|\$root|\$web|\$logs",
        "3-63 lower-case letters, digits and single hyphens, starting and ending with a letter or digit",
        source="learn.microsoft.com: naming-and-referencing-containers--blobs--and-metadata",
        invalid="InvalidResourceName",
    )
    provisioning = False
    defaults = {"properties.publicAccess": "None"}
    differs = {"properties.immutabilityPolicy": "kept, not enforced", "lease": "containers cannot be leased"}

    def check(self, new: Resource, old: Resource | None, view: View) -> None:
        """Anonymous access only where the account lets it."""
        public = new["properties.publicAccess"]
        if public not in _PUBLIC:
            raise Refusal(
                400, "InvalidRequestPropertyValue",
                f"properties.publicAccess is '{public}': want one of {', '.join(_PUBLIC)}.",
            )  # fmt: skip
        account = view.need("/".join(new.id.text.split("/")[:9]))
        if public != "None" and not account.get("properties.allowBlobPublicAccess"):
            raise Refusal(
                409, "PublicAccessNotPermitted",
                f"properties.publicAccess is '{public}', and '{account.name}' has allowBlobPublicAccess off.",
            )  # fmt: skip

    def stored(self, new: Resource, old: Resource | None, change: Change) -> None:
        """There for the blob address, too."""
        save_container(change.tx, account_of(new), new.name, new.get("properties.metadata") or {})

    def removed(self, me: Resource, change: Change) -> None:
        """Gone with its blobs."""
        drop_container(change.tx, account_of(me), me.name)

    def outputs(self, me: Resource, view: View) -> Body:
        """State as the storage service keeps it."""
        row = find_container(view.reader, account_of(me), me.name)
        return {
            "etag": row.etag if row else me.etag,
            "properties": {
                "lastModifiedTime": row.modified if row else me.modified,
                "leaseStatus": "Unlocked", "leaseState": "Available",
                "hasImmutabilityPolicy": False, "hasLegalHold": False, "deleted": False,
                "remainingRetentionDays": 0, "defaultEncryptionScope": "$account-encryption-key",
                "denyEncryptionScopeOverride": False,
            },
        }  # fmt: skip
