"""Profiles: their files, the prompts that they make, and the laws that hold for every one of them."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from profile_cases import CASES, KEY, others, prepared, prompts, read_case, record, subject

from datakit.actions.profilefiles import built_in_profiles, built_in_text
from datakit.errors import ConfigError
from datakit.model.record import CATEGORIES, RATINGS
from datakit.tags.captions import parse_tags
from datakit.tags.names import to_canonical
from datakit.tags.profiles.profile import PLAIN, WORDS, Profile, parse_profile
from datakit.tags.profiles.ranks import rank_posts
from datakit.tags.profiles.words import words_for
from datakit.tags.prompt import Tag, compose, to_text, to_training_prompt

NAMES = built_in_profiles()
ALL_CASES = sorted(CASES.glob("*/*.json"))
PROFILES = {name: parse_profile(built_in_text(name, []), name) for name in NAMES}
HEAD = 'order = ["trigger", "general"]\n'


@pytest.mark.parametrize("path", ALL_CASES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_card_says_so(path: Path) -> None:
    subjects, given, case = read_case(path)
    assert prompts(subjects, given.given)[KEY] == case["prompt"]


def test_every_profile_has_cases_and_says_what_it_is_for() -> None:
    assert {path.parent.name for path in ALL_CASES} == set(NAMES)
    assert set(NAMES) == {"animagine-3.1", "animagine-4", "illustrious", "kohaku", "noobai", "plain", "pony"}
    assert all(len(profile.summary) > 8 for profile in PROFILES.values())


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ('order = ["triger", "general"]', "order: there is no 'triger'", "did you mean 'trigger'?"),
        (HEAD + "qualty = 1", "unknown key 'qualty'", "did you mean [quality]?"),
        (
            HEAD + "[quality]\nlevls = []",
            "vocab/profiles/x.toml quality: unknown key 'levls'",
            "did you mean 'levels'?",
        ),
        (HEAD + "[quality]\nlevels = [{word = []}]", "quality.levels, entry 1: unknown key 'word'", "'words'"),
        (HEAD + "[year]\nranges = [{from = 2000}]", "year.ranges, entry 1: unknown key 'from'", "known here: first"),
        (HEAD + "[extra]\nsites = [{sit = 'a'}]", "extra.sites, entry 1: unknown key 'sit'", "'site'"),
        (HEAD + "[rating]\nsafe = ['safe']", "vocab/profiles/x.toml rating: unknown key 'safe'", "general"),
        (HEAD + "[rating]\ngeneral = 'safe'", "Expected `array`, got `str`", ""),
        (HEAD + "[drop]\nmetas = []", "unknown key 'metas'", "did you mean 'meta'?"),
        ('order = ["trigger"]', "order lacks 'general'", ""),
        ('order = ["general"]', "order lacks 'trigger'", ""),
        ('order = ["trigger", "general", "general"]', "order has 'general' twice", ""),
        ("summary = 'x'", "missing required field `order`", ""),
        (HEAD + "[rating]\ngeneral = ['a, b']", "'a, b' is no single word", ""),
        (HEAD + "[rating]\ngeneral = ['']", "'' is no single word", ""),
        (HEAD + "[prefix]\nartist = 'by, '", "prefix or suffix has a comma", ""),
        (HEAD + "[year]\ntemplate = 'year'", "has no {year}", ""),
        (HEAD + "[quality]\nlevels = [{words = ['a']}, {words = ['b']}]", "only the last level", ""),
        (HEAD + "[quality]\nlevels = [{above = 1, words = []}, {above = 2, words = []}]", "highest 'above' comes", ""),
        (HEAD + "[quality]\nlevels = [{above = 1, words = []}]\nfallback = {all = [1, 2]}", "needs 1 numbers", ""),
        (HEAD + "[quality]\nlevels = [{above = nan, words = []}]", "plain numbers", ""),
        (HEAD + "[quality]\nhalf_life_days = nan", "plain numbers", ""),
        (HEAD + "[quality]\nlevels = [{above = 100, words = []}]", "less than 100", ""),
        (HEAD + "[year]\nranges = [{first = 2010, last = 2005, words = []}]", "the years 2010 to 2005 are none", ""),
        (HEAD + "[drop]\nmeta = ['']", "drop has an empty text", ""),
        (HEAD + "[quality]\nmin_posts = 0", "min_posts is 1 or more", ""),
        (HEAD + "[quality]\nmeasure = ['likes']", "Invalid enum value 'likes'", ""),
        ("order = [", "not valid TOML", "correct that line"),
        ("order = [\x00]", "not valid TOML", ""),
    ],
)
def test_a_wrong_profile_is_refused_and_named(text: str, message: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_profile(text, "x")
    assert "vocab/profiles/x.toml" in caught.value.message
    assert message in caught.value.message
    assert hint in caught.value.hint


@given(st.text(max_size=60) | st.sampled_from([built_in_text(name, []) for name in NAMES]), st.data())
def test_no_text_crashes_the_reader(text: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(text)))
    mutated = text[:at] + data.draw(st.sampled_from(["", "[", "]", "=", "\n[quality]\n", '"', "9", "nan"])) + text[at:]
    with contextlib.suppress(ConfigError):
        assert parse_profile(mutated, "x").order


VOCABULARY = st.sampled_from(
    (
        *("1girl", "2boys", "solo", "hat", "long_hair", "^_^", "masterpiece", "safe", "score_9", "year_2020", "old"),
        *("|||", "rating_safe", "by_hat", "commentary", "newest", "wlop", "kaname_(art)", "source_anime", "nsfw"),
    )
)
TAGS = st.lists(
    st.builds(Tag, VOCABULARY, st.sampled_from(CATEGORIES), st.booleans()), unique_by=lambda tag: tag.name, max_size=12
)
OWN = st.builds(
    lambda order, prefix, extra: parse_profile(
        f"order = {['trigger', 'general', *order]}\nprefix = {{artist = '{prefix}'}}\nextra = {{words = {extra}}}",
        "own",
    ),
    st.lists(st.sampled_from(["people", "artist", "meta", "species", "extra", "separator"]), unique=True),
    st.sampled_from(["", "by ", "@", "artist:"]),
    st.lists(st.sampled_from(["hat", "high quality", "score_9"]), unique=True),
)
POSTS = st.builds(
    record,
    site=st.sampled_from(["danbooru", "e621"]),
    rating=st.sampled_from(["", *RATINGS]),
    score=st.none() | st.integers(-5, 300),
    favorites=st.none() | st.integers(0, 300),
    created_at=st.sampled_from(["", "2004-01-01T00:00:00Z", "2016-02-03T04:05:06Z", "2023-01-01T00:00:00Z", "bad"]),
)
ANY_PROFILE = st.sampled_from(list(PROFILES.values())) | OWN


@given(TAGS, ANY_PROFILE, POSTS, st.lists(POSTS, max_size=25), st.sampled_from(["", "sks", "Art X, sks, hat"]))
def test_no_tag_is_lost_none_comes_twice_and_slots_keep_their_order(
    tags: list[Tag], profile: Profile, post: object, posts: list[object], trigger: str
) -> None:
    assert isinstance(post, type(record()))
    words = words_for(profile, post, rank_posts(profile.quality, [post, *posts]))  # type: ignore[list-item]
    blacklist = {"long_hair", "newest"}
    pieces = compose(tags, profile, trigger=trigger, words=words, blacklist=blacklist)
    names = [to_canonical(piece.text) for piece in pieces]
    assert len(set(names)) == len(names)
    assert parse_tags(to_text(pieces), keep_duplicates=True) == tuple(names)
    places = [profile.order.index(piece.slot) for piece in pieces]
    assert places == sorted(places)
    assert not {name for piece, name in zip(pieces, names, strict=True) if piece.slot != "trigger"} & blacklist
    for tag in tags:
        was_dropped = profile.dropped_for(tag.name, tag.category) or tag.name in blacklist
        is_there = tag.name in names or tag.name in {piece.tag for piece in pieces}
        if tag.category == "artist" and not is_there:
            is_there = f"{to_canonical(profile.prefix.artist)}_{tag.name}" in names  # another tag says just that
        if tag.name == "|||" and "separator" in profile.order:
            continue
        assert is_there or was_dropped, tag
    allowed = {"", *(tag.name for tag in tags)}
    assert {piece.tag for piece in pieces} <= allowed
    if trigger:
        first = profile.order.index("trigger")
        assert [piece.text for piece in pieces if piece.slot == "trigger"] == [
            word.strip() for word in trigger.split(",")
        ]
        assert first == 0


@given(TAGS, st.sampled_from(["", "sks", "Art X, hat"]), st.booleans())
def test_plain_is_what_has_always_been_written(tags: list[Tag], trigger: str, keep: bool) -> None:
    pieces = compose(tags, PLAIN, trigger=trigger, blacklist={"hat"}, keep_underscores=keep)
    names = [tag.name for tag in tags]
    assert to_text(pieces) == to_training_prompt(names, trigger=trigger, blacklist={"hat"}, keep_underscores=keep)
    said = [*parse_tags(trigger), *(name for name in names if name not in {"hat", *parse_tags(trigger)})]
    assert [to_canonical(piece.text) for piece in pieces] == said


@pytest.mark.parametrize("name", NAMES)
def test_words_are_written_as_the_profile_has_them(name: str) -> None:
    profile = PROFILES[name]
    for slot in WORDS:
        for word in profile.words_of(slot):
            pieces = compose([Tag(to_canonical(word))], profile)
            assert word in [piece.text for piece in pieces], "also where a caption has it"
            if slot in profile.order:
                assert profile.word_slot(to_canonical(word)) is not None


def test_words_of_the_site_are_tags() -> None:
    profile = PROFILES["noobai"]
    post = record(rating="general", created_at="2023-01-01T00:00:00Z", tags={"general": ("old", "1girl")})
    words = words_for(profile, post, rank_posts(profile.quality, [post]))
    pieces = compose([Tag("old", "general", True), Tag("1girl", "general", True)], profile, words=words)
    assert to_text(pieces) == "newest, safe, 1girl, old"


def test_what_is_dropped_may_be_spelled_with_spaces() -> None:
    profile = parse_profile(HEAD + "[drop]\nmeta = ['Commentary request', 'bad_']", "x")
    tags = [Tag(name, "meta") for name in ("commentary_request", "bad_id", "badge", "absurdres")]
    assert to_text(compose(tags, profile)) == "badge, absurdres"
    assert profile.dropped_for("commentary_request", "meta") == "Commentary request"


def test_prefixes_suffixes_and_underscores() -> None:
    text = (
        'order = ["trigger", "artist", "general", "separator"]\nkeep_underscores = ["ak_5"]\nseparator = ";;;"\n'
        "prefix = {artist = '@'}\nsuffix = {artist = ' (artist)'}\n"
    )
    profile = parse_profile(text, "x")
    tags = [Tag("hat"), Tag("ak_5"), Tag("big_hat"), Tag("wlop", "artist")]
    assert to_text(compose(tags, profile, trigger="s")) == "s, @wlop (artist), hat, ak_5, big hat, ;;;"
    assert to_text(compose(tags, profile, keep_underscores=True)) == "@wlop (artist), hat, ak_5, big_hat, ;;;"
    assert to_text(compose(tags, profile, blacklist={"wlop"})) == "hat, ak_5, big hat, ;;;"
    assert to_text(compose([], profile)) == ""


def test_the_page_shows_what_is_written() -> None:
    page = (Path(__file__).parents[2] / "docs" / "profiles.md").read_text("utf-8")
    shown = dict(re.findall(r"^\| `([^`]+)` \| `([^`]+)` \|$", page, re.MULTILINE))
    assert set(shown) == set(NAMES)
    facts = {"site": "danbooru", "rating": "sensitive", "created_at": "2023-05-01T10:00:00Z"}
    tags = {"character": ["hatsune_miku"], "copyright": ["vocaloid"], "artist": ["wlop"]}
    tags |= {"general": ["1girl", "^_^", "aqua_hair", "solo", "twintails"], "meta": ["absurdres", "commentary_request"]}
    caption = ", ".join(tag for names in tags.values() for tag in names)
    assert f"`{caption}`" in page
    item = subject(caption=caption, known=record(**facts, score=98, favorites=98, tags=tags))
    for name in NAMES:
        given = prepared({"profile": name, "trigger": "mikudress"}).given
        assert prompts([item, *others(facts, 100)], given)[KEY] == shown[name].replace("\\|", "|")


def test_the_page_shows_a_file_that_can_be_read() -> None:
    page = (Path(__file__).parents[2] / "docs" / "profiles.md").read_text("utf-8")
    text = next(part for part in re.findall(r"```toml\n(.*?)```", page, re.DOTALL) if "order" in part)
    profile = parse_profile(text, "page")
    assert profile.quality.fallback.general == (27, 10)
    assert set(Profile.__struct_fields__) - {"suffix"} <= set(re.findall(r"^\[?(\w+)", text, re.MULTILINE))
