"""The cleaned stage's steps: what each does with a caption, and what it tells of it."""

from __future__ import annotations

from typing import Any

import pytest
from profile_cases import Known, prepared, prompts, record, subject

from datakit.config import decode
from datakit.errors import ConfigError
from datakit.model.stage import Flag, Keep, Origin
from stages.cleaned import STAGE, Settings

EARS = {"cat_girl": {"cat_ears"}, "cat_ears": {"animal_ears"}, "fox_ears": {"animal_ears"}}
COUNTS = {"1girl": 600, "solo": 500, "long_hair": 450, "2girls": 100, "multiple_girls": 150, "aqua_nails": 3}


def vocabulary() -> Known:
    return Known(
        {"miku": "character", "request": "meta", "wlop": "artist"},
        blacklist=("lowres",),
        aliases={"grey_haired": "grey_hair", "boobs": "breasts", "chat": "cat_girl"},
        implications=EARS,
        counts=COUNTS,
    )


def cleaned(caption: str, table: dict[str, Any], **known: Any) -> str | None:
    item = subject(caption=caption, known=record(**known) if known else None)
    return prompts([item], prepared(table, vocabulary=vocabulary()).given)["c/a"]


def origins(caption: str, table: dict[str, Any], **known: Any) -> dict[str, Origin]:
    item = subject(caption=caption, known=record(**known) if known else None)
    assert STAGE.origins is not None
    return dict(STAGE.origins(item, prepared(table, vocabulary=vocabulary()).given))


STEPS: list[tuple[str, dict[str, Any], str | None]] = [
    ("grey_haired, hat", {}, "grey hair, hat"),
    ("hat, grey_hair, grey_haired", {}, "hat, grey hair"),
    ("grey_haired", {"aliases": False}, "grey haired"),
    ("grey_hair, hat", {"replace": {"grey hair": "silver hair"}}, "silver hair, hat"),
    ("grey_haired, hat", {"replace": {"grey_hair": "silver_hair"}}, "silver hair, hat"),
    ("hat, dress", {"replace": {"dress": ["dress", "blue_dress"]}}, "hat, dress, blue dress"),
    ("hat, dress", {"replace": {"dress": "gown, blue_dress"}}, "hat, gown, blue dress"),
    ("hat, dress", {"replace": {"dress": ""}}, "hat"),
    ("hat", {"replace": {"hat": "boobs"}}, "boobs"),  # what a person writes is meant
    ("boobs", {"replace": {"hat": "boobs"}}, "boobs"),
    ("animal_ears, cat_ears, hat", {}, "animal ears, cat ears, hat"),
    ("animal_ears, cat_ears, hat", {"implications": "drop"}, "cat ears, hat"),
    ("animal_ears, cat_ears, cat_girl", {"implications": "drop"}, "cat girl"),
    ("animal_ears, cat_girl", {"implications": "drop"}, "cat girl"),
    ("animal_ears, hat", {"implications": "drop"}, "animal ears, hat"),
    ("chat, animal_ears, hat", {"implications": "drop"}, "cat girl, hat"),
    ("cat_ears, hat", {"implications": "add"}, "cat ears, animal ears, hat"),
    ("cat_girl, hat", {"implications": "add"}, "cat girl, animal ears, cat ears, hat"),
    ("cat_girl, hat", {"implications": "add", "blacklist": ["animal_*"]}, "cat girl, cat ears, hat"),
    ("cat_girl, hat", {"implications": "add", "prune": {"c": ["*_ears"]}}, "cat girl, hat"),
    ("cat_ears, animal_ears", {"implications": "drop", "blacklist": ["cat_ears"]}, "animal ears"),
    ("hat, lowres, boobs", {"blacklist": ["boobs"]}, "hat"),
    ("tagme, hat_request, hat", {"blacklist": ["*_request", "tag*"]}, "hat"),
    ("miku, wlop, hat, request", {"blacklist_categories": ["meta", "artist"]}, "miku, hat"),
    ("aqua_hair, hat, aqua_eyes", {"prune": {"c": ["aqua_*"], "d": ["hat"]}}, "hat"),
    ("aqua_hair, hat", {"prune": {"d": ["hat"]}}, "aqua hair, hat"),
    ("1girl, 2girls, solo, hat", {}, "1girl, 2girls, solo, hat"),
    ("1girl, 2girls, solo, hat", {"conflicts": "drop-weaker"}, "2girls, hat"),
    ("1girl, day, night", {"conflicts": "drop-weaker", "exclusive": [["night", "day"]]}, "1girl, day"),
    ("long_hair, solo, 1girl, aqua_nails, miku", {"max_tags": 4}, "solo, 1girl, aqua nails, miku"),
    ("long_hair, solo, 1girl, aqua_nails, miku", {"max_tags": 1}, "solo, 1girl, miku"),
    ("request, hat, aqua_nails", {"max_tags": 2}, "hat, aqua nails"),
    ("wlop, hat, aqua_nails", {"max_tags": 1}, "wlop"),
    ("a, b, c, d", {"max_tags": 2}, "a, b"),
    ("cat_girl, zebra", {"max_tags": 2, "implications": "add"}, "cat girl, zebra"),
    ("sks, long_hair, hat", {"max_tags": 1, "trigger": "sks"}, "sks, hat"),
    ("boobs, hat", {"trigger": "boobs"}, "boobs, hat"),  # a trigger is no alias
]


@pytest.mark.parametrize(("caption", "table", "expected"), STEPS)
def test_what_the_steps_make_of_a_caption(caption: str, table: dict[str, Any], expected: str | None) -> None:
    assert cleaned(caption, table) == expected


def test_what_the_site_says_is_stronger() -> None:
    both = {"conflicts": "drop-weaker"}
    assert cleaned("1girl, 2girls", both, tags={"general": ("1girl",)}) == "1girl"
    assert cleaned("1girl, 2girls", both, tags={"general": ("1girl", "2girls")}) == "2girls"


def test_a_category_is_what_the_site_says() -> None:
    assert cleaned("hat, miku", {"blacklist_categories": ["meta"]}, tags={"meta": ("hat",)}) == "miku"


def test_conflicts_are_flagged() -> None:
    items = [subject("c/a", caption="2girls, hat, 1girl, solo"), subject("c/b", caption="1girl, solo")]
    outcomes = STAGE.decide(items, prepared({}).given)
    assert [one.flags for one in outcomes if isinstance(one, Keep)] == [
        (
            Flag(
                rule="conflicting-tags",
                reason="2girls with 1girl; 2girls with solo",
                evidence={"pairs": [["2girls", "1girl"], ["2girls", "solo"]]},
            ),
        ),
        (),
    ]
    assert STAGE.summarise(items, outcomes) == "2 prompts (1 item with conflicting tags)"
    for policy in ("keep", "drop-weaker"):
        outcomes = STAGE.decide(items, prepared({"conflicts": policy}).given)
        assert not any(one.flags for one in outcomes if isinstance(one, Keep))


def test_each_change_is_told_with_its_rule() -> None:
    table = {
        "replace": {"dress": ["dress", "gown"], "junk": ""},
        "implications": "drop",
        "conflicts": "drop-weaker",
        "blacklist": ["tag*", "bad"],
        "blacklist_categories": ["meta"],
        "prune": {"c": ["aqua_*"]},
        "max_tags": 5,
        "trigger": "sks",
    }
    caption = (
        "dress, boobs, junk, cat_ears, animal_ears, 1girl, 2girls, tagme, bad, lowres, request, aqua_hair, zz, sks"
    )
    assert cleaned(caption, table) == "sks, dress, gown, breasts, cat ears, 2girls"
    assert origins(caption, table) == {
        "sks": Origin(kind="trigger", detail="cleaned.trigger"),
        "gown": Origin(kind="replace", detail="cleaned.replace: dress → dress, gown", was="dress"),
        "boobs": Origin(kind="alias", detail="of breasts", removed=True),
        "breasts": Origin(kind="alias", detail="of breasts", was="boobs"),
        "junk": Origin(kind="replace", detail="cleaned.replace: junk → nothing", removed=True),
        "animal_ears": Origin(kind="implied", detail="by cat_ears", removed=True),
        "1girl": Origin(kind="conflict", detail="with 2girls", removed=True),
        "tagme": Origin(kind="blacklist", detail="cleaned.blacklist: tag*", removed=True),
        "bad": Origin(kind="blacklist", detail="cleaned.blacklist", removed=True),
        "lowres": Origin(kind="blacklist", detail="vocab/blacklist.txt", removed=True),
        "request": Origin(kind="blacklist", detail="cleaned.blacklist_categories: meta", removed=True),
        "aqua_hair": Origin(kind="prune", detail="cleaned.prune.c: aqua_*", removed=True),
        "zz": Origin(kind="limit", detail="cleaned.max_tags: 5", removed=True),
    }


def test_added_tags_are_told() -> None:
    assert origins("cat_girl", {"implications": "add"}) == {
        "animal_ears": Origin(kind="implied", detail="by cat_girl"),
        "cat_ears": Origin(kind="implied", detail="by cat_girl"),
    }


def test_emphasis_and_alias_together_are_followed_back_to_the_caption() -> None:
    found = origins("(boobs:1.2), hat", {"profile": "noobai"})
    assert found["breasts"] == Origin(kind="alias", detail="of breasts", was="(boobs:1.2)")
    assert found["(boobs:1.2)"].removed


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"max_tags": -1}, "max_tags is 0 or more"),
        ({"replace": {"a": "b", "b": "c"}}, "a becomes b, which is replaced too"),
        ({"replace": {"a*": "b"}}, "replace: 'a\\*' is no tag"),
        ({"replace": {" , ": "b"}}, "is no tag"),
        ({"exclusive": [["a", "_"]]}, "exclusive: '_' is no tag"),
        ({"implications": "dorp"}, "Invalid enum value 'dorp'"),
        ({"conflicts": "drop"}, "Invalid enum value 'drop'"),
        ({"blacklist_categories": ["metas"]}, "Invalid enum value 'metas'"),
        ({"prune": {"c": "hat"}}, "Expected `array`"),
        ({"replacements": {}}, "unknown key 'replacements'"),
    ],
)
def test_wrong_settings_are_refused(table: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        decode(table, Settings, where="cleaned")


def test_traits_of_a_misspelled_concept_are_refused() -> None:
    assert STAGE.check is not None
    given = prepared({"prune": {"mikku": ["hat"]}}).given
    with pytest.raises(ConfigError, match=r"cleaned\.prune: there is no concept 'mikku'") as caught:
        STAGE.check(["miku", "rin"], given)
    assert caught.value.hint == "did you mean 'miku'?"
