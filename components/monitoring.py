"""Log Analytics workspace and the Application Insights component that writes to it.

Not here: alerts and diagnostic settings.
"""

from dataclasses import dataclass

import pulumi
from pulumi_azure_native import applicationinsights, operationalinsights

from components.place import GroupPlace


@dataclass(frozen=True, kw_only=True)
class MonitoringArgs:
    """Inputs of logs and telemetry.

    Attributes:
        log_analytics_name: physical name, 4-63 letters, digits and hyphens. A new value replaces it.
        insights_name: physical name, 1-260 characters. A new value replaces it.
        retention_days: days (30-730) that logs are kept.

    Raises:
        ValueError: names the field, the value and the accepted range.
    """

    place: GroupPlace
    log_analytics_name: str
    insights_name: str
    retention_days: int

    def __post_init__(self) -> None:
        if not 30 <= self.retention_days <= 730:
            raise ValueError(f"retention_days={self.retention_days}: want 30 to 730")


class Monitoring(pulumi.ComponentResource):
    """Creates one Log Analytics ``workspaces`` and one workspace-based ``components``.

    Outputs: ``insights_id``, ``log_analytics_id``.
    """

    def __init__(self, name: str, args: MonitoringArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("mlops:azure:Monitoring", name, None, opts)
        logs = operationalinsights.Workspace(
            f"{name}-logs",
            workspace_name=args.log_analytics_name,
            resource_group_name=args.place.resource_group_name,
            location=args.place.location,
            sku=operationalinsights.WorkspaceSkuArgs(name="PerGB2018"),
            retention_in_days=args.retention_days,
            tags=args.place.tags,
            # Fixed physical name: the old workspace must go before its successor can take it.
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        )
        insights = applicationinsights.Component(
            f"{name}-insights",
            resource_name_=args.insights_name,
            resource_group_name=args.place.resource_group_name,
            location=args.place.location,
            kind="web",
            application_type="web",
            # Ingestion by instrumentation key alone ended in 2025; the workspace is where telemetry lives.
            ingestion_mode="LogAnalytics",
            workspace_resource_id=logs.id,
            tags=args.place.tags,
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        )
        self.insights_id: pulumi.Output[str] = insights.id
        self.log_analytics_id: pulumi.Output[str] = logs.id
        self.register_outputs({"insights_id": self.insights_id, "log_analytics_id": self.log_analytics_id})
