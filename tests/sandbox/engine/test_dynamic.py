"""Dynamic resources: many share one provider of the program, and a preview asks it even for what is not known yet."""

from collections.abc import Mapping
from typing import Any

import pytest

from sandbox.engine.events import Outcome
from sandbox.engine.providers import Factory
from sandbox.engine.run import Request, run
from sandbox.provider.dynamic import Dynamic
from tests.sandbox.engine.fake import FakeProvider
from tests.sandbox.engine.harness import Stack

DYNAMIC = """
from pulumi.dynamic import CreateResult, DiffResult, Resource, ResourceProvider, UpdateResult
from pulumi.output import Unknown


class Versions(ResourceProvider):
    def create(self, props):
        return CreateResult(f"{props['name']}:{props['content']}", {**props, "reference": "azure:" + props["name"]})

    def diff(self, id, olds, news):
        known = not isinstance(news["content"], Unknown)
        replaces = ["content"] if known and olds["content"] != news["content"] else []
        changed = bool(replaces) or olds["note"] != news["note"]
        return DiffResult(changes=changed, replaces=replaces)

    def update(self, id, olds, news):
        return UpdateResult({**news, "reference": olds["reference"]})


class Version(Resource):
    def __init__(self, name, content, note="", opts=None):
        super().__init__(SHARED, name, {"name": name, "content": content, "note": note, "reference": None}, opts)


SHARED = Versions()
"""


def play(stack: Stack, mode: Any, program: str) -> Outcome:
    stack.write(DYNAMIC + program)
    stack.events = []

    def dynamic(_: Mapping[str, object]) -> Dynamic:
        return Dynamic("proj", {})

    factories: dict[str, Factory] = {"fake": lambda config: FakeProvider(stack.cloud, config), "pulumi-python": dynamic}
    outcome = run(Request(mode, stack.folder, stack.name, stack.home), stack.events.append, factories)
    assert outcome.ok, stack.errors
    return outcome


MANY = """
a = R("a", key={size}, room=True)
for n in range(20):
    v = Version(f"v{{n}}", a.out, note="{note}")
pulumi.export("last", v.reference)
"""
ORDER = sorted(range(20), key=str)


def test_many_of_one_provider_are_made_once(stack: Stack) -> None:
    outcome = play(stack, "up", MANY.format(size=1, note=""))
    assert outcome.changes == {"create": 22}
    assert outcome.outputs == {"last": "azure:v19"}
    assert play(stack, "up", MANY.format(size=1, note="")).changes == {"same": 22}


@pytest.mark.parametrize("note", ["", "other"])
def test_a_preview_asks_their_own_diff_when_inputs_are_not_known(stack: Stack, note: str) -> None:
    play(stack, "up", MANY.format(size=1, note=""))
    play(stack, "preview", MANY.format(size=2, note=note))
    foreseen = sorted(stack.steps)
    assert [step for step in foreseen if step.startswith("update")] == ([f"update v{n}" for n in ORDER] if note else [])
    assert "replace a" in foreseen
    play(stack, "up", MANY.format(size=2, note=note))
    assert sorted(stack.steps) == foreseen


def test_a_replacement_that_their_own_diff_asks_for_is_shown(stack: Stack) -> None:
    program = 'for n in range(3):\n    Version(f"v{{n}}", "{content}")'
    play(stack, "up", program.format(content="one"))
    play(stack, "preview", program.format(content="two"))
    assert [step for step in stack.steps if step.startswith("replace")] == ["replace v0", "replace v1", "replace v2"]


def test_a_destroy_runs_no_program(stack: Stack) -> None:
    play(stack, "up", MANY.format(size=1, note=""))
    assert play(stack, "destroy", "raise OSError('not run')").changes == {"delete": 22}
