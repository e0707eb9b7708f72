import pytest

from sandbox.types.ml.duration import seconds_of


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("PT5S", 5),
        ("PT0.5S", 0.5),
        ("PT1M30S", 90),
        ("PT2H", 7200),
        ("P1DT1S", 86401),
        ("P7D", 604800),
        ("PT5000.0S", 5000),
    ],
)
def test_durations_are_read(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "P", "PT", "5", "5s", "PT5", "P1Y", "P1M", "-PT5S", "PT5S "])
def test_what_is_none_is_refused_by_name(text: str) -> None:
    with pytest.raises(ValueError, match="is no ISO 8601 duration"):
        seconds_of(text)
