"""Every ARM error body comes from here."""

import json
from collections.abc import Mapping, Sequence


class ArmError(Exception):
    """An answer that is not a success, in ARM's shape.

    Args:
        status: HTTP status.
        code: ARM's error code, such as ``ResourceNotFound``.
        message: what, which value, what is accepted.
        details: further errors, each a (code, message, target).
        headers: response headers, such as Retry-After.
        inner: a service's own code of the same error.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        details: Sequence[tuple[str, str, str]] = (),
        headers: Mapping[str, str] | None = None,
        inner: str = "",
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.details = tuple(details)
        self.headers = dict(headers or {})
        self.inner = inner

    def body(self) -> dict[str, object]:
        """The JSON body."""
        error: dict[str, object] = {"code": self.code, "message": self.message}
        if self.details:
            error["details"] = [
                {"code": code, "message": message, "target": target} for code, message, target in self.details
            ]
        if self.inner:
            error["innererror"] = {"code": self.inner}
        return {"error": error}

    def json(self) -> bytes:
        """The body as bytes."""
        return json.dumps(self.body()).encode()


def not_found(kind: str, name: str, group: str) -> ArmError:
    """404 as ARM words it for a resource."""
    where = f" under resource group '{group}'" if group else ""
    return ArmError(404, "ResourceNotFound", f"The Resource '{kind}/{name}'{where} was not found.")


def parent_not_found(kind: str, name: str) -> ArmError:
    """404 for a child whose parent is not there."""
    return ArmError(
        404,
        "ParentResourceNotFound",
        f"Failed to perform 'write' on resource(s) of type '{kind}', because the parent resource '{name}' could not "
        "be found.",
    )
