"""What an engine run reports while it happens; the command line renders it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from sandbox.provider.base import Change
from sandbox.values import Props

Op = Literal[
    "same", "create", "update", "replace", "create-replacement", "delete-replaced", "delete", "read", "refresh",
    "forget", "recover",
]  # fmt: skip
Mode = Literal["up", "preview", "refresh", "destroy"]


@dataclass(frozen=True)
class StepStarted:
    """Work on one resource begins. A `same` or a preview step has no beginning, only an end.

    Attributes:
        op: what is done; names are Pulumi's, and ``forget`` (leave the state, stay in the cloud), ``recover``.
        urn: which resource.
        type: its Pulumi type.
    """

    op: Op
    urn: str
    type: str


@dataclass(frozen=True)
class StepDone:
    """Work on one resource ended, or would be done (in a preview).

    Attributes:
        op: what was done.
        urn: which resource.
        type: its Pulumi type.
        seconds: how long it took.
        id: how Azure knows it.
        changes: property path to change, for an update or a replacement.
        error: why it failed, '' when it did not.
    """

    op: Op
    urn: str
    type: str
    seconds: float
    id: str = ""
    changes: Mapping[str, Change] = field(default_factory=dict)
    error: str = ""


@dataclass(frozen=True)
class Diagnostic:
    """Something to tell the user.

    Attributes:
        severity: ``error`` fails the run.
        message: what, where, what is accepted, how to repair it.
        urn: the resource it is about, '' for the program.
        where: ``file:line`` of the program, '' when it is not known.
    """

    severity: Literal["info", "warning", "error"]
    message: str
    urn: str = ""
    where: str = ""


@dataclass(frozen=True)
class Summary:
    """The end of a run.

    Attributes:
        mode: what was asked.
        ok: nothing failed.
        changes: operation to number of resources.
        seconds: how long it took.
    """

    mode: Mode
    ok: bool
    changes: Mapping[str, int]
    seconds: float


Event = StepStarted | StepDone | Diagnostic | Summary
Emit = Callable[[Event], None]


@dataclass(frozen=True)
class Declared:
    """One resource that the program declares, with its checked inputs, as `preview --json` lists it.

    Secrets are marked and not there.
    """

    urn: str
    type: str
    inputs: Props


@dataclass(frozen=True)
class Outcome:
    """What a run leaves.

    Attributes:
        ok: nothing failed.
        changes: operation to number of resources.
        declared: resources with a provider, in the order in which they were declared.
        outputs: the stack's exports, secrets marked.
        mistaken: it failed because of what the user wrote, before anything was made.
    """

    ok: bool
    changes: Mapping[str, int]
    declared: tuple[Declared, ...]
    outputs: Props
    mistaken: bool = False
