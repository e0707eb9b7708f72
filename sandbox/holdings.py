"""Judges what is in the sandbox's folder: the state, the contents beside it, the gateway."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from sandbox.doctor import Finding, judged
from sandbox.home import Home
from sandbox.launch import foreign_port, running
from sandbox.store import seal
from sandbox.store.migrate import VERSION, StateError, copy_path, examine
from sandbox.work.cover import troubles

_NOT_HELD = {
    "files": "can read and write the sandbox's secret, certificate key and state",
    "network": "can reach the network and the ports of this machine, past the proxy that they are given",
    "processes": "can leave processes that outlive them",
}


def examine_folder(home: Home) -> Iterator[Finding]:
    """Look at everything in it; nothing is made or changed."""
    yield _state(home)
    yield _blobs(home)
    yield _jobs()
    if found := running(home):
        yield Finding("gateway", True, f"answers on 127.0.0.1:{found.port} since {found.since}")
        return
    yield Finding("gateway", True, "not running; make up starts it")
    if port := foreign_port(home):
        yield Finding("port", True, f"127.0.0.1:{port} is another program's now: the gateway will take another one")


def _jobs() -> Finding:
    """What the kernel keeps jobs and scoring code from, and what it does not."""
    if refused := troubles():
        lost = "; ".join(f"{_NOT_HELD[name]} ({why})" for name, why in refused.items())
        return Finding(
            "jobs", True,
            f"users may not make every namespace here, so jobs and scoring code {lost}: run only code that you trust, "
            "or allow them (sysctl user.max_user_namespaces, kernel.apparmor_restrict_unprivileged_userns)", lacks=True,
        )  # fmt: skip
    return Finding("jobs", True, "they see their own files and processes only, and reach the gateway only")


def _state(home: Home) -> Finding:
    if not home.database.exists():
        return _gone(home)
    try:
        version = examine(home.database)
    except StateError as error:
        return Finding("state", False, str(error))
    if 0 < version < VERSION:
        said = (
            f"is of version {version}; make up brings it to {VERSION} and keeps it as {home.database.name}.v{version}"
        )
        return Finding("state", True, f"{home.database} {said}")
    if seal.held(home.database):
        return Finding("state", True, f"{home.database} was sound when it was opened, and is in use")
    return Finding("state", True, f"{home.database} is sound")


def _gone(home: Home) -> Finding:
    """No state: none was made yet, or somebody removed it and left what it belongs to."""
    if copy_path(home.database).exists():
        repair = "restore the last good copy with: .venv/bin/python -m sandbox restore"
        return Finding("state", False, f"{home.database}: gone; {repair}")
    left = [str(each) for each in (home.blobs, home.live) if each.is_dir() and any(each.iterdir())]
    return judged(
        "state", not left, f"{home.database}: gone, unlike {' and '.join(left)}, which mean nothing without it" if left
        else "none yet", "put it back, or start afresh with: make purge",
    )  # fmt: skip


def _blobs(home: Home) -> Finding:
    """The contents that the state names and keeps in files beside it."""
    if not home.database.exists():
        return Finding("blobs", True, "none yet")
    try:
        connection = sqlite3.connect(home.database)
        try:
            rows = connection.execute("SELECT container, name, file, size FROM blobs WHERE file IS NOT NULL").fetchall()
        finally:
            connection.close()
    except (sqlite3.Error, UnicodeDecodeError):  # damage can reach the text of SQLite's own message
        return Finding("blobs", True, "not looked at: the state cannot be read")
    there, kept = _sizes(home.blobs), _sizes(home.kept_blobs)
    lost = [(f"{container}/{name}", file, size) for container, name, file, size in rows if there.get(file) != size]
    back = all(kept.get(file) == size for _, file, size in lost)
    return judged(
        "blobs", not lost, f"{len(lost)} lost or cut, the first of them {lost[0][0]}" if lost
        else f"{len(rows)} large ones",
        "bring them back with: .venv/bin/python -m sandbox restore" if back
        else f"put the files back into {home.blobs}, or start afresh with: make purge",
    )  # fmt: skip


def _sizes(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in folder.iterdir()} if folder.is_dir() else {}
