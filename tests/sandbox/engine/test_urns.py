"""Names of resources, now and before."""

from sandbox.engine.urns import AliasSpec, former, make, name_of, type_of

STACK = make("dev", "proj", "", "pulumi:pulumi:Stack", "proj-dev")


def test_a_resource_carries_its_parents_types_but_not_the_stacks() -> None:
    component = make("dev", "proj", STACK, "my:x:C", "c")
    assert component == "urn:pulumi:dev::proj::my:x:C::c"
    child = make("dev", "proj", make("dev", "proj", component, "my:x:D", "d"), "fake:x:R", "a::b")
    assert child == "urn:pulumi:dev::proj::my:x:C$my:x:D$fake:x:R::a::b"
    assert (type_of(child), name_of(child)) == ("fake:x:R", "a::b")


def test_former_names_come_from_the_alias_and_from_the_parents_aliases() -> None:
    parent = make("dev", "proj", STACK, "my:x:C", "new")
    urn = make("dev", "proj", parent, "fake:x:R", "new-a")
    before = make("dev", "proj", STACK, "my:x:C", "old")
    aliases: list[str | AliasSpec] = [
        AliasSpec(name="z"),
        AliasSpec(parent=""),
        AliasSpec(type="fake:x:Q"),
        "urn:pulumi:dev::proj::fake:x:R::u",
    ]
    assert former(urn, parent, aliases, {parent: before}) == [
        "urn:pulumi:dev::proj::my:x:C$fake:x:R::z",
        "urn:pulumi:dev::proj::fake:x:R::new-a",
        "urn:pulumi:dev::proj::my:x:C$fake:x:Q::new-a",
        "urn:pulumi:dev::proj::fake:x:R::u",
        "urn:pulumi:dev::proj::my:x:C$fake:x:R::old-a",
        "urn:pulumi:dev::proj::my:x:C$fake:x:Q::old-a",
        "urn:pulumi:dev::proj::my:x:C$fake:x:R::u",
    ]


def test_an_alias_below_another_parent_follows_what_that_parent_was_called() -> None:
    now, before = make("dev", "proj", STACK, "my:x:C", "new"), make("dev", "proj", STACK, "my:x:C", "old")
    urn = make("dev", "proj", STACK, "fake:x:R", "a")
    assert former(urn, STACK, [AliasSpec(parent=now)], {now: before}) == ["urn:pulumi:dev::proj::my:x:C$fake:x:R::a"]
    types = make("dev", "proj", before, "my:x:D", "d"), make("dev", "proj", STACK, "my:y:C", "old")
    assert former(urn, STACK, [AliasSpec(parent=types[0])], {types[0]: types[1]}) == [
        "urn:pulumi:dev::proj::my:y:C$fake:x:R::a"
    ]
