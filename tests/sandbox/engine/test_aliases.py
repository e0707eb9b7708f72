"""What was called otherwise before: found by its alias, below former parents too, and never made or deleted twice."""

import sqlite3

import pytest

from tests.sandbox.engine.harness import Stack


@pytest.mark.parametrize(
    "declared",
    [
        'R("b", opts=Opts(aliases=[Alias(name="a")]))',
        'R("b", opts=Opts(aliases=["urn:pulumi:dev::proj::fake:x:R::a"]))',
        'c = C("c")\nR("a", opts=Opts(parent=c, aliases=[Alias(parent=pulumi.ROOT_STACK_RESOURCE)]))',
    ],
)
def test_a_renamed_resource_is_known_by_its_alias(stack: Stack, declared: str) -> None:
    stack.up('R("a", id="x")')
    stack.up(declared.replace("opts=", 'id="x", opts='))
    assert stack.cloud.log == []
    assert stack.run("destroy").ok
    assert stack.cloud.log == ["delete x"]


def test_an_alias_without_a_parent_means_the_present_one(stack: Stack) -> None:
    stack.up('c = C("c")\nR("a", id="x", opts=Opts(parent=c))')
    stack.up('c = C("c")\nR("b", id="x", opts=Opts(parent=c, aliases=[Alias(name="a")]))')
    assert stack.cloud.log == []


def test_children_follow_a_renamed_parent(stack: Stack) -> None:
    stack.up('c = C("old")\nR("old-a", id="x", opts=Opts(parent=c))')
    stack.up('c = C("new", opts=Opts(aliases=[Alias(name="old")]))\nR("new-a", id="x", opts=Opts(parent=c))')
    assert stack.cloud.log == []


def test_an_alias_with_a_parent_follows_that_parents_own_alias(stack: Stack) -> None:
    stack.up("""
        class D(pulumi.ComponentResource):
            def __init__(self, name, opts=None):
                super().__init__("my:x:Before", name, None, opts)
        R("a", id="x", opts=Opts(parent=D("d")))
    """)
    stack.up("""
        c = C("d", opts=Opts(aliases=[Alias(type_="my:x:Before")]))
        R("a", id="x", opts=Opts(aliases=[Alias(parent=c)]))
    """)
    assert stack.cloud.log == []


def test_two_that_claim_to_have_been_one_are_refused(stack: Stack) -> None:
    stack.up('R("a", id="x")\nR("z")')
    alias = "opts=Opts(aliases=[Alias(name='a')])"
    message = stack.failing(f'R("b", id="x", {alias})\nR("c", id="y", {alias})')
    assert "its alias urn:pulumi:dev::proj::fake:x:R::a belongs to urn:pulumi:dev::proj::fake:x:R::" in message
    assert "take the alias away" in message
    assert not [line for line in stack.cloud.log if line.startswith("delete")]


@pytest.mark.parametrize("order", ["{a}\n{b}", "{b}\n{a}"])
def test_an_alias_of_what_is_still_declared_is_refused(stack: Stack, order: str) -> None:
    stack.up('R("a", id="x")')
    program = order.format(a='R("a", id="x")', b='R("b", id="y", opts=Opts(aliases=[Alias(name="a")]))')
    assert "take the alias away" in stack.failing(program)
    assert set(stack.cloud.objects) >= {"x"}


def test_after_a_rename_that_failed_half_way_the_order_is_still_known(stack: Stack) -> None:
    """The state never names what it does not have: what stands on a renamed resource goes before it."""
    stack.up('a = R("a", id="x")\nb = R("b", of=a.out)\nR("c", of=b.out)')
    renamed = 'a = R("n", id="x", opts=Opts(aliases=[Alias(name="a")]))\n'
    stack.failing(renamed + 'b = R("b", of=a.out, fail="update")\nR("c", of=b.out)')
    assert stack.run("destroy").ok, stack.errors
    assert stack.cloud.log == ["delete c", "delete b", "delete x"]


def test_after_a_rename_that_failed_half_way_what_depends_is_replaced_along(stack: Stack) -> None:
    stack.up('a = R("a", id="x", key=1, room=True)\nb = R("b", key=a.out)')
    renamed = 'a = R("n", id="x", key={n}, room=True, opts=Opts(aliases=[Alias(name="a")]))\n'
    stack.failing(renamed.format(n=1) + 'R("stop", fail="create")\nb = R("b", key=a.out, opts=Opts(depends_on=[a]))')
    stack.up(renamed.format(n=2) + 'b = R("b", key=a.out)')
    assert stack.cloud.log == ["delete b", "delete x", "create x", "create b"]
    named = sqlite3.connect(stack.home.database).execute("SELECT body FROM engine_resources").fetchall()
    assert "fake:x:R::a" not in str(named)


def test_aliases_of_resources_below_one_another_do_not_multiply(stack: Stack) -> None:
    program = """
        parent = None
        for depth in range(6):
            aliases = [Alias(type_=f"fake:v{n}:R") for n in range(40)]
            parent = R(f"r{depth}", opts=Opts(parent=parent, aliases=aliases))
    """
    assert stack.run("preview", program).ok
    assert stack.run("preview", program.replace("fake:v", "fake:w")).changes["create"] == 7
