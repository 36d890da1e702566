"""What a vocabulary knows, and which of its files wins."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from vocabulary_files import source, vocabulary

from datakit.errors import ConfigError
from datakit.tags.names import to_canonical
from datakit.tags.vocabulary.compiling import Source, compile_vocabulary, digest_of
from datakit.tags.vocabulary.known import NONE, Vocabulary, decode_vocabulary, encode_vocabulary

DANBOORU = Path(__file__).parents[2].parent / "shared" / "data" / "danbooru.csv"


@cache
def danbooru() -> Vocabulary:
    if not DANBOORU.is_file():
        pytest.skip(f"no tag list at {DANBOORU}")
    return compile_vocabulary([Source(role="tags", path="danbooru.csv", is_own=False, data=DANBOORU.read_bytes())])


def test_danbooru_as_tag_complete_has_it() -> None:
    known = danbooru()
    assert len(known) == len(known.names()) == len(set(known.names())) == 140_782
    assert known.names()[:3] == ("1girl", "highres", "solo")
    assert (known.count("1girl"), known.category("1girl")) == (6_008_644, "general")
    assert [known.category(tag) for tag in ("highres", "original", "hatsune_miku")] == [
        "meta",
        "copyright",
        "character",
    ]
    assert known.canonical("oppai") == "breasts"
    assert known.aliases_of("1girl") == ("1girls", "sole_female")
    assert known.problems == ()
    assert known.sources[0].num_rows == 140_782


def test_every_danbooru_name_stands_for_itself() -> None:
    known = danbooru()
    names = known.names()
    assert [name for name in names if known.canonical(name) != name] == []
    assert [name for name in names if to_canonical(name) != name] == []
    for name in (r"\m/", r"\(^o^)/", r"\\//", r"\||/", "00_qan[t]", "#compass", ";)", "steins;gate", "re:zero"):
        assert to_canonical(name) == name
    assert {r"\m/", r"\(^o^)/", r"\\//", r"\||/", "00_qan[t]", "#compass", ";)", "steins;gate"} <= set(names)
    assert [name for name in names if '"' in name]


def test_aliases_lead_to_names() -> None:
    known = danbooru()
    assert [pair for pair in known.aliases() if pair[1] not in known or pair[0] in known] == []


def test_nothing_is_known_without_files() -> None:
    assert compile_vocabulary([]).digest == NONE.digest == ""
    assert len(NONE) == 0
    assert "1girl" not in NONE
    assert NONE.canonical("Anything at all") == "Anything at all"
    assert (NONE.category("1girl"), NONE.count("1girl")) == ("", 0)
    assert (NONE.implied("1girl"), NONE.blacklist(), NONE.names()) == (frozenset(), frozenset(), ())


def test_most_used_first_whatever_the_order_of_the_file() -> None:
    known = vocabulary(tags="a,0,1,\nb,0,30,\nc,0,\nd,0,7,x\ne,0,2,x\n")
    assert known.names() == ("b", "d", "e", "a", "c")
    assert known.canonical("x") == "d", "of two names that claim an alias the most used has it"


def test_the_datasets_own_files_win() -> None:
    known = vocabulary(
        tags="a,0,5,\nb,0,4,bee\n",
        own_tags="a,character,1,\nmine,copyright,0,bee\n",
        aliases="shared,b\nbee,a\n",
        own_aliases="shared,mine\n",
    )
    assert (known.category("a"), known.count("a")) == ("character", 1)
    assert known.category("mine") == "copyright"
    assert known.canonical("bee") == "mine"
    assert known.canonical("shared") == "mine"


def test_the_first_list_that_is_pointed_at_decides() -> None:
    known = compile_vocabulary([source("tags 1.csv", "a,1,5,x\n"), source("tags 2.csv", "a,4,9,\nb,4,9,x\n")])
    assert (known.category("a"), known.count("a")) == ("artist", 5)
    assert known.canonical("x") == "a"
    assert [one.num_overruled for one in known.sources] == [0, 1]


def test_a_name_is_no_alias_unless_the_datasets_own_file_says_so() -> None:
    tags = "pillow,0,9,red_pillow\nred_pillow,0,3,crimson_pillow\n"
    assert vocabulary(tags=tags).canonical("red_pillow") == "red_pillow"
    assert vocabulary(tags=tags, aliases="red_pillow,pillow\n").canonical("red_pillow") == "red_pillow"
    known = vocabulary(tags=tags, own_aliases="red pillow,pillow\n")
    assert known.canonical("red_pillow") == known.canonical("crimson_pillow") == "pillow"
    assert "red_pillow" not in known
    assert known.names() == ("pillow",)


def test_a_person_may_prefer_another_name() -> None:
    known = vocabulary(tags='1girl,0,9,"1girls,sole_female"\n', own_aliases="1girl,1girls\n")
    assert [known.canonical(tag) for tag in ("1girl", "1girls", "sole_female")] == ["1girls"] * 3
    assert (known.category("1girls"), known.count("1girls")) == ("general", 9), "it takes what was known along"
    assert "1girl" not in known


def test_chains_are_followed_over_all_files() -> None:
    known = vocabulary(
        tags="breasts,0,9,boobs\n", aliases="tatas,boobs\n", own_aliases="a,b\nb,c\nc,tatas\nnew,unheard of\n"
    )
    assert {known.canonical(tag) for tag in ("a", "b", "c", "tatas", "boobs")} == {"breasts"}
    assert known.canonical("new") == "unheard_of"
    assert "unheard_of" not in known


@pytest.mark.parametrize("name", ["own_aliases", "aliases"])
def test_aliases_in_a_circle_are_refused_and_named(name: str) -> None:
    with pytest.raises(ConfigError, match=r"aliases\.csv: aliases in a circle: (b → c → a → b|a → b → c → a|c → a →)"):
        vocabulary(**{name: "x,a\na,b\nb,c\nc,a\n"})


def test_an_alias_of_itself_is_nothing() -> None:
    known = vocabulary(own_aliases="Long Hair,long_hair\n")
    assert known.num_aliases == 0


def test_implications_are_closed() -> None:
    known = vocabulary(
        tags="animal_ears,0,9,kemonomimi\n",
        implications="cat_ears,animal ears\ncat_girl,cat_ears\n",
        own_implications="cat_girl,1girl\nneko,cat_girl\nears,kemonomimi\n",
        own_aliases="catgirl,cat_girl\n",
    )
    assert known.implied("cat_girl") == {"cat_ears", "animal_ears", "1girl"}
    assert known.implied("neko") == {"cat_girl", "cat_ears", "animal_ears", "1girl"}
    assert known.implied("ears") == {"animal_ears"}, "of an alias its name"
    assert known.implied("animal_ears") == known.implied("unheard_of") == frozenset()
    assert known.num_implications == 5


def test_implications_in_a_circle_are_refused_and_named_with_their_lines() -> None:
    with pytest.raises(ConfigError, match="in a circle: a → b → c → a") as caught:
        vocabulary(implications="x,a\na,b\nb,c\n", own_implications="z,y\nc,a\n")
    assert caught.value.message.startswith("vocab/implications.csv: line 2: ")
    assert "implications.csv: line 3" in caught.value.hint


def test_aliases_may_close_a_circle_of_implications() -> None:
    with pytest.raises(ConfigError, match="in a circle: a → b → a"):
        vocabulary(own_implications="a,b\nb,c\n", own_aliases="c,a\n")
    assert vocabulary(own_implications="a,b\n", own_aliases="a,b\n").implied("b") == frozenset()


def test_a_long_chain_of_implications_and_aliases() -> None:
    rows = "".join(f"t{at},t{at + 1}\n" for at in range(20_000))
    known = vocabulary(own_implications=rows)
    assert len(known.implied("t0")) == 20_000
    assert vocabulary(own_aliases=rows).canonical("t0") == "t20000"
    with pytest.raises(ConfigError, match=r"circle: t0 → t1 .* … 19,\d+ more … → t20000 → t0"):
        vocabulary(own_implications=f"{rows}t20000,t0\n")


def test_the_blacklist_has_both_spellings_and_knows_comments_from_tags() -> None:
    text = "# not these\nLong Hair\nboobs # too many\n#compass\n#solo, 1girl\n\n  a, b (c)\n"
    known = vocabulary(tags="#compass,3,9,\nbreasts,0,9,boobs\nsolo,0,9,\n1girl,0,9,\n", own_blacklist=text)
    assert known.blacklist() == {"long_hair", "boobs", "breasts", "#compass", "a", "b_(c)"}


def test_the_digest_is_of_content() -> None:
    first = [source("tags 1.csv", "a,0,1,\n"), source("tags 2.csv", "b,0,1,\n")]
    assert digest_of(first) == compile_vocabulary(first).digest
    assert len(digest_of(first)) == 16
    moved = [Source(role=one.role, path=f"elsewhere/{one.path}", is_own=False, data=one.data) for one in first]
    assert digest_of(moved) == digest_of(first)
    others = [first[::-1], first[:1], [first[0], source("tags 2.csv", "b,0,2,\n")], [source("vocab/tags.csv", "")]]
    assert len({digest_of(first), *map(digest_of, others)}) == 5


def test_the_compiled_form_knows_the_same() -> None:
    known = vocabulary(
        own_tags='a_(b),0,3,"x,y"\n\\m/,4,9,\n', own_implications="a,b\n", own_aliases="q,a\n", own_blacklist="z\n"
    )
    again = decode_vocabulary(encode_vocabulary(known))
    assert again is not None
    assert encode_vocabulary(again) == encode_vocabulary(known)
    assert again.names() == ("\\m/", "a_(b)")
    assert (again.canonical("y"), again.implied("q"), again.implied("a")) == ("a_(b)", frozenset(), {"b"})
    assert decode_vocabulary(encode_vocabulary(NONE)) is not None
    for broken in (b"", b"\xc1", b"\x91\x01", b"\x93\xa0\xa1a\xc4\x01\x09", encode_vocabulary(known)[:-1]):
        assert decode_vocabulary(broken) is None
    assert decode_vocabulary(b"\x94\xa0\xa1a\xc4\x01\x09\x91\x01") is None, "a category that there is not"
    assert decode_vocabulary(b"\x94\xa0\xa1a\xc4\x01\x05\x92\x01\x01") is None, "two counts for one name"
    assert decode_vocabulary(b"\x94\xa0\xa1a\xc4\x01\x05\x91\x07") is None, "a name that is on no shelf"


def test_every_name_is_found_whichever_was_asked_for_before() -> None:
    known = danbooru()
    again = decode_vocabulary(encode_vocabulary(known))
    assert again is not None
    assert "no such tag" not in again
    assert "\udcff" not in again
    assert [tag for tag in reversed(known.names()) if tag not in again] == []
    assert [again.count(tag) for tag in known.names()] == sorted(map(known.count, known.names()), reverse=True)
