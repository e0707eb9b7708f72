"""The one subscription of the sandbox."""

from sandbox.arm.kind import Body, Kind, Refusal
from sandbox.arm.resource import Resource, View
from sandbox.constants import TENANT_ID


class Subscription(Kind):
    """``Microsoft.Resources/subscriptions``: made at the first start, never by a client."""

    arm_type = "Microsoft.Resources/subscriptions"
    level = "enforced"
    provisioning = False
    made_by_azure = True
    differs = {
        "operationsStatus": "an operation that has ended can be polled for 24 hours",
        "activity log": "kept for 90 days, and no more than 100,000 lines of it",
    }

    def outputs(self, me: Resource, view: View) -> Body:
        """Names and state as ARM shows them."""
        return {
            "subscriptionId": me.name,
            "tenantId": TENANT_ID,
            "displayName": "Sandbox",
            "state": "Enabled",
        }

    def check_delete(self, me: Resource, view: View) -> None:
        """A subscription cannot be deleted through ARM."""
        raise Refusal(405, "MethodNotAllowed", "A subscription cannot be deleted through Azure Resource Manager.")
