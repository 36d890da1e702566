"""Laws of the cleaned stage, whatever the caption, the settings and the vocabulary."""

from __future__ import annotations

from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st
from profile_cases import Known, prepared, prompts, subject

from datakit.model.stage import Prepared
from datakit.tags.captions import format_canonical, parse_tags
from datakit.tags.exclusive import conflicts, rivals_of
from datakit.tags.vocabulary.relations import implication_circle
from stages.cleaned import STAGE

NAMES = [
    *("1girl", "2girls", "multiple_girls", "solo", "solo_focus", "1boy", "no_humans", "cat_girl", "cat_ears", "^_^"),
    *("animal_ears", "tail", "long_hair", "very_long_hair", "grey_hair", "grey_haired", "kaname_(art)", "miku", ":("),
    *("day", "night", "bad_id", "tagme", "lowres", "highres"),
]
"""In the order of what implies what, so that there are no circles."""
names = st.sampled_from(NAMES)


@st.composite
def vocabularies(draw: st.DrawFn) -> Known:
    pairs = draw(st.lists(st.tuples(names, names), max_size=8))
    implications: dict[str, set[str]] = {}
    for one, other in pairs:
        low, high = sorted((NAMES.index(one), NAMES.index(other)))
        if low != high:
            implications.setdefault(NAMES[low], set()).add(NAMES[high])
    ends = draw(st.lists(names, unique=True, min_size=6, max_size=6))
    aliases = dict(zip(ends[:3], ends[3:], strict=True))  # an alias is never a tag that another stands for
    implications = {
        aliases.get(tag, tag): {aliases.get(one, one) for one in some} - {aliases.get(tag, tag)}
        for tag, some in implications.items()
    }
    assume(not implication_circle(implications))  # such a vocabulary is refused
    return Known(
        draw(st.dictionaries(names, st.sampled_from(["general", "meta", "character", "artist"]))),
        blacklist=tuple(draw(st.lists(names, max_size=2))),
        aliases=aliases if draw(st.booleans()) else {},
        implications=implications,
        counts=draw(st.dictionaries(names, st.integers(0, 5))),
    )


@st.composite
def tables(draw: st.DrawFn) -> dict[str, Any]:
    keys = draw(st.lists(names, unique=True, max_size=4))
    others = [name for name in NAMES if name not in keys]
    own = st.lists(st.sampled_from([*others]), max_size=2)
    table: dict[str, Any] = {
        "replace": {key: [*draw(own), *([key] if draw(st.booleans()) else [])] for key in keys},
        "aliases": draw(st.booleans()),
        "implications": draw(st.sampled_from(["keep", "drop", "add"])),
        "conflicts": draw(st.sampled_from(["keep", "report", "drop-weaker"])),
        "exclusive": draw(st.lists(st.lists(names, min_size=2, max_size=3, unique=True), max_size=2)),
        "blacklist": draw(st.lists(st.sampled_from([*NAMES, "*_hair", "bad_*"]), max_size=2)),
        "blacklist_categories": draw(st.lists(st.sampled_from(["meta", "artist"]), max_size=1)),
        "prune": {"c": draw(st.lists(st.sampled_from([*NAMES, "*_ears"]), max_size=2))},
        "max_tags": draw(st.integers(0, 6)),
        "trigger": draw(st.sampled_from(["", "sks", "Long Hair", "miku, 1girl"])),
        "keep_underscores": draw(st.booleans()),
    }
    return table


captions = st.lists(st.one_of(names, st.sampled_from(["(tail:1.2)", "Long Hair"])), max_size=10).map(", ".join)


def cleaned(caption: str | None, given: Prepared) -> str | None:
    return prompts([subject(caption=caption)], given.given)["c/a"]


@given(captions, tables(), vocabularies())
def test_what_is_clean_stays_as_it_is(caption: str, table: dict[str, Any], vocabulary: Known) -> None:
    how = prepared(table, vocabulary=vocabulary)
    once = cleaned(caption, how)
    assert cleaned(once, how) == once
    assert cleaned(format_canonical(parse_tags(once or "")), how) == once


@given(captions, tables(), vocabularies())
def test_a_prompt_is_one_line_without_a_tag_twice_or_an_unwanted_one(
    caption: str, table: dict[str, Any], vocabulary: Known
) -> None:
    text = cleaned(caption, prepared(table, vocabulary=vocabulary)) or ""
    assert "\n" not in text
    triggers = parse_tags(table["trigger"])
    found = parse_tags(text, keep_duplicates=True)
    tags = found[len(triggers) :]
    assert len(set(found)) == len(found)
    assert not {*table["blacklist"], *table["prune"]["c"], *vocabulary.blacklist()} & {*tags}
    if table["conflicts"] == "drop-weaker":
        assert not conflicts(tags, rivals_of())
    if table["implications"] == "drop":
        assert not any(vocabulary.implied(tag) & {*tags} for tag in tags)
    kept = [tag for tag in tags if vocabulary.category(vocabulary.canonical(tag)) not in ("character", "artist")]
    kept = [tag for tag in kept if tag not in {"1girl", "2girls", "multiple_girls", "1boy", "solo", "no_humans"}]
    assert not table["max_tags"] or len(kept) <= table["max_tags"]


@given(captions, tables(), vocabularies())
def test_the_order_is_the_captions(caption: str, table: dict[str, Any], vocabulary: Known) -> None:
    table |= {"replace": {}, "aliases": False, "trigger": ""}
    before = parse_tags(caption.replace("(tail:1.2)", "tail"))
    after = parse_tags(cleaned(caption, prepared(table, vocabulary=vocabulary)) or "")
    assert [tag for tag in before if tag in after] == [tag for tag in after if tag in before]


@given(captions, tables(), vocabularies())
def test_adding_what_is_implied_and_dropping_it_again_is_dropping(
    caption: str, table: dict[str, Any], vocabulary: Known
) -> None:
    plain = {"aliases": table["aliases"], "trigger": table["trigger"], "conflicts": "keep"}
    bare = Known(aliases=vocabulary._aliases, implications=vocabulary._implications)
    add, drop = (prepared({**plain, "implications": how}, vocabulary=bare) for how in ("add", "drop"))
    assert cleaned(cleaned(caption, add), drop) == cleaned(caption, drop)


@given(captions, tables(), vocabularies())
def test_every_tag_is_accounted_for(caption: str, table: dict[str, Any], vocabulary: Known) -> None:
    how = prepared(table, vocabulary=vocabulary)
    before = {*parse_tags(caption)}
    after = {*parse_tags(cleaned(caption, how) or "")}
    assert STAGE.origins is not None
    origins = STAGE.origins(subject(caption=caption), how.given)
    assert {tag for tag in after if tag not in before} <= {tag for tag, one in origins.items() if not one.removed}
    assert {tag for tag in before if tag not in after} <= {tag for tag, one in origins.items() if one.removed}
    assert not {tag for tag, one in origins.items() if one.removed} & after
    assert {one.was for one in origins.values() if one.was} <= before
