"""An endpoint and the blob beside it, shared by several actors, each of whom can be stopped at every call."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from ops.gate import Verdict
from ops.report import Report, Step
from ops.rollout import Rollout
from ops.rollout_state import ConflictError, Held, State, Weights
from ops.views import EndpointView

GOOD = Verdict(healthy=True, says="fine")
BAD = Verdict(healthy=False, says="errors of green: 12 of 210")
KEPT = Held(kind="split", weights={"blue": 90, "green": 10}, over={"blue": 100}, by="ann", why="A/B", at="")


class Killed(BaseException):
    """The process is gone: nothing after this point runs, no clean-up either."""


@dataclass
class World:
    """What is in Azure.

    Attributes:
        traffic: live weights.
        mirror: live mirrored shares.
        states: provisioning state of each deployment.
        blob: the state's text and tag.
        time: by everybody's clock.
        history: weights in the order in which they became live.
    """

    traffic: Weights = field(default_factory=lambda: {"blue": 100})
    mirror: Weights = field(default_factory=dict)
    states: dict[str, str] = field(default_factory=lambda: dict.fromkeys(("blue", "green", "red"), "Succeeded"))
    blob: tuple[bytes, str] | None = None
    time: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    made: str = "first"
    history: list[Weights] = field(default_factory=list)

    @property
    def state(self) -> State:
        return State.parse(self.blob[0]) if self.blob else State()

    def set(self, traffic: Weights, mirror: Weights) -> None:
        assert set(traffic) | set(mirror) <= set(self.states), "Azure refuses a deployment that does not exist"
        assert sum(traffic.values()) in (0, 100), "Azure refuses weights that do not sum to 0 or 100"
        assert not set(traffic) & set(mirror), "Azure refuses both for one deployment"
        self.traffic, self.mirror = dict(traffic), dict(mirror)
        self.history.append(dict(traffic))

    def pass_time(self, seconds: float = 1) -> None:
        self.time += timedelta(seconds=seconds)


@dataclass
class Actor:
    """One process: what it reaches Azure through.

    Attributes:
        world: that it works on.
        before: called with the number of each of its calls; may raise, as a network does.
        after: the same, after the call has been taken.
        calls: made so far.
        puts: numbers of the calls that set the traffic.
        slow: number of a call that sets the traffic but arrives only when it is told to.
        on_the_way: what has not arrived.
        twice: number of a write that the client sends again after it was taken, as it does when the answer is lost.
    """

    world: World
    before: Callable[[int], None] = lambda _: None
    after: Callable[[int], None] = lambda _: None
    calls: int = 0
    puts: list[int] = field(default_factory=list)
    slow: int = 0
    on_the_way: list[tuple[Weights, Weights]] = field(default_factory=list)
    twice: int = 0

    def _call(self) -> int:
        self.calls += 1
        self.before(self.calls)
        return self.calls

    def read(self) -> tuple[State, str]:
        number = self._call()
        found = (State.parse(self.world.blob[0]), self.world.blob[1]) if self.world.blob else (State(), "")
        self.after(number)
        return found

    def write(self, state: State, tag: str) -> str:
        number = self._call()
        if (self.world.blob[1] if self.world.blob else "") != tag:
            raise ConflictError
        new = str(int(tag or 0) + 1)
        self.world.blob = (state.text(), new)
        self.after(number)
        if number == self.twice:
            raise ConflictError
        return new

    def now(self) -> datetime:
        return self.world.time

    def endpoint(self, name: str) -> EndpointView:
        number = self._call()
        world = self.world
        found = EndpointView(
            uri="https://example/score", traffic=dict(world.traffic), mirror=dict(world.mirror),
            deployments={each: f"m:{each}" for each in world.states}, states=dict(world.states), made=world.made,
        )  # fmt: skip
        self.after(number)
        return found

    def set_traffic(self, name: str, traffic: Weights, mirror: Weights, beat: Callable[[], None]) -> None:
        number = self._call()
        self.puts.append(number)

        if number == self.slow:
            self.on_the_way.append((traffic, mirror))
        else:
            self.world.set(traffic, mirror)
        beat()
        self.after(number)

    def die_at(self, number: int, *, taken: bool) -> None:
        """Ends the process at a call, before or after it has been taken; no later one arrives."""

        def before(call: int) -> None:
            if call > number or (call == number and not taken):
                raise Killed

        def after(call: int) -> None:
            if call == number and taken:
                raise Killed

        self.before, self.after = before, after

    def die_when(self, true: Callable[[], bool]) -> None:
        """Ends the process before the first call at which something is true."""

        def before(_call: int) -> None:
            if true():
                raise Killed

        self.before = before

    def arrive(self) -> None:
        """Lets what was on its way arrive."""
        while self.on_the_way:
            self.world.set(*self.on_the_way.pop())

    def break_at(self, number: int, *, taken: bool) -> None:
        """Breaks one connection, before or after the call has been taken."""

        def fail(call: int) -> None:
            if call == number:
                raise ConnectionError("reset")

        if taken:
            self.after = fail
        else:
            self.before = fail

    def meanwhile(self, number: int, happens: Callable[[], object]) -> None:
        """Lets something happen right before a call."""

        def before(call: int) -> None:
            if call == number:
                happens()

        self.before = before


def rollout(world: World, *verdicts: Verdict, actor: Actor | None = None, **options: object) -> Rollout:
    """A rollout whose gates give these verdicts, the last one for ever."""
    left = list(verdicts) or [GOOD]

    def gate(_source: str, _share: int, beat: Callable[[], None]) -> Verdict:
        beat()
        return left.pop(0) if len(left) > 1 else left[0]

    actor = actor or Actor(world)
    values = {"azure": actor, "store": actor, "name": "e", "step": Step("test", Report()), "gate": gate}
    return Rollout(**values | options)  # type: ignore[arg-type]


def end(world: World) -> tuple[Weights, str, str | None]:
    """What is live, whether a rollout is under way, who holds it."""
    return world.traffic, world.state.to, world.state.holder


def half_way(world: World, traffic: Weights) -> None:
    """A rollout to green was killed at 10 %; the traffic is what somebody made of it since."""
    state = State(to="green", source="blue", before={"blue": 100}, weights={"blue": 90, "green": 10}, step=10)
    world.blob, world.made = (state.text(), "1"), ""
    world.traffic = traffic
