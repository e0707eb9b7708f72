"""What the engine does to a stack, operation by operation."""

import json
import sqlite3

from sandbox.engine.events import StepDone
from sandbox.engine.journal import Journal
from sandbox.values import is_secret, plain
from tests.sandbox.engine.harness import Stack


def test_what_is_declared_is_made_and_the_second_run_does_nothing(stack: Stack) -> None:
    program = 'a = R("a", size=1)\nb = R("b", of=a.out)\nexport("b", b.out)'
    outcome = stack.up(program)
    assert stack.cloud.log == ["create a", "create b"]
    assert stack.cloud.objects["b"] == {"of": "a-out"}
    assert outcome.outputs == {"b": "b-out"}
    outcome = stack.up()
    assert stack.cloud.log == []
    assert dict(outcome.changes) == {"same": 3}
    assert outcome.outputs == {"b": "b-out"}


def test_a_change_is_an_update_in_place_named_by_property(stack: Stack) -> None:
    stack.up('R("a", tags={"x": 1, "y": 2})')
    stack.up('R("a", tags={"x": 5, "z": 2})')
    assert stack.cloud.log == ["update a"]
    (step,) = [each for each in stack.events if isinstance(each, StepDone) and each.op == "update"]
    assert {path: change.kind.value for path, change in step.changes.items()} == {
        "tags.x": "update", "tags.y": "delete", "tags.z": "add"
    }  # fmt: skip


def test_a_replacement_is_made_before_the_old_one_goes(stack: Stack) -> None:
    stack.up('a = R("a", key=1, id="a1")\nR("b", of=a.out)')
    stack.up('a = R("a", key=2, id="a2")\nR("b", of=a.out)')
    assert stack.cloud.log == ["create a2", "update b", "delete a1"]
    assert stack.steps == ["create-replacement a", "replace a", "update b", "delete-replaced a"]
    assert set(stack.cloud.objects) == {"a2", "b"}


def test_where_room_must_be_made_what_stands_on_it_goes_first_and_comes_back(stack: Stack) -> None:
    program = """
        a = R("a", key={key}, room=True)
        b = R("b", key=a.out)
        c = R("c", of=b.out)
        R("d", size=1)
    """
    stack.up(program.format(key=1))
    stack.up(program.format(key=2))
    # c could be updated when b changes, so it stays; b could not.
    assert stack.cloud.log == ["delete b", "delete a", "create a", "create b"]
    assert stack.steps == [
        "delete-replaced b", "delete-replaced a", "create-replacement a", "replace a",
        "create-replacement b", "replace b",
    ]  # fmt: skip


def test_of_those_that_make_room_each_goes_before_what_it_stands_on(stack: Stack) -> None:
    program = 'a = R("m", key={n}, room=True)\nb = R("z", key=a.out)\nR("c", of=a.out, key=b.out)'
    stack.up(program.format(n=1))
    stack.up(program.format(n=2))
    assert stack.cloud.log == ["delete c", "delete z", "delete m", "create m", "create z", "create c"]


def test_a_successor_that_could_not_be_made_is_still_due(stack: Stack) -> None:
    stack.up('R("a", key=1, room=True)')
    stack.failing('R("a", key=2, room=True, fail="create")')
    stack.up('R("a", key=2, room=True)')
    assert stack.steps == ["create-replacement a", "replace a"]
    stack.up("")
    assert stack.cloud.objects == {}


def test_a_successor_that_is_no_longer_wanted_is_forgotten(stack: Stack) -> None:
    stack.up('R("a", key=1, room=True)')
    stack.failing('R("a", key=2, room=True, fail="create")')
    stack.up("")
    assert stack.cloud.log == []
    assert stack.up().changes == {"same": 1}


def test_the_program_decides_which_goes_first_over_the_provider(stack: Stack) -> None:
    stack.up('R("a", key=1, opts=Opts(delete_before_replace=True))')
    stack.up('R("a", key=2, opts=Opts(delete_before_replace=True))')
    assert stack.cloud.log == ["delete a", "create a"]


def test_what_is_no_longer_declared_goes_dependents_first(stack: Stack) -> None:
    stack.up('a = R("a")\nb = R("b", of=a.out)\nR("c", opts=Opts(depends_on=[b]))\nR("d")')
    stack.up('R("d")')
    assert stack.cloud.log == ["delete c", "delete b", "delete a"]
    assert set(stack.cloud.objects) == {"d"}


def test_destroy_leaves_nothing(stack: Stack) -> None:
    stack.up('c = C("c")\na = R("a", opts=Opts(parent=c))\nR("b", of=a.out, opts=Opts(parent=c))')
    assert stack.run("destroy").ok
    assert stack.cloud.log == ["delete b", "delete a"]
    assert stack.run("destroy").changes == {}


def test_what_is_protected_is_neither_deleted_nor_replaced(stack: Stack) -> None:
    stack.up('R("a", key=1, opts=Opts(protect=True))')
    assert "protected" in stack.failing('R("a", key=2, opts=Opts(protect=True))')
    assert "protected" in stack.failing("")
    assert not stack.run("destroy").ok
    assert stack.cloud.log == []
    stack.up('R("a", key=1)')
    stack.up("")
    assert stack.cloud.log == ["delete a"]


def test_a_protected_dependent_stops_the_replacement_before_anything_is_deleted(stack: Stack) -> None:
    program = 'a = R("a", key={key}, room=True)\nR("b", key=a.out, opts=Opts(protect=True))'
    stack.up(program.format(key=1))
    assert "protected" in stack.failing(program.format(key=2))
    assert stack.cloud.log == []


def test_protection_is_inherited_from_the_component(stack: Stack) -> None:
    stack.up('c = C("c", opts=Opts(protect=True))\nR("a", opts=Opts(parent=c))')
    assert "protected" in stack.failing("")


def test_ignored_changes_keep_the_old_value(stack: Stack) -> None:
    program = 'R("a", size={n}, tags={{"x": {n}, "y": {n}}}, opts=Opts(ignore_changes=["size", "tags.x"]))'
    stack.up(program.format(n=1))
    stack.up(program.format(n=2))
    assert stack.cloud.objects["a"] == {"size": 1, "tags": {"x": 1, "y": 2}}


def test_outputs_of_a_failed_run_stay_what_they_were(stack: Stack) -> None:
    stack.up('a = R("a", size=1)\nexport("o", a.out)\nexport("n", 1)')
    outcome = stack.run("up", 'a = R("a", size=2, fail="update")\nexport("o", a.out)\nexport("n", 2)')
    assert not outcome.ok
    assert outcome.outputs == {"o": "a-out", "n": 2}


def test_listed_properties_replace_when_they_change(stack: Stack) -> None:
    program = 'R("a", id="{id}", tags={{"x": {n}}}, size={n}, opts=Opts(replace_on_changes=["tags.x"]))'
    stack.up(program.format(id="a1", n=1))
    stack.up(program.format(id="a1", n=2).replace("size=2", "size=1").replace('id="a1"', 'id="a2"'))
    assert stack.cloud.log == ["create a2", "delete a1"]


def test_what_is_retained_leaves_the_state_and_stays_in_the_cloud(stack: Stack) -> None:
    stack.up('R("a", opts=Opts(retain_on_delete=True))')
    stack.up("")
    assert stack.steps == ["forget a"]
    assert set(stack.cloud.objects) == {"a"}


def test_what_is_retained_is_not_deleted_to_make_room_either(stack: Stack) -> None:
    program = 'R("a", key={n}, id="a{n}", room=True, opts=Opts(retain_on_delete=True))'
    stack.up(program.format(n=1))
    stack.up(program.format(n=2))
    assert set(stack.cloud.objects) == {"a1", "a2"}


def test_what_made_room_and_is_no_longer_declared_is_told_once(stack: Stack) -> None:
    stack.up('a = R("a", key=1, room=True)\nR("b", key=a.out)')
    stack.up('R("a", key=2, room=True)')
    assert stack.steps == ["delete-replaced b", "delete-replaced a", "create-replacement a", "replace a"]
    assert set(stack.cloud.objects) == {"a"}


def test_what_goes_along_with_another_is_not_deleted_by_itself(stack: Stack) -> None:
    stack.up('a = R("a")\nR("b", opts=Opts(deleted_with=a))')
    stack.up("")
    assert stack.cloud.log == ["delete a"]
    assert sorted(stack.steps) == ["delete a", "delete b"]


def test_what_goes_along_with_another_is_not_deleted_to_make_room_either(stack: Stack) -> None:
    program = """
        a = R("a", key={n}, id="a{n}", room=True, opts=Opts(retain_on_delete=True))
        R("b", key=a.out, id="b{n}", opts=Opts(deleted_with=a))
    """
    stack.up(program.format(n=1))
    stack.up(program.format(n=2))
    assert stack.cloud.log == ["create a2", "create b2"]
    assert set(stack.cloud.objects) == {"a1", "b1", "a2", "b2"}


def test_a_whole_destroy_asks_only_for_what_others_go_along_with(stack: Stack) -> None:
    stack.up('a = R("a")\nb = R("b", opts=Opts(deleted_with=a))\nR("c", of=b.out, opts=Opts(deleted_with=b))')
    assert stack.run("destroy").ok
    assert stack.cloud.log == ["delete a"]
    assert stack.steps == ["delete c", "delete b", "delete a"]
    assert stack.run("destroy").changes == {}


def test_an_import_is_refused_with_the_reason(stack: Stack) -> None:
    assert "does not import" in stack.failing('R("a", opts=Opts(import_="x"))')


def test_two_resources_of_one_name_are_refused(stack: Stack) -> None:
    assert "give one of them another" in stack.failing('R("a")\nR("a")')


def test_a_provider_that_is_not_there_is_named(stack: Stack) -> None:
    message = stack.failing('class X(pulumi.CustomResource): pass\nX("aws:s3:Bucket", "b", {}, None)')
    assert "no provider 'aws'" in message


def test_all_bad_inputs_are_reported_in_one_preview_and_nothing_is_made(stack: Stack) -> None:
    outcome = stack.run("preview", 'a = R("a", bad=True)\nR("b", bad=True)\nR("c", of=a.out)')
    assert not outcome.ok
    assert stack.errors == ["bad: is bad; want good"] * 2
    assert stack.cloud.log == []
    assert not stack.home.database.exists()


def test_a_failure_stops_what_is_new_and_the_next_run_goes_on(stack: Stack) -> None:
    program = 'a = R("a")\nb = R("b", of=a.out, fail={fail})\nR("c", of=b.out)'
    message = stack.failing(program.format(fail='"create"'))
    assert "no room in the cloud" in message
    assert set(stack.cloud.objects) == {"a"}
    stack.up(program.format(fail="None"))
    assert stack.cloud.log == ["create b", "create c"]


def test_nothing_is_deleted_by_a_run_that_failed(stack: Stack) -> None:
    stack.up('R("a")')
    stack.failing('R("b", fail="create")')
    assert set(stack.cloud.objects) == {"a"}


def test_what_came_up_broken_is_kept_and_repaired(stack: Stack) -> None:
    stack.failing('R("a", fail="partial")')
    stack.up('R("a")')
    assert stack.cloud.log == ["update a"]


def test_a_failed_delete_is_tried_again(stack: Stack) -> None:
    stack.up('R("a", fail="delete")\nR("b")')
    assert "in use" in stack.failing("")
    assert set(stack.cloud.objects) == {"a"}
    stack.up('R("a")')
    stack.up("")
    assert stack.cloud.log == ["delete a"]


def test_a_preview_shows_what_up_does_and_does_nothing(stack: Stack) -> None:
    program = 'a = R("a", key={n}, id="a{n}")\nR("b", of=a.out)\n'
    stack.up(program.format(n=1) + 'R("c")')
    assert stack.run("preview", program.format(n=2)).ok
    preview = list(stack.steps)
    assert stack.cloud.log == []
    stack.up()
    assert sorted(stack.steps) == sorted(preview)


def test_what_is_not_known_before_flows_through_a_preview(stack: Stack) -> None:
    outcome = stack.run("preview", 'a = R("a")\nb = R("b", of=a.out.apply(lambda o: 1 / 0))\nexport("o", b.out)')
    assert outcome.ok, stack.errors
    assert [each.urn.rpartition("::")[2] for each in outcome.declared] == ["a", "b"]


def test_secrets_are_secret_in_the_state_and_still_work(stack: Stack) -> None:
    program = """
        a = R("a", password=pulumi.Output.secret("hunter2-{n}"), opts=Opts(additional_secret_outputs=["out"]))
        R("b", of=a.password)
        export("p", a.password)
        export("o", a.out)
    """
    outcome = stack.up(program.replace("{n}", "1"))
    assert is_secret(outcome.outputs["p"])
    assert is_secret(outcome.outputs["o"])
    assert plain(outcome.outputs["p"]) == "hunter2-1"
    assert stack.cloud.objects["b"] == {"of": "hunter2-1"}
    for path in stack.home.root.rglob("*"):
        assert not path.is_file() or b"hunter2" not in path.read_bytes(), path
    assert "hunter2" not in str(outcome.declared)
    assert (stack.home.root / "engine.key").stat().st_mode & 0o777 == 0o600
    stack.up()
    assert stack.cloud.log == []
    stack.up(program.replace("{n}", "2"))
    assert sorted(stack.cloud.log) == ["update a", "update b"]


def test_what_is_secret_of_a_resource_that_is_read_is_secret_in_the_state(stack: Stack) -> None:
    with stack.cloud.state() as content:
        content["objects"]["a"] = {"password": "hunter2", "other": "hunter3"}
    outcome = stack.up("""
        other = pulumi.Output.secret("hunter3")
        a = R("found", opts=Opts(id="a", additional_secret_outputs=["password"]), password=None, other=other)
        export("p", a.password)
    """)
    assert is_secret(outcome.outputs["p"])
    assert plain(outcome.outputs["p"]) == "hunter2"
    for path in stack.home.root.rglob("*"):
        assert not path.is_file() or b"hunter" not in path.read_bytes(), path


def test_what_azure_says_of_a_failure_is_sealed_in_the_state(stack: Stack) -> None:
    stack.failing('R("a", fail="partial")')
    assert b"it came up broken" not in stack.home.database.read_bytes()
    journal = Journal.open(stack.home, "dev", write=False)
    assert [each.problems for each in journal.current.values() if each.problems] == [("it came up broken",)]


def test_components_keep_their_outputs_and_children_their_parents(stack: Stack) -> None:
    stack.up("""
        c = C("c")
        a = R("a", opts=Opts(parent=c))
        c.register_outputs({"a": a.out})
    """)
    rows = sqlite3.connect(stack.home.database).execute("SELECT urn, body FROM engine_resources").fetchall()
    state = {urn: json.loads(body) for urn, body in rows}
    assert state["urn:pulumi:dev::proj::my:x:C::c"]["outputs"] == {"a": "a-out"}
    assert "urn:pulumi:dev::proj::my:x:C$fake:x:R::a" in state


def test_an_explicit_provider_serves_with_its_own_configuration(stack: Stack) -> None:
    stack.up("""
        p = P("p", region="north")
        a = R("a", opts=Opts(provider=p))
        export("r", pulumi.runtime.invoke("fake:x:f", {"x": 1}, opts=pulumi.InvokeOptions(provider=p)).value["region"])
    """)
    assert set(stack.cloud.objects) == {"a"}
    assert stack.run("destroy").ok
    assert stack.cloud.log == ["delete a"]


def test_a_function_answers_with_what_the_provider_says(stack: Stack) -> None:
    outcome = stack.up('export("e", pulumi.runtime.invoke("fake:x:f", {"x": 7}).value["echo"])')
    assert outcome.outputs["e"] == {"x": 7}


def test_a_function_of_what_is_not_known_yet_waits(stack: Stack) -> None:
    program = (
        'a = R("a")\nexport("e", a.out.apply(lambda o: pulumi.runtime.invoke("fake:x:f", {"x": o}).value["echo"]))'
    )
    assert stack.run("preview", program).ok, stack.errors
    assert stack.up().outputs["e"] == {"x": "a-out"}


def test_a_resource_of_somebody_else_is_read_and_never_deleted(stack: Stack) -> None:
    stack.up('R("other", id="theirs")')
    outcome = stack.up('R("other", id="theirs")\nx = R("mine", opts=Opts(id="theirs"))\nexport("o", x.out)')
    assert stack.cloud.log == []
    assert outcome.outputs == {"o": "theirs-out"}
    stack.up('R("other", id="theirs")')
    assert stack.cloud.log == []


def test_what_was_made_here_and_is_now_somebody_elses_goes(stack: Stack) -> None:
    stack.up('R("other", id="theirs")\nR("mine", id="ours")')
    stack.up('R("other", id="theirs")\nR("mine", opts=Opts(id="theirs"))')
    assert stack.cloud.log == ["delete ours"]
    stack.up('R("other", id="theirs")')
    assert stack.cloud.log == []


def test_what_is_looked_up_by_the_id_it_has_stays(stack: Stack) -> None:
    stack.up('R("a", id="x")')
    stack.up('R("a", opts=Opts(id="x"))')
    stack.up("")
    assert stack.cloud.log == []


def test_refresh_takes_over_what_changed_behind_the_back(stack: Stack) -> None:
    stack.up('R("a", size=1)\nR("b")')
    with stack.cloud.state() as content:
        content["objects"]["a"]["size"] = 9
        del content["objects"]["b"]
    assert stack.run("refresh").ok
    assert sorted(stack.steps) == ["delete b", "update a"]
    stack.up('R("a", size=1)\nR("b")')
    assert sorted(stack.cloud.log) == ["create b", "update a"]


def test_stacks_of_one_program_do_not_see_each_other(stack: Stack) -> None:
    stack.up('R("a")')
    other = type(stack)(stack.folder.parent, "prod")
    assert other.run("destroy").ok
    assert set(stack.cloud.objects) == {"a"}
