"""From scores to tags: by category, by MCut, by the label's own threshold; the rating by argmax."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from datakit.taggers.labels import Labels
from datakit.taggers.spec import Spec
from datakit.taggers.thresholds import Floats, Selection, mcut, select, selection_for, selector_for

LABELS = Labels(
    names=("general", "explicit", "1girl", "hat", "smile", "miku", "rin", "someone", "masterpiece"),
    categories=("rating", "rating", *["general"] * 3, "character", "character", "artist", "quality"),
    series={"miku": ("vocaloid",), "rin": ("vocaloid",)},
)


def scores(*numbers: float) -> Floats:
    return np.array(numbers, np.float32)


EXAMPLE = scores(0.1, 0.9, 0.99, 0.35, 0.2, 0.9, 0.86, 0.99, 0.99)


def reference_mcut(probs: np.ndarray) -> float:
    """The space's function, restated over a sorted list."""
    falling = sorted((float(one) for one in probs), reverse=True)
    gaps = [one - other for one, other in pairwise(falling)]
    at = gaps.index(max(gaps))
    return (falling[at] + falling[at + 1]) / 2


def test_by_category_and_the_likeliest_first() -> None:
    how = selection_for(Spec(thresholds={"general": 0.3, "character": 0.85}))
    found = select(EXAMPLE, LABELS, how)
    assert list(found) == ["1girl", "miku", "vocaloid", "rin", "hat"]
    assert found["vocaloid"] == found["miku"] == pytest.approx(0.9)


def test_a_score_on_the_threshold_is_taken_only_where_the_reference_does() -> None:
    half = scores(0, 0, 0.5, 0, 0, 0, 0, 0, 0)
    assert select(half, LABELS, Selection(thresholds={"general": 0.5})) == {}
    assert select(half, LABELS, Selection(thresholds={"general": 0.5}, inclusive=True)) == {"1girl": 0.5}


def test_what_has_no_score_is_never_taken() -> None:
    none = scores(*[0.0] * 9)
    for how in ({"thresholds": {"general": 0.0}}, {"thresholds": {"general": 0.5}, "mcut": ("general",)}):
        assert select(none, LABELS, Selection(**how, inclusive=True)) == {}


def test_categories_without_a_threshold_and_ratings_are_never_tags() -> None:
    how = selection_for(Spec(), thresholds={"rating": 0.0, "character": 1.1})
    assert set(select(EXAMPLE, LABELS, how)) == {"1girl"}
    assert set(select(EXAMPLE, LABELS, Selection(thresholds={"artist": 0.5}))) == {"someone"}


def test_rating_is_the_likeliest() -> None:
    name, score = selector_for(Spec(), LABELS).rating(EXAMPLE) or ("", 0)
    assert (name, score) == ("explicit", pytest.approx(0.9))
    assert selector_for(Spec(rating="none"), LABELS).rating(EXAMPLE) is None
    without = Labels(names=("a",), categories=("general",))
    assert selector_for(Spec(), without).rating(scores(0.5)) is None


def test_a_labels_own_threshold_goes_first_unless_a_person_set_one() -> None:
    labels = Labels(names=("a", "b", "c"), categories=("general",) * 3, thresholds=(0.6, math.nan, 0.2))
    spec, numbers = Spec(thresholds={"general": 0.5}), scores(0.55, 0.55, 0.25)
    assert set(selector_for(spec, labels).select(numbers)) == {"b", "c"}
    assert set(selector_for(spec, labels, thresholds={"general": 0.5}).select(numbers)) == {"a", "b"}


def test_mcut_cuts_at_the_widest_gap_and_characters_not_below() -> None:
    numbers = scores(0.1, 0.9, 0.95, 0.9, 0.2, 0.14, 0.01, 0, 0)
    found = selector_for(Spec(), LABELS, mcut=("general", "character")).select(numbers)
    assert set(found) == {"1girl", "hat"}
    higher = scores(0.1, 0.9, 0.95, 0.9, 0.2, 0.16, 0.01, 0, 0)
    assert "miku" not in selector_for(Spec(), LABELS).select(higher)
    assert "miku" in selector_for(Spec(), LABELS, mcut=("character",)).select(higher)


@given(arrays.arrays(np.float32, st.integers(2, 40), elements=st.floats(0, 1, width=32)))
def test_mcut_is_that_of_the_space(numbers: Floats) -> None:
    assert mcut(numbers) == reference_mcut(numbers)


def test_mcut_of_fewer_than_two_takes_nothing() -> None:
    assert mcut(scores()) == math.inf
    assert mcut(scores(0.9)) == math.inf


@given(arrays.arrays(np.float32, 9, elements=st.floats(0, 1, width=32)), st.integers(0, 5))
def test_the_most_are_the_best(numbers: Floats, most: int) -> None:
    every = select(numbers, LABELS, Selection(thresholds={"general": 0.0, "character": 0.3}))
    some = select(numbers, LABELS, Selection(thresholds={"general": 0.0, "character": 0.3}, most=most))
    assert list(some.items()) == list(every.items())[: most or None]
    assert list(every.values()) == sorted(every.values(), reverse=True)


def test_labels_of_one_name_count_with_the_better_score_and_nameless_ones_not() -> None:
    labels = Labels(names=("a", "a", ""), categories=("general",) * 3)
    assert select(scores(0.5, 0.7, 0.9), labels, Selection(thresholds={"general": 0.1})) == {"a": pytest.approx(0.7)}


def test_what_a_selector_knows_is_what_it_may_take() -> None:
    assert selector_for(Spec(), LABELS).known == {"1girl": 2, "hat": 3, "smile": 4, "miku": 5, "rin": 6}
