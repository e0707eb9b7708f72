"""Takes the sandbox's folder out of a process's sight, but for what is its own.

A job runs as the user who started the sandbox. In a user namespace and a mount namespace of its own it sees, in the
place of the sandbox's folder, an empty one with its own folders and the public certificates; and the kernel gives it
no way into other processes of the user. That costs about a millisecond.

Linux only, and only where users may make namespaces: ``python -I -S cover.py`` says why not, if it is so. Standard
library only, as for the keeper.
"""

import ctypes
import errno
import os
import sys
from collections.abc import Sequence
from pathlib import Path

_CLONE_NEWNS, _CLONE_NEWUSER = 0x20000, 0x10000000
_MS_RDONLY, _MS_NOSUID, _MS_NODEV, _MS_REMOUNT = 1, 2, 4, 32
_MS_BIND, _MS_REC, _MS_PRIVATE = 4096, 16384, 1 << 18
_PR_CAPBSET_DROP = 24
_CAPABILITIES = 64  # as many as the kernel can ever count


def cover(root: str, show: Sequence[str], copies: Sequence[str]) -> None:
    """Cover a folder for this process and all that it starts; there is no way back.

    Args:
        root: what is covered.
        show: folders below it that stay, and can be written.
        copies: files below it that can be read.

    Raises:
        OSError: the kernel does not allow it. The process is of no use then.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    user, group = os.getuid(), os.getgid()
    _do(libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNS), "unshare")
    Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
    Path("/proc/self/uid_map").write_text(f"{user} {user} 1", encoding="ascii")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1", encoding="ascii")

    def mount(source: str, target: str, kind: str, flags: int) -> None:
        _do(libc.mount(source.encode(), os.fsencode(target), kind.encode(), flags, None), f"mount {target}")

    mount("none", "/", "", _MS_REC | _MS_PRIVATE)
    kept = {path: os.open(path, os.O_PATH | os.O_CLOEXEC) for path in show}
    contents = {path: Path(path).read_bytes() for path in copies}
    mount("tmpfs", root, "tmpfs", _MS_NOSUID | _MS_NODEV)
    for path, content in contents.items():
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_bytes(content)
    for path, folder in kept.items():
        Path(path).mkdir(parents=True)
        mount(f"/proc/self/fd/{folder}", path, "", _MS_BIND | _MS_REC)
        os.close(folder)
    mount("none", root, "", _MS_REMOUNT | _MS_BIND | _MS_RDONLY | _MS_NOSUID | _MS_NODEV)
    for number in range(_CAPABILITIES):  # those that it has in its namespace: with them it could take the cover away
        if libc.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0):
            break


def trouble() -> str:
    """Why the kernel does not allow it; '' when it does."""
    import subprocess  # the keeper, which imports this file for each process, has no use for it

    asked = subprocess.run([sys.executable, "-I", "-S", __file__], capture_output=True, text=True, check=False)
    return asked.stdout.strip() or ("" if asked.returncode == 0 else f"exit code {asked.returncode}")


def _do(result: int, what: str) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def _try() -> str:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        (own := Path(folder, "own")).mkdir()
        (secret := Path(folder, "secret")).write_bytes(b"")
        if child := os.fork():
            status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            if status == errno.ENOSPC:  # what the kernel says when the limit is 0, too
                return "none is left of user.max_user_namespaces"
            return "" if status == 0 else os.strerror(status)
        try:
            cover(folder, [str(own)], [])
            (own / "written").touch()
            os._exit(1 if secret.exists() else 0)
        except OSError as error:
            os._exit(error.errno or 1)
        except AttributeError:  # no Linux
            os._exit(errno.ENOSYS)


if __name__ == "__main__":
    print(_try())
