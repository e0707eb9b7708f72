"""Takes from a process what is not its own: the sandbox's files, the network, and a life longer than its command's.

A job runs as the user who started the sandbox, in namespaces of its own:

- files: in the place of the sandbox's folder it sees an empty one with its own folders and the public certificates,
  and in the place of `/run`, where the sockets of the machine's services are, an empty folder. The kernel gives it no
  way into other processes of the user.
- network: it has a loopback of its own with nothing else on it, and no other interface. What it sends to the port
  where the gateway was when it started, its keeper brings to the gateway (forward.py).
- processes: it sees its own only, and when its command ends the kernel kills whatever that has started, wherever it
  went, before anybody looks at what it left.

That costs some milliseconds. Linux only, and only where users may make these namespaces; each is done without where
the kernel refuses it: ``python -I -S cover.py`` says which and why. Standard library only, as for the keeper.
"""

import ctypes
import errno
import fcntl
import json
import os
import select
import signal
import socket
import struct
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

_CLONE_NEWUSER = 0x10000000
HOLDS = {"files": 0x20000, "network": 0x40000000, "processes": 0x20000000}  # CLONE_NEWNS, _NEWNET, _NEWPID
_MS_RDONLY, _MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_REMOUNT = 1, 2, 4, 8, 32
_MS_BIND, _MS_REC, _MS_PRIVATE = 4096, 16384, 1 << 18
_PR_SET_PDEATHSIG, _PR_CAPBSET_DROP = 1, 24
_CAPABILITIES = 64  # as many as the kernel can ever count
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1
_BACKLOG = 128
_SERVICES = ("/run", "/var/run")


def cover(
    root: str, show: Sequence[str], copies: Sequence[str], holds: Sequence[str], port: str, door: socket.socket
) -> None:
    """Cover this process and all that it starts; there is no way back.

    With `processes` only a grandchild comes back from here. This process waits for it, and ends as that does; its
    caller has blocked SIGTERM, which is for the grandchild.

    Args:
        root: the folder that is covered.
        show: folders below it that stay, and can be written.
        copies: files below it that can be read.
        holds: which of HOLDS to take.
        port: the file that has the gateway's port.
        door: takes a socket that listens there on the process's own loopback. It stays open in the command alone.

    Raises:
        OSError: the kernel does not allow it. The process is of no use then.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    user, group, flags = os.getuid(), os.getgid(), _CLONE_NEWUSER
    for each in holds:
        flags |= HOLDS[each]
    _do(libc.unshare(flags), "unshare")
    Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
    Path("/proc/self/uid_map").write_text(f"{user} {user} 1", encoding="ascii")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1", encoding="ascii")
    if "network" in holds:
        with _own_loopback(int(Path(port).read_bytes())) as listener:
            socket.send_fds(door, [b"\0"], [listener.fileno()])
    if "files" in holds:
        _hide(libc, root, show, copies)
    if "processes" in holds:
        _alone(libc)
    for number in range(_CAPABILITIES):  # those that it has in its namespaces: with them it could take the cover away
        if libc.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0):
            break


def die_with(parent: int) -> None:
    """Let this process be killed when its parent dies; it ends at once if that has happened."""
    if sys.platform == "linux":  # no other system has this
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def troubles() -> dict[str, str]:
    """Which of HOLDS the kernel does not allow, and why; empty when it allows all."""
    import subprocess  # the keeper, which imports this file for each process, has no use for it

    asked = subprocess.run([sys.executable, "-I", "-S", __file__], capture_output=True, text=True, check=False)
    try:
        found: dict[str, str] = json.loads(asked.stdout)
    except ValueError:
        return dict.fromkeys(HOLDS, (asked.stderr or asked.stdout).strip() or f"exit code {asked.returncode}")
    return found


def _own_loopback(port: int) -> socket.socket:
    """Bring the loopback of this network namespace up and listen there."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        flags = struct.unpack("16sh", fcntl.ioctl(any_socket, _SIOCGIFFLAGS, struct.pack("16sh", b"lo", 0)))[1]
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh", b"lo", flags | _IFF_UP))
    listener = socket.socket()
    listener.bind(("127.0.0.1", port))
    listener.listen(_BACKLOG)
    return listener


def _hide(libc: ctypes.CDLL, root: str, show: Sequence[str], copies: Sequence[str]) -> None:
    _mount(libc, "none", "/", "", _MS_REC | _MS_PRIVATE)
    kept = {path: os.open(path, os.O_PATH | os.O_CLOEXEC) for path in show}
    contents = {path: Path(path).read_bytes() for path in copies}
    for folder in _SERVICES:
        if Path(folder).is_dir() and not Path(folder).is_symlink() and not Path(root).is_relative_to(folder):
            _mount(libc, "tmpfs", folder, "tmpfs", _MS_RDONLY | _MS_NOSUID | _MS_NODEV)
    _mount(libc, "tmpfs", root, "tmpfs", _MS_NOSUID | _MS_NODEV)
    for path, content in contents.items():
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_bytes(content)
    for path, held in kept.items():
        Path(path).mkdir(parents=True)
        _mount(libc, f"/proc/self/fd/{held}", path, "", _MS_BIND | _MS_REC)
        os.close(held)
    _mount(libc, "none", root, "", _MS_REMOUNT | _MS_BIND | _MS_RDONLY | _MS_NOSUID | _MS_NODEV)


def _alone(libc: ctypes.CDLL) -> None:
    """Go on as a child of the first process of a process namespace; with that one the kernel ends them all.

    Inside nobody can hurt the first process, and no signal reaches it that it has no handler for. So it is not the
    command itself, which must end when it is told to.
    """
    reading, writing = os.pipe()
    if first := os.fork():
        _keep_only(reading)
        told = os.read(reading, 4)  # nothing when the first process was killed
        how = os.waitpid(first, 0)[1]  # returns when all have ended
        _end_like(int.from_bytes(told, "little") if told else how)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    os.close(reading)
    parent = select.poll()
    parent.register(writing, 0)
    if parent.poll(0):  # nobody reads there: the parent died before that
        os._exit(1)
    _mount(libc, "proc", "/proc", "proc", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC)
    if command := os.fork():
        _keep_only(writing)
        while True:
            ended, how = os.wait()
            if ended == command:
                os.write(writing, how.to_bytes(4, "little"))
                os._exit(0)
    os.close(writing)


def _keep_only(descriptor: int) -> None:
    """Close what is the command's: nobody must wait at a socket whose server has ended."""
    os.closerange(3, descriptor)
    os.closerange(descriptor + 1, 256)  # a keeper has few


def _end_like(status: int) -> NoReturn:
    """End as a process did whose wait status this is."""
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        if -code not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [-code])
    os._exit(code)


def _mount(libc: ctypes.CDLL, source: str, target: str, kind: str, flags: int) -> None:
    _do(libc.mount(source.encode(), os.fsencode(target), kind.encode(), flags, None), f"mount {target}")


def _do(result: int, what: str) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def _ask_kernel() -> dict[str, str]:
    if not _try(*HOLDS):
        return {}
    found = {"files": _try("files"), "network": _try("network"), "processes": _try("files", "processes")}
    return {name: why for name, why in found.items() if why}


def _try(*holds: str) -> str:
    """Why the kernel does not allow these; '' when it does."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        (own := Path(folder, "own")).mkdir()
        (secret := Path(folder, "secret")).write_bytes(b"")
        if child := os.fork():
            status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            if status == errno.ENOSPC:  # what the kernel says when the limit is 0, too
                return "none is left of the limits in /proc/sys/user"
            return "" if status == 0 else os.strerror(status)
        try:
            (port := Path(folder, "port")).write_bytes(b"50000")  # all are free in a namespace of its own
            door, _keeper = socket.socketpair()
            cover(folder, [str(own)], [], holds, str(port), door)
            (own / "written").touch()
            os._exit(errno.EPERM if "files" in holds and secret.exists() else 0)
        except OSError as error:
            os._exit(error.errno or errno.EPERM)
        except BaseException:  # noqa: BLE001 - no Linux; and the child must never return into the parent's code
            os._exit(errno.ENOSYS)


if __name__ == "__main__":
    print(json.dumps(_ask_kernel()))
