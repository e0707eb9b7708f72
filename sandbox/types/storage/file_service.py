"""The file service of an account, and its shares: kept; no file can be stored in them."""

from sandbox.arm.kind import Body, Kind, Name, Refusal
from sandbox.arm.resource import Resource, View


class FileService(Kind):
    """``Microsoft.Storage/storageAccounts/fileServices``."""

    arm_type = "Microsoft.Storage/storageAccounts/fileServices"
    level = "recorded"
    name = Name("default", "'default'")
    provisioning = False
    created = 200

    def check_delete(self, me: Resource, view: View) -> None:
        """Part of the account."""
        raise Refusal(405, "MethodNotAllowed", "The file service is part of its account and cannot be deleted.")

    def outputs(self, me: Resource, view: View) -> Body:
        """What is on unless it was switched off."""
        return {
            "properties": {
                "shareDeleteRetentionPolicy": me.get("properties.shareDeleteRetentionPolicy")
                or {"enabled": True, "days": 7}
            }
        }


class FileShare(Kind):
    """``Microsoft.Storage/storageAccounts/fileServices/shares``."""

    arm_type = "Microsoft.Storage/storageAccounts/fileServices/shares"
    level = "recorded"
    name = Name(
        r"(?!.*--)[a-z0-9][a-z0-9-]{1,61}[a-z0-9]",
        "3-63 lower-case letters, digits and single hyphens, starting and ending with a letter or digit",
        source="learn.microsoft.com: naming-and-referencing-shares--directories--files--and-metadata",
    )
    provisioning = False
    defaults = {"properties.shareQuota": 5120, "properties.enabledProtocols": "SMB"}
    frozen = ("properties.enabledProtocols",)
    differs = {"file.core.windows.net": "not served: a share holds nothing"}

    def check(self, new: Resource, old: Resource | None, view: View) -> None:
        """A size that a share can have."""
        quota = new["properties.shareQuota"]
        if not 1 <= quota <= 102400:
            raise Refusal(400, "InvalidHeaderValue", f"properties.shareQuota is {quota}: want 1 to 102400, in GiB.")

    def outputs(self, me: Resource, view: View) -> Body:
        """State as the storage service keeps it."""
        return {
            "properties": {
                "lastModifiedTime": me.modified, "leaseState": "available", "leaseStatus": "unlocked",
                "accessTier": me.get("properties.accessTier") or "TransactionOptimized",
            }
        }  # fmt: skip
