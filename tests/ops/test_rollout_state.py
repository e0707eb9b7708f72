"""The state of a rollout as it is kept beside the endpoint."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from types import SimpleNamespace

import pytest

from ops.rollout_state import BlobStore, State
from tests.ops.world import KEPT


@pytest.mark.parametrize("text", [b"", b"[]", b'{"colour": 1}', b'{"held": {"kind": "split"}}'])
def test_a_damaged_state_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        State.parse(text)


def test_weights_that_come_after_their_time_are_somebodys() -> None:
    """A request of an owner that lost the state arrives within minutes, or never."""
    late = {"blue": 90, "green": 10}
    state = State(weights={"blue": 100}, late=[(late, "2026-01-01T00:05:00+00:00")])
    assert not state.foreign(late, datetime(2026, 1, 1, 0, 4, tzinfo=UTC))
    assert state.foreign(late, datetime(2026, 1, 1, 0, 6, tzinfo=UTC))


def test_weights_that_are_wanted_again_did_not_come_late() -> None:
    wanted = {"green": 100}
    state = State(weights=wanted, late=[(wanted, "2026-01-01T00:05:00+00:00")])
    assert not state.arrived_late(wanted, datetime(2026, 1, 1, tzinfo=UTC))


def test_a_state_does_not_grow_for_ever() -> None:
    now = datetime(2026, 1, 1, 0, 10, tzinfo=UTC)
    state = State(late=[({"blue": 100}, "2026-01-01T00:05:00+00:00")])
    assert state.setting({"green": 100}, now)["late"] == []
    for number in range(60):
        state = replace(state, history=state.noting("ann", str(number), now))
    assert [entry["what"] for entry in state.history] == [str(number) for number in range(10, 60)]


def test_a_state_is_read_as_it_was_written() -> None:
    state = State(to="green", late=[({"blue": 100}, "2026-01-01T00:00:00+00:00")], held=KEPT, weights={})
    assert State.parse(state.text()) == state


def test_only_other_weights_may_still_arrive_when_some_are_set() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    state = State(next={"blue": 90, "green": 10})
    assert state.setting({"blue": 90, "green": 10}, now)["late"] == []
    assert state.setting({"blue": 100}, now)["late"] == [({"blue": 90, "green": 10}, "2026-01-01T00:05:00+00:00")]


def test_a_state_belongs_to_one_endpoint() -> None:
    state = State(to="green", made="first")
    assert state.of("first") == state
    assert state.of("second") == State(made="second"), "it was deleted and made anew under its name"
    assert State(to="green").of("first").to == "green", "nobody knows of another one"


def test_the_clock_is_that_of_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ops.rollout_state.credential", lambda: None)
    store, hour = BlobStore("https://account.blob.core.windows.net/releases", "e"), timedelta(hours=1)
    told = format_datetime(datetime.now(UTC) + hour)
    store._note_time(SimpleNamespace(http_response=SimpleNamespace(headers={"date": told})))
    assert abs(store.now() - datetime.now(UTC) - hour) < timedelta(seconds=5)
