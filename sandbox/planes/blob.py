"""``{account}.blob.core.windows.net``: the blob service, over the contents that :mod:`sandbox.store.blobs` keeps.

Here: which operation a request means, and that it is asked for in the right order: account, identity, right,
what it heeds, operation. The operations are in blob_service.py, blob_container.py and blob_object.py.
"""

from xml.sax.saxutils import escape

from sandbox import clock
from sandbox.arm.errors import ArmError
from sandbox.gateway.hosts import Plane
from sandbox.gateway.http import Request, Response
from sandbox.planes import blob_container, blob_heeded, blob_object, blob_service, blob_xml
from sandbox.planes.blob_access import Gate
from sandbox.planes.blob_target import LATEST, Operation, Target
from sandbox.store.blobs import BlobError

_OPERATIONS = {
    "service": blob_service.OPERATIONS,
    "container": blob_container.OPERATIONS,
    "blob": blob_object.OPERATIONS,
}
_STATUS = {
    "BlobNotFound": 404,
    "ContainerNotFound": 404,
    "ContainerAlreadyExists": 409,
    "InvalidBlockList": 400,
    "CannotVerifyCopySource": 409,
}


class BlobPlane(Plane):
    """The blob service of every storage account."""

    hosts = ("{account}.blob.core.windows.net",)

    async def start(self) -> None:
        """Remember who may do what, as long as no role and no account changes."""
        self.gate = Gate(self.azure, self.tokens, self.operations)

    async def handle(self, request: Request, names: dict[str, str]) -> Response:
        """Find the account and the operation, ask whether the caller may and whether all is heeded, run it."""
        account = self.gate.account(names["account"])
        target = Target(self.gate, account, request, request.path, request.query)
        operation = _operation(target)
        target.caller = self.gate.admit(target, operation)
        blob_heeded.check(operation, request.query, request.headers)
        try:
            response = await operation.run(target)
        except BlobError as error:
            raise ArmError(_STATUS[error.code], error.code, error.message) from error
        response.headers["x-ms-version"] = request.headers.get("x-ms-version", LATEST)
        return response

    def refuse(self, error: ArmError) -> Response:
        """An error as the storage service writes it."""
        message = escape(f"{error.message}\nTime:{clock.timestamp()}")
        body = f"{blob_xml.HEAD}<Error><Code>{error.code}</Code><Message>{message}</Message></Error>"
        headers = {"content-type": "application/xml", "x-ms-error-code": error.code, "x-ms-version": LATEST}
        return Response(error.status, b"" if error.status == 304 else body.encode(), {**headers, **error.headers})


def _operation(target: Target) -> Operation:
    request = target.request
    method = "GET" if request.method == "HEAD" else request.method
    comp = request.query.get("comp", "")
    known = _OPERATIONS[target.level]
    if found := known.get((method, comp)):
        return found
    if not comp or not any(part == comp for _, part in known):
        what = f"comp={comp} on a {target.level}" if comp else f"{method} on a {target.level}"
        accepted = ", ".join(sorted(f"{verb} {part}".strip() for verb, part in known))
        raise ArmError(501, "NotImplemented", f"{what} is not in the sandbox; it has: {accepted}.")
    raise ArmError(405, "UnsupportedHttpVerb", f"The resource doesn't support the HTTP verb {method} with comp={comp}.")
