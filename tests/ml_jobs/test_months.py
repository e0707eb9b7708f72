"""Months and ranges of months."""

import argparse

import pytest

from ml_jobs import months


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2013-01", ("2013-01",)),
        ("2013-11..2014-02", ("2013-11", "2013-12", "2014-01", "2014-02")),
        ("2013-05..2013-05", ("2013-05",)),
    ],
)
def test_a_range_holds_both_ends(text: str, expected: tuple[str, ...]) -> None:
    assert months.parse(text) == expected


@pytest.mark.parametrize("text", ["2013", "2013-13", "2013-00", "2013-1", "2013-01..", "2013-01-01", "x"])
def test_other_text_is_refused_and_named(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="want a month such as 2013-01 or a range") as refusal:
        months.parse(text)
    assert repr(text) in str(refusal.value)


def test_a_range_that_ends_before_it_starts_is_refused_with_the_right_one() -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=r"want 2013-01\.\.2013-03"):
        months.parse("2013-03..2013-01")


@pytest.mark.parametrize("text", ["2013-01", "2013-01..2013-03"])
def test_text_and_parse_are_inverse(text: str) -> None:
    assert months.text(months.parse(text)) == text
