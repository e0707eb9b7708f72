"""What leaves, what stays, and why."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ops.retire import plan, retire, told
from ops.rollout_state import Held, State, stamp
from tests.ops.test_live import entry

NOW = datetime(2026, 1, 10, tzinfo=UTC)
V1, V2, V3, V4 = (entry(number) for number in "1234")
LIVE = {V4.name: 100}
COLD, WARM = stamp(NOW - timedelta(hours=1)), stamp(NOW + timedelta(hours=1))
DONE = State(weights=LIVE, source=V3.name, cooling={V1.name: COLD, V2.name: WARM, V3.name: COLD}, before={V3.name: 100})


def test_what_has_cooled_down_leaves_and_the_way_back_stays() -> None:
    found = plan([V1, V2, V3, V4], LIVE, DONE, NOW)
    assert found.leave == (V1,)
    assert found.stay == (V2, V3, V4)
    assert found.why == {V2.name: f"cools down until {WARM}", V3.name: "the way back"}
    assert told(found).startswith(f"took away {V1.name}; ")


def test_after_a_way_back_the_one_before_that_is_kept() -> None:
    """Back to v3: what had the traffic then, v4, lost it last."""
    state = replace(DONE, weights={V3.name: 100}, cooling={V1.name: COLD, V4.name: WARM}, source=V3.name)
    found = plan([V1, V3, V4], {V3.name: 100}, state, NOW)
    assert (found.leave, found.why) == ((V1,), {V4.name: "the way back"})


def test_one_that_never_had_traffic_leaves() -> None:
    assert plan([V1, V3, V4], LIVE, replace(DONE, cooling={}), NOW).leave == (V1,)


@pytest.mark.parametrize(
    ("traffic", "changes", "why"),
    [
        (LIVE, {"to": V2.name}, "a rollout is under way"),
        (LIVE, {"holder": "bob", "holder_until": WARM}, "a rollout is under way"),
        ({V3.name: 10, V4.name: 90}, {}, "split by somebody, past these commands"),
        (
            LIVE,
            {"held": Held(kind="rollback", weights=LIVE, over={}, by="ada", why="", at="")},
            "rollback by ada",
        ),
        ({}, {"weights": {}}, "nothing has all the traffic yet"),
    ],
)
def test_nothing_leaves_while_it_is_not_settled(traffic: dict[str, int], changes: dict[str, Any], why: str) -> None:
    found = plan([V1, V2, V3, V4], traffic, replace(DONE, **changes), NOW)
    assert found.leave == ()
    assert found.why[V1.name] == why


def test_nothing_is_applied_when_nothing_leaves() -> None:
    class Deployments:
        def reduce_to(self, _entries: object) -> None:
            pytest.fail("applied")

    retire(Deployments(), plan([V3, V4], LIVE, DONE, NOW))  # type: ignore[arg-type]
