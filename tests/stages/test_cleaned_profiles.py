"""The cleaned stage with a profile: what it depends on, what it tells, and where its words come from."""

from __future__ import annotations

from typing import Any

import pytest
from profile_cases import Known, others, prepared, prompts, record, subject

from datakit.errors import ConfigError
from datakit.model.stage import Origin, Prepared, Subject, needs_survey, scope_of, surveyed
from stages.cleaned import STAGE, Settings

POST = {"site": "danbooru", "rating": "general", "score": 98, "favorites": 98, "created_at": "2023-05-01T10:00:00Z"}
WITHOUT_QUALITY = 'order = ["trigger", "rating", "general"]\nrating = {general = ["safe"]}\n'


def origins(item: Subject, given: Prepared, *more: Subject) -> dict[str, Origin]:
    assert STAGE.origins is not None
    return dict(STAGE.origins(item, surveyed(STAGE, [item, *more], given.given)))


def told(subjects: list[Subject], given: Prepared) -> list[str]:
    assert STAGE.notes is not None
    return list(STAGE.notes(subjects, surveyed(STAGE, subjects, given.given)))


@pytest.mark.parametrize(
    ("table", "text", "scope"),
    [
        ({}, "", "item"),
        ({"profile": "noobai"}, "", "all"),
        ({"profile": "pony"}, "", "all"),
        ({"profile": "own"}, WITHOUT_QUALITY, "item"),
        ({"profile": "own"}, f"{WITHOUT_QUALITY}\n[quality]\nlevels = [{{words = ['x']}}]", "item"),
        ({"profile": "own"}, "order = ['trigger', 'general', 'quality']", "item"),
        (
            {"profile": "own"},
            "order = ['trigger', 'general', 'quality']\n[quality]\nscale = 'value'\nlevels = [{words = ['x']}]",
            "item",
        ),
    ],
)
def test_an_item_depends_on_the_others_only_where_posts_are_compared(
    table: dict[str, Any], text: str, scope: str
) -> None:
    given = prepared(table, text=text).given
    assert scope_of(STAGE, given) == scope
    assert needs_survey(STAGE, given) == (scope == "all")


def test_bare_settings_are_plain() -> None:
    items = [subject(caption="long_hair, hat")]
    assert scope_of(STAGE, Settings()) == "item"
    assert prompts(items, Settings(trigger="sks")) == prompts(items, prepared({"trigger": "sks"}).given)


def test_what_the_outcome_depends_on_beside_the_settings() -> None:
    assert prepared({}).uses == {}
    assert prepared({}, text='summary = "mine"\norder = ["trigger", "general"]').uses == {}
    assert prepared({}, vocabulary=Known()).uses == {"vocabulary": "v"}
    uses = prepared({"profile": "noobai"}, vocabulary=Known()).uses
    assert set(uses) == {"vocabulary", "profile noobai"}
    same = prepared({"profile": "own"}, text=f"# a comment\nsummary = 'x'\n{WITHOUT_QUALITY}").uses
    assert same == prepared({"profile": "own"}, text=WITHOUT_QUALITY).uses
    other = prepared({"profile": "own"}, text=WITHOUT_QUALITY.replace("safe", "sfw")).uses
    assert same != other


def test_the_vocabulary_waits_until_it_is_needed() -> None:
    class Costly(Known):
        num_asked = 0

        def category(self, tag: str) -> str:
            Costly.num_asked += 1
            return super().category(tag)

    given = prepared({"profile": "animagine-3.1"}, vocabulary=Costly({"wlop": "artist"}))
    assert Costly.num_asked == 0
    assert list(prompts([subject(caption="hat, wlop, 1girl")], given.given).values()) == ["1girl, wlop, hat"]
    assert Costly.num_asked == 3


def test_what_the_site_says_of_a_tag_comes_before_the_vocabulary() -> None:
    vocabulary = Known({"miku": "artist", "hat": "artist"})
    item = subject(caption="hat, 1girl, miku", known=record(tags={"character": ("miku",)}))
    assert prompts([item], prepared({"profile": "illustrious"}, vocabulary=vocabulary).given) == {
        "c/a": "1girl, miku, hat"
    }


def test_an_alias_stands_where_its_tag_would() -> None:
    vocabulary = Known({"hatsune_miku": "character"}, aliases={"miku_hatsune": "hatsune_miku"})
    item = subject(caption="hat, miku_hatsune")
    given = prepared({"profile": "noobai"}, vocabulary=vocabulary).given
    assert prompts([item], given) == {"c/a": "hatsune miku, hat"}
    given = prepared({"profile": "noobai", "aliases": False}, vocabulary=vocabulary).given
    assert prompts([item], given) == {"c/a": "miku hatsune, hat"}


def test_every_blacklist_holds_for_words_of_the_profile_too() -> None:
    vocabulary = Known(blacklist=("safe", "solo"))
    item = subject(caption="solo, hat, 1girl", known=record(**POST))
    given = prepared({"profile": "noobai", "blacklist": ["Newest", "hat"], "trigger": "solo"}, vocabulary=vocabulary)
    assert prompts([item], given.given) == {"c/a": "solo, 1girl"}
    found = origins(subject(caption="solo, hat, 1girl"), prepared({"blacklist": ["hat"]}, vocabulary=vocabulary))
    assert found == {
        "hat": Origin(kind="blacklist", detail="cleaned.blacklist", removed=True),
        "solo": Origin(kind="blacklist", detail="vocab/blacklist.txt", removed=True),
    }


def test_a_separator_that_a_caption_has_stands_in_a_prompt_once() -> None:
    given = prepared({"profile": "kohaku"})
    for caption in ("sks ||| 1girl, hat", "sks, |||, 1girl, hat, |||"):
        assert prompts([subject(caption=caption)], given.given) == {"c/a": "1girl, |||, sks, hat"}
        assert set(origins(subject(caption=caption), given)) == {"|||"}
    assert prompts([subject(caption="|_|, a ||| b")], prepared({}).given) == {"c/a": "|_|, a ||| b"}


def test_underscores_stay_where_they_are_wanted() -> None:
    item = subject(caption="long_hair, 1girl", known=record(**POST))
    given = prepared({"profile": "animagine-4", "keep_underscores": True})
    assert prompts([item], given.given) == {"c/a": "1girl, safe, long_hair, year 2023"}


def test_the_profiles_words_are_explained() -> None:
    item = subject(caption="hat, 1girl", known=record(**POST))
    found = origins(item, prepared({"profile": "noobai", "trigger": "sks"}), *others(POST, 119))
    assert {tag: origin.kind for tag, origin in found.items()} == {
        "sks": "trigger", "good_quality": "profile", "newest": "profile", "safe": "profile",
    }  # fmt: skip
    assert found["good_quality"].detail == (
        "noobai: quality, favorites, weighed by age, above 60 % of 120 posts (danbooru, general)"
    )
    assert found["newest"].detail == "noobai: year, posted in 2023"
    assert found["safe"].detail == "noobai: rating general"
    animagine = origins(item, prepared({"profile": "animagine-3.1"}), *others(POST, 119))
    assert animagine["great_quality"].detail == "animagine-3.1: quality, score above 75 % of 120 posts (danbooru)"


def test_what_the_profile_leaves_out_and_writes_otherwise_is_explained() -> None:
    text = (
        'order = ["trigger", "artist", "general", "separator"]\n'
        '[prefix]\nartist = "by "\n[drop]\nmeta = ["request"]\n[extra]\nwords = ["x"]\n'
    )
    post = record(tags={"artist": ("wlop",), "meta": ("translation_request",)})
    item = subject(caption="(hat:1.2), wlop, translation_request", known=post)
    given = prepared({"profile": "own"}, text=text)
    assert prompts([item], given.given) == {"c/a": "by wlop, hat, |||"}
    assert origins(item, given) == {
        "(hat:1.2)": Origin(kind="emphasis", detail="taken off", removed=True),
        "hat": Origin(kind="emphasis", detail="taken off", was="(hat:1.2)"),
        "translation_request": Origin(kind="profile", detail="own: meta tags with 'request'", removed=True),
        "by_wlop": Origin(kind="profile", detail="own: prefix or suffix", was="wlop"),
        "wlop": Origin(kind="profile", detail="own: prefix or suffix", removed=True),
        "|||": Origin(kind="profile", detail="own: parts what never moves from the rest"),
    }


def test_items_without_a_word_for_quality_are_told_of() -> None:
    items = [subject("c/a", known=record(**POST)), subject("c/b"), subject("c/c", known=record(site="danbooru"))]
    assert told(items, prepared({})) == []
    assert told(items, prepared({"profile": "own"}, text=WITHOUT_QUALITY)) == []
    assert told(items, prepared({"profile": "pony"})) == [
        "1 item without a word for quality: fewer than 20 posts to compare with (profile pony)",
        "2 items without a word for quality: no score or favorites in the record (profile pony)",
    ]
    assert told(others(POST, 20), prepared({"profile": "pony"})) == []


def test_a_profile_that_is_not_there_is_refused() -> None:
    with pytest.raises(ConfigError, match="no prompt profile 'nobai'") as caught:
        prepared({"profile": "nobai"})
    assert caught.value.hint == "did you mean 'noobai'?"
    with pytest.raises(ConfigError, match=r"vocab/profiles/own.toml: order: there is no 'trigerr'"):
        prepared({"profile": "own"}, text="order = ['trigerr']")
