from __future__ import annotations

import random
from typing import Any, NamedTuple

import msgspec
import pytest
from filter_runs import found, look_and_run, record, saved
from PIL import Image, ImageDraw, ImageFilter, PngImagePlugin

from datakit.config import field_docs
from datakit.model.record import Record
from stages import filtered
from stages.filters.model import FILTERS

OTHERS = {"near-duplicate", "variant", "not-drawn", "explicit-looking", "text"}
"""Rules whose tests need more than a picture: they are elsewhere."""


def drawing(size: tuple[int, int] = (300, 260), seed: int = 0) -> Image.Image:
    """Flat shapes with hard edges on a plain ground, as in a cartoon."""
    chance = random.Random(seed)
    image = Image.new("RGB", size, "#f2e8d8")
    pen = ImageDraw.Draw(image)
    for _ in range(24):
        x, y, side = chance.randrange(20, size[0] - 60), chance.randrange(20, size[1] - 60), chance.randrange(10, 50)
        pen.ellipse((x, y, x + side, y + side), chance.choice(["#c03040", "#3060c0", "#208050", "#e0b030", "#181818"]))
    return image


def boxed(bar: Image.Image, sides: tuple[int, int]) -> Image.Image:
    """A picture that fills its frame between two bars, left and right."""
    wide = bar.copy()
    photo = Image.effect_noise((bar.width - sum(sides), bar.height), 90).convert("RGB")
    wide.paste(photo, (sides[0], 0))
    return wide


def texts(**entries: str) -> PngImagePlugin.PngInfo:
    info = PngImagePlugin.PngInfo()
    for name, text in entries.items():
        info.add_text(name, text)
    return info


DRAWN = drawing()
GREY = DRAWN.convert("L").convert("RGB")
SEPIA = Image.merge("RGB", [GREY.getchannel(0).point(lambda v, k=k: int(v * k)) for k in (1.0, 0.8, 0.55)])
NIGHT = Image.blend(DRAWN, Image.new("RGB", DRAWN.size), 0.85)
FOG = Image.blend(DRAWN, Image.new("RGB", DRAWN.size, "white"), 0.9)
CLEAR = Image.new("RGBA", (300, 300))
TAGGED = record(tags={"general": ("solo", "hat"), "character": ("aria_(set)",)}, rating="questionable", score=3)
A1111 = "1girl\nNegative prompt: bad\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 512x512"


class Case(NamedTuple):
    """One image, or several that are compared, and what a rule finds about the first that it finds something about."""

    rule: str
    settings: dict[str, Any]
    images: tuple[bytes, ...]
    reason: str
    """Of the last image; '' where nothing is wrong with any."""
    record: Record | None = None


def one(rule: str, settings: dict[str, Any], image: Image.Image, reason: str, **options: Any) -> Case:
    return Case(rule, settings, (saved(image, **options),), reason)


def tagged(rule: str, settings: dict[str, Any], reason: str, known: Record | None = TAGGED) -> Case:
    return Case(rule, settings, (saved(DRAWN),), reason, known)


CASES = {
    "unreadable": Case("unreadable", {}, (saved(DRAWN)[:500],), "truncated or damaged png: image file is truncated"),
    "an empty file": Case("unreadable", {}, (b"",), "the file is empty"),
    "readable": one("unreadable", {}, DRAWN, ""),
    "small": one("too-small", {}, drawing((300, 255)), "300 x 255 px, its shorter side is under 256 px"),
    "just large enough": one("too-small", {}, drawing((300, 256)), ""),
    "few megapixels": one("too-small", {"min_megapixels": 0.1}, DRAWN, "300 x 260 px, under 0.1 megapixels"),
    "enough megapixels": one("too-small", {"min_megapixels": 0.078}, DRAWN, ""),
    "long side": one("too-large", {"max_side_px": 299}, DRAWN, "300 x 260 px, its longer side is over 299 px"),
    "many megapixels": one("too-large", {"max_megapixels": 0.07}, DRAWN, "300 x 260 px, over 0.07 megapixels"),
    "not large": one("too-large", {}, DRAWN, ""),
    "a strip": one("aspect-ratio", {}, drawing((200, 800)), "200 x 800 px, 4.0 to 1, over 3"),
    "three to one": one("aspect-ratio", {}, drawing((300, 100)), ""),
    "same bytes": Case("exact-duplicate", {}, (saved(DRAWN), saved(DRAWN)), "the same bytes as c/0"),
    "other bytes": Case("exact-duplicate", {}, (saved(DRAWN), saved(DRAWN, "BMP")), ""),
    "same pixels": Case("pixel-duplicate", {}, (saved(DRAWN), saved(DRAWN, "BMP")), "the same pixels as c/0"),
    "opaque alpha": Case("pixel-duplicate", {}, (saved(DRAWN), saved(DRAWN.convert("RGBA"))), "the same pixels as c/0"),
    "other pixels": Case("pixel-duplicate", {}, (saved(DRAWN), saved(DRAWN, "JPEG")), ""),
    "other shape": Case(
        "pixel-duplicate", {}, tuple(saved(Image.new("RGB", size, "red")) for size in ((40, 90), (90, 40))), ""
    ),
    "blurred": one("blurry", {}, DRAWN.filter(ImageFilter.GaussianBlur(3)), "blurred: sharpness 0."),
    "enlarged": one("blurry", {}, DRAWN.resize((50, 43)).resize((300, 260), 3), "blurred: sharpness 0."),
    "flat colours are sharp": one("blurry", {"min_sharpness": 0.5}, DRAWN, ""),
    "pale edges are sharp": one("blurry", {"min_sharpness": 0.5}, FOG, ""),
    "a soft background": one("blurry", {"min_sharpness": 0.5}, boxed(Image.linear_gradient("L").resize(
        (300, 260)).convert("RGB"), (200, 0)), ""),
    "nothing to judge": one("blurry", {}, Image.new("RGB", (300, 300)), ""),
    "one colour": one("flat", {}, Image.new("RGB", (300, 300), "red"), "nearly one colour: 0.00 bits a pixel"),
    "a gradient": one("flat", {}, Image.linear_gradient("L").resize((999, 999)), "no edge anywhere"),
    "all transparent": one("flat", {}, CLEAR, "all of it is transparent"),
    "not flat": one("flat", {}, DRAWN, ""),
    "dark": one("too-dark", {}, NIGHT, "too dark: its lightest pixels are at 0.1"),
    "not dark": one("too-dark", {}, DRAWN, ""),
    "light": one("too-light", {}, FOG, "too light: its darkest pixels are at 0.9"),
    "not light": one("too-light", {}, DRAWN, ""),
    "invisible is no brightness": one("too-dark", {}, CLEAR, ""),
    "grey stored as colour": one("monochrome", {}, GREY, "greyscale: its channels differ by 0 of 255"),
    "grey JPEG": one("monochrome", {}, GREY, "greyscale", file_format="JPEG"),
    "stored as grey": one("monochrome", {}, GREY.convert("L"), "greyscale"),
    "coloured": one("monochrome", {"tinted": True}, DRAWN, ""),
    "sepia": one("monochrome", {"tinted": True}, SEPIA, "of one tint"),
    "sepia is coloured": one("monochrome", {}, SEPIA, ""),
    "rated": tagged("rating", {}, "rated questionable"),
    "rating allowed": tagged("rating", {"allowed": ["questionable"]}, ""),
    "unrated": tagged("rating", {}, "", None),
    "unrated is told": tagged("rating", {"unrated": True}, "no rating", record()),
    "low score": tagged("score", {"min_score": 4}, "score 3, under 4"),
    "score": tagged("score", {"min_score": 3}, ""),
    "no score": tagged("score", {"min_score": 3}, "", record()),
    "forbidden": tagged("forbidden-tags", {"tags": ["comic", "aria *"]}, "tagged aria_(set)"),
    "not forbidden": tagged("forbidden-tags", {"tags": ["comic"]}, ""),
    "nothing is forbidden": tagged("forbidden-tags", {}, ""),
    "lacks one": tagged("required-tags", {"all": ["solo", "1girl"]}, "not tagged 1girl"),
    "lacks every one": tagged("required-tags", {"any": ["1girl", "1boy"]}, "tagged none of 1girl, 1boy"),
    "has all": tagged("required-tags", {"all": ["solo", "hat"], "any": ["1girl", "aria*"]}, ""),
    "untagged": tagged("required-tags", {"all": ["solo"]}, "", record()),
    "untagged is told": tagged("required-tags", {"all": ["solo"], "untagged": True}, "not tagged solo", None),
    "generated": one("generated-metadata", {}, DRAWN, "generated by a1111", pnginfo=texts(parameters=A1111)),
    "other texts": one("generated-metadata", {}, DRAWN, "", pnginfo=texts(Software="GIMP", Comment="hello")),
    "letterboxed": one("letterbox", {}, boxed(Image.new("RGB", (400, 300), "black"), (40, 30)), "left 40 px, right 30"),
    "one thin bar": one("letterbox", {}, boxed(Image.new("RGB", (400, 300), "white"), (0, 8)), ""),
    "a plain background": one("letterbox", {}, DRAWN, ""),
    "a cut-out": one("letterbox", {}, Image.alpha_composite(CLEAR, DRAWN.resize((300, 300)).convert("RGBA")), ""),
    "poor JPEG": one("jpeg-quality", {}, DRAWN, "JPEG quality 59, under 60", file_format="JPEG", quality=59),
    "fair JPEG": one("jpeg-quality", {}, DRAWN, "", file_format="JPEG", quality=60),
    "no JPEG": one("jpeg-quality", {}, DRAWN, ""),
}  # fmt: skip


def outcomes_of(case: Case, action: str) -> list[Any]:
    table: dict[str, Any] = {rule.name: {"action": "off"} for rule in filtered.rules()}
    table[case.rule] = {**case.settings, "action": action}
    files = {f"c/{number}": data for number, data in enumerate(case.images)}
    return look_and_run(files, table, **({"c/0": case.record} if case.record else {}))


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_rule_drops_flags_or_says_nothing(case: Case) -> None:
    last = f"c/{len(case.images) - 1}"
    for action in ("drop", "flag"):
        outcomes = outcomes_of(case, action)
        assert found(outcomes) == ({last: f"{action} {case.rule}"} if case.reason else {})
        if case.reason:
            verdict = outcomes[-1] if action == "drop" else outcomes[-1].flags[0]
            assert case.reason in verdict.reason
            assert verdict.evidence
            assert msgspec.json.decode(msgspec.json.encode(verdict.evidence)) == verdict.evidence
    assert found(outcomes_of(case, "off")) == {}


@pytest.mark.parametrize("name", FILTERS.names())
def test_contract_of_a_rule(name: str) -> None:
    rule = FILTERS.load(name)
    assert rule.name.replace("-", "_") == name
    assert (rule.judge is None) != (rule.compare is None)
    assert rule.settings.__struct_fields__[0] == "action"
    assert rule.settings.__struct_config__.frozen
    assert set(field_docs(rule.settings)) == set(rule.settings.__struct_fields__)
    assert rule.compare is None or rule.scope != "item"
    assert len(FILTERS.summary(name)) > 10
    if rule.name not in OTHERS:
        told = {bool(case.reason) for case in CASES.values() if case.rule == rule.name}
        assert told == {True, False}, "a case that it tells, and one that it does not"
