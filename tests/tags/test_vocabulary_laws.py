"""What holds for every vocabulary."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st
from vocabulary_files import source, vocabulary

from datakit.errors import ConfigError
from datakit.tags.names import to_canonical
from datakit.tags.vocabulary.compiling import compile_vocabulary
from datakit.tags.vocabulary.known import NONE, decode_vocabulary, encode_vocabulary
from datakit.tags.vocabulary.lists import canonical_name
from datakit.tags.vocabulary.nearnames import near_names
from datakit.tags.vocabulary.relations import alias_circles, implication_circle, implied_by, resolve_aliases

TAGS = st.sampled_from("abcdefgh")
GRAPHS = st.dictionaries(TAGS, st.sets(TAGS, max_size=3))
ALIASES = st.dictionaries(TAGS, TAGS)
LISTS = st.lists(st.tuples(TAGS, st.integers(0, 9), st.sets(TAGS, max_size=3)), max_size=6).map(
    lambda rows: "".join(f'{name},0,{posts},"{",".join(sorted(aliases))}"\n' for name, posts, aliases in rows)
)
PAIRS = ALIASES.map(lambda pairs: "".join(f"{alias},{tag}\n" for alias, tag in pairs.items()))


@given(GRAPHS)
def test_what_is_implied_is_transitive_and_never_the_tag_itself(graph: dict[str, set[str]]) -> None:
    for tag in "abcdefgh":
        found = implied_by(tag, graph)
        assert tag not in found
        assert graph.get(tag, set()) - {tag} <= found
        for one in found:
            assert implied_by(one, graph) - {tag} <= found


@given(GRAPHS)
def test_the_closure_of_a_closure_is_the_closure(graph: dict[str, set[str]]) -> None:
    closed = {tag: implied_by(tag, graph) for tag in "abcdefgh"}
    assert {tag: implied_by(tag, closed) for tag in closed} == closed


@given(GRAPHS)
def test_a_circle_is_found_where_a_tag_leads_back_to_itself(graph: dict[str, set[str]]) -> None:
    leads_back = any(tag in (one, *implied_by(one, graph)) for tag in graph for one in graph[tag])
    circle = implication_circle(graph)
    assert bool(circle) == leads_back
    assert all(after in graph[tag] for tag, after in zip(circle, circle[1:] + circle[:1], strict=True))


@given(ALIASES)
def test_circles_of_aliases_are_all_found_and_without_them_resolving_ends(aliases: dict[str, str]) -> None:
    circles = list(alias_circles(aliases))
    for circle in circles:
        assert all(aliases[tag] == after for tag, after in zip(circle, circle[1:] + circle[:1], strict=True))
    assert len({tag for circle in circles for tag in circle}) == sum(map(len, circles)), "each once"
    opened = {alias: tag for alias, tag in aliases.items() if alias not in {circle[0] for circle in circles}}
    assert list(alias_circles(opened)) == []
    ends = resolve_aliases(opened)
    assert set(ends) == set(opened)
    assert not set(ends.values()) & set(ends)
    assert all(ends.get(tag, tag) == ends[alias] for alias, tag in opened.items())


@given(LISTS, LISTS, PAIRS, PAIRS)
def test_a_vocabulary_of_any_files(tags: str, own_tags: str, aliases: str, own_aliases: str) -> None:
    try:
        known = vocabulary(tags=tags, own_tags=own_tags, aliases=aliases, own_aliases=own_aliases)
    except ConfigError as found:
        known, error = NONE, found.message
    else:
        error = ""
    if not known.digest:
        assert "aliases in a circle" in error
        return
    for tag in "abcdefgh":
        assert known.canonical(known.canonical(tag)) == known.canonical(tag)
        assert tag not in known or known.canonical(tag) == tag, "a known name is no alias"
        assert (known.category(tag) != "") == (tag in known)
    own = dict(line.split(",") for line in own_aliases.splitlines())
    assert all(known.canonical(alias) == known.canonical(tag) for alias, tag in own.items()), "the dataset's own wins"
    again = decode_vocabulary(encode_vocabulary(known))
    assert again is not None
    assert encode_vocabulary(again) == encode_vocabulary(known)


PATHS = ["vocab/tags.csv", "tags", "vocab/aliases.csv", "implications", "vocab/blacklist.txt"]


@given(st.binary(max_size=60), st.sampled_from(PATHS))
@example(b'"', "tags")
@example(b"\x00,0,1\r\r\n", "tags")
@example(b"a,0,1,\x0b", "vocab/tags.csv")
@example(b"a,0, ,\n", "vocab/tags.csv")
def test_no_file_is_worse_than_an_error(data: bytes, path: str) -> None:
    known, error = NONE, f"{path}: "
    try:
        known = compile_vocabulary([source(path, data)])
    except ConfigError as found:
        error = found.message
    assert error.startswith(f"{path}: ")
    assert all(to_canonical(name) == name for name in (*known.names(), *known.blacklist()))
    assert all("\n" not in name for name in known.names())


@given(st.one_of(st.text(max_size=20), st.text(alphabet="ab_,&;#\\()^\"' ABé", max_size=12)))
@example("&lt;")
@example(r"a\(b\)")
@example("a__b")
@example("_a_")
def test_the_short_way_to_a_canonical_name_is_the_same(text: str) -> None:
    assert canonical_name(text) == to_canonical(text)


@given(st.text(alphabet="longhair_", max_size=70))
def test_near_names_are_known_and_never_the_tag_itself(tag: str) -> None:
    known = vocabulary(tags="long_hair,0,9,longhair\nhair,0,8,\nlong_ear,0,1,\n")
    found = near_names(known, tag)
    assert set(found) <= set(known.names()) - {tag}
    assert len(found) == len(set(found)) <= 5


def test_near_names() -> None:
    known = vocabulary(tags="long_hair,0,9,longhair\nlong_bair,0,1,\nhair_bow,0,8,\nvery_long_hair,0,2,\n")
    assert near_names(known, "long_hari") == ("long_hair", "long_bair")
    assert near_names(known, "long_air")[:2] == ("long_hair", "long_bair")
    assert near_names(known, "longhai")[0] == "long_hair", "as its alias is spelled"
    assert near_names(known, "hair") == ("long_hair", "hair_bow", "very_long_hair")
    assert near_names(known, "") == near_names(known, "x" * 99) == ()
