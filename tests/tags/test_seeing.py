"""What a tagger sees, held against what a caption says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datakit.tags.exclusive import rivals_of
from datakit.tags.seeing import Relations, by_tag, leaking, said_by, unseen

IMPLIED = {"cat_ears": frozenset({"animal_ears"}), "spiked_choker": frozenset({"choker"})}
KNOWN = Relations(
    canonical=lambda tag: {"nekomimi": "cat_ears"}.get(tag, tag),
    implied=lambda tag: IMPLIED.get(tag, frozenset()),
    rivals=rivals_of(),
)
TAGS = st.sampled_from(["cat_ears", "animal_ears", "choker", "spiked_choker", "hat", "1girl", "2girls", "solo"])
SCORES = st.dictionaries(TAGS, st.floats(0.02, 1))


@pytest.mark.parametrize(
    ("caption", "left"),
    [
        ("", ["animal_ears", "hat"]),
        ("nekomimi", ["hat"]),
        ("cat ears, hat", []),
        ("(cat_ears:1.2) ||| Hat", []),
        ("animal_ears\nhat", []),
        ("1girl, a girl with animal ears and a hat", []),
        ("a girl with a hatchet and animal ears", ["hat"]),
        ("1girl\n\nA girl, animal ears, a hat.", []),
        ("1girl\n\nShe smiles.", ["animal_ears", "hat"]),
        ("witch hat", ["animal_ears", "hat"]),
    ],
)
def test_a_tag_is_said_in_any_spelling_by_what_implies_it_or_in_a_sentence(caption: str, left: list[str]) -> None:
    assert list(leaking(said_by(caption, KNOWN), {"animal_ears": 0.9, "hat": 0.8}, KNOWN)) == left


def test_what_another_leak_implies_is_none_of_its_own() -> None:
    assert leaking(said_by("", KNOWN), {"animal_ears": 0.99, "cat_ears": 0.9}, KNOWN) == {"cat_ears": 0.9}


def test_what_a_tag_of_the_caption_excludes_is_a_contradiction() -> None:
    assert leaking(said_by("2girls", KNOWN), {"1girl": 0.9, "hat": 0.8}, KNOWN) == {"hat": 0.8}


def test_a_tag_is_seen_also_as_what_implies_it() -> None:
    scores = {"animal_ears": 0.01, "cat_ears": 0.9, "hat": 0.02}
    assert unseen(said_by("animal ears, hat, smile", KNOWN), scores, KNOWN, below=0.05) == {"hat": 0.02}


def test_tags_are_summed_up_worst_first() -> None:
    items = {"a": {"hat": 0.8, "choker": 0.9}, "b": {"hat": 0.9, "belt": 0.95}, "c": {}}
    assert [(row.tag, row.num_images, row.mean_score, row.samples) for row in by_tag(items)] == [
        ("hat", 2, 0.85, ("b", "a")), ("belt", 1, 0.95, ("b",)), ("choker", 1, 0.9, ("a",)),
    ]  # fmt: skip
    assert [row.tag for row in by_tag(items, most_first=False)] == ["hat", "choker", "belt"]


@given(st.lists(TAGS), SCORES)
def test_to_say_what_leaks_leaves_no_leak(said: list[str], scores: dict[str, float]) -> None:
    found = leaking(said_by(", ".join(said), KNOWN), scores, KNOWN)
    assert found.keys() <= scores.keys()
    assert set(said).isdisjoint(found)
    closed = leaking(said_by(", ".join([*said, *found]), KNOWN), scores, KNOWN)
    assert closed == {}


@given(st.text())
def test_no_text_stops_it(text: str) -> None:
    leaking(said_by(text, KNOWN), {"hat": 0.9}, KNOWN)
