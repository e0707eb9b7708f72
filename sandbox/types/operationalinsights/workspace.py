"""Log Analytics workspace: where telemetry would go. Nothing is ingested here."""

from sandbox import clock
from sandbox.arm.azure import Azure
from sandbox.arm.keys import own
from sandbox.arm.kind import Body, Kind, Name, Refusal, action
from sandbox.arm.resource import Change, Resource, View

_SKUS = ("PerGB2018", "CapacityReservation", "Free", "Standalone", "PerNode", "Standard", "Premium")
_LEVELS = (100, 200, 300, 400, 500, 1000, 2000, 5000, 10000, 25000, 50000)


class Workspace(Kind):
    """``Microsoft.OperationalInsights/workspaces``."""

    arm_type = "Microsoft.OperationalInsights/workspaces"
    level = "enforced"
    name = Name(
        r"[A-Za-z0-9][A-Za-z0-9-]{2,61}[A-Za-z0-9]",
        "4-63 letters, digits and hyphens, starting and ending with a letter or digit",
    )
    tracked = True
    lro = True
    extra = ("kind", "properties.Application_Type")  # azure-ai-ml's template of a workspace sends them
    defaults = {
        "properties.sku": {"name": "PerGB2018"},
        "properties.retentionInDays": 30,
        "properties.publicNetworkAccessForIngestion": "Enabled",
        "properties.publicNetworkAccessForQuery": "Enabled",
        "properties.features": {"enableLogAccessUsingOnlyResourcePermissions": True},
        "properties.workspaceCapping": {"dailyQuotaGb": -1.0},
    }
    differs = {
        "DELETE": "gone at once; Azure keeps it for 14 days and brings it back when it is created again",
        "ods.opinsights.azure.com": "not served: nothing is ingested",
    }

    def fill(self, new: Resource, old: Resource | None, change: Change) -> None:
        """The customer id is made once and kept."""
        new.properties["customerId"] = old["properties.customerId"] if old else clock.new_id()

    def check(self, new: Resource, old: Resource | None, view: View) -> None:
        """A sku and a retention that go together."""
        sku, days = new.get("properties.sku.name"), new["properties.retentionInDays"]
        if sku not in _SKUS:
            raise Refusal(400, "InvalidParameter", f"properties.sku.name is '{sku}': want one of {', '.join(_SKUS)}.")
        if sku == "Free" and days != 7:
            raise Refusal(400, "InvalidParameter", f"properties.retentionInDays is {days}: sku Free has 7.")
        if sku != "Free" and not 30 <= days <= 730:
            raise Refusal(400, "InvalidParameter", f"properties.retentionInDays is {days}: want 30 to 730.")
        level = new.get("properties.sku.capacityReservationLevel")
        if sku == "CapacityReservation" and level not in _LEVELS:
            raise Refusal(
                400, "InvalidParameter",
                f"properties.sku.capacityReservationLevel is {level}: want one of {', '.join(map(str, _LEVELS))}.",
            )  # fmt: skip

    def outputs(self, me: Resource, view: View) -> Body:
        """Dates."""
        return {
            "etag": me.etag,
            "properties": {"createdDate": me.created, "modifiedDate": me.modified},
        }

    @action("sharedKeys")
    def shared_keys(self, me: Resource, body: Body, azure: Azure) -> Body:
        """Both keys of the data collector."""
        return {
            "primarySharedKey": own(azure.reader, me, "primary"),
            "secondarySharedKey": own(azure.reader, me, "secondary"),
        }
