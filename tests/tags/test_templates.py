"""Caption templates."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datakit.tags.templates import Template

FIELDS = ("trigger", "character", "artist", "tags", "rating", "prose")
FULL = {
    "trigger": "sks",
    "character": "miku",
    "artist": "wlop",
    "tags": "hat, coat",
    "rating": "safe",
    "prose": "A hat.",
}
WHOLE = "{trigger}, {character}, by {artist}, {tags}, rated {rating}. {prose}"


@pytest.mark.parametrize(
    ("text", "gone", "expected"),
    [
        (WHOLE, "", "sks, miku, by wlop, hat, coat, rated safe. A hat."),
        (WHOLE, "trigger", "miku, by wlop, hat, coat, rated safe. A hat."),
        (WHOLE, "character", "sks, by wlop, hat, coat, rated safe. A hat."),
        (WHOLE, "artist", "sks, miku, hat, coat, rated safe. A hat."),
        (WHOLE, "rating", "sks, miku, by wlop, hat, coat. A hat."),
        (WHOLE, "prose", "sks, miku, by wlop, hat, coat, rated safe"),
        (WHOLE, "rating prose", "sks, miku, by wlop, hat, coat"),
        (WHOLE, "trigger character artist tags rating prose", ""),
        ("{prose}. {tags}", "", "A hat. hat, coat"),
        ("{prose}. {tags}.", "", "A hat. hat, coat."),
        ("{tags}. {prose}.", "", "hat, coat. A hat."),
        ("{tags}. {prose}.", "prose", "hat, coat."),
        ("anime screencap, {trigger}, {tags}", "trigger", "anime screencap, hat, coat"),
        ("{trigger}, anime screencap, {tags}", "trigger", "anime screencap, hat, coat"),
        ("{trigger} ||| {tags}", "", "sks ||| hat, coat"),
        ("{trigger}, |||, {tags}", "trigger", "hat, coat"),
        ("a drawing of {character} by {artist}; {tags}", "artist", "a drawing of miku by; hat, coat"),
        ("a drawing of {character} by {artist}; {tags}", "artist character", "hat, coat"),
        ("{character} ({artist}), {tags}", "", "miku (wlop), hat, coat"),
        ("{character} ({artist}), {tags}", "artist", "miku, hat, coat"),
        ("{character} ({artist}), {tags}", "character", "(wlop), hat, coat"),
        ("{{x}} {tags}", "", "{x} hat, coat"),
        ("score 9.5, {tags}", "", "score 9.5, hat, coat"),
        ("nothing but words", "", "nothing but words"),
        ("", "", ""),
    ],
)
def test_filled(text: str, gone: str, expected: str) -> None:
    values = {field: value for field, value in FULL.items() if field not in gone.split()}
    assert Template(text, FIELDS).fill(values) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{tag}", r"there is no field \{tag\}; did you mean \{tags\}\?"),
        ("{zzz}", "there are: {trigger}, "),
        ("{tags}, {tags}", r"template has \{tags\} twice"),
        ("{tags}\n{prose}", "one line"),
        ("{tags:>9}", "takes neither"),
        ("{tags!r}", "takes neither"),
        ("{}", "names no field"),
        ("{tags", "a bracket without its other half in '{tags'; {{ writes one"),
        ("tags}", "a bracket"),
        ("{tags.__class__}", "there is no field"),
        ("{tags[0]}", "there is no field"),
    ],
)
def test_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Template(text, FIELDS)


@given(st.lists(st.sampled_from(FIELDS), unique=True), st.sets(st.sampled_from(FIELDS)))
def test_empty_fields_leave_no_separators(fields: list[str], filled: set[str]) -> None:
    text = Template(", ".join(f"{{{field}}}" for field in fields), FIELDS).fill({field: field for field in filled})
    assert text == ", ".join(field for field in fields if field in filled)
