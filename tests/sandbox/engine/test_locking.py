"""One writer a stack: the other is told who and since when; a dead owner is no owner."""

import multiprocessing
import os
import signal
import time
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from sandbox.engine.locking import StackLockedError, hold
from sandbox.home import Home
from tests.sandbox.engine.harness import Stack

_fork = multiprocessing.get_context("fork")


def _holder(root: Path, ready: Event, done: Event) -> None:
    with hold(Home(root), "dev", "up"):
        ready.set()
        done.wait(30)


def test_the_second_is_told_who_holds_it_and_since_when(stack: Stack) -> None:
    ready, done = _fork.Event(), _fork.Event()
    holder = _fork.Process(target=_holder, args=(stack.home.root, ready, done))
    holder.start()
    assert ready.wait(30)
    stack.write('R("a")')
    for mode in ("up", "refresh", "destroy"):
        with pytest.raises(StackLockedError) as caught:
            stack.run(mode)
        assert f"process {holder.pid} (up) since 20" in str(caught.value)
    assert stack.run("preview").ok
    done.set()
    holder.join()
    stack.up()


def test_a_dead_owner_is_taken_over_at_once(stack: Stack) -> None:
    ready, done = _fork.Event(), _fork.Event()
    holder = _fork.Process(target=_holder, args=(stack.home.root, ready, done))
    holder.start()
    assert ready.wait(30)
    assert holder.pid is not None
    os.kill(holder.pid, signal.SIGKILL)
    holder.join()
    before = time.monotonic()
    with hold(stack.home, "dev", "up"):
        assert time.monotonic() - before < 1


def _racer(stack: Stack, barrier: "multiprocessing.synchronize.Barrier", won: "multiprocessing.Queue[str]") -> None:
    barrier.wait(30)
    try:
        won.put("ok" if stack.run("up").ok else "failed")
    except StackLockedError as error:
        won.put(str(error))


def test_of_many_at_once_each_writes_alone_and_nothing_is_made_twice(stack: Stack) -> None:
    stack.write('a = R("a")\nR("b", of=a.out)')
    barrier, won = _fork.Barrier(8), _fork.Queue()
    racers = [_fork.Process(target=_racer, args=(stack, barrier, won)) for _ in range(8)]
    for racer in racers:
        racer.start()
    results = [won.get(timeout=60) for _ in racers]
    for racer in racers:
        racer.join()
    assert results.count("ok") >= 1
    assert all(result == "ok" or "stack 'dev' is held by process" in result for result in results), results
    # A made resource that is made again would have failed in the fake cloud.
    assert set(stack.cloud.objects) == {"a", "b"}


def test_stacks_do_not_hold_each_other(stack: Stack) -> None:
    with hold(stack.home, "prod", "up"):
        stack.up('R("a")')
