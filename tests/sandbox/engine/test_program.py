"""Mistakes in the program: told by file and line, without a traceback."""

import gc
import json
import signal
import sys
import threading
from pathlib import Path

import pulumi.resource
import pytest

from sandbox.engine import program
from sandbox.engine.events import Diagnostic
from tests.sandbox.engine.harness import Stack


def told(stack: Stack) -> Diagnostic:
    (found,) = [each for each in stack.events if isinstance(each, Diagnostic) and each.severity == "error"]
    return found


@pytest.mark.parametrize(
    ("raised", "says"),
    [
        ("raise ValueError('max_nodes=0: want 1 or more')", "max_nodes=0: want 1 or more"),
        ("pulumi.Config().require('region')", "Missing required configuration variable 'proj:region'"),
        ("class ConfigError(Exception): pass\nraise ConfigError('a\\nb')", "a\nb"),
    ],
)
def test_a_mistake_is_the_message_and_the_line(stack: Stack, raised: str, says: str) -> None:
    stack.failing(raised)
    message = told(stack)
    assert says in message.message
    line = (stack.folder / "__main__.py").read_text().splitlines().index(raised.splitlines()[-1]) + 1
    assert message.where == f"__main__.py:{line}"
    assert "Traceback" not in message.message
    assert not (stack.home.logs / "program.log").exists()


def test_a_bug_says_its_kind_and_where_the_traceback_is(stack: Stack) -> None:
    stack.failing("x = {}\nx['y']")
    message = told(stack)
    assert message.message.startswith("KeyError: 'y'")
    assert str(stack.home.logs / "program.log") in message.message
    assert "Traceback" in (stack.home.logs / "program.log").read_text()


@pytest.mark.parametrize("raised", ["s", "repr(s)", "json.dumps({'a': s})", "quote(s)", "leaf"])
def test_no_secret_of_the_configuration_is_told_or_logged(stack: Stack, raised: str) -> None:
    secret, leaf = "in+a/secret='con\"fig&value", "a-leaf"
    project = "name: proj\nruntime: python\nconfig:\n  it: {type: object, secret: true}\n"
    (stack.folder / "Pulumi.yaml").write_text(project, encoding="utf-8")
    values = {"config": {"proj:it": {"whole": secret, "list": [leaf, ""]}}}
    (stack.folder / "Pulumi.dev.yaml").write_text(json.dumps(values), encoding="utf-8")
    stack.failing(f"""
        import json
        from urllib.parse import quote
        it = pulumi.Config().require_object("it")
        s, leaf = it["whole"], it["list"][0]
        pulumi.log.warn(s)
        raise KeyError({raised})
    """)
    told = "\n".join(each.message for each in stack.events if isinstance(each, Diagnostic))
    for said in (told, (stack.home.logs / "program.log").read_text()):
        assert "KeyError: " in said
        assert "[secret]" in said
        for part in ("in+a", "in%2Ba", "fig&value", leaf):
            assert part not in said


def test_a_failure_inside_apply_is_found(stack: Stack) -> None:
    stack.failing('a = R("a")\na.out.apply(lambda o: int(o))')
    assert told(stack).where.startswith("__main__.py:")
    assert "invalid literal" in told(stack).message


def test_a_program_that_does_not_compile_is_told_by_line(stack: Stack) -> None:
    stack.failing("x = (")
    assert told(stack).where.startswith("__main__.py:")
    assert "was never closed" in told(stack).message


def test_a_missing_program_is_named(stack: Stack) -> None:
    outcome = stack.run("up")
    assert not outcome.ok
    assert "__main__.py: not found" in told(stack).message


def test_what_the_program_logs_is_passed_on(stack: Stack) -> None:
    stack.up("pulumi.log.warn('look out')")
    assert [each.message for each in stack.events if isinstance(each, Diagnostic)] == ["look out"]


@pytest.mark.parametrize(
    ("program", "says"),
    [
        ('pulumi.runtime.register_stack_transformation(lambda a: None)\nR("a", opts=Opts(transforms=[lambda a: None]))',
         "transforms"),
        ('R("a", opts=Opts(custom_timeouts=pulumi.CustomTimeouts(create="soon")))', "'soon' is no duration"),
        ('R("a", opts=Opts(ignore_changes=["[oops"]))\n', ""),
    ],
)  # fmt: skip
def test_what_the_engine_cannot_do_is_refused_not_passed_over(stack: Stack, program: str, says: str) -> None:
    stack.up('R("a")')
    assert says in stack.failing(program)


def test_the_sdk_is_afterwards_as_it_was(stack: Stack) -> None:
    before = (gc.get_threshold(), vars(pulumi.resource)["collapse_alias_to_urn"], Path.cwd(), sys.path[:], sys.argv[:])
    stack.up('R("a")')
    stack.failing("raise ValueError")
    after = (gc.get_threshold(), vars(pulumi.resource)["collapse_alias_to_urn"], Path.cwd(), sys.path[:], sys.argv[:])
    assert after == before


def test_a_failing_call_ends_the_program_instead_of_hanging_it(stack: Stack) -> None:
    stack.failing('pulumi.runtime.invoke("fake:x:missing", {})')
    assert "there is no missing" in told(stack).message


def test_an_error_that_the_program_made_to_be_read_stands_alone(stack: Stack) -> None:
    outcome = stack.run("up", "class Wrong(pulumi.RunError): pass\nraise Wrong('Pulumi.dev.yaml:3: owner: missing')")
    assert (told(stack).message, told(stack).where) == ("Pulumi.dev.yaml:3: owner: missing", "")
    assert (outcome.mistaken, outcome.changes) == (True, {})


def test_an_interrupt_waits_until_what_is_begun_is_whole() -> None:
    """Raised inside the making of a loop, it left one that printed a traceback when it was thrown away."""
    former, whole = signal.signal(signal.SIGINT, signal.default_int_handler), threading.Event()

    def begin() -> None:
        with program._uninterrupted():
            signal.raise_signal(signal.SIGINT)
            whole.set()

    try:
        with pytest.raises(KeyboardInterrupt):
            begin()
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, former)
    assert whole.is_set()
