"""Which commit holds the code of a training run: the one that is checked out, if its files are those that ran."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

import naming

UNKNOWN = "unknown"
_DIRTY = "-dirty"

# Releases write it, so its changes are nobody's unfinished work.
_LIVE = ":(exclude)live"


@dataclass(frozen=True)
class Commit:
    """The commit that is checked out.

    Attributes:
        id: full hash, with ``-dirty`` when files differ from it or are not in it; ``unknown`` without git.
        author: who made it.
    """

    id: str
    author: str

    @property
    def clean(self) -> bool:
        """True when everything that was looked at is in the commit."""
        return is_clean(self.id)

    @classmethod
    def here(cls, *paths: str) -> "Commit":
        """The commit of the working directory; with paths, only changes below them count."""
        found = _git("log", "-1", "--format=%H %an")
        if not found:
            return cls(UNKNOWN, UNKNOWN)
        commit, _, author = found.partition(" ")
        changed = _git("status", "--porcelain", "--", *(paths or (".",)), _LIVE)
        return cls(f"{commit}{_DIRTY}" if changed else commit, author)

    @classmethod
    def of_code(cls, reference: str, patterns: tuple[str, ...], folder: str) -> "Commit":
        """The commit that holds a code version.

        An apply and a release may see different checkouts. Files of the same content have the same version, so
        comparing the two proves what ran.

        Args:
            reference: ``NAME:VERSION`` of the code.
            patterns: the files that it consists of.
            folder: changes below it make the commit dirty.
        """
        here = cls.here(folder)
        try:
            version = naming.content(Path(), patterns).version
        except ValueError:  # a pattern without a file: another checkout by far
            version = ""
        return here if version == reference.partition(":")[2] else cls(UNKNOWN, here.author)


def is_clean(commit: str) -> bool:
    """True for the hash of a commit that holds all the code."""
    return bool(commit) and commit != UNKNOWN and not commit.endswith(_DIRTY)


def _git(*arguments: str) -> str:
    command = ["git", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
