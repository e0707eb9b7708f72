"""Progress: readable lines in a log, a moving line on a terminal."""

import io
import time
from types import SimpleNamespace

import pytest

from ops.report import Report


class Terminal(io.StringIO):
    """A stream that says it is one."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    made = Terminal()
    monkeypatch.setattr("ops.report.sys", SimpleNamespace(stderr=made))
    monkeypatch.setenv("TERM", "xterm")
    return made


def wait_for(terminal: Terminal, text: str) -> None:
    deadline = time.monotonic() + 10
    while text not in terminal.getvalue():
        assert time.monotonic() < deadline, terminal.getvalue()
        time.sleep(0.01)


def test_a_log_holds_one_line_a_step_and_its_notes(capsys: pytest.CaptureFixture[str]) -> None:
    with Report().step("train") as step:
        step.now("Running")
        step.note("check Completed")
        step.result = "run r: Completed"
    with Report().step("register") as step:
        step.done_before = True
    first, second, third = capsys.readouterr().err.splitlines()
    assert first == "    train      check Completed"
    assert second.startswith("  ✓ train      run r: Completed  ")
    assert second.endswith(" 0.0 s")
    assert third.startswith("  = register ")


def test_a_step_that_fails_has_its_line_too(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="no"), Report().step("train"):
        raise ValueError("no")
    assert capsys.readouterr().err.startswith("  ✗ train      failed")


def test_a_terminal_shows_state_and_time_while_a_step_runs(terminal: Terminal) -> None:
    with Report().step("train") as step:
        step.now("Running: evaluate")
        wait_for(terminal, "Running: evaluate")
    assert "  … train" in terminal.getvalue()
    last = terminal.getvalue().rpartition("\r")[2]
    assert last.startswith("  ✓ train"), "the moving line is gone"


def test_another_program_gets_a_clean_line(terminal: Terminal) -> None:
    report = Report()
    with report.step("apply"):
        wait_for(terminal, "  … apply")
        with report.handed_over():
            assert terminal.getvalue().endswith("\r")


def test_a_step_that_is_interrupted_has_not_failed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyboardInterrupt), Report().step("train"):
        raise KeyboardInterrupt
    assert capsys.readouterr().err.startswith("  ✗ train      interrupted")


@pytest.mark.parametrize("term", ["dumb", "xterm"])
def test_a_dumb_terminal_is_a_log(terminal: Terminal, monkeypatch: pytest.MonkeyPatch, term: str) -> None:
    monkeypatch.setenv("TERM", term)
    with Report().step("train"):
        pass
    assert ("\r" in terminal.getvalue()) is (term == "xterm")
