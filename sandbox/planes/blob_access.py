"""Whether a request to the blob service may go on: bearer tokens, signatures, account keys, or nothing at all."""

from collections.abc import Mapping
from datetime import UTC, datetime

from sandbox import clock
from sandbox.arm import access
from sandbox.arm.access import Tokens
from sandbox.arm.azure import Azure
from sandbox.arm.errors import ArmError
from sandbox.arm.keys import same
from sandbox.arm.operations import Operations
from sandbox.arm.resource import Resource, View
from sandbox.constants import TENANT_ID
from sandbox.planes import blob_signing
from sandbox.planes.blob_target import Account, Operation, Reached, Target, read_date
from sandbox.types.storage.account import UNIQUE, keys

AUDIENCE = "https://storage.azure.com"
_SERVICE = "Microsoft.Storage/storageAccounts/blobServices/"
_CHALLENGE = (
    f"Bearer authorization_uri=https://login.microsoftonline.com/{TENANT_ID}/oauth2/authorize resource_id={AUDIENCE}"
)
_CLOCK_SECONDS = 15 * 60


class Gate:
    """Knows accounts and rights, and remembers both until a resource or a role assignment changes."""

    def __init__(self, azure: Azure, tokens: Tokens, operations: Operations) -> None:
        self.azure = azure
        self.operations = operations
        self._tokens = tokens
        self._revision = -1
        self._accounts: dict[str, Account] = {}
        self._allowed: set[tuple[str, str, str, bool]] = set()

    def account(self, name: str) -> Account:
        """The account of a host name.

        Raises:
            ArmError: 404 where Azure has no such host.
        """
        self._refresh()
        if found := self._accounts.get(name):
            return found
        me = self.azure.named(UNIQUE, name)
        if me is None:
            raise ArmError(
                404, "AccountNotFound",
                f"There is no storage account '{name}' in the sandbox; on Azure this host would not be found at all.",
            )  # fmt: skip
        self._accounts[name] = account = account_as_reached(me, self.azure)
        return account

    def admit(self, target: Target, operation: Operation) -> str:
        """Let a request in, or refuse it; returns the caller's object id, '' for one without.

        Raises:
            ArmError: 401 without an identity, 403 without the right.
        """
        request = target.request
        if "sig" in request.query:
            return self._signature(request.query, target, operation)
        header = request.headers.get("authorization", "")
        scheme = header.partition(" ")[0].lower()
        if scheme == "sharedkey":
            self._shared_key(target, header)
            return ""
        if scheme == "bearer":
            return self._bearer(header, target, operation)
        if header:
            raise _unauthorized("InvalidAuthenticationInfo", f"The scheme '{scheme}' is none of Bearer, SharedKey.")
        if self.public(target, operation):
            return ""
        raise _unauthorized("NoAuthenticationInformation", "Server failed to authenticate the request.")

    def admit_source(self, query: dict[str, str], header: str, source: Target, operation: Operation) -> None:
        """Let a copy read its source by the signature in its address or by a token of its own.

        Raises:
            ArmError: as :meth:`admit`.
        """
        if "sig" in query:
            self._signature(query, source, operation)
        else:
            self._bearer(header, source, operation)

    def allowed(self, object_id: str, operation: Operation, scope: str) -> bool:
        """Whether a principal's roles cover an operation."""
        self._refresh()
        asked = (object_id, operation.action, scope, operation.data)
        if asked not in self._allowed:
            action = _SERVICE + operation.action
            if not access.allowed(self.azure.reader, object_id, action, scope, data=operation.data):
                return False  # not remembered: a role may begin to count without any write
            self._allowed.add(asked)
        return True

    def _refresh(self) -> None:
        if self._revision != self.azure.store.revision or len(self._allowed) > 4096:
            self._revision = self.azure.store.revision
            self._accounts.clear()
            self._allowed.clear()

    def _bearer(self, header: str, target: Target, operation: Operation) -> str:
        try:
            caller = self._tokens.read(header, (AUDIENCE, f"https://{target.account.name}.blob.core.windows.net"))
        except ArmError as error:
            raise _unauthorized("InvalidAuthenticationInfo", error.message) from error
        if not self.allowed(caller.object_id, operation, target.scope):
            raise _mismatch(f"'{caller.object_id}' has no role with {_SERVICE}{operation.action} on '{target.scope}'")
        return caller.object_id

    def public(self, target: Target, operation: Operation) -> bool:
        """Whether everybody may: reads of a container that is open, in an account that lets it be."""
        if not target.account.public or operation.action != "containers/blobs/read":
            return False
        container = self.azure.get(target.scope) if target.container else None
        openness = container.get("properties.publicAccess") if container else "None"
        return openness == "Container" or (openness == "Blob" and target.level == "blob")

    def _shared_key(self, target: Target, header: str) -> None:
        _need_keys(target.account)
        request = target.request
        sent = request.headers.get("x-ms-date") or request.headers.get("date", "")
        age = clock.now() - read_date("x-ms-date", sent)
        if abs(age.total_seconds()) > _CLOCK_SECONDS:
            raise _failed(f"the request's date '{sent}' is more than 15 minutes off")
        name, _, signature = header.partition(" ")[2].partition(":")
        if name != target.account.name:
            raise _failed(f"the key of '{name}' cannot open '{target.account.name}'")
        text = blob_signing.shared_key(request, name)
        if not _signed(target.account.keys, text, signature):
            raise _failed(f"the signature does not match; the server signed {text!r}")

    def _signature(self, query: dict[str, str], target: Target, operation: Operation) -> str:
        """A shared access signature, and the role of the user whose key signed it."""
        owner = check_signature(query, target, operation.letters, self.azure)
        if owner and not self.allowed(owner, operation, target.scope):
            raise _mismatch(f"'{owner}', who signed, has no role with {_SERVICE}{operation.action}")
        return owner


def account_as_reached(me: Resource, view: View) -> Account:
    """What the blob service has to know of a storage account."""
    signing = me.get("properties.allowSharedKeyAccess", True)
    return Account(
        me.name, me.id.text, me.created, tuple(keys(view, me)) if signing else (),
        bool(me.get("properties.allowBlobPublicAccess")),
    )  # fmt: skip


def check_signature(query: Mapping[str, str], target: Reached, letters: str, view: View) -> str:
    """Refuse a shared access signature that does not open what is asked.

    Args:
        query: the signature.
        target: what is asked for.
        letters: any of these permissions will do.
        view: where accounts and keys are looked up.

    Returns:
        Object id of the user whose key signed it, whose roles count as well; '' for an account key.

    Raises:
        ArmError: 403, with what does not fit.
    """
    if query.get("sv", "") < blob_signing.OLDEST:
        raise _failed(f"sv is '{query.get('sv', '')}'; the sandbox reads {blob_signing.OLDEST} and later")
    if unknown := blob_signing.UNSUPPORTED & query.keys():
        raise _failed(f"{', '.join(sorted(unknown))} of a signature is not in the sandbox")
    owner = query.get("skoid", "")
    signed = (target.account.name, target.container, target.blob)
    if owner:
        signing: tuple[str, ...] = (
            blob_signing.delegation_key(view, target.account.name, target.account.created, query),
        )
        text = blob_signing.user_delegation(query, *signed)
    else:
        _need_keys(target.account)
        signing = target.account.keys
        whole = "ss" in query
        text = blob_signing.account(query, target) if whole else blob_signing.service(query, *signed)
    if not _signed(signing, text, query["sig"]):
        raise _failed(f"the signature does not match; the server signed {text!r}")
    _in_time(query)
    blob_signing.check_reach(query, target, letters)
    if not set(letters) & set(query.get("sp", "")):
        raise _mismatch(f"sp '{query.get('sp', '')}' of the signature has none of '{letters}'")
    return owner


def _signed(signing: tuple[str, ...], text: str, signature: str) -> bool:
    return any(same(signature, blob_signing.sign(key, text)) for key in signing)


def _in_time(query: Mapping[str, str]) -> None:
    now = clock.now()
    if missing := [name for name in ("se", *(("ske",) if "skoid" in query else ())) if not query.get(name)]:
        raise _failed(f"signed expiry must be specified in the signature: {', '.join(missing)} is missing")
    for name, early in (("st", True), ("se", False), ("skt", True), ("ske", False)):
        if name not in query:
            continue
        try:
            moment = datetime.fromisoformat(query[name])
        except ValueError as error:
            raise _failed(f"{name} '{query[name]}' is no time") from error
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        if (now < moment) if early else (now > moment):
            raise _failed(f"signature not valid in the specified time frame: {name} is {query[name]}")


def _need_keys(account: Account) -> None:
    if not account.keys:
        raise ArmError(
            403, "KeyBasedAuthenticationNotPermitted",
            f"Key based authentication is not permitted on '{account.name}' (allowSharedKeyAccess is false).",
        )  # fmt: skip


def _unauthorized(code: str, message: str) -> ArmError:
    return ArmError(401, code, message, headers={"www-authenticate": _CHALLENGE})


def _failed(why: str) -> ArmError:
    return ArmError(
        403, "AuthenticationFailed",
        f"Server failed to authenticate the request. Make sure the value of Authorization header is formed correctly "
        f"including the signature: {why}.",
    )  # fmt: skip


def _mismatch(why: str) -> ArmError:
    return ArmError(
        403, "AuthorizationPermissionMismatch",
        f"This request is not authorized to perform this operation using this permission: {why}.",
    )  # fmt: skip
