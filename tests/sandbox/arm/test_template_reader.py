"""Expressions of templates, one rule at a time; deployments of whole templates are in types/resources."""

import time
from typing import Any, cast

import pytest

from sandbox.arm.errors import ArmError
from sandbox.arm.resource import View
from sandbox.arm.template_reader import Scope

GROUP = "/subscriptions/s/resourceGroups/g"


def evaluate(value: Any) -> Any:
    parameters = {"name": "N", "list": [1, 2], "made": "[concat(parameters('name'), '!')]", "flag": False}
    variables = {"map": {"Key": ["a", {"deep": "[parameters('name')]"}]}}
    return Scope(GROUP, parameters, variables, cast(View, None)).evaluate(value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("plain", "plain"),
        ("[[kept]", "[kept]"),
        ("[parameters('NAME')]", "N"),
        ("[parameters('made')]", "N!"),
        ("['it''s']", "it's"),
        ("[variables('map').key[1].deep]", "N"),
        ("[variables('map')['Key'][0]]", "a"),
        ("[concat(parameters('list'), createArray(3))]", [1, 2, 3]),
        ("[if(parameters('flag'), variables('absent'), 'else')]", "else"),
        ("[if(not(parameters('flag')), 'then', parameters('absent'))]", "then"),
        ("[and(equals('A', 'a'), or(false(), contains('abc', 'b')))]", True),
        ("[resourceId('M.X/a/b', 'n', 'm')]", f"{GROUP}/providers/M.X/a/n/b/m"),
        ("[resourceId('other', 'M.X/a', 'n')]", "/subscriptions/s/resourceGroups/other/providers/M.X/a/n"),
        ("[resourceId('t', 'other', 'M.X/a', 'n')]", "/subscriptions/t/resourceGroups/other/providers/M.X/a/n"),
        ("[subscriptionResourceId('M.X/a', 'n')]", "/subscriptions/s/providers/M.X/a/n"),
        ("[subscription().subscriptionId]", "s"),
        ("[format('{1}-{0}', 'a', 2)]", "2-a"),
        ("[json('{\"a\": null}')]", {"a": None}),
        ("[union(createObject('a', 1), createObject('b', 2))]", {"a": 1, "b": 2}),
        ("[substring('abcdef', 1, 3)]", "bcd"),
        ("[length(split('a,b,c', ','))]", 3),
        ("[coalesce(null(), 'x')]", "x"),
        ("[toUpper(string(true()))]", "TRUE"),
        ({"[parameters('name')]": ["[int('4')]"]}, {"N": [4]}),
    ],
)
def test_an_expression_stands_for_its_value(text: Any, value: object) -> None:
    assert evaluate(text) == value


def test_unique_strings_and_guids_depend_on_their_words_only() -> None:
    assert (
        evaluate("[uniqueString('a', 'b')]") == evaluate("[uniqueString('a', 'b')]") != evaluate("[uniqueString('ab')]")
    )
    assert evaluate("[guid('a')]") == evaluate("[guid('a')]") != evaluate("[guid('b')]")
    assert len(evaluate("[uniqueString('a')]")) == 13


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[parameters('none')]", "no parameter 'none'"),
        ("[variables('none')]", "variables() in"),
        ("[unheard('a')]", "calls unheard()"),
        ("[variables('map').none]", "asks for 'none'"),
        ("[parameters('list')[5]]", "asks for '5'"),
        ("[concat('a' 'b')]", "lacks ','"),
        ("[concat('a') 'b']", "has more after its end"),
        ("[concat('a']", "ends too early"),
        ("['a' + 'b']", "cannot be read from"),
        ("[int('x')]", "int() in"),
        ("[resourceId('M.X/a', 'n', 'm')]", "needs 1 names, not 2"),
    ],
)
def test_what_cannot_be_read_is_named(text: str, says: str) -> None:
    with pytest.raises(ArmError) as refused:
        evaluate(text)
    assert (refused.value.status, refused.value.code) == (400, "InvalidTemplate")
    assert says in refused.value.message


def refused(value: Any, **variables: Any) -> str:
    """The message of the refusal that evaluating a value must end with."""
    parameters = {"self": "[parameters('self')]"}
    with pytest.raises(ArmError) as error:
        Scope(GROUP, parameters, variables, cast(View, None)).evaluate(value)
    assert (error.value.status, error.value.code) == (400, "InvalidTemplate")
    return error.value.message


def test_what_names_itself_is_refused_with_the_way_round() -> None:
    assert "variable 'a' -> variable 'b' -> variable 'a'" in refused(
        "[variables('a')]", a="[variables('b')]", b="[concat('x', variables('a'))]"
    )
    assert "parameter 'self' -> parameter 'self'" in refused("[parameters('self')]")


@pytest.mark.parametrize(
    "text",
    [
        "[toLower(1)]", "[split(1, ',')]", "[join('a', 2)]", "[length(1)]", "[first(createArray())]", "[union(1, 2)]",
        "[createObject(createArray(1), 2)]", "[json(1)]", "[substring(1, 2)]", "[concat(createArray(1), 2)]",
        "[resourceId(1, 2)]", "[subscriptionResourceId('M.X/a')]", "[variables(createArray())]", "[parameters(1)]",
        "[startsWith('a', 1)]", "[uniqueString(1)]", "[createArray(1)[-9]]", "[contains(createObject(1, 2), 'a')]",
        "[not(1, 2)]", "[if(true())]", "[format('{9}', 1)]", "[replace('a', 1, 2)]", f"[{'9' * 5000}]",
        f"[json('{'[' * 5000}')]", f"[{'concat(' * 3000}1{')' * 3000}]", f"[concat('{'x' * 25_000}')]",
        {"[createArray()]": 1}, "[reference()]",
    ],
)  # fmt: skip
def test_a_wrong_type_or_a_depth_without_end_is_refused(text: Any) -> None:
    assert refused(text).startswith("Deployment template validation failed: ")


@pytest.mark.parametrize("function", ["concat", "createArray", "createObject('a', {}, 'b', {})"])
def test_variables_that_double_are_refused_before_they_fill_the_memory(function: str) -> None:
    def twice(name: str) -> str:
        call = f"variables('{name}')"
        return f"[{function.format(call, call) if '{' in function else f'{function}({call}, {call})'}]"

    doubling = {f"v{n}": twice(f"v{n - 1}") for n in range(1, 31)}
    begun = time.perf_counter()
    assert "larger than 4194304" in refused("[variables('v30')]", v0="0123456789", **doubling)
    assert time.perf_counter() - begun < 5


BIG_CONCAT = "[concat(" + ", ".join(["variables('big')"] * 500) + ")]"


@pytest.mark.parametrize(
    "text",
    [
        "[replace(variables('big'), 'x', variables('big'))]",
        "[join(split(variables('big'), 'x'), variables('big'))]",
        f"[format('{'{0}' * 8000}', variables('big'))]",
        BIG_CONCAT,
    ],
)
def test_one_call_that_would_fill_the_memory_is_refused(text: str) -> None:
    assert "larger than" in refused(text, big="x" * 200_000)


def test_a_variable_is_evaluated_once_and_lists_are_joined_without_doubles() -> None:
    chain = {f"v{n}": f"[if(equals(variables('v{n - 1}'), variables('v{n - 1}')), 'a', 'b')]" for n in range(1, 25)}
    scope = Scope(GROUP, {}, {"v0": "x", **chain}, cast(View, None))
    assert scope.evaluate("[variables('v24')]") == "a"
    assert scope.evaluate("[union(createArray(1, 2), createArray(2, 'a', 3))]") == [1, 2, "a", 3]
