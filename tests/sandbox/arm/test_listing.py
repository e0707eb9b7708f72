"""A page of a collection: nothing is left out, nothing comes twice, and no more is read than it needs."""

from collections.abc import Sequence

import pytest

from sandbox.arm import ids
from sandbox.arm.resource import Listing, Resource, whole


def numbered(count: int) -> list[Resource]:
    return [Resource(ids.parse(f"/subscriptions/s/resourceGroups/g{number}"), {}) for number in range(count)]


def number(me: Resource) -> int:
    return int(me.name.removeprefix("g"))


@pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 250])
@pytest.mark.parametrize(("most", "look_at"), [(1, 1), (7, 1000), (7, 10), (100, 300), (300, 300)])
def test_pages_add_up_to_the_whole(count: int, most: int, look_at: int) -> None:
    listing = whole(numbered(count)).where(lambda me: number(me) % 3 == 0)
    found: list[int] = []
    place, pages = 0, 0
    while True:
        page, place = listing.page(place, most, look_at)
        assert len(page) <= most
        found += map(number, page)
        pages += 1
        if not place:
            break
    assert found == [number(me) for me in listing] == list(range(0, count, 3))
    assert pages <= count + 1


def test_no_more_is_read_than_a_page_looks_at() -> None:
    read: list[tuple[int, int]] = []
    stored = numbered(1000)

    def part(start: int, count: int) -> Sequence[Resource]:
        read.append((start, count))
        return stored[start : start + count]

    found, place = Listing(part).where(lambda _: False).page(200, 10, 300)
    assert (found, place) == ([], 500)
    assert sum(count for _, count in read) <= 301
