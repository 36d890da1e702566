from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datakit.tags.captions import format_canonical, format_prompt, parse_tags
from datakit.tags.names import to_canonical
from datakit.tags.prompt import to_training_prompt

TAGS = st.lists(st.text(min_size=1, max_size=12).map(to_canonical).filter(bool), unique=True, max_size=12)


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("1girl, long_hair, ^_^", ("1girl", "long_hair", "^_^")),
        ("1girl,long hair,,  ,solo,", ("1girl", "long_hair", "solo")),
        ("1girl\nlong_hair\n\nsolo\n", ("1girl", "long_hair", "solo")),
        ("1girl\r\nlong hair\r\n", ("1girl", "long_hair")),
        ("1girl, solo\nlong hair, hat\n", ("1girl", "solo", "long_hair", "hat")),
        ("\ufeff1girl, solo", ("1girl", "solo")),
        ("b, a, B, a", ("b", "a")),
        ("", ()),
        (" \n , \n", ()),
    ],
)
def test_parse(text: str, tags: tuple[str, ...]) -> None:
    assert parse_tags(text) == tags


def test_duplicates_are_kept_on_request() -> None:
    assert parse_tags("b, a, B", keep_duplicates=True) == ("b", "a", "b")


@given(TAGS)
def test_both_spellings_are_read_back(tags: list[str]) -> None:
    assert parse_tags(format_canonical(tags)) == tuple(tags)
    assert parse_tags(format_prompt(tags)) == tuple(tags)
    assert parse_tags(format_prompt(tags, keep_underscores=True)) == tuple(tags)
    assert parse_tags("\n".join(tags)) == tuple(tags)


def test_formats() -> None:
    assert format_canonical(["long_hair", "^_^"]) == "long_hair, ^_^"
    assert format_prompt(["long_hair", "^_^"]) == "long hair, ^_^"
    assert format_prompt(["long_hair"], keep_underscores=True) == "long_hair"


@pytest.mark.parametrize(
    ("tags", "options", "prompt"),
    [
        (["1girl", "long_hair"], {}, "1girl, long hair"),
        (["1girl", "hat"], {"trigger": "MikuDress"}, "MikuDress, 1girl, hat"),
        (["1girl", "miku_dress", "hat"], {"trigger": "miku dress"}, "miku dress, 1girl, hat"),
        (["1girl"], {"trigger": " sks ,, art_x "}, "sks, art_x, 1girl"),
        (["hat", "1girl", "hat"], {}, "hat, 1girl"),
        (["hat", "witch_hat"], {"blacklist": {"hat"}}, "witch hat"),
        (["sks"], {"trigger": "sks", "blacklist": {"sks"}}, "sks"),
        (["kaname_(art)", r"\m/"], {}, r"kaname (art), \m/"),
        (["long_hair", ">_<"], {"keep_underscores": True}, "long_hair, >_<"),
        ([], {"trigger": "sks"}, "sks"),
        ([], {}, ""),
    ],
)
def test_training_prompt(tags: list[str], options: dict[str, object], prompt: str) -> None:
    assert to_training_prompt(tags, **options) == prompt  # type: ignore[arg-type]


@given(TAGS, st.sampled_from(["", "sks", "Art X, sks"]), st.data())
def test_training_prompt_says_each_tag_once_and_no_other(tags: list[str], trigger: str, data: st.DataObject) -> None:
    blacklist = set(data.draw(st.lists(st.sampled_from(tags))) if tags else [])
    prompt = to_training_prompt([*tags, *tags], trigger=trigger, blacklist=blacklist)
    words = parse_tags(trigger)
    found = parse_tags(prompt, keep_duplicates=True)
    assert found == (*words, *(tag for tag in tags if tag not in blacklist and tag not in words))
