"""The rules of `filtered` that ask a model: not drawn, explicit-looking, text."""

from __future__ import annotations

import importlib.util
from typing import Any

import pytest
from filter_runs import found, look_and_run, record, run, saved, subject
from PIL import Image, ImageDraw, ImageFont

from datakit.errors import StateError
from datakit.images.looks import MEASURED
from datakit.taggers.drawn import DRAWN, LABELS
from datakit.taggers.text import READ
from stages import filtered
from stages.filters.text import watermark_in

HAS_OCR = importlib.util.find_spec("rapidocr") is not None


def seen(key: str, record_: Any = None, **scores: float) -> Any:
    facts = {"oriented_size_px": (900, 900), "format": "png"}
    looked = dict.fromkeys(LABELS, 0.0) | scores
    return subject(key, key.encode(), record=record_, facts={DRAWN.name: looked, MEASURED.name: facts})


def read(key: str, *lines: tuple[str, float, float], at: tuple[float, float] = (0.9, 0.9)) -> Any:
    facts = {"lines": [[text, score, share, at] for text, score, share in lines]}
    measured = {"oriented_size_px": (900, 900), "format": "png"}
    return subject(key, key.encode(), facts={READ.name: facts, MEASURED.name: measured})


def test_they_are_off_until_they_are_asked_for() -> None:
    asked = filtered.looks(subject("aria/a"), filtered.STAGE.settings())
    assert {look.name for look in asked}.isdisjoint({DRAWN.name, READ.name})


def test_photos_are_dropped_and_drawings_stay() -> None:
    items = [seen("a", drawing=0.02, hentai=0.01, neutral=0.97), seen("b", drawing=0.4, hentai=0.2, neutral=0.4)]
    outcomes = run(items, {"not-drawn": {"action": "drop"}})
    assert found(outcomes) == {"a": "drop not-drawn"}
    assert outcomes[0].reason == "looks like no drawing: 0.03, under 0.1"  # type: ignore[union-attr]
    assert outcomes[0].evidence == {"drawn": 0.03, "min_drawn": 0.1}  # type: ignore[union-attr]
    assert found(run(items, {"not-drawn": {"action": "flag", "min_drawn": 0.7}})) == {
        "a": "flag not-drawn",
        "b": "flag not-drawn",
    }


def test_an_image_with_a_rating_is_judged_by_its_rating() -> None:
    scores = {"hentai": 0.5, "porn": 0.4, "neutral": 0.1}
    items = [seen("a", record(), **scores), seen("b", record(rating="general"), **scores), seen("c", drawing=1.0)]
    assert found(run(items, {"explicit-looking": {"action": "flag"}})) == {"a": "flag explicit-looking"}
    too = {"explicit-looking": {"action": "flag", "rated_too": True}}
    assert found(run(items, too)) == {"a": "flag explicit-looking", "b": "flag explicit-looking"}


def test_the_model_looks_at_real_files() -> None:
    grain = Image.effect_noise((300, 300), 60).convert("RGB")
    table = {"not-drawn": {"action": "drop"}, "explicit-looking": {"action": "flag"}}
    outcomes = look_and_run({"a/grain": saved(grain), "a/broken": b"\x89PNG\r\n\x1a\n"}, table)
    assert found(outcomes) == {"a/broken": "drop unreadable", "a/grain": "drop not-drawn"}


def test_a_watermark_is_told_however_small() -> None:
    outcomes = run(
        [read("a", ("© Aria Ito", 0.99, 0.001)), read("b", ("Aria", 0.99, 0.001))], {"text": {"action": "drop"}}
    )
    assert found(outcomes) == {"a": "drop text"}
    assert outcomes[0].reason == "a watermark: '© Aria Ito' at the lower right"  # type: ignore[union-attr]
    assert outcomes[0].evidence["watermark"] == "©"  # type: ignore[union-attr]


def test_text_is_told_by_the_area_it_covers_and_by_its_lines() -> None:
    table = {"text": {"action": "drop", "max_lines": 3}}
    items = [read("a", ("a", 0.99, 0.03)), read("b", *[("b", 0.99, 0.001)] * 4), read("c", *[("c", 0.99, 0.001)] * 3)]
    outcomes = run(items, table)
    assert found(outcomes) == {"a": "drop text", "b": "drop text"}
    assert outcomes[0].reason == "text covers 3.0%, over 2.0%: 'a'"  # type: ignore[union-attr]
    assert outcomes[1].reason == "4 lines of text, over 3: 'b', 'b', 'b' and 1 more"  # type: ignore[union-attr]


def test_what_is_read_without_confidence_does_not_count() -> None:
    assert found(run([read("a", ("mmmm", 0.88, 0.1))], {"text": {"action": "drop"}})) == {}
    assert found(run([read("a", ("mmmm", 0.88, 0.1))], {"text": {"action": "drop", "min_score": 0.8}})) == {
        "a": "drop text"
    }


@pytest.mark.parametrize(
    ("text", "mark"), [("P a t r e o n . com", "patreon"), ("ＡＲＩＡ", ""), ("hello", ""), ("Example.Com", ".com")]
)
def test_blanks_and_case_hide_no_watermark(text: str, mark: str) -> None:
    assert watermark_in(text, ("patreon", ".com", "")) == mark


@pytest.mark.skipif(HAS_OCR, reason="rapidocr is installed, so nothing can be missing")
def test_without_the_reader_the_error_says_how_to_get_it() -> None:
    with pytest.raises(StateError) as caught:
        look_and_run({"a/a": saved(Image.new("RGB", (300, 300)))}, {"text": {"action": "flag"}})
    assert "rapidocr" in caught.value.message
    assert "pip install 'dsk[ocr]'" in caught.value.hint


@pytest.mark.skipif(not HAS_OCR, reason="rapidocr is not installed: pip install 'dsk[ocr]'")
@pytest.mark.filterwarnings("ignore")
def test_a_drawn_watermark_is_read() -> None:
    image = Image.effect_noise((640, 480), 30).convert("RGB")
    plain = saved(image)
    ImageDraw.Draw(image).text((380, 440), "aria@example.com", font=ImageFont.load_default(28), fill="white")
    outcomes = look_and_run({"a/plain": plain, "a/signed": saved(image)}, {"text": {"action": "drop"}})
    assert found(outcomes) == {"a/signed": "drop text"}
    assert outcomes[1].evidence["lines"] == ["aria@example.com"]  # type: ignore[union-attr]
    assert "the lower right" in outcomes[1].reason  # type: ignore[union-attr]
