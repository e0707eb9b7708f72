"""Lifecycle rules of an account: kept; nothing here grows old."""

from sandbox.arm.kind import Body, Kind, Name, Refusal
from sandbox.arm.resource import Resource, View


class ManagementPolicy(Kind):
    """``Microsoft.Storage/storageAccounts/managementPolicies``."""

    arm_type = "Microsoft.Storage/storageAccounts/managementPolicies"
    level = "recorded"
    name = Name("default", "'default'")
    provisioning = False
    created = 200
    differs = {"properties.policy": "kept, never carried out"}

    def check(self, new: Resource, old: Resource | None, view: View) -> None:
        """1 to 100 rules, each name once."""
        names = [rule.get("name") for rule in new.get("properties.policy.rules") or []]
        if not 1 <= len(names) <= 100:
            raise Refusal(
                400, "InvalidManagementPolicy", f"properties.policy.rules has {len(names)} rules, want 1 to 100."
            )
        if len(set(names)) < len(names):
            raise Refusal(400, "InvalidManagementPolicy", "properties.policy.rules names a rule twice.")

    def outputs(self, me: Resource, view: View) -> Body:
        """When it was written."""
        return {"properties": {"lastModifiedTime": me.modified}}
