"""Edits of captions: what they touch, what they leave as it is spelled, and that doing them twice changes nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datakit.tags.captions import BAR, tags_in
from datakit.tags.edits import (
    Edit,
    adding,
    changes,
    deduping,
    moving_first,
    pruning,
    read_words,
    removing,
    renaming,
    renaming_all,
    replacing,
    sorting,
    speller,
    write_words,
)  # fmt: skip
from datakit.tags.names import to_canonical, to_prompt
from datakit.tags.query.parsing import parse_pattern

IMPLIED = {"blue_hat": {"hat", "clothes"}, "hat": {"clothes"}}


def implied(tag: str) -> set[str]:
    return IMPLIED.get(tag, set())


def apply(edit: Edit, text: str, held: tuple[str, ...] = (), spell: Callable[[str], str] = to_prompt) -> str:
    return write_words(edit(read_words(text), held), text, speller(read_words(text), spell))


EDITS: dict[str, Edit] = {
    "add": adding(["cap", "blue_hat"]),
    "add first": adding(["cap", "blue_hat"], place="first"),
    "add after": adding(["cap"], after="solo"),
    "remove": removing([parse_pattern("blue_*"), parse_pattern("/^s/")]),
    "replace": replacing(parse_pattern("blue_*"), ["hat", "cap"]),
    "rename": renaming(parse_pattern("hat"), "cap"),
    "aliases": renaming_all({"hat": "cap", "solo": "1girl"}),
    "move first": moving_first(["hat", "solo"]),
    "sort": sorting(lambda tag: tag),
    "dedupe": deduping,
    "prune": pruning(implied),
}

CASES = [
    ("add", "a b, c", "a b, c, cap, blue hat"),
    ("add", "a_b, c", "a_b, c, cap, blue_hat"),
    ("add", "", "cap, blue hat"),
    ("add", "a, cap", "a, cap, blue hat"),
    ("add", "a ||| b, c", "a ||| b, c, cap, blue hat"),
    ("add", "a ||| b ||| c", "a ||| b, cap, blue hat ||| c"),
    ("add first", "a b, c", "cap, blue hat, a b, c"),
    ("add first", "a ||| b", "a ||| cap, blue hat, b"),
    ("add after", "a, Solo, c", "a, Solo, cap, c"),
    ("add after", "a, c", "a, c, cap"),
    ("add after", "a, solo ||| c", "a, solo, cap ||| c"),
    ("add", "a\nb\n", "a\nb\ncap\nblue hat\n"),
    ("add", "a,b", "a,b,cap,blue hat"),
    ("add", "a ,b\r\n", "a ,b ,cap ,blue hat\r\n"),
    ("remove", "Blue Hat, solo, blue_hair, long  hair", "long  hair"),
    ("remove", "blue hat ||| a", "||| a"),
    ("remove", "x, y", "x, y"),
    ("remove", "  x,, y ,", "  x,, y ,"),
    ("replace", "a, blue hat, b, blue hair", "a, hat, cap, b"),
    ("replace", "cap, blue hat", "cap, hat"),
    ("rename", "a, Hat, b", "a, cap, b"),
    ("rename", "cap, hat", "cap"),
    ("rename", "hat, hat", "cap"),
    ("aliases", "hat, solo, 1girl", "cap, 1girl"),
    ("move first", "a, solo, b, hat", "hat, solo, a, b"),
    ("move first", "hat ||| a, solo", "hat ||| solo, a"),
    ("sort", "c, B, a", "a, B, c"),
    ("sort", "z, y ||| c, b ||| x, a", "z, y ||| b, c ||| x, a"),
    ("dedupe", "blue hat, a, Blue_Hat", "blue hat, a"),
    ("dedupe", "a ||| a, b", "a ||| b"),
    ("prune", "hat, blue hat, clothes, a", "blue hat, a"),
]


@pytest.mark.parametrize(("name", "before", "after"), CASES)
def test_an_edit(name: str, before: str, after: str) -> None:
    assert apply(EDITS[name], before) == after


def test_the_trigger_stays_first() -> None:
    held = ("mikudress", "hat")
    assert apply(EDITS["sort"], "MikuDress, b, a, hat", held) == "MikuDress, a, b, hat"
    assert apply(EDITS["add first"], "mikudress, b", held) == "mikudress, cap, blue hat, b"
    assert apply(EDITS["move first"], "mikudress, hat, a, solo", held) == "mikudress, hat, solo, a"
    assert apply(EDITS["prune"], "hat, blue hat, clothes", held) == "hat, blue hat"


def test_groups_of_an_expression() -> None:
    edit = renaming(parse_pattern(r"/^(.+)_\(series\)$/"), r"\1 set")
    assert apply(edit, "a, miku (series), b_(series)") == "a, miku set, b set"
    assert apply(renaming(parse_pattern("/^x+$/"), ""), "a, xx, b") == "a, b"
    with pytest.raises(IndexError, match="group"):
        apply(renaming(parse_pattern("/a/"), r"\g<no>"), "a")


def test_kaomoji_do_not_tell_the_style() -> None:
    assert apply(EDITS["add"], "^_^, a") == "^_^, a, cap, blue hat"
    assert apply(EDITS["add"], "^_^, a", spell=str) == "^_^, a, cap, blue_hat"
    assert apply(EDITS["add"], "my_trigger, long hair, blue eyes") == "my_trigger, long hair, blue eyes, cap, blue hat"


def captions() -> st.SearchStrategy[str]:
    tags = st.sampled_from(
        ["blue hat", "blue_hat", "Hat", "solo", "cap", "^_^", "1girl", "a (b)", r"a \(b\)", "clothes", " "]
    )
    gaps = st.sampled_from([", ", ",", "\n", " ||| ", "|||", ",\r\n"])
    parts = st.lists(st.tuples(tags, gaps), max_size=8)
    return parts.map(lambda rows: "".join(tag + gap for tag, gap in rows))


@given(captions(), st.sampled_from(sorted(EDITS)), st.sampled_from([(), ("hat",), ("solo", "cap")]))
def test_doing_it_again_changes_nothing(text: str, name: str, held: tuple[str, ...]) -> None:
    once = apply(EDITS[name], text, held)
    assert apply(EDITS[name], once, held) == once


@given(captions(), st.sampled_from(sorted(EDITS)))
def test_bars_stay_and_untouched_tags_stay_as_they_are_spelled(text: str, name: str) -> None:
    before, after = read_words(text), read_words(apply(EDITS[name], text))
    assert [w for w in before if w.tag == BAR] == [w for w in after if w.tag == BAR]
    new = set(after) - set(before)
    assert all(word.text in (word.tag, to_prompt(word.tag)) for word in new)
    assert {word.tag for word in new} <= {"cap", "blue_hat", "hat", "1girl"}


@given(captions(), st.sampled_from(["sort", "move first"]))
def test_what_moves_tags_loses_none(text: str, name: str) -> None:
    assert sorted(read_words(apply(EDITS[name], text))) == sorted(read_words(text))


@given(captions())
def test_a_caption_that_does_not_change_stays_to_the_byte(text: str) -> None:
    assert write_words(read_words(text), text, to_prompt) == text
    assert apply(adding([]), text) == text


@given(st.text(alphabet="ab |,\n_(\\)^"))
def test_words_are_canonical(text: str) -> None:
    for word in read_words(text):
        assert word.tag == BAR or to_canonical(word.text) == word.tag != ""
    assert len(set(tags_in(text))) == len(tags_in(text))


def test_changes_count_what_came_and_went() -> None:
    assert changes(read_words("a, b, b ||| c"), read_words("b ||| c, d")) == (["d"], ["a", "b"])
