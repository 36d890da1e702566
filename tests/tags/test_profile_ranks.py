"""How posts are compared: places, ties, groups, age, and what happens where there are too few."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from profile_cases import record

from datakit.model.record import RATINGS, Record
from datakit.tags.profiles.profile import Bounds, Level, Quality
from datakit.tags.profiles.ranks import judge, moment, rank_posts

LEVELS = tuple(Level(words=(word,), above=bound) for word, bound in (("a", 95), ("b", 60.5), ("c", 30), ("d", 10)))
NAMES = ("a", "b", "c", "d", "e")
QUALITY = Quality(measure=("score",), by=(), min_posts=1, levels=(*LEVELS, Level(words=("e",))))
INTEGERS = st.none() | st.integers() | st.just(10**400) | st.just(-(10**400))
SCORES = st.lists(st.integers(-5, 30), min_size=1, max_size=60)


def percentile(value: int, values: list[int]) -> Fraction:
    """Against each post in turn: a win counts one, a draw (also with itself) a half."""
    points = sum(
        Fraction(1) if value > other else Fraction(1, 2) if value == other else Fraction(0) for other in values
    )
    return 100 * points / len(values)


def words(quality: Quality, posts: list[Record]) -> list[tuple[str, ...]]:
    ranking = rank_posts(quality, posts)
    return [judge(ranking, post).words for post in posts]


@given(SCORES)
def test_a_place_is_won_against_each_post_in_turn(scores: list[int]) -> None:
    posts = [record(score=score) for score in scores]
    for score, (word,) in zip(scores, words(QUALITY, posts), strict=True):
        place = percentile(score, scores)
        expected = next((level.words[0] for level in LEVELS if place > Fraction(level.above or 0)), "e")
        assert word == expected, place


@given(SCORES, st.randoms())
def test_order_plays_no_part_and_more_is_never_less(scores: list[int], chance: object) -> None:
    posts = [record(score=score) for score in scores]
    found = words(QUALITY, posts)
    again = sorted(posts, key=lambda post: (post.score or 0) * 7 % 5)
    ranking = rank_posts(QUALITY, again)
    assert [judge(ranking, post).words for post in posts] == found
    by_score = sorted(zip(scores, found, strict=True))
    places = [NAMES.index(word) for _, (word,) in by_score]
    assert places == sorted(places, reverse=True)
    assert len({score for score, _ in by_score}) >= len(set(places))


def test_places_of_a_hundred_and_of_equals() -> None:
    hundred = [record(score=score) for score in range(100)]
    found = words(QUALITY, hundred)
    assert [sum(word == (name,) for word in found) for name in NAMES] == [5, 34, 31, 20, 10]
    assert set(words(QUALITY, [record(score=7)] * 50)) == {("c",)}


def test_only_posts_of_a_kind_are_compared() -> None:
    posts = [record(score=score, site=site, rating="general") for site in ("x", "y") for score in range(20)]
    high = [record(score=1000 + score, site="y", rating="explicit") for score in range(20)]
    found = words(Quality(measure=("score",), by=("site", "rating"), levels=QUALITY.levels), posts + high)
    assert found[:20] == found[20:40] == found[40:]
    together = words(QUALITY, posts + high)
    assert together[39] != ("a",)
    reason = judge(rank_posts(Quality(by=("site", "rating"), levels=QUALITY.levels), posts), posts[-1]).reason
    assert reason == "score above 95 % of 20 posts (y, general)"


def test_the_first_measure_that_a_post_has() -> None:
    quality = Quality(by=(), min_posts=2, levels=QUALITY.levels)
    posts = [record(favorites=1, score=99), record(favorites=2, score=0), record(score=5), record(score=4), record()]
    ranking = rank_posts(quality, posts)
    judged = [judge(ranking, post) for post in posts]
    assert [one.reason for one in judged] == [
        "favorites above 10 % of 2 posts", "favorites above 60.5 % of 2 posts", "score above 60.5 % of 2 posts",
        "score above 10 % of 2 posts", "",
    ]  # fmt: skip
    assert judged[-1].lacks == "no favorites or score in the record"
    assert judge(ranking, None).lacks == "no favorites or score in the record"


def test_too_few_posts_get_no_word_or_that_of_the_fallback() -> None:
    bounds = Bounds(general=(40, 30, 20, 10), all=(4, 3, 2, 1))
    quality = Quality(by=(), min_posts=3, levels=QUALITY.levels, fallback=bounds)
    two = [record(favorites=25, rating="general"), record(favorites=25, rating="explicit")]
    assert words(quality, two) == [("c",), ("a",)]
    reason = judge(rank_posts(quality, two), two[0]).reason
    assert reason == "favorites above 20; 2 posts are too few to compare"
    lowest = judge(rank_posts(quality, two[:1]), record(favorites=0, rating="general"))
    assert (lowest.words, lowest.reason) == (("e",), "favorites not above 10; 1 post is too few to compare")
    assert judge(rank_posts(quality, two), record(score=9)).lacks == "fewer than 3 posts to compare with"
    plain = Quality(by=(), min_posts=3, levels=QUALITY.levels)
    assert judge(rank_posts(plain, two), two[0]).lacks == "fewer than 3 posts to compare with"


def test_values_need_no_other_posts() -> None:
    quality = Quality(
        measure=("score",), scale="value", levels=(Level(words=("bad",), above=-5), Level(words=("worst",)))
    )
    ranking = rank_posts(quality, [])
    assert [judge(ranking, record(score=score)).words for score in (9, -4, -5, -6)] == [("bad",)] * 2 + [("worst",)] * 2
    assert judge(ranking, record(score=-9)).reason == "score not above -5"


def test_a_chain_has_all_that_is_below() -> None:
    quality = Quality(measure=("score",), by=(), min_posts=1, cumulative=True, levels=LEVELS)
    posts = [record(score=score) for score in range(20)]
    found = words(quality, posts)
    assert found[-1] == ("a", "b", "c", "d")
    assert found[0] == ()
    assert all(len(low) <= len(high) for low, high in pairwise(found))


def test_age_counts_from_the_newest_post() -> None:
    quality = Quality(measure=("score",), by=(), min_posts=1, half_life_days=365, levels=QUALITY.levels)
    old = [record(score=100, created_at="2020-01-01T00:00:00Z")] * 10
    new = [record(score=26, created_at="2022-01-01T00:00:00Z")] * 10
    found = words(quality, old + new)
    assert (found[0], found[-1]) == (("d",), ("b",))
    lone = rank_posts(quality, [record(score=9)])
    assert judge(lone, record(score=9)).lacks == "no score and a date in the record"
    assert judge(rank_posts(quality, old), record(score=5, created_at="2030-01-01T00:00:00Z")).words == ("e",)
    negative = [
        record(score=-9, created_at="2000-01-01T00:00:00Z"),
        record(score=-3, created_at="2022-01-01T00:00:00Z"),
    ]
    assert words(quality, negative) == [("d",), ("b",)], "age makes no bad post better"


@pytest.mark.parametrize("text", ["", "bad", "2020", "9999-99-99T00:00:00Z", "2020-01-01T00:00:00Z\n"])
def test_what_is_no_date(text: str) -> None:
    assert moment(text) is None


def test_dates_without_a_zone_are_utc() -> None:
    assert moment("2020-01-01T00:00:00") == moment("2020-01-01T00:00:00Z") == moment("2020-01-01T01:00:00+01:00")


@given(st.text(max_size=30), INTEGERS, INTEGERS, st.sampled_from(["", *RATINGS, "x"]))
def test_no_record_crashes_it(made: str, score: int | None, favorites: int | None, rating: str) -> None:
    post = record(created_at=made, score=score, favorites=favorites, rating=rating)
    for days in (0, 30):
        quality = Quality(half_life_days=days, min_posts=1, levels=QUALITY.levels, by=("site", "rating"))
        judged = judge(rank_posts(quality, [post]), post)
        assert bool(judged.words) != bool(judged.lacks)
