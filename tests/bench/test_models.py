"""What is said of many models follows from what was measured."""

import json

import pytest

from bench import models


def told(*steps: tuple[str, str]) -> str:
    """A preview as JSON."""
    urns = [{"op": op, "urn": f"urn:pulumi:many::mlops::mlops:azure:Kind::{name}"} for op, name in steps]
    return json.dumps({"result": {"steps": urns}})


def test_a_model_costs_what_it_adds_to_an_empty_stack_at_its_fastest() -> None:
    rounds = [{0: 1.0, 1: 1.3, 20: 3.0}, {0: 1.1, 1: 1.1, 20: 4.0}]
    assert models.per_model(rounds) == pytest.approx({1: 0.1, 20: 0.1})


@pytest.mark.parametrize(("largest", "holds"), [(0.119, True), (0.081, True), (0.121, False), (0.079, False)])
def test_constant_means_within_a_fifth(largest: float, holds: bool) -> None:
    assert models.constant({1: 0.1, 10: 0.9, 20: largest}) is holds


def test_a_replacement_is_one_change() -> None:
    steps = [("same", "one"), *((op, "two.code") for op in ("replace", "create-replacement", "delete-replaced"))]
    assert models.changed(told(*steps)) == {"mlops::mlops:azure:Kind::two.code"}


def test_changes_of_other_models_are_found() -> None:
    names = models.changed(told(*(("update", name) for name in ("copy-7", "copy-7.code", "copy-70.code", "ml-roles"))))
    assert {name.rpartition("::")[2] for name in models.foreign(names, "copy-7")} == {"copy-70.code", "ml-roles"}
