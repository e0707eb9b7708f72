"""The blob service of an account: one, called default, there with the account."""

from sandbox.arm.kind import Body, Kind, Name, Refusal
from sandbox.arm.resource import Resource, View


class BlobService(Kind):
    """``Microsoft.Storage/storageAccounts/blobServices``."""

    arm_type = "Microsoft.Storage/storageAccounts/blobServices"
    level = "recorded"
    name = Name("default", "'default'")
    provisioning = False
    created = 200
    differs = {
        "blob.core.windows.net": "block blobs only; snapshots, leases, versions, tags, tiers and batches are refused",
        "properties.deleteRetentionPolicy": "kept; a deleted blob is gone at once",
        "properties.containerDeleteRetentionPolicy": "kept; a deleted container is gone at once",
        "properties.isVersioningEnabled": "kept; a blob has its last content only",
    }

    def check_delete(self, me: Resource, view: View) -> None:
        """Part of the account."""
        raise Refusal(405, "MethodNotAllowed", "The blob service is part of its account and cannot be deleted.")

    def outputs(self, me: Resource, view: View) -> Body:
        """What is off unless it was switched on."""
        return {
            "properties": {
                "cors": me.get("properties.cors") or {"corsRules": []},
                "deleteRetentionPolicy": me.get("properties.deleteRetentionPolicy")
                or {"allowPermanentDelete": False, "enabled": False},
            }
        }
