"""The state of an endpoint's rollouts: one JSON blob, changed only by whoever has read what it says.

Every write carries the ETag of what was read, so of two writers one is refused, reads again and sees the other. What a
controller is about to set it writes down first, so whoever comes after a kill knows which weights were meant. Who may
write stands in hold.py.
"""

import json
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Protocol

from azure_client import credential
from ops.command import OpsError

Weights = dict[str, int]

# A request that was sent has been taken or has failed after this time.
IN_FLIGHT = timedelta(seconds=300)
_HISTORY = 50


class ConflictError(Exception):
    """Somebody else has written since the state was read."""


@dataclass(frozen=True, kw_only=True)
class Held:
    """Weights that stay until somebody ends them by name.

    Attributes:
        kind: ``rollback``, or ``split`` for shares that somebody wants to keep.
        weights: that are kept.
        over: weights that they took the place of.
        by: who.
        why: reason.
        at: time.
    """

    kind: str
    weights: Weights
    over: Weights
    by: str
    why: str
    at: str

    def __str__(self) -> str:
        when = f", {self.at}" if self.at else ""
        return f"{self.kind} by {self.by}{when}{': ' + self.why if self.why else ''}"


@dataclass(frozen=True, kw_only=True)
class State:
    """What is known about an endpoint's traffic.

    Attributes:
        holder: controller that works on it, None when nobody does.
        holder_until: when it is gone unless it writes again.
        to: deployment that a rollout under way leads to; empty when none is under way.
        source: deployment that had most of the traffic before the last rollout.
        way_back: deployment that had the traffic before the one that has it now; a rollout that went back leaves it.
        before: weights before the last rollout.
        mirror: mirrored shares before the last rollout.
        step: percentage that ``to`` has reached.
        weights: that were set last and seen to hold; None when nothing was ever set.
        next: weights that are being set.
        late: weights that an owner was setting when it lost the state, and until when they may still arrive.
        held: weights that stay.
        cooling: when each deployment that lost its traffic may be removed.
        history: what happened, at most 50 entries.
        made: when the endpoint was made; another endpoint of the same name begins anew.
        written: mark of the last write.
    """

    holder: str | None = None
    holder_until: str = ""
    to: str = ""
    source: str = ""
    way_back: str = ""
    before: Weights = field(default_factory=dict)
    mirror: Weights = field(default_factory=dict)
    step: int = 0
    weights: Weights | None = None
    next: Weights | None = None
    late: list[tuple[Weights, str]] = field(default_factory=list)
    held: Held | None = None
    cooling: dict[str, str] = field(default_factory=dict)
    history: list[dict[str, str]] = field(default_factory=list)
    made: str = ""
    written: str = ""

    @classmethod
    def parse(cls, text: bytes) -> "State":
        """Reads what ``text`` of another state has made.

        Raises:
            ValueError: it is damaged.
        """
        values = json.loads(text)
        if not isinstance(values, dict) or not values.keys() <= {each.name for each in fields(cls)}:
            raise ValueError("want an object with a state's fields")
        held = values.get("held")
        late = [(weights, until) for weights, until in values.get("late", [])]
        try:
            return cls(**values | {"held": Held(**held) if held else None, "late": late})
        except TypeError as error:
            raise ValueError(str(error)) from None

    def text(self) -> bytes:
        """As it is kept."""
        return json.dumps(asdict(self), indent=2).encode()

    def of(self, made: str) -> "State":
        """This state, or a new one when it belongs to an endpoint that is no longer there."""
        return self if made == self.made or not self.made else State(made=made)

    def arrived_late(self, live: Weights, now: datetime) -> bool:
        """True when weights are those of an owner that lost the state while it was setting them."""
        if live in (self.weights, self.next):
            return False
        return any(live == weights and moment(until) > now for weights, until in self.late)

    def foreign(self, live: Weights, now: datetime) -> bool:
        """True when nobody here has set these weights: they were changed past this state."""
        if self.weights is None:
            return len(live) > 1
        return live not in (self.weights, self.next) and not self.arrived_late(live, now)

    def holds(self, live: Weights, now: datetime) -> Held | None:
        """Who wants these weights to stay, if anybody does."""
        if self.foreign(live, now):
            by = "somebody, past these commands"
            return Held(kind="split", weights=live, over=self.weights or {}, by=by, why="", at="")
        return self.held

    def is_held(self, now: datetime) -> bool:
        """True while a controller works on it."""
        return self.holder is not None and moment(self.holder_until) > now

    def noting(self, by: str, what: str, now: datetime) -> list[dict[str, str]]:
        """The history with one more entry."""
        return [*self.history, {"at": stamp(now), "by": by, "what": what}][-_HISTORY:]

    def setting(self, weights: Weights, now: datetime) -> dict[str, Any]:
        """The changes that announce weights: what was being set before may still arrive."""
        late = [each for each in self.late if moment(each[1]) > now]
        if self.next is not None and self.next != weights:
            late.append((self.next, stamp(now + IN_FLIGHT)))
        return {"next": dict(weights), "late": late}


class Store(Protocol):
    """Where a state is kept."""

    def read(self) -> tuple[State, str]:
        """The state and its tag; a new state and an empty tag when there is none."""
        ...

    def write(self, state: State, tag: str) -> str:
        """Replaces the state that has this tag; returns the new one.

        Raises:
            ConflictError: it has another tag by now.
        """
        ...

    def now(self) -> datetime:
        """The time by the clock of the store, which all controllers share."""
        ...


class BlobStore:
    """The state in a blob container.

    Args:
        container: its address.
        endpoint: whose state it is.
    """

    def __init__(self, container: str, endpoint: str) -> None:
        from azure.storage.blob import BlobClient

        account, _, name = container.rpartition("/")
        self._blob = BlobClient(account, name, f"{endpoint}.json", credential=credential())
        self._ahead = timedelta()

    def read(self) -> tuple[State, str]:
        """See Store."""
        from azure.core.exceptions import ResourceNotFoundError

        try:
            found = self._blob.download_blob(raw_response_hook=self._note_time)
            content, tag = found.readall(), str(found.properties.etag)
        except ResourceNotFoundError as error:
            if str(getattr(error, "error_code", "")).endswith("ContainerNotFound"):
                raise OpsError(
                    f"the release store {self._blob.url} has no container", why=str(error.message).splitlines()[0],
                    repair="bring the stack up; it makes the container",
                ) from None  # fmt: skip
            return State(), ""
        try:
            return State.parse(content), tag
        except ValueError as error:
            raise OpsError(
                f"the rollout's state {self._blob.url} is damaged", why=str(error),
                repair="delete that blob; the traffic stays as it is, and a split is then taken for held",
            ) from None  # fmt: skip

    def write(self, state: State, tag: str) -> str:
        """See Store."""
        from azure.core import MatchConditions
        from azure.core.exceptions import ResourceExistsError, ResourceModifiedError

        # Without a tag there must be no blob: then the client sends If-None-Match: *.
        condition = {"etag": tag, "match_condition": MatchConditions.IfNotModified} if tag else {}
        send: Any = self._blob.upload_blob
        try:
            done = send(state.text(), overwrite=bool(tag), raw_response_hook=self._note_time, **condition)
        except (ResourceExistsError, ResourceModifiedError) as error:
            raise ConflictError from error
        return str(done["etag"])

    def now(self) -> datetime:
        """See Store."""
        return datetime.now(UTC) + self._ahead

    def _note_time(self, response: Any) -> None:
        if told := response.http_response.headers.get("date"):
            self._ahead = parsedate_to_datetime(told) - datetime.now(UTC)


def stamp(time: datetime) -> str:
    """A time as it is kept."""
    return time.astimezone(UTC).isoformat(timespec="seconds")


def moment(text: str) -> datetime:
    """A time that was kept."""
    return datetime.fromisoformat(text)
