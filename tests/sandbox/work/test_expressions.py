import pytest

from sandbox.work.expressions import ExpressionError, fill, names, only

VALUES = {"inputs.a": "1", "outputs.b": "/out"}


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("run --a ${{inputs.a}} ${{ outputs.b }}/x", "run --a 1 /out/x"),
        ("run $[[--a ${{inputs.a}}]] $[[--c ${{inputs.c}}]]end", "run --a 1 end"),
        ("run $[[--both ${{inputs.a}} ${{inputs.c}}]]", "run "),
        ("$HOME ${X} $[a] {{b}}", "$HOME ${X} $[a] {{b}}"),
        ("$[[plain]]", "plain"),
    ],
)
def test_values_take_the_place_of_expressions(text: str, filled: str) -> None:
    assert fill(text, VALUES) == filled


def test_an_expression_that_names_nothing_is_an_error_that_lists_what_there_is() -> None:
    with pytest.raises(ExpressionError, match=r"\$\{\{inputs.zz\}\} names nothing; there is: inputs.a, outputs.b"):
        fill("${{inputs.zz}}", VALUES)


def test_a_value_is_not_read_again() -> None:
    assert fill("${{inputs.a}}", {"inputs.a": "${{inputs.a}}"}) == "${{inputs.a}}"


def test_names_are_found_in_order_and_a_lone_one_is_told_apart() -> None:
    assert names("${{a}} ${{ b.c }}") == ["a", "b.c"]
    assert only(" ${{a.b}} ") == "a.b"
    assert only("x${{a.b}}") is None
    assert only(3) is None
