"""The cleaned stage with prose and with a template."""

from __future__ import annotations

from typing import Any

import pytest
from profile_cases import Known, others, prepared, prompts, record, subject

from datakit.config import decode
from datakit.errors import ConfigError
from datakit.model.stage import Origin
from stages.cleaned import STAGE, Settings

POST = {"site": "danbooru", "rating": "general", "score": 98, "favorites": 98, "created_at": "2023-05-01T10:00:00Z"}
PROSE = "1girl, (hat:1.2)\n\nA girl (Miku) with a hat, smiling.\nBehind her: a {sea}."
TAGS = {"character": ("miku",), "artist": ("wlop",)}
TEMPLATE = "{trigger}, {character} by {artist}, {tags}, {rating}. {prose}"


def cleaned(caption: str | None, table: dict[str, Any], **fields: Any) -> str | None:
    item = subject(caption=caption, known=record(**POST, **fields))
    given = prepared(table, vocabulary=Known({"vocaloid": "copyright"})).given
    return prompts([item, *others(POST, 30)], given)["c/a"]


@pytest.mark.parametrize(
    ("caption", "table", "expected"),
    [
        (PROSE, {}, "1girl, hat, A girl (Miku) with a hat, smiling. Behind her: a {sea}."),
        (PROSE, {"trigger": "sks"}, "sks, 1girl, hat, A girl (Miku) with a hat, smiling. Behind her: a {sea}."),
        ("\n\nA hat.", {}, "A hat."),
        ("\n\nA hat.", {"trigger": "sks"}, "sks, A hat."),
        ("\n\nA hat.", {"blacklist": ["a hat."]}, "A hat."),
        ("hat\n\nA hat.", {"profile": "animagine-4"}, "safe, hat, year 2023, masterpiece, high score, A hat."),
        ("hat, coat\n\nA hat.", {"template": "{tags}. {prose}"}, "hat, coat. A hat."),
        ("hat, coat\n\nA hat.", {"template": "{prose}"}, "A hat."),
        ("hat, coat", {"template": "{tags}. {prose}"}, "hat, coat"),
        ("hat, coat", {"template": "{prose}"}, None),
        ("hat, miku, wlop", {"template": "{character}: {tags}", "trigger": ""}, "miku: hat, wlop"),
        (
            "hat, miku, wlop, vocaloid",
            {"template": TEMPLATE, "trigger": "sks", "profile": "noobai"},
            "sks, miku by wlop, hat, vocaloid, safe",
        ),
        (
            "hat\n\nA hat.",
            {"template": TEMPLATE, "trigger": "sks", "profile": "noobai", "blacklist": ["safe"]},
            "sks, hat. A hat.",
        ),
        ("hat\n\nA hat.", {"template": "{tags}, |||, {prose}"}, "hat, |||, A hat."),
        ("hat", {"template": "{tags}, |||, {prose}"}, "hat"),
        ("hat, long_hair", {"template": "{tags}", "keep_underscores": True}, "hat, long_hair"),
    ],
)
def test_prompts(caption: str, table: dict[str, Any], expected: str | None) -> None:
    assert cleaned(caption, table, tags=TAGS) == expected


def test_what_the_template_leaves_out_and_the_prose_are_told() -> None:
    given = prepared({"template": "{character}. {prose}"}).given
    item = subject(caption="hat, miku\n\nA hat, blue.", known=record(tags=TAGS))
    assert prompts([item], given) == {"c/a": "miku. A hat, blue."}
    assert STAGE.origins is not None
    assert STAGE.origins(item, given) == {
        "hat": Origin(kind="template", detail="cleaned.template has no {tags}", removed=True),
        "miku": Origin(kind="template", detail="written as miku._a_hat", removed=True),
        "miku._a_hat": Origin(kind="template", detail="cleaned.template", was="miku"),  # no comma is between them
        "a_hat": Origin(kind="prose", detail="prose of the caption"),
        "blue.": Origin(kind="prose", detail="prose of the caption"),
    }


def test_what_the_template_writes_with_words_of_its_own_is_told() -> None:
    given = prepared({"template": "a {trigger}, by {artist} ({character}), best, {tags}", "trigger": "sks"}).given
    item = subject(caption="(hat:1.2), wlop, coat", known=record(tags=TAGS))
    assert prompts([item], given) == {"c/a": "a sks, by wlop, best, hat, coat"}
    assert STAGE.origins is not None
    found = STAGE.origins(item, given)
    assert found["by_wlop"] == Origin(kind="template", detail="cleaned.template", was="wlop")
    assert found["wlop"] == Origin(kind="template", detail="written as by_wlop", removed=True)
    assert found["a_sks"] == Origin(kind="trigger", detail="cleaned.template")
    assert found["best"] == Origin(kind="template", detail="cleaned.template")
    assert found["hat"].was == "(hat:1.2)"
    assert "coat" not in found


def test_a_word_that_the_profile_does_not_have_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"cleaned\.template: profile plain has no words for \{rating\}") as caught:
        prepared({"template": "{tags}, {rating}"})
    assert caught.value.hint == "leave {rating} out, or name another profile: dsk profile"


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"template": "{characters}, {tags}"}, r"there is no field \{characters\}; did you mean \{character\}\?"),
        ({"template": "{tags}", "trigger": "sks"}, "template has no {trigger}"),
        ({"template": "{tags}", "triggers": {"c": "sks"}}, "template has no {trigger}"),
        ({"template": "{tags"}, "template: a bracket"),
        ({"template": "{tags}\n"}, "one line"),
    ],
)
def test_wrong_templates_are_refused(table: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        decode(table, Settings, where="cleaned")
