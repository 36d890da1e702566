"""Several taggers as one: who does not know a tag has no vote on it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datakit.taggers.labels import Labels
from datakit.taggers.spec import Spec
from datakit.taggers.thresholds import selector_for
from datakit.taggers.voting import Ballot, ballot_of, vote


def ballot(threshold: float = 0.5, **marks: float) -> Ballot:
    """A tagger that knows the names given, and scores them so."""
    labels = Labels(names=tuple(marks), categories=("general",) * len(marks))
    selector = selector_for(Spec(thresholds={"general": threshold}), labels)
    return ballot_of(selector, np.array(list(marks.values()), np.float32))


def test_max_takes_what_any_took() -> None:
    found = vote([ballot(hat=0.9, bow=0.1), ballot(hat=0.6, bow=0.7)], "max")
    assert found == {"hat": pytest.approx(0.9), "bow": pytest.approx(0.7)}


def test_at_least_two_of_three() -> None:
    ballots = [ballot(hat=0.9, bow=0.8), ballot(hat=0.7, bow=0.1), ballot(hat=0.1, bow=0.2)]
    assert vote(ballots, "at-least", least=2) == {"hat": pytest.approx(0.8)}
    assert set(vote(ballots, "at-least", least=1)) == {"hat", "bow"}
    assert vote(ballots, "at-least", least=3) == {}


def test_one_that_does_not_know_a_tag_does_not_vote_against_it() -> None:
    furry, booru = ballot(canine=0.9, hat=0.9), ballot(miku=0.9, hat=0.2)
    assert set(vote([furry, booru], "at-least", least=2)) == {"canine", "miku"}
    assert set(vote([furry, booru], "mean")) == {"canine", "miku", "hat"}


def test_mean_weighs_how_sure_each_is() -> None:
    assert vote([ballot(hat=0.95), ballot(hat=0.4)], "mean") == {"hat": pytest.approx(0.675)}
    assert vote([ballot(hat=0.55), ballot(hat=0.1)], "mean") == {}


def test_mean_uses_each_taggers_own_threshold() -> None:
    assert set(vote([ballot(0.9, hat=0.85), ballot(0.2, hat=0.3)], "mean")) == {"hat"}
    assert vote([ballot(0.9, hat=0.5), ballot(0.2, hat=0.3)], "mean") == {}


def test_a_series_that_came_with_a_character_counts() -> None:
    labels = Labels(names=("miku",), categories=("character",), series={"miku": ("vocaloid",)})
    selector = selector_for(Spec(thresholds={"character": 0.5}), labels)
    one = ballot_of(selector, np.array([0.9], np.float32))
    for how in ("max", "mean", "at-least"):
        assert set(vote([one, ballot(hat=0.1)], how)) == {"miku", "vocaloid"}, how


@given(st.lists(st.fixed_dictionaries({name: st.floats(0, 1, width=32) for name in "abc"}), min_size=1, max_size=4))
def test_laws(marks: list[dict[str, float]]) -> None:
    ballots = [ballot(**one) for one in marks]
    alone = [dict(one.taken) for one in ballots]
    every = vote(ballots, "max")
    assert set(every) == {name for taken in alone for name in taken}
    assert vote(ballots, "at-least", least=1).keys() == every.keys()
    for least in range(1, len(ballots)):
        more, fewer = (vote(ballots, "at-least", least=number) for number in (least, least + 1))
        assert fewer.keys() <= more.keys()
    assert vote(ballots, "mean").keys() <= every.keys()
    if len(ballots) == 1:
        assert vote(ballots, "mean") == vote(ballots, "at-least") == every == alone[0]
    for found in (every, vote(ballots, "mean")):
        assert list(found.values()) == sorted(found.values(), reverse=True)
