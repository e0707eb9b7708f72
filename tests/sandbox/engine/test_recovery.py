"""Killed at any moment, the next run finishes the work: nothing lost, nothing doubled, no other command."""

import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.engine.journal import Journal
from sandbox.provider.base import ProviderError
from tests.sandbox.engine.harness import Stack

BEFORE = """
    keep = R("keep", size=1)
    R("grow", size=1, of=keep.out)
    old = R("swap", key=1, id="swap1")
    R("on-swap", of=old.out)
    base = R("base", key=1, room=True)
    R("on-base", key=base.out)
    gone = R("gone")
    R("gone-too", of=gone.out)
"""
AFTER = """
    keep = R("keep", size=1)
    R("grow", size=2, of=keep.out)
    new = R("swap", key=2, id="swap2")
    R("on-swap", of=new.out)
    base = R("base", key=2, room=True)
    R("on-base", key=base.out)
    c = C("c")
    R("fresh", of=keep.out, opts=Opts(parent=c))
"""
EXPECTED = {
    "keep": {"size": 1}, "grow": {"size": 2, "of": "keep-out"}, "swap2": {"key": 2, "id": "swap2"},
    "on-swap": {"of": "swap2-out"}, "base": {"key": 2, "room": True}, "on-base": {"key": "base-out"},
    "fresh": {"of": "keep-out"},
}  # fmt: skip


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one: a killed process loses nothing of it, and no disk is waited for."""
    shared = Path("/dev/shm")  # noqa: S108 - a fresh folder below it
    with tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else tmp_path) as folder:
        yield Path(folder)


def killed_at(stack: Stack, moment: int) -> bool:
    """Run `up` in a child that dies at a moment; False when it came to its end before."""
    child = os.fork()
    if child == 0:
        stack.cloud.die_at = moment
        commit = Journal._commit

        def watched(self: Journal, *args: object, **kwargs: object) -> None:
            stack.cloud.moment()
            commit(self, *args, **kwargs)  # type: ignore[arg-type]
            stack.cloud.moment()

        Journal._commit = watched  # type: ignore[method-assign]
        stack.run("up")
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


def test_a_kill_at_every_moment_of_an_up_is_made_good_by_the_next(memory: Path) -> None:
    moment = 0
    while True:
        moment += 1
        folder = memory / str(moment)
        folder.mkdir()
        stack = Stack(folder)
        stack.up(BEFORE)
        stack.write(AFTER)
        if not killed_at(stack, moment):
            break
        stack.up()
        assert stack.cloud.objects == EXPECTED, f"moment {moment}"
        assert stack.up().changes.keys() == {"same"}, f"moment {moment}: {stack.steps}"
        assert stack.run("destroy").ok
        assert stack.cloud.objects == {}
    assert moment > 50, "the drill has fewer moments than it should"


def test_a_kill_at_every_moment_of_a_destroy_is_made_good_by_the_next(memory: Path) -> None:
    moment = 0
    while True:
        moment += 1
        folder = memory / str(moment)
        folder.mkdir()
        stack = Stack(folder)
        stack.up(BEFORE)
        child = os.fork()
        if child == 0:
            stack.cloud.die_at = moment
            stack.run("destroy")
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            break
        assert stack.run("destroy").ok
        assert stack.cloud.objects == {}
    assert moment > 10


def test_an_interrupted_update_is_made_again_even_if_the_program_went_back(stack: Stack) -> None:
    stack.up('R("a", size=1)')
    for moment in range(1, 9):
        stack.write('R("a", size=2)')
        if not killed_at(stack, moment):
            break
        stack.up('R("a", size=1)')
        assert stack.cloud.objects == {"a": {"size": 1}}, f"moment {moment}"


def test_an_interrupt_ends_what_is_under_way_begins_nothing_and_leaves_nothing_open(memory: Path) -> None:
    for moment in range(1, 13):
        folder = memory / str(moment)
        folder.mkdir()
        stack = Stack(folder)
        stack.up(BEFORE)
        stack.write(AFTER)
        child = os.fork()
        if child == 0:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            stack.cloud.die_at, stack.cloud.die_of = moment, signal.SIGINT
            try:
                stack.run("up")
            except KeyboardInterrupt:
                os._exit(130)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 130
        journal = Journal.open(stack.home, "dev", write=False)
        assert journal.intents == []
        stack.up()
        assert stack.cloud.objects == EXPECTED


def test_a_preview_after_a_kill_says_that_up_begins_with_settling(stack: Stack) -> None:
    stack.write('R("a")')
    assert killed_at(stack, 4)
    outcome = stack.run("preview")
    assert outcome.ok
    assert [each for each in stack.events if "an earlier run was interrupted during its create" in str(each)]
    stack.up()


def test_what_nobody_knows_the_end_of_is_settled_by_the_next_run(stack: Stack) -> None:
    assert "the line broke" in stack.failing('R("a", fail="uncertain")')
    journal = Journal.open(stack.home, "dev", write=True)
    assert [intent.op for intent in journal.intents] == ["create"]
    journal.close()
    with stack.cloud.state() as content:
        content["objects"]["a"] = {"fail": "uncertain"}  # it took place after all
    stack.up('R("a", fail=None)')
    assert stack.cloud.log == ["update a"]


def test_a_cloud_that_does_not_answer_leaves_the_intent_for_later(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack.write('R("a")')
    assert killed_at(stack, 4)

    def silent(*args: object) -> None:
        raise ProviderError("no answer")

    monkeypatch.setattr("tests.sandbox.engine.fake.FakeProvider.read", silent)
    assert "an earlier run was interrupted while it worked on this: no answer" in stack.failing()
    monkeypatch.undo()
    stack.up()
    assert stack.cloud.objects == {"a": {}}
