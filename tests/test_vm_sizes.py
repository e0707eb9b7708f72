"""Sizes: what may be named, and what the closed families lead to."""

import pytest

import vm_sizes


@pytest.mark.parametrize("size", ["Standard_D4ds_v5", "Standard_E8ads_v6", "Standard_NC4as_T4_v3", "Standard_F2as_v6"])
def test_a_current_size_is_accepted(size: str) -> None:
    assert vm_sizes.problem(size) is None


@pytest.mark.parametrize(
    ("size", "successor"),
    [
        ("Standard_DS3_v2", "Standard_D4ds_v5"),
        ("Standard_D4s_v3", "Standard_D4ds_v5"),
        ("Standard_D2", "Standard_D4ds_v5"),
        ("Standard_E4s_v3", "Standard_E4ds_v5"),
        ("Standard_F2s_v2", "Standard_F4as_v6"),
        ("Standard_B2ms", "Standard_D2ads_v5"),
        ("Standard_A4m_v2", "Standard_D2ads_v5"),
        ("Standard_GS5", "Standard_E32ds_v5"),
        ("Standard_L8s_v2", "Standard_E8ds_v5"),
        ("Standard_NC6", "Standard_NC4as_T4_v3"),
        ("Standard_NC6s_v3", "Standard_NC4as_T4_v3"),
        ("Standard_NV4as_v4", "Standard_NC4as_T4_v3"),
        ("Standard_NP10s", "Standard_NC4as_T4_v3"),
    ],
)
def test_a_closed_size_is_refused_with_its_successor(size: str, successor: str) -> None:
    found = vm_sizes.problem(size)
    assert found is not None
    assert found.endswith(f"its successor is {successor}")


def test_each_successor_is_itself_current() -> None:
    assert all(successor in vm_sizes.SIZES for _, _, successor in vm_sizes.CLOSED)


@pytest.mark.parametrize("size", ["", "D4ds_v5", "standard_d4ds_v5", "Standard_D5ds_v5", "something"])
def test_an_unknown_size_is_refused_with_the_nearest(size: str) -> None:
    found = vm_sizes.problem(size)
    assert found is not None
    assert found.rpartition(" ")[2] in vm_sizes.SIZES
