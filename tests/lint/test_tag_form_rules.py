"""What is promised of the rules about how tags are written: on any caption, and beside what profiles write."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from lint_cases import collection_of

from datakit.actions.profilefiles import built_in_profiles, profile_text
from datakit.lint.engine import RULES, run
from datakit.lint.fixes import plan_fixes
from datakit.lint.mending import MOST_ROUNDS, mend
from datakit.lint.model import Rule
from datakit.tags.captions import split_prose, tags_in
from datakit.tags.profiles.profile import WORDS, parse_profile

SAFE = ("underscore_in_tag", "escaped_parenthesis", "duplicate_tag", "html_entity", "stray_comma")
PATH = "aria/a.txt"
PIECES = st.sampled_from(
    [
        *("1girl", "long_hair", "Long hair", "long hair", "^_^", "o_o", "score_9", "kaname \\(art\\)", "kaname (art)"),
        *("late\\[st\\]", "\\(^o^)/", "\\(smile\\)", "&gt;_&lt;", "a&#44;b", "&amp;amp;", "&#40;x&#41;", "&nbsp;", "_"),
        *("", " ", "she looks at some_text with joy", "{a|b}", "__hat__", "a__b", ":d", "highres", "\x0b", "\u2028"),
    ]
)
PARTS = st.sampled_from([", ", ",", ",,", "\uff0c", " ||| ", "|||", "\n", "\r\n", "\r", "\n\n", " , ", ",\n"])
CAPTIONS = st.lists(st.tuples(PIECES, PARTS).map("".join), max_size=8).map("".join)


def rules_of(*names: str) -> list[Rule]:
    return [RULES.load(name) for name in names]


def names_in(text: str) -> set[str]:
    """Canonical names of a caption's tags; wide commas part them too."""
    return {*tags_in(re.sub("[\uff0c\u3001]", ",", text))}


@pytest.mark.parametrize("name", SAFE)
@given(text=CAPTIONS)
@example(text="1girl\n\x0b, 1girl\n\x0b, \x0b, ")
@example(text="1girl\n\x0b, 1girl\nlong_hair, \x0b, ")
@settings(max_examples=150)
def test_a_safe_fix_keeps_the_tags_and_the_prose_and_comes_to_an_end(name: str, text: str) -> None:
    tree = {PATH: text.encode()}
    rules = rules_of(name)
    mended = mend(rules, [collection_of("", tree)])
    for data in mended.contents.values():
        after = data.decode()
        assert after != text
        assert names_in(after) == names_in(text)
        assert split_prose(after)[1] == split_prose(text)[1]
        again = [collection_of("", {PATH: data})]
        assert not plan_fixes(run(rules, again), again).changes


@given(text=CAPTIONS)
@settings(max_examples=150)
def test_all_of_them_together_come_to_an_end(text: str) -> None:
    rules = rules_of("emphasis_in_caption", *SAFE, "meta_tag", "literal_separator")
    mended = mend(rules, [collection_of("", {PATH: text.encode()})], unsafe=True)
    assert len(mended.fixed) < MOST_ROUNDS
    again = [collection_of("", {PATH: mended.contents.get(PATH, text.encode())})]
    assert not plan_fixes(run(rules, again), again, unsafe=True).changes


@pytest.mark.parametrize("name", built_in_profiles())
def test_the_words_of_profiles_are_right_as_they_are(name: str) -> None:
    profile = parse_profile(profile_text(Path(), name), name)
    words = dict.fromkeys(word for slot in WORDS for word in profile.words_of(slot))
    caption = ", ".join(["aria, 1girl, long hair", *words]).encode()
    rules = rules_of(*SAFE, "emphasis_in_caption", "meta_tag", "artist_tag", "watermark_tag")
    assert not run(rules, [collection_of("", {PATH: caption})]).findings
