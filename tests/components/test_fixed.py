"""What Azure fixes at creation: a change is refused before anything is asked of Azure."""

from typing import Any

import pytest

from components.fixed import FixedProvider

OLD: dict[str, Any] = {"resource": "kv", "values": {"days": 7.0, "protection": False, "mode": "Key"}, "reason": "why"}


def refused(**values: Any) -> list[tuple[str, str]]:
    result = FixedProvider().check(OLD, OLD | {"values": OLD["values"] | values})
    return [(failure.property, failure.reason) for failure in result.failures]


def test_the_first_time_any_value_is_right() -> None:
    assert FixedProvider().check({}, OLD).failures == []


def test_the_same_values_are_right_and_no_change() -> None:
    assert refused() == []
    assert FixedProvider().diff("kv", OLD, OLD).changes is False


@pytest.mark.parametrize(("name", "value", "was"), [("days", 90, "7"), ("mode", "AADToken", "Key")])
def test_another_value_is_refused_with_both_and_the_way_out(name: str, value: Any, was: str) -> None:
    assert refused(**{name: value}) == [(name, f"{was} cannot become {value}: why")]


def test_all_that_is_fixed_is_told_at_once() -> None:
    assert [name for name, _ in refused(days=90, mode="AADToken")] == ["days", "mode"]


def test_a_switch_can_be_turned_on_and_not_off() -> None:
    assert refused(protection=True) == []
    on = OLD | {"values": {"protection": True}}
    assert FixedProvider().diff("kv", OLD, on).changes, "that it is on is written down"
    assert FixedProvider().update("kv", OLD, on).outs == on
    off = OLD | {"values": {"protection": False}}
    assert [failure.property for failure in FixedProvider().check(on, off).failures] == ["protection"]


def test_another_resource_starts_anew() -> None:
    assert FixedProvider().check(OLD, OLD | {"resource": "kv2", "values": {"days": 90}}).failures == []
