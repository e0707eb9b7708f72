"""Physical names of Azure resources and versions of immutable assets: one place, limits beside the names.

Names depend on the project, the stack, its region and its ``name_salt`` only, so a preview without credentials shows
the names that ``up`` will use. Source of the limits: learn.microsoft.com, "resource-name-rules".
"""

import contextlib
import hashlib
import json
import re
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_TAIL_LENGTH = 6  # of 36 characters: two billion tails, short enough for a 24 character account name
_VERSION_LENGTH = 12  # hex digits of a SHA-256
_SETTLED_SECONDS = 2  # file systems keep times no coarser than this
_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"
_LABEL = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


@dataclass(frozen=True, kw_only=True)
class Names:
    """Physical names of one stack.

    A name that is too long loses the end of its readable part and keeps its tail. The tail is made from everything
    that is in the name, so two names that are cut alike stay two names.

    Attributes:
        project: Pulumi project, lower case letters, digits and single hyphens.
        stack: Pulumi stack, same alphabet.
        salt: makes global names differ between organisations; a new value renames (replaces) everything.
        location: Azure region. Part of every tail: a stack that moves meets none of its deleted resources, whose
            names stay taken for a while.

    Raises:
        ValueError: names the part, the value and the alphabet.
    """

    project: str
    stack: str
    salt: str
    location: str

    def __post_init__(self) -> None:
        for part in ("project", "stack", "salt", "location"):
            check_label(part, getattr(self, part))

    def resource_group(self) -> str:
        """1-90 characters, unique in the subscription."""
        return self._plain(f"rg-{self.project}-{self.stack}", 90)

    def storage_account(self) -> str:
        """3-24 lower case letters and digits, unique in all of Azure."""
        return self._compact("st", 24)

    def container_registry(self) -> str:
        """5-50 letters and digits, unique in all of Azure."""
        return self._compact("cr", 50)

    def key_vault(self) -> str:
        """3-24 letters, digits and hyphens, unique in all of Azure, kept for a while after its deletion."""
        return self._dashed(f"kv-{self.project}-{self.stack}", 24)

    def workspace(self) -> str:
        """3-33 letters, digits, hyphens and underscores; soft-deleted names stay taken."""
        return self._dashed(f"mlw-{self.project}-{self.stack}", 33)

    def log_analytics(self) -> str:
        """4-63 letters, digits and hyphens."""
        return self._dashed(f"log-{self.project}-{self.stack}", 63)

    def application_insights(self) -> str:
        """1-260 characters."""
        return self._dashed(f"appi-{self.project}-{self.stack}", 260)

    def identity(self, purpose: str) -> str:
        """3-128 letters, digits, hyphens and underscores."""
        check_label("identity", purpose)
        return self._plain(f"id-{purpose}-{self.project}-{self.stack}", 128)

    def endpoint(self, name: str) -> str:
        """3-32 lower case letters, digits and hyphens, first a letter, unique in the Azure region."""
        check_label("endpoint", name)
        return self._dashed(f"{name}-{self.stack}", 32, name)

    def ml_registry(self) -> str:
        """3-33 letters, digits, hyphens and underscores; one an organisation, so the same in every stack."""
        return _cut(f"mlr-{self.project}-{self.salt}", 33, _tail(self.salt, self.project))

    def ml_registry_group(self) -> str:
        """1-90 characters; outlives the stack that declares the registry."""
        return _cut(f"rg-{self.project}-registry", 90, _tail(self.salt, self.project))

    def role_assignment(self, label: str) -> str:
        """Returns a GUID: unique in the tenant, as Azure demands, and the same on every run."""
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"mlops:{self.salt}/{self.project}/{self.stack}/{label}"))

    def _plain(self, name: str, limit: int) -> str:
        return name if len(name) <= limit else self._dashed(name, limit, name)

    def _compact(self, prefix: str, limit: int) -> str:
        head = f"{prefix}{self.project}{self.stack}".replace("-", "")
        return head[: limit - _TAIL_LENGTH] + self._tail()

    def _dashed(self, head: str, limit: int, *parts: str) -> str:
        return _cut(head, limit, self._tail(*parts))

    def _tail(self, *parts: str) -> str:
        return _tail(self.salt, self.project, self.stack, self.location, *parts)


def _cut(head: str, limit: int, tail: str) -> str:
    return f"{head[: limit - len(tail) - 1].rstrip('-')}-{tail}"


def _tail(*parts: str) -> str:
    number = int.from_bytes(hashlib.sha256("/".join(parts).encode()).digest())
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


def content(folder: Path, include: tuple[str, ...] = ("**/*",), cache: Path | None = None) -> Content:
    """Hashes each file of a folder once.

    Args:
        folder: root; paths in the result are relative to it.
        include: glob patterns below the root. Dotfiles and Python's caches never count.
        cache: file that remembers digests by size and time of change, for folders too large to read in each preview.

    Raises:
        ValueError: a pattern that matches no file, with its name.
    """
    known = _remembered(cache) if cache else {}
    digests: dict[str, str] = {}
    for pattern in include:
        found = {path.relative_to(folder).as_posix(): path for path in _files(folder, pattern)}
        if not found:
            raise ValueError(f"{folder.as_posix()}: no file matches {pattern!r}; want at least one")
        for name, path in found.items():
            if name not in digests:
                digests[name] = _digest(path, known)
    if cache:
        _remember(cache, folder, digests)
    files = tuple(sorted(digests.items()))
    return Content(files=files, version=content_version(*(part for pair in files for part in pair)))


def digest_of(path: Path) -> str:
    """SHA-256 of a file, as hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _stamp(path: Path) -> str:
    stat = path.stat()
    return f"{path.as_posix()}:{stat.st_size}:{stat.st_mtime_ns}"


def _digest(path: Path, known: dict[str, str]) -> str:
    return known.get(_stamp(path)) or digest_of(path) if known else digest_of(path)


def _remembered(cache: Path) -> dict[str, str]:
    try:
        known = json.loads(cache.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _remember(cache: Path, folder: Path, digests: dict[str, str]) -> None:
    """Keeps what is old enough that a later change of the file must show in its time."""
    settled = time.time() - _SETTLED_SECONDS
    paths = {folder / name: digest for name, digest in digests.items()}
    known = {_stamp(path): digest for path, digest in paths.items() if path.stat().st_mtime < settled}
    # A folder that cannot be written to is hashed again the next time.
    with contextlib.suppress(OSError):
        cache.write_text(json.dumps(known), encoding="utf-8")


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


def check_label(what: str, value: str) -> None:
    """Refuses a part of a name outside the alphabet that all of Azure's names share.

    Raises:
        ValueError: names the part, the value and the alphabet.
    """
    if not _LABEL.fullmatch(value):
        raise ValueError(
            f"{what}={value!r}: want lower case letters, digits and single hyphens, starting with a letter"
        )
