"""What a power cut leaves: everything that a process writes is recorded, and the disk is made again as of any moment.

Only what was synced is sure to be there after a power cut: the content of a file as of its last fsync, the names in a
folder as of the folder's. What came later may be there, or a part of it, or none. A process that dies by a signal
keeps all of it, so a kill cannot tell whether anything is synced at all.

Started as a program, ``power.py HOME LOG``, it runs the gateway of a home, and records it.
"""

import _sqlite3
import ctypes
import os
import pickle
import random
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Record = tuple[str, Any, Any, Any]
_Pointer = ctypes.c_void_p
# A name is handed on as the pointer that it came as: SQLite keeps it, and looks behind its end.
_OPEN = ctypes.CFUNCTYPE(ctypes.c_int, _Pointer, _Pointer, _Pointer, ctypes.c_int, _Pointer)
_DELETE = ctypes.CFUNCTYPE(ctypes.c_int, _Pointer, _Pointer, ctypes.c_int)
_WRITE = ctypes.CFUNCTYPE(ctypes.c_int, _Pointer, _Pointer, ctypes.c_int, ctypes.c_int64)
_TRUNCATE = ctypes.CFUNCTYPE(ctypes.c_int, _Pointer, ctypes.c_int64)
_SYNC = ctypes.CFUNCTYPE(ctypes.c_int, _Pointer, ctypes.c_int)
_CREATE, _JOURNALS = 0x4, 0x800 | 0x4000 | 0x80000  # flags of an xOpen: rollback, super and write-ahead logs
_METHODS = 19  # of sqlite3_io_methods, of any version, behind the number of the version
_WRITE_AT, _TRUNCATE_AT, _SYNC_AT = 3, 4, 5


class _Vfs(ctypes.Structure):
    """The beginning of sqlite3_vfs."""

    _fields_ = [
        ("iVersion", ctypes.c_int), ("szOsFile", ctypes.c_int), ("mxPathname", ctypes.c_int), ("pNext", _Pointer),
        ("zName", ctypes.c_char_p), ("pAppData", _Pointer), ("xOpen", _OPEN), ("xDelete", _DELETE),
    ]  # fmt: skip


class Recorder:
    """Writes down what this process does below a folder, SQLite's part of it included, from now on.

    Args:
        disk: the folder.
        log: where it is written down.
    """

    def __init__(self, disk: Path, log: Path) -> None:
        self._disk = f"{disk}/"
        self._log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._methods: dict[int, Any] = {}
        self._new_journals: dict[int, str] = {}
        self._kept: list[Any] = []  # callbacks that C code calls must not be collected
        self._files: dict[int, str] = {}
        self._fsync = os.fsync
        os.fsync = self._synced  # type: ignore[assignment]
        sys.addaudithook(self._named)
        self._watch_sqlite()

    def note(self, kind: str, one: Any = None, two: Any = None, three: Any = None) -> None:
        """Write down something; of another kind than below, it is the test's own."""
        content = pickle.dumps((kind, one, two, three))
        os.write(self._log, len(content).to_bytes(4, "big") + content)

    def _named(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Names that come and go; told before it happens, and whether or not it then can."""
        if event == "open" and isinstance(arguments[2], int) and arguments[2] & os.O_CREAT:
            self._tell("create", arguments[0])
        elif event in ("os.rename", "os.link"):
            self._tell(event[3:], arguments[0], arguments[1])
        elif event in ("os.mkdir", "os.remove", "os.rmdir"):
            self._tell("mkdir" if event == "os.mkdir" else "remove", arguments[0])

    def _tell(self, kind: str, *paths: Any) -> None:
        names = [self._inside(os.fsdecode(path)) for path in paths if not isinstance(path, int)]
        if names and None not in names:
            self.note(kind, *names)

    def _inside(self, path: str) -> str | None:
        return path[len(self._disk) :] if path.startswith(self._disk) else "" if f"{path}/" == self._disk else None

    def _synced(self, file: Any) -> None:
        descriptor = file if isinstance(file, int) else file.fileno()
        name = self._inside(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        if name is None or stat.S_ISDIR(os.fstat(descriptor).st_mode):
            self._fsync(descriptor)
            if name is not None:
                self.note("folder", name)
            return
        content = Path(f"/proc/self/fd/{descriptor}").read_bytes()
        self._fsync(descriptor)
        self.note("content", name, content)

    def _watch_sqlite(self) -> None:
        library = ctypes.CDLL(_sqlite3.__file__)  # its own symbols, and those of the SQLite that it is linked to
        library.sqlite3_vfs_find.restype = ctypes.POINTER(_Vfs)
        vfs = library.sqlite3_vfs_find(None).contents
        really_open, really_delete = _OPEN(_address(vfs.xOpen)), _DELETE(_address(vfs.xDelete))

        def opened(this: int, name: int | None, file: int, flags: int, out: int) -> int:
            inside = self._inside(os.fsdecode(ctypes.string_at(name))) if name else None
            if inside is not None and flags & _CREATE:
                self.note("create", inside)
            code: int = really_open(this, name, file, flags, out)
            if code == 0 and inside is not None:
                self.note("handle", file, inside)
                if flags & _CREATE and flags & _JOURNALS:
                    self._new_journals[file] = inside.rpartition("/")[0]
                pointer = ctypes.cast(file, ctypes.POINTER(ctypes.c_size_t))
                pointer[0] = ctypes.addressof(self._watched(pointer[0]))
            return code

        def deleted(this: int, name: int, sync_folder: int) -> int:
            inside = self._inside(os.fsdecode(ctypes.string_at(name)))
            if inside is not None:
                self.note("remove", inside)
            code: int = really_delete(this, name, sync_folder)
            if code == 0 and inside is not None and sync_folder & 1:
                self.note("folder", inside.rpartition("/")[0])
            return code

        vfs.xOpen, vfs.xDelete = self._keep(_OPEN(opened)), self._keep(_DELETE(deleted))
        self._keep([really_open, really_delete, library])

    def _watched(self, methods: int) -> Any:
        """A file's methods with ours in place of those that change it."""
        if methods in self._methods:
            return self._methods[methods]
        table = (ctypes.c_size_t * _METHODS).from_buffer_copy(ctypes.string_at(methods, _METHODS * 8))
        really_write, really_truncate = _WRITE(table[_WRITE_AT]), _TRUNCATE(table[_TRUNCATE_AT])
        really_sync = _SYNC(table[_SYNC_AT])

        def write(file: int, content: int, size: int, offset: int) -> int:
            self.note("write", file, ctypes.string_at(content, size), offset)
            code: int = really_write(file, content, size, offset)
            return code

        def truncate(file: int, size: int) -> int:
            self.note("truncate", file, size)
            code: int = really_truncate(file, size)
            return code

        def sync(file: int, flags: int) -> int:
            code: int = really_sync(file, flags)
            if code == 0:
                self.note("sync", file)
                # SQLite syncs the folder of a log that it made together with the log.
                if (folder := self._new_journals.pop(file, None)) is not None:
                    self.note("folder", folder)
            return code

        for place, ours in ((_WRITE_AT, _WRITE(write)), (_TRUNCATE_AT, _TRUNCATE(truncate)), (_SYNC_AT, _SYNC(sync))):
            table[place] = _address(self._keep(ours))
        self._keep([really_write, really_truncate, really_sync])
        self._methods[methods] = table
        return table

    def _keep(self, callback: Any) -> Any:
        self._kept.append(callback)
        return callback


def _address(function: Any) -> int:
    return ctypes.cast(function, _Pointer).value or 0


@dataclass
class File:
    """A file: what is sure to be in it, and what SQLite wrote since; Python's own writes count once they are synced."""

    synced: bytes = b""
    since: list[tuple[bytes | None, int]] = field(default_factory=list)

    def content(self, dice: random.Random | None) -> bytes:
        """What is found in it; with dice, some of what is not synced is there too."""
        found = bytearray(self.synced)
        for piece, at in self.since:
            if dice and dice.random() < 0.5:
                _apply(found, piece, at)
        return bytes(found)


_Names = dict[str, "File | Folder"]
_Change = dict[str, "File | Folder | None"]


@dataclass
class Folder:
    """The names in a folder: now, those that are sure to be there, and what changed since; None for one that went."""

    now: _Names = field(default_factory=dict)
    synced: _Names = field(default_factory=dict)
    since: list[_Change] = field(default_factory=list)

    def change(self, names: _Change) -> None:
        """Names that come and go in one step."""
        self.since.append(names)
        _change(self.now, names)

    def sync(self) -> None:
        """Make them sure to be there."""
        self.synced, self.since = dict(self.now), []

    def names(self, dice: random.Random | None) -> _Names:
        """Those that are found in it; with dice, some of the changes since have come to the disk too."""
        found = dict(self.synced)
        for names in self.since:
            if dice and dice.random() < 0.5:
                _change(found, names)
        return found


def _change(names: _Names, change: _Change) -> None:
    for name, each in change.items():
        if each is None:
            names.pop(name, None)
        else:
            names[name] = each


class Disk:
    """A disk as of some moment of a recording.

    Args:
        folders: names of those that were on it before.
    """

    def __init__(self, *folders: str) -> None:
        there: dict[str, File | Folder] = {name: Folder() for name in folders}
        self.root = Folder(dict(there), there)
        self._handles: dict[int, File] = {}

    def apply(self, record: Record) -> None:
        """Go on by one record; those that could not happen did not."""
        kind, one, two, three = record
        if kind in ("write", "truncate", "sync"):
            if one in self._handles:
                self._sqlite(self._handles[one], kind, two, three)
        elif kind == "folder":
            folder = self._find(one)
            if isinstance(folder, Folder):
                folder.sync()
        elif kind == "content":
            if isinstance(file := self._find(one), File):
                file.synced, file.since = two, []
        elif kind == "handle":
            if isinstance(file := self._find(two), File):
                self._handles[one] = file
        elif kind in ("create", "mkdir"):
            if (where := self._place(one)) and where[1] not in where[0].now:
                where[0].change({where[1]: File() if kind == "create" else Folder()})
        elif kind in ("rename", "link", "remove"):
            self._move(kind, one, two)

    def cut(self, target: Path, dice: random.Random | None = None) -> None:
        """Write what a power cut leaves now; with dice, some of what is not synced is there too."""
        _write(self.root, target, dice, {})

    def _sqlite(self, file: File, kind: str, two: Any, three: Any) -> None:
        if kind == "sync":
            content = bytearray(file.synced)
            for piece, at in file.since:
                _apply(content, piece, at)
            file.synced, file.since = bytes(content), []
        else:
            file.since.append((two, three) if kind == "write" else (None, two))

    def _move(self, kind: str, source: str, target: str | None) -> None:
        folder, name = self._place(source) or (None, "")
        if folder is None or name not in folder.now:
            return
        gone: _Change = {} if kind == "link" else {name: None}
        if target is None:
            folder.change(gone)
        elif (there := self._place(target)) and (kind == "rename" or there[1] not in there[0].now):
            come: _Change = {there[1]: folder.now[name]}
            if there[0] is folder:
                folder.change(gone | come)
            else:
                there[0].change(come)
                folder.change(gone)

    def _find(self, path: str) -> "File | Folder | None":
        found: File | Folder | None = self.root
        for name in filter(None, path.split("/")):
            found = found.now.get(name) if isinstance(found, Folder) else None
        return found

    def _place(self, path: str) -> tuple[Folder, str] | None:
        folder = self._find(path.rpartition("/")[0])
        return (folder, path.rpartition("/")[2]) if isinstance(folder, Folder) else None


def _apply(content: bytearray, piece: bytes | None, at: int) -> None:
    if piece is None:
        del content[at:]
        return
    content.extend(bytes(max(0, at - len(content))))
    content[at : at + len(piece)] = piece


def _write(folder: Folder, target: Path, dice: random.Random | None, written: dict[int, Path]) -> None:
    target.mkdir(mode=0o700)
    for name, each in folder.names(dice).items():
        path = target / name
        if isinstance(each, Folder):
            _write(each, path, dice, written)
        elif id(each) in written:
            path.hardlink_to(written[id(each)])
        else:
            path.write_bytes(each.content(dice))
            path.chmod(0o600)
            written[id(each)] = path


def read(log: Path) -> Iterator[tuple[int, Record]]:
    """The records of a log, each with where in the log it ends; the last may be cut off."""
    content, at = log.read_bytes(), 0
    while at + 4 <= len(content):
        size = int.from_bytes(content[at : at + 4], "big")
        if (at := at + 4 + size) > len(content):
            return
        yield at, pickle.loads(content[at - size : at])  # noqa: S301 - our own


def _serve(root: Path, log: Path) -> None:
    Recorder(root.parent, log)
    from sandbox.home import Home
    from sandbox.server import serve

    serve(Home(root))


if __name__ == "__main__":
    _serve(Path(sys.argv[1]).resolve(), Path(sys.argv[2]))
