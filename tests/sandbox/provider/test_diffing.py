"""Comparison of inputs, and the paths that name their parts."""

import pytest

from sandbox.provider.base import Change, Kind
from sandbox.provider.diffing import compare, keep, matches, parse
from sandbox.values import UNKNOWN, secret


def test_each_difference_has_its_path_and_kind() -> None:
    old = {"a": 1, "gone": 1, "tags": {"x": 1, "a.b": 1}, "list": [{"n": 1}, 2], "same": [1]}
    new = {"a": 2, "new": 1, "tags": {"x": 1, "a.b": 2}, "list": [{"n": 3}, 2, 4], "same": [1]}
    assert compare(old, new) == {
        "a": Change(Kind.UPDATE), "gone": Change(Kind.DELETE), 'tags["a.b"]': Change(Kind.UPDATE),
        "list[0].n": Change(Kind.UPDATE), "list[2]": Change(Kind.ADD), "new": Change(Kind.ADD),
    }  # fmt: skip


def test_secrecy_nulls_and_own_notes_are_no_difference() -> None:
    assert compare({"a": secret("x"), "__note": 1, "b": 2.0}, {"a": "x", "c": None, "b": 2}) == {}


def test_true_is_not_one_and_the_unknown_differs() -> None:
    assert set(compare({"a": True, "b": 1}, {"a": 1, "b": UNKNOWN})) == {"a", "b"}


def test_what_lies_in_a_replacing_property_replaces() -> None:
    changes = compare({"k": {"x": 1}, "l": [{"y": 1}]}, {"k": {"x": 2}, "l": [{"y": 2}]}, lambda p: p in ("k", "l[].y"))
    assert changes == {"k.x": Change(Kind.UPDATE, True), "l[0].y": Change(Kind.UPDATE, True)}


@pytest.mark.parametrize(
    ("path", "old", "new", "kept"),
    [
        ("a", {"a": 1}, {"a": 2, "b": 3}, {"a": 1, "b": 3}),
        ("a", {}, {"a": 2}, {}),
        ("a", {"a": 1}, {}, {"a": 1}),
        ("t.x", {"t": {"x": 1, "y": 1}}, {"t": {"x": 2, "y": 2}}, {"t": {"x": 1, "y": 2}}),
        ('t["x.y"]', {"t": {"x.y": 1}}, {"t": {"x.y": 2}}, {"t": {"x.y": 1}}),
        ("l[1].n", {"l": [{"n": 1}, {"n": 1}]}, {"l": [{"n": 2}, {"n": 2}]}, {"l": [{"n": 2}, {"n": 1}]}),
        ("l[*].n", {"l": [{"n": 1}, {"n": 1}]}, {"l": [{"n": 2}, {"n": 2}]}, {"l": [{"n": 1}, {"n": 1}]}),
        ("t.*", {"t": {"x": 1}}, {"t": {"x": 2, "y": 2}}, {"t": {"x": 1}}),
    ],
)
def test_ignored_paths_keep_what_was(
    path: str, old: dict[str, object], new: dict[str, object], kept: dict[str, object]
) -> None:
    assert keep(new, old, [path]) == kept


def test_a_path_matches_what_encloses_and_what_lies_within() -> None:
    assert matches(parse("tags"), parse("tags.x"))
    assert matches(parse("tags.x"), parse("tags"))
    assert matches(parse("l[*].n"), parse("l[3].n"))
    assert not matches(parse("tags.x"), parse("tags.y"))


def test_what_is_no_path_is_refused() -> None:
    with pytest.raises(ValueError, match="no property path"):
        parse("a[")
