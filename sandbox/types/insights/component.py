"""Application Insights: belongs to a Log Analytics workspace. Nothing is ingested here."""

from sandbox import clock
from sandbox.arm.kind import Body, Kind, Name, Ref, Refusal
from sandbox.arm.resource import Change, Resource, View
from sandbox.constants import TENANT_ID

_LOGS = "Microsoft.OperationalInsights/workspaces"


class Component(Kind):
    """``Microsoft.Insights/components``."""

    arm_type = "Microsoft.Insights/components"
    level = "enforced"
    name = Name(
        r"[^%&\\?/\x00-\x1f]{0,254}[^%&\\?/. \x00-\x1f]",
        "1-255 characters without %&\\?/, not ending in a period or space",
    )
    tracked = True
    created = 200
    refs = (Ref("properties.WorkspaceResourceId", _LOGS, f"{_LOGS}/sharedKeys/action"),)
    defaults = {
        "properties.Flow_Type": "Bluefield",
        "properties.Request_Source": "rest",
        "properties.IngestionMode": "LogAnalytics",
        "properties.RetentionInDays": 90,
        "properties.publicNetworkAccessForIngestion": "Enabled",
        "properties.publicNetworkAccessForQuery": "Enabled",
    }
    differs = {"applicationinsights.azure.com": "not served: nothing is ingested"}

    def fill(self, new: Resource, old: Resource | None, change: Change) -> None:
        """The ids are made once and kept."""
        for name in ("InstrumentationKey", "AppId"):
            new.properties[name] = old[f"properties.{name}"] if old else clock.new_id()

    def check(self, new: Resource, old: Resource | None, view: View) -> None:
        """Classic components have ended: telemetry lives in a workspace."""
        if not new.get("properties.WorkspaceResourceId"):
            raise Refusal(
                400, "ClassicComponentsNotSupported",
                f"properties.WorkspaceResourceId of '{new.name}' is missing: want a Log Analytics workspace's id.",
            )  # fmt: skip
        kind = new.get("properties.Application_Type")
        if kind not in ("web", "other"):
            raise Refusal(400, "InvalidApplicationType", f"properties.Application_Type is '{kind}': want web or other.")

    def outputs(self, me: Resource, view: View) -> Body:
        """How to connect to it."""
        region = me["location"]
        key, app = me["properties.InstrumentationKey"], me["properties.AppId"]
        return {
            "etag": me.etag,
            "properties": {
                "ApplicationId": me.name, "Name": me.name, "CreationDate": me.created, "TenantId": TENANT_ID,
                "ConnectionString": f"InstrumentationKey={key};"
                f"IngestionEndpoint=https://{region}.in.applicationinsights.azure.com/;"
                f"LiveEndpoint=https://{region}.livediagnostics.monitor.azure.com/;ApplicationId={app}",
            },
        }  # fmt: skip
