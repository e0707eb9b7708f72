"""Expressions of templates, one rule at a time; deployments of whole templates are in types/resources."""

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
