"""The laws of the three-way merge of tags."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datakit.model.merge import disputes_prose, merge_captions, merge_tags
from datakit.tags.names import to_canonical

TAGS = st.lists(st.sampled_from("abcdefgh"), max_size=8)
SIDES = st.tuples(TAGS, TAGS, TAGS)
WORDS = st.lists(
    st.sampled_from(["long hair", "long_hair", "^_^", "1girl", "Blue Hair", "x (y)", "mikudress"]), max_size=6
)


def unique(tags: list[str]) -> list[str]:
    return list(dict.fromkeys(tags))


@given(base=TAGS, ours=TAGS)
def test_nothing_new_upstream_leaves_ours(base: list[str], ours: list[str]) -> None:
    assert merge_tags(base, ours, base) == unique(ours)


@given(base=TAGS, theirs=TAGS)
def test_without_hand_edits_theirs_is_taken_as_a_set(base: list[str], theirs: list[str]) -> None:
    assert set(merge_tags(base, base, theirs)) == set(theirs)


@given(base=TAGS, theirs=TAGS)
def test_tags_that_keep_their_order_upstream_keep_it_here(base: list[str], theirs: list[str]) -> None:
    kept = [tag for tag in unique(base) if tag in theirs]
    if kept == [tag for tag in unique(theirs) if tag in base]:
        assert merge_tags(base, base, theirs) == unique(theirs)


@given(base=TAGS, side=TAGS)
def test_the_same_change_on_both_sides_is_that_change(base: list[str], side: list[str]) -> None:
    assert merge_tags(base, side, side) == unique(side)


@given(sides=SIDES)
def test_it_is_symmetric_up_to_order(sides: tuple[list[str], list[str], list[str]]) -> None:
    base, ours, theirs = sides
    assert set(merge_tags(base, ours, theirs)) == set(merge_tags(base, theirs, ours))


@given(sides=SIDES)
def test_it_is_the_set_edit_of_the_design(sides: tuple[list[str], list[str], list[str]]) -> None:
    base, ours, theirs = sides
    wanted = (set(ours) | (set(theirs) - set(base))) - (set(base) - set(theirs))
    assert set(merge_tags(base, ours, theirs)) == wanted


@given(sides=SIDES)
def test_ours_order_is_kept_and_no_tag_comes_twice(sides: tuple[list[str], list[str], list[str]]) -> None:
    base, ours, theirs = sides
    merged = merge_tags(base, ours, theirs)
    assert [tag for tag in merged if tag in ours] == [tag for tag in unique(ours) if tag in merged]
    assert len(merged) == len(set(merged))


@given(sides=SIDES)
def test_a_persons_removal_survives_and_a_persons_tag_too(sides: tuple[list[str], list[str], list[str]]) -> None:
    base, ours, theirs = sides
    merged = set(merge_tags(base, ours, theirs))
    assert not (set(base) - set(ours)) & merged
    assert set(ours) - set(base) <= merged


@given(sides=SIDES)
def test_merging_again_changes_nothing(sides: tuple[list[str], list[str], list[str]]) -> None:
    base, ours, theirs = sides
    merged = merge_tags(base, ours, theirs)
    assert merge_tags(theirs, merged, theirs) == merged


def test_a_new_tag_stands_behind_its_neighbour() -> None:
    assert merge_tags(["a", "c"], ["a", "mine", "c"], ["a", "b", "c"]) == ["a", "b", "mine", "c"]
    assert merge_tags(["x"], ["x"], ["trigger", "x"]) == ["trigger", "x"]
    assert merge_tags([], ["mine"], ["p", "q"]) == ["p", "q", "mine"]


@given(base=WORDS, ours=WORDS, theirs=WORDS)
def test_captions_are_merged_by_meaning(base: list[str], ours: list[str], theirs: list[str]) -> None:
    merged = merge_captions(", ".join(base), ",".join(ours), " , ".join(theirs), canonical=to_canonical)
    names = [to_canonical(word) for word in merged.split(", ")] if merged else []
    sides = [[to_canonical(word) for word in side] for side in (base, ours, theirs)]
    assert names == merge_tags(*sides)
    assert set(merged.split(", ")) - {""} <= {*base, *ours, *theirs}, "in a spelling that somebody used"


def test_our_spelling_wins_where_both_have_a_tag() -> None:
    assert merge_captions("", "Long Hair", "long_hair, ^_^", canonical=to_canonical) == "Long Hair, ^_^"


def test_a_new_trigger_replaces_the_old_one_and_keeps_the_hand_edit() -> None:
    merged = merge_captions("old, 1girl, hat", "old, 1girl, my tag", "new, 1girl, hat", canonical=to_canonical)
    assert merged == "new, 1girl, my tag"


PROSE_MERGES = [
    ("a\n\nA dog.", "a, b\n\nA dog.", "a, c\n\nA cat.", "a, c, b\n\nA cat.", False),
    ("a\n\nA dog.", "a\n\nMy dog.", "a, c\n\nA dog.", "a, c\n\nMy dog.", False),
    ("a\n\nA dog.", "a\n\nMy dog.", "c\n\nA cat.", "c\n\nMy dog.", True),
    ("a", "a, b", "a\n\nA dog.", "a, b\n\nA dog.", False),
    ("a\n\nA dog.", "b", "a\n\nA dog.", "b", False),
    ("a\n\nA dog.", "b\n\nA  dog.", "a\n\nA cat.", "b\n\nA cat.", False),
]


@pytest.mark.parametrize(("base", "ours", "theirs", "expected", "disputed"), PROSE_MERGES)
def test_prose_is_merged_as_text(base: str, ours: str, theirs: str, expected: str, disputed: bool) -> None:
    assert merge_captions(base, ours, theirs, canonical=to_canonical) == expected
    assert disputes_prose(base, ours, theirs) is disputed
