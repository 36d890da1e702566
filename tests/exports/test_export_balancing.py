"""Repeats that are worked out are at least 1, bounded, and do what they are for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datakit.exports.balancing import MOST_BY_TAGS, MOST_REPEATS, balanced, balanced_by_tags
from datakit.exports.settings import Balance, parse_balance

SIZES = st.dictionaries(st.text(max_size=3), st.integers(0, 5000), max_size=8)
TAGS = st.dictionaries(st.text(max_size=3), st.lists(st.sampled_from("abcdefgh"), max_size=6), max_size=20)


@given(SIZES, st.integers(1, 10), st.sampled_from([Balance("concepts"), Balance("images", 200)]))
def test_repeats_are_bounded_and_a_smaller_concept_never_gets_fewer(
    sizes: dict[str, int], repeats: int, balance: Balance
) -> None:
    found = balanced(balance, sizes, repeats=repeats)
    assert found.keys() == {concept for concept, size in sizes.items() if size}
    assert all(1 <= number <= MOST_REPEATS for number in found.values())
    for one in found:
        for other in found:
            if sizes[one] < sizes[other]:
                assert found[one] >= found[other]


@given(SIZES, st.integers(1, 10))
def test_the_largest_concept_keeps_its_repeats(sizes: dict[str, int], repeats: int) -> None:
    found = balanced(Balance("concepts"), sizes, repeats=repeats)
    largest = max(sizes.values(), default=0)
    assert all(found[concept] == repeats for concept, size in sizes.items() if size and size == largest)


@given(SIZES, st.integers(1, 2000))
def test_so_many_images_of_each_concept_as_repeats_allow(sizes: dict[str, int], number: int) -> None:
    for concept, repeats in balanced(Balance("images", number), sizes).items():
        size = sizes[concept]
        if 1 < repeats < MOST_REPEATS:
            assert abs(repeats * size - number) * 2 <= size


@given(TAGS, st.integers(1, 5))
def test_every_item_gets_repeats_by_its_tags(tags: dict[str, list[str]], repeats: int) -> None:
    found = balanced_by_tags(tags, repeats=repeats)
    assert found.keys() == tags.keys()
    assert all(repeats <= number <= repeats * MOST_BY_TAGS for number in found.values())


def test_images_of_rare_tags_are_shown_more_often() -> None:
    tags = {f"usual{number}": ["girl", "smile"] for number in range(98)}
    tags |= {"rare0": ["girl", "smile", "tail"], "rare1": ["girl", "smile", "tail"]}
    found = balanced_by_tags(tags)
    assert found["usual0"] == 1
    assert found["rare0"] == MOST_BY_TAGS


def test_a_tag_of_a_single_image_says_nothing() -> None:
    tags = {f"usual{number}": ["girl", "smile"] for number in range(98)}
    assert balanced_by_tags({**tags, "odd": ["girl", "smile", "typo"]})["odd"] == 1


@pytest.mark.parametrize(
    ("text", "balance"),
    [("", Balance("")), (" concepts ", Balance("concepts")), ("images=200", Balance("images", 200))],
)
def test_words_of_balance(text: str, balance: Balance) -> None:
    assert parse_balance(text) == balance


@pytest.mark.parametrize("text", ["images", "images=0", "images=x", "tags=3", "concept", "images=-1", "images=²"])
def test_other_words_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is none of"):
        parse_balance(text)
