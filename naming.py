"""Physical names of Azure resources and versions of immutable assets: one place, limits beside the names.

Names depend on the project, the stack and the stack's ``nameSalt`` only, so a preview without credentials shows
the names that ``up`` will use. Source of the limits: learn.microsoft.com, "resource-name-rules".
"""

import hashlib
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_TAIL_LENGTH = 6  # of 36 characters: two billion tails, short enough for a 24 character account name
_VERSION_LENGTH = 12  # hex digits of a SHA-256
_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"
_LABEL = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


@dataclass(frozen=True, kw_only=True)
class Names:
    """Physical names of one stack.

    A name that does not fit raises: shortening it could make two stacks share one account.

    Attributes:
        project: Pulumi project, lower case letters, digits and single hyphens.
        stack: Pulumi stack, same alphabet.
        salt: makes global names differ between organisations; a new value renames (replaces) everything.

    Raises:
        ValueError: names the part, the value and the alphabet; or the name, its length and Azure's limit.
    """

    project: str
    stack: str
    salt: str

    def __post_init__(self) -> None:
        for part in ("project", "stack", "salt"):
            _check_label(part, getattr(self, part))

    def resource_group(self) -> str:
        """1-90 characters, unique in the subscription."""
        return _fit("resource group", f"rg-{self.project}-{self.stack}", 90)

    def storage_account(self) -> str:
        """3-24 lower case letters and digits, unique in all of Azure."""
        return _fit("storage account", self._compact("st"), 24)

    def container_registry(self) -> str:
        """5-50 letters and digits, unique in all of Azure."""
        return _fit("container registry", self._compact("cr"), 50)

    def key_vault(self) -> str:
        """3-24 letters, digits and hyphens, unique in all of Azure, kept for a while after its deletion."""
        return _fit("key vault", self._dashed("kv"), 24)

    def workspace(self) -> str:
        """3-33 letters, digits, hyphens and underscores; soft-deleted names stay taken."""
        return _fit("workspace", self._dashed("mlw"), 33)

    def log_analytics(self) -> str:
        """4-63 letters, digits and hyphens."""
        return _fit("log analytics workspace", self._dashed("log"), 63)

    def application_insights(self) -> str:
        """1-260 characters."""
        return _fit("application insights", self._dashed("appi"), 260)

    def identity(self, purpose: str) -> str:
        """3-128 letters, digits, hyphens and underscores."""
        _check_label("identity", purpose)
        return _fit("identity", f"id-{purpose}-{self.project}-{self.stack}", 128)

    def endpoint(self, name: str) -> str:
        """3-32 lower case letters, digits and hyphens, first a letter, unique in the Azure region."""
        _check_label("endpoint", name)
        return _fit("endpoint", f"{name}-{self.stack}-{self._tail()}", 32)

    def role_assignment(self, label: str) -> str:
        """Returns a GUID: unique in the tenant, as Azure demands, and the same on every run."""
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"mlops:{self.salt}/{self.project}/{self.stack}/{label}"))

    def _compact(self, prefix: str) -> str:
        return f"{prefix}{self.project}{self.stack}{self._tail()}".replace("-", "")

    def _dashed(self, prefix: str) -> str:
        return f"{prefix}-{self.project}-{self.stack}-{self._tail()}"

    def _tail(self) -> str:
        number = int.from_bytes(hashlib.sha256(f"{self.salt}/{self.project}/{self.stack}".encode()).digest())
        digits = []
        for _ in range(_TAIL_LENGTH):
            number, digit = divmod(number, len(_ALPHABET))
            digits.append(_ALPHABET[digit])
        return "".join(digits)


@dataclass(frozen=True, kw_only=True)
class Content:
    """What a folder holds: relative posix path and SHA-256 of each file, sorted by path.

    Attributes:
        files: pairs of path and hex digest.
        version: first 12 hex digits of the digest over all pairs; equal content, equal version.
    """

    files: tuple[tuple[str, str], ...]
    version: str


def content(folder: Path, include: tuple[str, ...] = ("**/*",)) -> Content:
    """Hashes each file of a folder once.

    Args:
        folder: root; paths in the result are relative to it.
        include: glob patterns below the root. Dotfiles and Python's caches never count.

    Raises:
        ValueError: a pattern that matches no file, with its name.
    """
    digests: dict[str, str] = {}
    for pattern in include:
        found = {path.relative_to(folder).as_posix(): path for path in _files(folder, pattern)}
        if not found:
            raise ValueError(f"{folder.as_posix()}: no file matches {pattern!r}; want at least one")
        for name, path in found.items():
            if name not in digests:
                with path.open("rb") as file:
                    digests[name] = hashlib.file_digest(file, "sha256").hexdigest()
    files = tuple(sorted(digests.items()))
    return Content(files=files, version=content_version(*(part for pair in files for part in pair)))


def content_version(*parts: str) -> str:
    """Returns the version that stands for these texts in this order."""
    digest = hashlib.sha256()
    for part in parts:
        encoded = part.encode()
        digest.update(f"{len(encoded)}:".encode())  # lengths keep ("ab", "c") and ("a", "bc") apart
        digest.update(encoded)
    return digest.hexdigest()[:_VERSION_LENGTH]


def _files(folder: Path, pattern: str) -> Iterator[Path]:
    for path in folder.glob(pattern):
        parts = path.relative_to(folder).parts
        hidden = any(part.startswith(".") or part == "__pycache__" for part in parts)
        if path.is_file() and not hidden and path.suffix != ".pyc":
            yield path


def _check_label(what: str, value: str) -> None:
    if not _LABEL.fullmatch(value):
        raise ValueError(
            f"{what}={value!r}: want lower case letters, digits and single hyphens, starting with a letter"
        )


def _fit(kind: str, name: str, limit: int) -> str:
    if len(name) > limit:
        raise ValueError(
            f"{kind} name {name!r} has {len(name)} characters, Azure allows {limit}: choose a shorter stack name"
        )
    return name
