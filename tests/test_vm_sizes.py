"""Sizes: what a cluster and what an endpoint may name, and what the families on their way out lead to."""

from datetime import date, timedelta

import pytest

import vm_sizes
from vm_sizes import LEAVING, SIZES, Use, judge

TODAY = vm_sizes.AS_OF
USES: tuple[Use, ...] = ("cluster", "endpoint")


@pytest.mark.parametrize(
    ("size", "use"),
    [
        ("Standard_D4ds_v5", "cluster"),
        ("Standard_E8ads_v6", "cluster"),
        ("Standard_F2as_v6", "cluster"),
        ("Standard_D2as_v4", "endpoint"),
        ("Standard_NC4as_T4_v3", "cluster"),
        ("Standard_NC4as_T4_v3", "endpoint"),
    ],
)
def test_a_current_size_is_accepted_without_a_word(size: str, use: Use) -> None:
    assert judge(size, use, TODAY) == vm_sizes.Verdict()


@pytest.mark.parametrize(
    ("size", "use", "successor"),
    [
        ("Standard_DS3_v2", "cluster", "Standard_D4ds_v5"),
        ("Standard_DS3_v2", "endpoint", "Standard_D4as_v4"),
        ("Standard_D4s_v3", "cluster", "Standard_D4ds_v5"),
        ("Standard_E4s_v3", "endpoint", "Standard_D8as_v4"),
        ("Standard_F2s_v2", "endpoint", "Standard_D4as_v4"),
    ],
)
def test_a_size_without_new_capacity_is_warned_about(size: str, use: Use, successor: str) -> None:
    """A subscription that has quota goes on with it, so it is no mistake."""
    found = judge(size, use, TODAY)
    assert found.problem is None
    assert found.warning is not None
    assert found.warning.startswith("no new capacity since 2026-07-01")
    assert found.warning.endswith(f"its successor is {successor}")


@pytest.mark.parametrize("size", ["Standard_NC6", "Standard_NC6s_v3", "Standard_NV4as_v4"])
@pytest.mark.parametrize("use", USES)
def test_a_retired_size_is_refused_with_its_successor(size: str, use: Use) -> None:
    assert (judge(size, use, TODAY).problem or "").startswith("retired 20")


@pytest.mark.parametrize("use", USES)
def test_retirement_is_a_matter_of_the_day(use: Use) -> None:
    last = date(2029, 11, 14)
    assert "retires 2029-11-15" in (judge("Standard_E4s_v3", use, last).warning or "")
    assert "retired 2029-11-15" in (judge("Standard_E4s_v3", use, last + timedelta(days=1)).problem or "")


def test_before_its_day_a_closing_is_announced() -> None:
    found = judge("Standard_DS3_v2", "endpoint", date(2026, 6, 30)).warning
    assert (found or "").startswith("no new capacity from 2026-07-01")


@pytest.mark.parametrize("use", USES)
def test_each_successor_is_itself_current(use: Use) -> None:
    assert {each.successor[use] for each in LEAVING} <= SIZES[use]
    assert all(judge(each.successor[use], use, TODAY) == vm_sizes.Verdict() for each in LEAVING)


def test_a_clusters_size_is_not_an_endpoints() -> None:
    found = judge("Standard_D4ds_v5", "endpoint", TODAY).problem or ""
    assert found.startswith("a size of a cluster, not of a managed online endpoint")
    assert found.rpartition(" ")[2] in SIZES["endpoint"]


@pytest.mark.parametrize("size", ["", "D4ds_v5", "standard_d4ds_v5", "Standard_D5ds_v5", "something"])
@pytest.mark.parametrize("use", USES)
def test_an_unknown_size_is_refused_with_the_nearest(size: str, use: Use) -> None:
    assert (judge(size, use, TODAY).problem or "").rpartition(" ")[2] in SIZES[use]


@pytest.mark.parametrize("size", ["Standard_B2ms", "Standard_A4m_v2", "Standard_GS5", "Standard_L8s_v2"])
@pytest.mark.parametrize("use", USES)
def test_a_family_that_azure_ml_never_listed_is_refused_with_a_successor(size: str, use: Use) -> None:
    found = judge(size, use, TODAY).problem or ""
    assert found.startswith("not a size of a")
    assert found.rpartition(" ")[2] in SIZES[use]
