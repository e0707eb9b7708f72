"""Runs the user's program against a monitor, and says where in it a mistake is."""

import asyncio
import contextvars
import gc
import logging
import os
import runpy
import signal
import sys
import threading
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pulumi
import pulumi.resource
import pulumi.runtime

from sandbox.engine.config import Project
from sandbox.engine.monitor import Engine, Monitor

THREADS = 32
_END_SECONDS = 2.0


class ProgramError(Exception):
    """The program ended with an exception.

    Attributes:
        where: ``file:line`` of the program's own innermost line, '' when none took part.
        mistake: the program raised it on purpose, to tell the user something.
        details: the whole traceback, for a log.
    """

    def __init__(self, message: str, where: str, details: str, *, mistake: bool) -> None:
        super().__init__(message)
        self.where = where
        self.mistake = mistake
        self.details = details


def run(project: Project, monitor: Monitor, engine: Engine, *, preview: bool) -> None:
    """Run ``__main__.py`` of the project's folder until everything it declares has been answered.

    Raises:
        ProgramError: it did not get to its end.
    """
    contextvars.copy_context().run(_run, project, monitor, engine, preview)


def _run(project: Project, monitor: Monitor, engine: Engine, preview: bool) -> None:
    main = project.folder / "__main__.py"
    if not main.is_file():
        raise ProgramError(f"{main}: not found; the program is __main__.py beside Pulumi.yaml", "", "", mistake=True)
    pulumi.runtime.set_all_config(dict(project.config), list(project.secret_keys))
    pulumi.runtime.settings.ROOT.set(None)
    pulumi.runtime.configure(
        pulumi.runtime.Settings(
            project=project.name, stack=project.stack, organization="organization",
            root_directory=str(project.folder), monitor=monitor, engine=engine, dry_run=preview, parallel=THREADS,
        )
    )  # fmt: skip
    # The SDK leaves futures behind when a program fails; asyncio's complaints about them help nobody.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    before = (Path.cwd(), sys.path[:], sys.argv[:], gc.get_threshold())
    sdk = vars(pulumi.resource)
    former = sdk["collapse_alias_to_urn"]
    with _uninterrupted():
        loop = asyncio.new_event_loop()
    interrupted = threading.Event()
    executor = ThreadPoolExecutor(THREADS, thread_name_prefix="resource")
    loop.set_default_executor(executor)
    try:
        # A resource is some hundred objects that live until the end: looking for garbage among them, again and
        # again, was 40 % of the time of a program of 400 resources.
        gc.set_threshold(100_000, 50, 100)
        # The SDK works out the URN of each alias for monitors that cannot: ours can, and nobody reads them. Every
        # azure-native resource has 9 to 51 aliases, which made this two thirds of the program's time.
        sdk["collapse_alias_to_urn"] = lambda *_: ""
        os.chdir(project.folder)
        sys.path.insert(0, str(project.folder))
        sys.argv = [str(main)]
        asyncio.set_event_loop(loop)
        with _interruptible(loop, interrupted):
            loop.run_until_complete(pulumi.runtime.run_in_stack(lambda: _main(main)))
    except (Exception, SystemExit) as error:
        if interrupted.is_set():
            _end(loop)
            raise KeyboardInterrupt from None
        raise _explain(error, project.folder) from error
    finally:
        # Interrupted: what is under way comes to its end, what waits is not begun.
        executor.shutdown(wait=True, cancel_futures=True)
        loop.close()
        asyncio.set_event_loop(None)
        os.chdir(before[0])
        sys.path[:], sys.argv = before[1], before[2]
        gc.set_threshold(*before[3])
        sdk["collapse_alias_to_urn"] = former


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Puts Ctrl-C off until the end of the block: a loop that is half made complains when it is thrown away."""
    former, came = signal.getsignal(signal.SIGINT), threading.Event()
    held = threading.current_thread() is threading.main_thread() and callable(former)
    if held:
        signal.signal(signal.SIGINT, lambda *_: came.set())
    try:
        yield
    finally:
        if held:
            signal.signal(signal.SIGINT, former)
    if came.is_set():
        raise KeyboardInterrupt


@contextmanager
def _interruptible(loop: asyncio.AbstractEventLoop, interrupted: threading.Event) -> Iterator[None]:
    """Ctrl-C stops the loop. Raised wherever the SDK is at that moment, it may be lost, and the run waits for ever."""
    former = signal.getsignal(signal.SIGINT)

    def stop() -> None:
        interrupted.set()
        loop.stop()

    watched = threading.current_thread() is threading.main_thread() and former is not signal.SIG_IGN
    if watched:
        loop.add_signal_handler(signal.SIGINT, stop)
    try:
        yield
    finally:
        if watched:
            loop.remove_signal_handler(signal.SIGINT)
            signal.signal(signal.SIGINT, former)


def _end(loop: asyncio.AbstractEventLoop) -> None:
    """Lets what waits end, or it complains when it is thrown away; what does not end soon is left."""
    waiting = asyncio.all_tasks(loop)
    for each in waiting:
        each.cancel()
    if waiting:
        loop.run_until_complete(asyncio.wait(waiting, timeout=_END_SECONDS))


def _main(path: Path) -> None:
    runpy.run_path(str(path), run_name="__main__")


def _explain(error: BaseException, folder: Path) -> ProgramError:
    """The innermost exception of the user's, with the line of the program that it comes from."""
    met = {id(error)}  # the SDK raises a failed call from itself
    while (cause := error.__cause__) is not None and id(cause) not in met and not _where(error, folder):
        met.add(id(cause))
        error = cause
    details = "".join(traceback.format_exception(error))
    if isinstance(error, SyntaxError):
        return ProgramError(
            f"{error.msg}", f"{_short(error.filename or '', folder)}:{error.lineno}", details, mistake=True
        )
    mistake = isinstance(error, ValueError | pulumi.RunError) or "Config" in type(error).__name__
    message = str(error) or type(error).__name__
    if not mistake:
        message = f"{type(error).__name__}: {message}"
    # An error of the program's own making, raised to be read, says itself where the trouble is.
    own = isinstance(error, pulumi.RunError) and not type(error).__module__.startswith("pulumi.")
    return ProgramError(message, "" if own else _where(error, folder), details, mistake=mistake)


def _where(error: BaseException, folder: Path) -> str:
    found = ""
    for frame in traceback.extract_tb(error.__traceback__):
        path = Path(frame.filename)
        if path.is_relative_to(folder) and not _foreign(path.relative_to(folder)):
            found = f"{path.relative_to(folder)}:{frame.lineno}"
    return found


def _foreign(path: Path) -> bool:
    """Whether a file below the program's folder is not the user's: an environment, or this engine."""
    return path.parts[0].startswith(".") or path.parts[0] == "sandbox" or "site-packages" in path.parts


def _short(name: str, folder: Path) -> str:
    path = Path(name)
    return str(path.relative_to(folder)) if path.is_relative_to(folder) else name
