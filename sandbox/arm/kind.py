"""What a type file may declare, with defaults that suit most types.

A kind is one ARM type. Copy the nearest file in ``sandbox/types``, change what differs, and it is served: the
registry finds it. The base gives schema check, ids, systemData, ETag, tags, identity, provisioningState, list,
PATCH, 404, cascade, role check, activity log and faults.
"""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar

from sandbox.arm.errors import ArmError
from sandbox.arm.names import ANY_NAME, Name

if TYPE_CHECKING:
    from sandbox.arm.azure import Azure
    from sandbox.arm.ids import ResourceId
    from sandbox.arm.resource import Change, Listing, Resource, View

__all__ = ["Kind", "Name", "Ref", "Refusal", "SoftDelete", "action"]

Level = Literal["runs", "enforced", "recorded"]
Body = dict[str, Any]
Refusal = ArmError
_Action = Callable[..., "Body | list[Any] | Awaitable[Body | None] | None"]
F = TypeVar("F", bound=_Action)


@dataclass(frozen=True)
class Ref:
    """A property that must name a resource that exists.

    Attributes:
        path: dotted path in the body; absent or null passes.
        kind: the ARM type it must be of.
        action: what the caller must be allowed to do with it: Azure's linked action.
    """

    path: str
    kind: str
    action: str


@dataclass(frozen=True)
class SoftDelete:
    """A deleted resource keeps its name until it is purged.

    Attributes:
        recover: path in the body whose value `recovered` makes a new PUT bring the old one back.
        recovered: that value, as text.
        purge: query parameter of a DELETE that, being true, does not keep the resource.
    """

    recover: str = ""
    recovered: str = ""
    purge: str = ""


class Kind:
    """One ARM type.

    Attributes:
        arm_type: ``Namespace/type[/child...]`` in ARM's own case.
        level: ``runs`` does the real work, ``enforced`` holds Azure's rules and outputs, ``recorded`` checks and
            keeps. `runs` fails CI without evidence of real work.
        name: rule for the last name.
        parents: False when the resource stands below a scope rather than below its parent type.
        tracked: it has a location and tags and must be given the former.
        refs: properties that must name existing resources.
        frozen: dotted paths that a later PUT must not change.
        immutable: nothing but tags and descriptions may change after creation.
        defaults: dotted path to value, filled in where the caller sent none.
        extra: body paths that are accepted beside those of the provider package's API version.
        hidden: paths that are kept but never returned; an action may.
        sealed: paths whose values are encrypted in the state; ``*`` stands for every name.
        provisioning: it shows ``properties.provisioningState``.
        system_data: it shows ``systemData``.
        lro: its writes are long-running operations.
        created: HTTP status of a creation.
        soft_delete: how it survives its deletion, if it does.
        made_by_azure: it appears by itself; a client cannot put it.
        differs: what the sandbox does otherwise than Azure, by property or verb; printed in the docs.
    """

    arm_type: ClassVar[str]
    level: ClassVar[Level]
    name: ClassVar[Name] = ANY_NAME
    parents: ClassVar[bool] = True
    tracked: ClassVar[bool] = False
    refs: ClassVar[tuple[Ref, ...]] = ()
    frozen: ClassVar[tuple[str, ...]] = ()
    immutable: ClassVar[bool] = False
    defaults: ClassVar[Mapping[str, object]] = {}
    extra: ClassVar[tuple[str, ...]] = ()
    hidden: ClassVar[tuple[str, ...]] = ()
    sealed: ClassVar[tuple[str, ...]] = ()
    provisioning: ClassVar[bool] = True
    system_data: ClassVar[bool] = False
    lro: ClassVar[bool] = False
    created: ClassVar[int] = 201
    soft_delete: ClassVar[SoftDelete | None] = None
    made_by_azure: ClassVar[bool] = False
    differs: ClassVar[Mapping[str, str]] = {}

    # Inside the transaction: quick, no I/O. `old` is None at a creation.

    def fill(self, new: "Resource", old: "Resource | None", change: "Change") -> None:
        """Add to ``new.body`` what Azure computes once and keeps."""

    def parent_body(self, new: "Resource") -> Body | None:
        """The body of a parent to make when there is none yet; None refuses the creation."""
        return None

    def check(self, new: "Resource", old: "Resource | None", view: "View") -> None:
        """Refuse what Azure refuses, by raising :class:`Refusal`."""

    def stored(self, new: "Resource", old: "Resource | None", change: "Change") -> None:
        """Make what Azure makes along with it."""

    def check_delete(self, me: "Resource", view: "View") -> None:
        """Refuse a deletion that Azure refuses. Not asked when an enclosing resource goes."""

    def removed(self, me: "Resource", change: "Change") -> None:
        """Undo what :meth:`stored` made outside the resource's own children."""

    def kept_days(self, me: "Resource", view: "View") -> int:
        """How long a soft-deleted one is kept before it is purged."""
        raise NotImplementedError(f"{self.arm_type} is soft-deleted and does not say for how long")

    def uses(self, me: "Resource") -> "set[str]":
        """How it refers to what must stay as long as it needs that, in lower case: asked at each write, and kept."""
        return set()

    def rests(self, me: "Resource") -> bool:
        """Whether nothing of it runs or is still to run: then it needs nothing, and is not brought back at a start."""
        return False

    def operation(self, verb: str) -> str:
        """What a role must cover for a verb: ``read``, ``write``, ``delete`` or an action."""
        return f"{self.arm_type}/{verb}"

    # At each read; nothing of it is stored.

    def outputs(self, me: "Resource", view: "View") -> Body:
        """What Azure shows beside what was sent, as a body to merge."""
        return {}

    def find(self, where: "ResourceId", view: "View") -> "Resource | None":
        """The resource that an id means. A kind may have other names for one, such as a label."""
        return view.get(where.text)

    def listed(self, scope: str, query: Mapping[str, str], view: "View") -> "Listing | list[Resource]":
        """What the collection below `scope` shows for a query, in order and unpaged."""
        if scope:
            view.need(scope)
        return view.listing(scope, self.arm_type)

    # Outside the transaction. Repeatable: a crash runs it again.

    async def apply(self, me: "Resource", azure: "Azure") -> None:
        """The slow, real work of a creation or an update; a failure makes the operation Failed."""

    async def remove(self, me: "Resource", azure: "Azure") -> None:
        """The slow work of a deletion, before the row goes."""

    async def start(self, me: "Resource", azure: "Azure") -> None:
        """Bring back what runs, when the sandbox starts again; also after a write that failed or was cut off.

        Not asked of what rests.
        """

    async def forget(self, azure: "Azure") -> None:
        """Remove what it has kept long enough; asked at the start and once an hour."""

    @classmethod
    def works(cls) -> bool:
        """Whether writes have slow work to do."""
        return cls.apply is not Kind.apply

    def actions(self) -> dict[str, _Action]:
        """Name in lower case to method, for every ``@action``."""
        found = inspect.getmembers(self, lambda member: hasattr(member, "arm_action"))
        return {method.arm_action.lower(): method for _, method in found}


def action(name: str, *, slow: bool = False, absent: bool = False) -> Callable[[F], F]:
    """Mark a method as the answer to ``POST .../name``.

    The method takes (me, body, azure), the last knowing who asks, and returns the JSON to answer, or None for 204.

    Args:
        name: as ARM spells it.
        slow: it is a long-running operation: a coroutine, repeatable, run after the answer, without a body.
        absent: it is also asked of a resource that is not there yet; `me` is then empty and not stored.
    """

    def mark(method: F) -> F:
        method.arm_action, method.arm_slow, method.arm_absent = name, slow, absent  # type: ignore[attr-defined]
        return method

    return mark
