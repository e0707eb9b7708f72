"""A second model beside the first: written, brought up and released again, and the first is left alone."""

import json
import re
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from tests.machine import PYTHON, Machine, outputs, released

FIRST, SECOND = "flight-delay", "wine"
RELEASE = (
    f"{PYTHON} -m ops.release --outputs {outputs()} --apply '{PYTHON} -m sandbox up --stack dev --outputs {outputs()}'"
)


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine of this module's own, with the first model released and the second one written."""
    with released(tmp_path_factory) as made:
        made.run(f"make model NAME={SECOND}")
        yield made


def state(machine: Machine, model: str) -> tuple[Any, ...]:
    """All that a release of a model would change: endpoint, deployments, the state of its rollouts, what is named."""
    with closing(machine.sandbox()) as sandbox:
        endpoint = sandbox.call("GET", machine.endpoint(model)).body
        deployments = sandbox.call("GET", f"{machine.endpoint(model)}/deployments").body["value"]
    status = machine.told(f"ops.status --outputs {outputs()} --model {model}")["models"]
    named = re.findall(
        rf"^{model}:\n((?:[- ].*\n)+)", (machine.folder / ".sandbox/live/dev.yaml").read_text(), re.MULTILINE
    )
    return endpoint, deployments, status, named


@pytest.fixture(scope="module")
def before(machine: Machine) -> tuple[Any, ...]:
    """The first model as it was alone."""
    return state(machine, FIRST)


def test_a_preview_changes_nothing_of_the_first(machine: Machine, before: tuple[Any, ...]) -> None:
    told = machine.run("make preview")
    changed = re.findall(r"^ +(\S+) +\S+:\S+ +(\S+) ", told, re.MULTILINE)
    assert changed
    assert {sign for sign, _ in changed} == {"+"}, told
    assert {name for _, name in changed if not name.startswith(SECOND)} == set(), told
    assert re.search(r"^  \d+ would be created; \d+ unchanged; ", told, re.MULTILINE)


def test_its_tests_pass_untouched(machine: Machine) -> None:
    told = machine.run(f"{PYTHON} -m pytest -q -p no:cacheprovider tests/ml_jobs/{SECOND}")
    assert re.search(r"\d+ passed", told)
    assert "failed" not in told


@pytest.fixture(scope="module")
def up(machine: Machine, before: tuple[Any, ...]) -> str:
    """What `make up` printed then."""
    return machine.run("make up")


def ask(machine: Machine, model: str) -> dict[str, Any]:
    """The answer of a model to the request in its folder."""
    sample = f"ml_jobs/{model.replace('-', '_')}/sample_request.json"
    told = machine.run(f"{PYTHON} -m ops.endpoint --outputs {outputs()} --model {model} --ask {sample}", local=True)
    return dict(json.loads(told))


def test_both_answer(machine: Machine, up: str) -> None:
    assert ask(machine, FIRST)["predictions"][0].keys() == {"late", "probability"}
    (wine,) = ask(machine, SECOND)["predictions"]
    assert 0 <= wine["probability"] <= 1
    assert state(machine, SECOND)[2][SECOND]["live_file"] == ""


def test_the_first_is_as_it_was(machine: Machine, before: tuple[Any, ...], up: str) -> None:
    assert state(machine, FIRST) == before
    assert re.search(r"^  = live +v1-\w+ of flight-delay:1 ", up, re.MULTILINE)


def test_a_release_of_the_second_leaves_the_first_alone(machine: Machine, before: tuple[Any, ...], up: str) -> None:
    live = next(iter(machine.traffic(SECOND)))
    told = machine.run(f"{RELEASE} --model {SECOND} --again --reason 'once more'", local=True)
    changed = re.findall(r"^ +[+~±-] +\S+ +(\S+) ", told, re.MULTILINE)
    assert [name for name in changed if not name.startswith(f"{SECOND}.v2-")] == [], told
    assert set(machine.traffic(SECOND)) != {live}
    assert state(machine, FIRST) == before


def test_a_model_is_named_where_there_are_two(machine: Machine, up: str) -> None:
    told = machine.run(f"{PYTHON} -m ops.rollback --outputs {outputs()}", local=True, code=2)
    for name in (FIRST, SECOND):
        assert name in told
