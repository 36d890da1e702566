"""The files of a vocabulary as people, sites and spreadsheets write them, and what is wrong with some."""

from __future__ import annotations

import re

import pytest
from vocabulary_files import source, vocabulary

from datakit.errors import ConfigError
from datakit.tags.vocabulary.compiling import compile_vocabulary
from datakit.tags.vocabulary.known import Vocabulary

E621 = """\
mammal,5,900,"mammals,cetancodont"
hi_res,7,800,
artist_name,1,700,
invalid_tag,-1,10,
someone_(contributor),2,9,
pokemon,3,8,
pikachu,4,7,
incest_(lore),8,6,
solo,0,5,
"""
MERGED = """\
1girl,0,60,"1girls"
highres,5,50,
mammal,12,40,
anthro,7,30,
someone,8,20,
hi_res,14,10,
incest_(lore),15,5,
"""
DERPIBOORU = """\
safe,5,99,
unicorn,3,90,
artist:ton618_,8,80,"artist:ton,artist:_ton"
edit,8,70,edited
oc:anon,4,60,
oc:,4,55,
comic:moonstuck,11,50,
g4,1,40,
grimdark,5,30,
"""
TAGGER = "tag_id,name,category,count\n9999999,general,9,807858\n470575,1girl,0,4225150\n12,hatsune_miku,4,99\n"
SITE = "id,name,category,post_count\n1,mammal,5,900\n2,hi_res,7,800\n"
KRITA = 'tag,type,count,aliases\n1girl,0,60,"1girls,sole_female"\nhighres,5,50,\n'


def categories(known: Vocabulary) -> dict[str, str]:
    return {name: known.category(name) for name in known.names()}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            E621,
            {
                "mammal": "species",
                "hi_res": "meta",
                "artist_name": "artist",
                "invalid_tag": "meta",
                "someone_(contributor)": "meta",
                "pokemon": "copyright",
                "pikachu": "character",
                "incest_(lore)": "meta",
                "solo": "general",
            },
        ),
        (
            MERGED,
            {
                "1girl": "general",
                "highres": "meta",
                "mammal": "species",
                "anthro": "general",
                "someone": "artist",
                "hi_res": "meta",
                "incest_(lore)": "meta",
            },
        ),
        (
            DERPIBOORU,
            {
                "unicorn": "species",
                "ton618": "artist",
                "edit": "meta",
                "anon": "character",
                "oc:": "character",
                "moonstuck": "copyright",
                "g4": "copyright",
                "grimdark": "general",
            },
        ),
        (TAGGER, {"1girl": "general", "hatsune_miku": "character"}),
        (SITE, {"mammal": "species", "hi_res": "meta"}),
        (KRITA, {"1girl": "general", "highres": "meta"}),
        ("a,5,1,\nb,1,1,\n", {"a": "meta", "b": "artist"}),
        ("a,Species,1,\nb,meta,1,\nc,0,,\nd,4\n", {"a": "species", "b": "meta", "c": "general", "d": "character"}),
    ],
    ids=["e621", "merged", "derpibooru", "tagger", "site", "header", "danbooru", "words"],
)
def test_types_are_read_as_their_site_counts_them(text: str, expected: dict[str, str]) -> None:
    assert categories(vocabulary(tags=text)) == expected


def test_counts_and_aliases_under_a_header() -> None:
    assert vocabulary(tags=SITE).count("mammal") == 900
    assert vocabulary(tags=TAGGER).count("1girl") == 4_225_150
    assert vocabulary(tags=KRITA).canonical("sole_female") == "1girl"
    assert vocabulary(tags=DERPIBOORU).aliases_of("ton618") == ("ton",)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: b"\xef\xbb\xbf" + text.encode(),
        lambda text: text.replace("\n", "\r\n").encode(),
        lambda text: text.replace("\n", "\r").encode(),
        lambda text: text.rstrip("\n").encode(),
        lambda text: ("\n\n" + text.replace("\n", "\n\n , \n")).encode(),
        lambda text: b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode(),
        lambda text: re.sub(r"^([^,\n]+)", r'"\1"', text, flags=re.MULTILINE).encode(),
    ],
    ids=["mark", "crlf", "cr", "no-end", "blank-lines", "mark-and-crlf", "quoted"],
)
def test_however_a_spreadsheet_saves_it(change) -> None:  # type: ignore[no-untyped-def]
    plain = vocabulary(tags=E621, own_aliases="alias,canonical\na,b\n", own_implications="antecedent,consequent\nx,y\n")
    again = vocabulary(
        tags=change(E621),
        own_aliases=change("alias,canonical\na,b\n"),
        own_implications=change("antecedent,consequent\nx,y\n"),
    )
    assert categories(again) == categories(plain)
    assert sorted(again.aliases()) == sorted(plain.aliases())
    assert again.implied("x") == {"y"}
    assert len(again) == 9


def test_quotes_backslashes_brackets_and_other_alphabets_survive() -> None:
    text = '"""oshi_no_ko""",3,4,"a""b,c\'d"\n\\m/,0,3,\n\\(^o^)/,0,2,\nstar_(ü)[ß],0,1,猫\n'
    known = vocabulary(tags=text)
    assert known.names() == ('"oshi_no_ko"', "\\m/", "\\(^o^)/", "star_(ü)[ß]")
    assert (known.canonical('a"b'), known.canonical("猫")) == ('"oshi_no_ko"', "star_(ü)[ß]")


def test_names_are_made_canonical() -> None:
    known = vocabulary(own_tags="Long Hair,0,5,Hair Long\nlong_hair,5,9,\n")
    assert known.names() == ("long_hair",)
    assert (known.count("long_hair"), known.category("long_hair")) == (5, "general"), "the first row counts"
    assert known.canonical("hair_long") == "long_hair"


def test_exports_of_aliases_and_implications_count_where_they_are_active() -> None:
    head = "id,antecedent_name,consequent_name,created_at,status\n"
    rows = "1,a,b,2020-01-01 00:00:00,active\n2,c,d,2020,deleted\n3,e,f,,pending\n4,g,h,,Active\n"
    assert sorted(vocabulary(aliases=head + rows).aliases()) == [("a", "b"), ("g", "h")]
    known = vocabulary(implications=head + rows)
    assert [known.implied(tag) for tag in "aceg"] == [{"b"}, set(), set(), {"h"}]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("own_tags", "a,0,1,\nb\n", "vocab/tags.csv: line 2: no type: a row is name,type,count,aliases"),
        ("own_tags", "a,0,many,\n", 'vocab/tags.csv: line 1: the count "many" is no number'),
        ("own_tags", "a,0,1,\nb,99,1,\n", "vocab/tags.csv: line 2: the type '99' is none that is known"),
        ("own_tags", "a,0,1,\nb,tag,1,\n", "vocab/tags.csv: line 2: the type 'tag' is none that is known"),
        ("own_tags", "a,0,1,b,c\n", "vocab/tags.csv: line 1: more than four columns"),
        ("own_tags", ",0,1,b\n", "vocab/tags.csv: line 1: a tag is missing"),
        ("own_tags", '"a,b",0,1,\n', 'vocab/tags.csv: line 1: "a,b": a tag has no comma'),
        ("own_tags", "a,0,1,\n" + "x" * 2000 + ",0,1,\n", "vocab/tags.csv: line 2: a tag of 2,000 letters"),
        ("own_tags", "a,0," + "9" * 5000 + ",\n", "vocab/tags.csv: line 1: the count"),
        ("own_tags", 'a,0,1,\n\n"b,0,1,\nc,0,1,\n', "vocab/tags.csv: line 3: a quote that is not closed"),
        ("own_tags", 'a,0,1,\n"' + "b,0,1,\n" * 30_000, "vocab/tags.csv: line 2: "),
        ("own_aliases", "a,b\n\nc\n", "vocab/aliases.csv: line 3: a tag is missing"),
        ("own_aliases", "a,b\nc,\n", "vocab/aliases.csv: line 2: a tag is missing"),
        ("own_aliases", "a,b,c\n", "vocab/aliases.csv: line 1: more than two columns"),
        ("own_aliases", "a,b\nA,c\n", "vocab/aliases.csv: line 2: a is an alias of b already, in line 1"),
        ("own_implications", 'a,"b,c"\n', 'vocab/implications.csv: line 1: "b,c": a tag has no comma'),
        ("own_implications", "a,b\nb,B\n", "vocab/implications.csv: line 2: b implies itself"),
        ("tags", "no list of tags\n", "tags.csv: line 1: no type"),
        ("implications", "a;b\nc;d\n", "implications.csv: line 1: a tag is missing (and 1 more lines)"),
    ],
)
def test_rows_that_cannot_be_understood_are_named(name: str, text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        vocabulary(**{name: text})
    assert caught.value.message.startswith(message)
    assert caught.value.hint


@pytest.mark.parametrize("name", ["own_tags", "own_aliases", "own_implications", "own_blacklist", "tags", "aliases"])
@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("a,1\r\nü,1\r\n".encode("latin-1"), "line 2: not UTF-8"),
        ("a,1\n猫,1\n".encode("shift-jis"), "line 2: not UTF-8"),
        ("a,1\n".encode("utf-16"), "line 1: UTF-16, not UTF-8"),
        (b"\x1f\x8b\x08\x00", "compressed"),
        (b"\xff", "line 1: not UTF-8"),
    ],
    ids=["latin", "shift-jis", "utf-16", "gzip", "bytes"],
)
def test_other_encodings_are_named_with_their_line(name: str, data: bytes, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        vocabulary(**{name: data})
    assert caught.value.hint


def test_in_lists_of_others_wrong_rows_are_left_out_and_told() -> None:
    known = vocabulary(tags="a,0,1,\nb,0,many,\nc,77,1,\nd,1,2,\n", aliases="x,a\nx,d\ny\n")
    assert known.names() == ("d", "a")
    assert known.canonical("x") == "a"
    assert known.problems == (
        'tags.csv: line 2: the count "many" is no number',
        "tags.csv: line 3: the type '77' is none that is known",
        "aliases.csv: line 2: x is an alias of a already, in line 1",
        "aliases.csv: line 3: a tag is missing",
    )
    assert [(one.num_rows, one.num_left_out) for one in known.sources] == [(2, 2), (1, 2)]


def test_many_problems_are_counted() -> None:
    known = vocabulary(tags="a,0,1,\n" + "b\n" * 100)
    assert len(known.problems) == 21
    assert known.problems[-1] == "and 80 more"


def test_empty_files_say_nothing() -> None:
    known = vocabulary(own_tags="", own_aliases="\n", own_implications="\ufeff", own_blacklist="#\n\n", tags="")
    assert (len(known), known.num_aliases, known.num_implications, known.blacklist()) == (0, 0, 0, frozenset())
    assert known.digest
    assert compile_vocabulary([source("vocab/aliases.csv", "a,b\n")]).canonical("a") == "b"
