"""What Azure fixes when it makes a resource: another value is refused in the preview, not halfway through an update.

Not here: the resource itself. This is a note in the state of what it was made with.
"""

from typing import Any

import pulumi
from pulumi import dynamic


class FixedProvider(dynamic.ResourceProvider):
    """Compares values with those of the first time."""

    # Holds no secret: it is stored readable, so that a review sees what runs.
    serialize_as_secret_always = False

    def check(self, olds: dict[str, Any], news: dict[str, Any]) -> dynamic.CheckResult:
        """Refuses a value that cannot become another one; of another resource any value is right.

        A switch that is off can be turned on, and never off again.
        """
        failures = []
        if olds.get("resource") == news["resource"]:
            for name, value in news["values"].items():
                before = olds["values"].get(name, value)
                if before != value and before is not False:
                    reason = f"{_said(before)} cannot become {_said(value)}: {news['reason']}"
                    failures.append(dynamic.CheckFailure(name, reason))
        return dynamic.CheckResult(news, failures)

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> dynamic.DiffResult:
        """Another resource, or another reason, is written down."""
        return dynamic.DiffResult(changes=any(olds.get(k) != news[k] for k in ("resource", "values", "reason")))

    def create(self, props: dict[str, Any]) -> dynamic.CreateResult:
        """Writes down."""
        return dynamic.CreateResult(id_=props["resource"], outs=props)

    def update(self, _id: str, _olds: dict[str, Any], news: dict[str, Any]) -> dynamic.UpdateResult:
        """Writes down."""
        return dynamic.UpdateResult(outs=news)

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """There is nothing to take back."""


# One object, so that the SDK writes it into the state once and not anew for each resource.
_PROVIDER = FixedProvider()


class Fixed(dynamic.Resource, name="Fixed"):
    """Holds values of one resource to those it was made with.

    Inputs: ``resource`` (physical name), ``values`` by the name of their setting, ``reason`` (why, and the way out).
    """

    def __init__(
        self, name: str, *, resource: str, values: dict[str, Any], reason: str, opts: pulumi.ResourceOptions
    ) -> None:
        super().__init__(_PROVIDER, name, {"resource": resource, "values": values, "reason": reason}, opts)


def _said(value: Any) -> Any:
    """Numbers come from the engine as floats."""
    return int(value) if isinstance(value, float) else value
