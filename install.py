"""Makes the virtual environments as the lock files say: ``python install.py FOLDER=LOCK[+LOCK] ...``.

`make` runs it before a verb, with the Python that it found and nothing but the standard library. What is installed is
in each folder's stamp, so an environment is made anew when its first lock or its Python changed, completed when another
lock did, and left alone when nothing did. All are worked on at once; pip's own words go to ``install.log``.
"""

import hashlib
import json
import re
import shutil
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

STAMP = "installed.json"
LOG = "install.log"
# pip checks each file against the lock. Compiling would take longer than everything that is ever imported.
_PIP = ("install", "--require-hashes", "--no-deps", "--no-compile", "--no-input", "--progress-bar", "off", "-r")
_TICK_SECONDS = 0.5
_LINE_SECONDS = 4.0  # between two lines where a line cannot be written over

# What pip says, what that means and what to do. The first that is found is the cause.
_CAUSES = (
    ("DO NOT MATCH THE HASHES", "a file is not the one that was locked",
     "pip cache purge, then the same again; if it stays so, the package index changed the file: use another index"),
    ("No space left on device", "the disk is full", "free a gigabyte, then the same again"),
    ("CERTIFICATE_VERIFY_FAILED", "the certificate of the package index is not trusted",
     "name the certificates of your network: export PIP_CERT=/path/to/ca.pem"),
    ("Tunnel connection failed|ProxyError|proxy", "the proxy refuses or does not answer",
     "check HTTPS_PROXY; unset it where there is no proxy"),
    ("Retrying|Max retries|Failed to establish|timed out|Connection broken|IncompleteRead",
     "the package index does not answer",
     "check the network; of your own: export PIP_INDEX_URL=…, or PIP_NO_INDEX=1 PIP_FIND_LINKS=/folder/of/wheels"),
    ("No matching distribution found", "the package index does not have it",
     "check PIP_INDEX_URL, PIP_NO_INDEX and PIP_FIND_LINKS; `pip config list` shows what else is set"),
)  # fmt: skip


class InstallError(Exception):
    """An environment was not made. The message says which, why and what to do.

    Args:
        text: the message.
        cause: what two environments may fail of alike; told once.
    """

    def __init__(self, text: str, cause: str) -> None:
        super().__init__(text)
        self.cause = cause


@dataclass
class Environment:
    """A virtual environment and what has to be in it.

    Attributes:
        folder: where it is.
        locks: lock files, one upon the other.
        words: how far it is.
        error: what kept it from being made.
    """

    folder: Path
    locks: list[Path]
    words: str = ""
    error: InstallError | None = None
    _pip: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"

    def missing(self, made_by: str) -> list[Path]:
        """The locks that have to be installed: all of them when it has to be made anew."""
        try:
            stamp = json.loads((self.folder / STAMP).read_text(encoding="utf-8"))
            have = dict(stamp["locks"]) if stamp["python"] == made_by and self.python.exists() else {}
        except (OSError, ValueError, KeyError, TypeError):
            have = {}
        lacking = [lock for lock in self.locks if have.get(lock.name) != _digest(lock)]
        return self.locks if self.locks[0] in lacking else lacking

    def make(self, *, pip: bool) -> None:
        """Make it empty; with or without a pip of its own.

        Raises:
            InstallError: this Python cannot.
        """
        python = str(Path(sys.executable).resolve())  # not of an active environment, which this may be
        command = [python, "-m", "venv", "--clear", *([] if pip else ["--without-pip"]), str(self.folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            why = next((line for line in (done.stdout + done.stderr).splitlines() if line.strip()), "venv failed")
            raise InstallError(
                f"error: {self.folder} cannot be made by {python}\n  why: {why}\n"
                "  do: see that the folder can be written, and that this Python has venv (apt install python3-venv)",
                cause=why,
            )

    def install(self, locks: list[Path], pip: Path, made_by: str) -> None:
        """Install locks with the pip of an interpreter, and stamp each.

        Raises:
            InstallError: pip failed.
        """
        done = {} if locks == self.locks else {lock.name: _digest(lock) for lock in self.locks if lock not in locks}
        for lock in locks:
            self._install(lock, [str(pip), "-m", "pip", "--python", str(self.python), *_PIP, str(lock)])
            done[lock.name] = _digest(lock)
            (self.folder / STAMP).write_text(json.dumps({"python": made_by, "locks": done}) + "\n", encoding="utf-8")
        self.words = f"{self.folder} ready"

    def stop(self) -> None:
        """End what is under way."""
        for pip in self._pip:
            pip.terminate()

    def _install(self, lock: Path, command: list[str]) -> None:
        before, total, fetched = self._count(), len(pins(lock)), 0
        self.words, said = f"{self.folder} 0 of {total}", []
        with (
            (self.folder / LOG).open("a", encoding="utf-8") as log,
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as pip,
        ):
            self._pip = [pip]
            for line in pip.stdout or ():
                log.write(line)
                said.append(line)
                if line.startswith("Collecting "):
                    fetched += 1
                    self.words = f"{self.folder} {fetched} of {total} fetched"
                elif "Retrying (" in line:
                    self.words = f"{self.folder} {fetched} of {total}: no answer, trying again"
                elif line.startswith("Installing collected"):
                    threading.Thread(target=self._watch, args=(pip, before, total), daemon=True).start()
        if pip.returncode != 0:
            raise _failure(lock, self.folder / LOG, "".join(said))

    def _watch(self, pip: subprocess.Popen[str], before: int, total: int) -> None:
        """While pip unpacks it says nothing: what is there is counted."""
        while pip.poll() is None:
            self.words = f"{self.folder} {min(self._count() - before, total)} of {total} installed"
            time.sleep(_TICK_SECONDS)

    def _count(self) -> int:
        return sum(1 for _ in self.folder.glob("lib/python*/site-packages/*.dist-info"))


def main(arguments: list[str]) -> int:
    """Makes what is missing; returns the exit code."""
    split = [argument.partition("=") for argument in arguments]
    wanted = [Environment(Path(folder), [Path(lock) for lock in locks.split("+")]) for folder, _, locks in split]
    made_by = f"{sys.version_info.major}.{sys.version_info.minor} {Path(sys.executable).resolve()}"
    todo = {str(each.folder): missing for each in wanted if (missing := each.missing(made_by))}
    if not todo:
        return 0
    if linked := [each.folder for each in wanted if each.folder.is_symlink() and str(each.folder) in todo]:
        print(
            f"error: {linked[0]} is a link to {linked[0].resolve()}, which has other packages than the locks here\n"
            "  why: to install through a link would take them from whoever else uses that folder\n"
            f"  do: rm {linked[0]}, then the same again; or run make where it leads to",
            file=sys.stderr,
        )
        return 2
    begun = time.monotonic()
    names = ", ".join(sorted({lock.name for locks in todo.values() for lock in locks}))
    print(f"  … install    {names}, for Python {sys.version.split()[0]} (once; a minute or two)", flush=True)
    work = threading.Thread(target=_all, args=(wanted, todo, made_by), daemon=True)
    try:
        work.start()
        _tell(work, wanted, begun)
    except KeyboardInterrupt:
        for each in wanted:
            each.stop()
        return 130
    errors = {each.error.cause: each.error for each in reversed(wanted) if each.error}
    for error in errors.values():
        print(error, file=sys.stderr)
    if not errors:
        print(f"  ✓ {'install':10} {names:62} {time.monotonic() - begun:7.1f} s")
    return 2 if errors else 0


def pins(lock: Path) -> dict[str, str]:
    """Names and versions of a lock that are for Linux and macOS."""
    lines = re.findall(r"^([a-z0-9-]+)(?:\[[\w,-]+\])?==([^\s;]+)(.*)$", lock.read_text(encoding="utf-8"), re.MULTILINE)
    return {name: version for name, version, rest in lines if "== 'win32'" not in rest}


def _all(wanted: list[Environment], todo: dict[str, list[Path]], made_by: str) -> None:
    """The first environment's pip fills them all, side by side."""
    first = wanted[0]
    if todo.get(str(first.folder)) == first.locks:
        try:
            first.words = f"{first.folder} begun"
            first.make(pip=True)
        except InstallError as error:
            first.error = error
            return
    threads = [
        threading.Thread(target=_one, args=(each, todo[str(each.folder)], first, made_by), daemon=True)
        for each in wanted
        if str(each.folder) in todo
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _one(environment: Environment, locks: list[Path], first: Environment, made_by: str) -> None:
    try:
        if locks == environment.locks and environment is not first:
            environment.make(pip=False)
        environment.install(locks, first.python, made_by)
    except InstallError as error:
        environment.error = error


def _tell(work: threading.Thread, wanted: list[Environment], begun: float) -> None:
    """A line that is written over on a terminal, one every few seconds elsewhere."""
    terminal, told = sys.stdout.isatty(), begun
    while work.is_alive():
        work.join(_TICK_SECONDS)
        seconds = time.monotonic() - begun
        line = f"  … {seconds:3.0f} s      " + ", ".join(each.words for each in wanted if each.words)
        if terminal:
            print(f"\r\033[K{line[: shutil.get_terminal_size().columns - 1]}", end="", flush=True)
        elif time.monotonic() - told >= _LINE_SECONDS:
            told = time.monotonic()
            print(line, flush=True)
    if terminal:
        print("\r\033[K", end="", flush=True)


def _failure(lock: Path, log: Path, said: str) -> InstallError:
    """What went wrong, why, and what to do, out of what pip said."""
    lines = [line.strip() for line in said.splitlines() if line.strip()] or ["pip said nothing"]
    causes = ((line, what, repair) for found, what, repair in _CAUSES for line in lines if re.search(found, line))
    why, what, repair = next(causes, (lines[-1], "pip failed", f"read {log}, then the same again"))
    if inner := re.search(r"\[Errno -?\d+\] ([\w ,.-]+)", why):
        why = inner[1]  # what three libraries have wrapped
    asked = re.findall(r"^(?:Collecting |ERROR: No matching distribution found for )(\S+)", said, re.MULTILINE)
    return InstallError(
        f"error: {lock.name} cannot be installed{f' ({asked[-1]})' if asked else ''}: {what}\n"
        f"  why: {why[:200]}\n  do: {repair}\n  all that pip said: {log}",
        cause=what,
    )


def _digest(lock: Path) -> str:
    return hashlib.sha256(lock.read_bytes()).hexdigest()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
