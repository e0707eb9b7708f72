"""Logs and telemetry: one workspace, and an Application Insights component that writes to it."""

import pytest

from components.monitoring import Monitoring, MonitoringArgs
from components.place import GroupPlace
from tests.conftest import Declare, Declared


def args(place: GroupPlace, retention_days: int = 30) -> MonitoringArgs:
    return MonitoringArgs(
        place=place, log_analytics_name="log-test", insights_name="appi-test", retention_days=retention_days
    )


def monitoring(declare: Declare, place: GroupPlace) -> Declared:
    return declare(lambda: Monitoring("ml", args(place)))


def test_telemetry_lives_in_the_log_workspace(declare: Declare, place: GroupPlace) -> None:
    got = monitoring(declare, place)["mlops:azure:Monitoring$azure-native:applicationinsights:Component::ml-insights"]
    assert got["workspaceResourceId"] == "ml-logs-id"
    assert got["ingestionMode"] == "LogAnalytics"
    assert (got["resourceName"], got["tags"]) == ("appi-test", place.tags)


def test_logs_are_kept_as_long_as_asked(declare: Declare, place: GroupPlace) -> None:
    got = monitoring(declare, place)["mlops:azure:Monitoring$azure-native:operationalinsights:Workspace::ml-logs"]
    assert (got["retentionInDays"], got["workspaceName"]) == (30, "log-test")
    assert got["sku"] == {"name": "PerGB2018"}


@pytest.mark.parametrize("days", [29, 731])
def test_days_that_azure_refuses_are_refused_and_named(place: GroupPlace, days: int) -> None:
    with pytest.raises(ValueError, match=f"retention_days={days}: want 30 to 730"):
        args(place, days)
