"""Diffs, charts, markup and pictures of the demonstration's page."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from page_world import Checked, picture
from PIL import Image

from datakit.demo.page.chart import MOST_POINTS, loss_chart, smooth, thin
from datakit.demo.page.diffs import changes, fold, split
from datakit.demo.page.markup import Html, el, text
from datakit.demo.page.pictures import Pictures
from datakit.demo.page.words import duration, percent, short

WORDS = st.lists(st.text("abc_ ", min_size=1, max_size=4), max_size=6).map(", ".join)
POINTS = st.lists(st.tuples(st.integers(1, 10**6), st.floats(-1e9, 1e9)), max_size=30).map(
    lambda rows: sorted(dict(rows).items())
)


@given(WORDS, WORDS)
def test_a_diff_has_every_tag_of_both_sides_once(before: str, after: str) -> None:
    found = changes(before, after)
    now = [fold(one.text) for one in found if one.kind != "removed"]
    gone = [fold(one.text) for one in found if one.kind == "removed"]
    assert now == list(dict.fromkeys(map(fold, split(after))))
    assert set(gone) == set(map(fold, split(before))) - set(now)
    assert len(gone) == len(set(gone))


@given(WORDS)
def test_nothing_differs_from_itself(caption: str) -> None:
    assert {one.kind for one in changes(caption, caption)} <= {"kept"}


def test_a_diff_reads_in_order() -> None:
    found = changes("1girl, no_nose, blue_hair", "aria, 1girl, blue hair, a \\(b\\)")
    told = [(one.kind, one.text, one.was) for one in found]
    assert told == [
        ("added", "aria", ""),
        ("kept", "1girl", ""),
        ("removed", "no_nose", ""),
        ("respelled", "blue hair", "blue_hair"),
        ("added", "a \\(b\\)", ""),
    ]
    assert fold("a \\(b\\)") == fold("A_(b)")


@given(st.text(max_size=30))
def test_text_comes_out_as_it_went_in(words: str) -> None:
    found = Checked(f"{el('p', words, title=words)}")
    assert found.names == ["p"]
    assert found.wrong == []
    if words.isprintable():
        assert found.text == words


def test_markup_cannot_load_or_run() -> None:
    for attributes in ({"src": "http://x"}, {"href": "javascript:x"}, {"src": "data:text/html,x"}, {"onload": "x"}):
        with pytest.raises(ValueError, match="page"):
            el("img", **attributes)
    assert el("p", Html("<b>x</b>"), None, ["<", ("y",)], hidden=True, id=None) == "<p hidden><b>x</b>&lt;y</p>"
    assert text("\x00\ud800") == "\ufffd\ufffd"


@given(POINTS, POINTS)
def test_a_chart_is_sound(losses: list[tuple[int, float]], held_out: list[tuple[int, float]]) -> None:
    made = loss_chart(losses, {"held_out": held_out, "unknown": losses})
    if made is None:
        assert not losses
        assert not held_out
        return
    found = Checked(made)
    assert found.wrong == []
    assert not any(word in made for word in ("nan", "inf"))
    assert ("held out" in found.text) == bool(held_out)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50), st.integers(1, 20))
def test_smoothing_stays_between(values: list[float], window: int) -> None:
    curve = list(enumerate(values))
    found = smooth(curve, window)
    assert [step for step, _ in found] == [step for step, _ in curve]
    assert all(min(values) - 1e-6 <= value <= max(values) + 1e-6 for _, value in found)
    assert window > 1 or found == curve


def test_smoothing_is_the_mean_of_neighbours() -> None:
    assert smooth([(1, 0.0), (2, 3.0), (3, 6.0)], 3) == [(1, 1.5), (2, 3.0), (3, 4.5)]


def test_a_long_curve_is_thinned() -> None:
    curve = [(step, 1.0) for step in range(10_001)]
    found = thin(curve)
    assert len(found) <= MOST_POINTS + 1
    assert (found[0], found[-1]) == (curve[0], curve[-1])


def test_a_thumbnail_keeps_transparency_and_fits(tmp_path: Path) -> None:
    picture(tmp_path / "a.png", "#ff000000", mode="RGBA")
    uri = Pictures(10**6).thumbnail(tmp_path / "a.png", 32)
    assert uri is not None
    head, _, data = uri.partition(",")
    assert head == "data:image/webp;base64"
    with Image.open(io.BytesIO(base64.b64decode(data))) as image:
        assert (image.mode, image.size) == ("RGBA", (24, 32))
        assert image.getpixel((0, 0))[3] == 0


def test_pictures_stop_at_their_budget(tmp_path: Path) -> None:
    picture(tmp_path / "a.png", "#ff0000")
    size = len(Pictures(10**6).thumbnail(tmp_path / "a.png", 32) or "")
    pictures = Pictures(2 * size)
    assert [pictures.thumbnail(tmp_path / "a.png", 32) is None for _ in range(3)] == [False, False, True]
    assert pictures.num_left_out == 1


@pytest.mark.parametrize(
    "data", [b"", b"\x89PNG\r\n\x1a\n", b"GIF89a" + bytes(40), b"RIFF\x00\x00\x00\x00WEBPVP8 ", b"BM" + bytes(60)]
)
def test_what_is_no_picture_is_none(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.png").write_bytes(data)
    assert Pictures(10**6).thumbnail(tmp_path / "a.png", 32) is None
    assert Pictures(10**6).wide(tmp_path / "missing.png", 32) is None


def test_words() -> None:
    assert short("aria/danbooru_9_" + "ab" * 16 + ".png") == "aria/danbooru_9_abab….png"
    assert [duration(2.04), duration(59.6), duration(61)] == ["2.0 s", "1 min 00 s", "1 min 01 s"]
    assert percent(0.125) == "12\u2009%"
