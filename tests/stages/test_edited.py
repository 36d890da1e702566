from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from edit_runs import array, edit, look, noise, opened, record, saved, subject, turned
from PIL import Image

from datakit.model.item import ImageRef
from datakit.model.record import Edits
from datakit.model.stage import IMAGE, Drop, Keep
from stages import edited

ROOT = Path(__file__).parents[2]
RGB = Image.new("RGB", (32, 16), (10, 20, 30))
CLEAR = Image.new("RGBA", (32, 16), (255, 0, 0, 0))
CASES = {
    "png": (saved(RGB), None),
    "jpeg": (saved(RGB, "JPEG"), None),
    "webp": (saved(RGB, "WEBP"), None),
    "bmp": (saved(RGB, "BMP"), None),
    "upright exif": (saved(RGB, "JPEG", exif=turned(1)), None),
    "broken profile": (saved(RGB, icc_profile=b"broken"), None),
    "transparent": (saved(CLEAR), ["flattened"]),
    "opaque alpha": (saved(RGB.convert("RGBA")), ["converted"]),
    "key colour": (saved(RGB, transparency=(10, 20, 30)), ["converted", "flattened"]),
    "turned": (saved(RGB, "JPEG", exif=turned(6)), ["rotated"]),
    "grey": (saved(RGB.convert("L"), "JPEG"), ["converted"]),
    "grey and alpha": (saved(CLEAR.convert("LA")), ["converted", "flattened"]),
    "palette": (saved(RGB.convert("P")), ["converted"]),
    "cmyk": (saved(RGB.convert("CMYK"), "JPEG"), ["converted"]),
    "16 bit": (saved(Image.new("I;16", (32, 16))), ["converted"]),
    "tiff": (saved(RGB, "TIFF"), ["re-encoded"]),
    "avif": (saved(RGB, "AVIF"), ["re-encoded"]),
    "animated": (
        saved(RGB, save_all=True, append_images=[Image.new("RGB", (32, 16))], duration=9),
        ["first frame"],
    ),
    "turned and transparent": (saved(CLEAR, exif=turned(8)), ["rotated", "flattened"]),
}  # fmt: skip


@pytest.mark.parametrize(("data", "changes"), CASES.values(), ids=CASES)
@pytest.mark.parametrize("extension", ["png", "webp"])
def test_an_image_is_made_only_where_something_must_change(
    data: bytes, changes: list[str] | None, extension: str
) -> None:
    product = edit(data, {"format": extension})
    if changes is None:
        assert (product.facts, product.image) == ({}, None)
        return
    assert product.facts["changes"] == changes
    assert product.extension == extension
    made = opened(product.image)
    assert (made.format, made.mode) == (extension.upper(), "RGB")
    assert made.size == ((16, 32) if "rotated" in changes else (32, 16))
    assert product.image is not None
    assert edit(product.image, {"format": extension}).image is None
    assert edit(data, {"format": extension}).image == product.image


@pytest.mark.parametrize(
    ("background", "shown"), [("#ffffff", (255, 255, 255)), ("navy", (0, 0, 128)), ("#abc", (170, 187, 204))]
)
def test_the_background_shows(background: str, shown: tuple[int, int, int]) -> None:
    assert opened(edit(saved(CLEAR), {"background": background}).image).getcolors() == [(32 * 16, shown)]


def test_the_record_says_another_background() -> None:
    item = record(edits=Edits(background="navy"))
    assert opened(edit(saved(CLEAR), record=item).image).getcolors() == [(32 * 16, (0, 0, 128))]
    assert look(subject("c/a", record=item), {}).key == look(subject("c/a"), {"background": "#000080"}).key


def test_spellings_of_a_colour_share_results() -> None:
    assert len({look(subject("c/a"), {"background": text}).key for text in ("white", "#fff", "#FFFFFF")}) == 1


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_records_crop_is_of_the_upright_image_and_comes_first(orientation: int) -> None:
    upright = noise(40, 24)
    undo = {1: None, 2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}[orientation]
    stored = upright if undo is None else upright.transpose(Image.Transpose(undo))
    table = {"steps": [{"do": "resize", "side": "width", "to_px": 8, "filter": "nearest"}]}
    data = saved(stored, exif=turned(orientation))
    item = record(edits=Edits(crop_px=(5, 3, 16, 12)))
    part = upright.crop((5, 3, 21, 15))
    assert (array(opened(edit(data, record=item).image)) == array(part)).all()
    small = part.resize((8, 6), Image.Resampling.NEAREST)
    assert (array(opened(edit(data, table, record=item).image)) == array(small)).all()


def test_a_crop_outside_of_its_image_drops_the_item() -> None:
    item = subject("c/a", saved(RGB), record=record(edits=Edits(crop_px=(100, 0, 5, 5))))
    facts = edit(saved(RGB), record=item.record).facts
    (outcome,) = edited.decide([subject("c/a", facts={"edited": facts})], None)
    assert isinstance(outcome, Drop)
    assert (outcome.rule, outcome.reason) == (
        "empty-crop",
        "a crop of 5 x 5 px at 100, 0 lies outside of its 32 x 16 px",
    )


def test_a_background_that_is_no_colour_drops_the_item() -> None:
    item = subject("c/a", record=record(edits=Edits(background="whit")))
    (outcome,) = edited.decide([item], None)
    assert isinstance(outcome, Drop)
    assert "'whit' is no colour" in outcome.reason
    assert look(item, {}).key == look(subject("c/a"), {}).key


def test_made_images_are_taken_and_unreadable_ones_dropped() -> None:
    made = ImageRef(sha256="f" * 64, size_bytes=3, extension="png")

    def item(key: str, **facts: Any) -> Any:
        return subject(key, facts={"edited": facts}, made=made if facts.get("changes") else None)

    subjects = [
        item("c/a", changes=["flattened", "rotated", "limited"], done=["flattened", "rotated", "limited to 3 x 2"]),
        item("c/b", changes=["flattened", "cropped"]),
        item("c/c"),
        item("c/d", unreadable="the file is empty"),
    ]
    outcomes = edited.decide(subjects, None)
    assert outcomes[:3] == [
        Keep(key="c/a", image=made),
        Keep(key="c/b", image=made),
        Keep(key="c/c", image=subjects[2].image),
    ]
    assert isinstance(outcomes[3], Drop)
    told = "3 images (2 flattened, 1 rotated, 1 cropped, 1 limited, 1 unreadable)"
    assert edited.summarise(subjects, outcomes) == told
    assert edited.summarise(subjects[2:3], outcomes[2:3]) == "1 image"
    assert edited.origins(subjects[0], None)[IMAGE].detail == "flattened, rotated, limited to 3 x 2"
    assert edited.origins(subjects[2], None) == {}


@pytest.mark.parametrize("data", [b"", b"junk", saved(CLEAR)[:60], saved(noise(64, 64, "RGBA"))[:5000]])
def test_bad_bytes_are_a_fact(data: bytes) -> None:
    product = edit(data)
    assert product.image is None
    assert product.facts["unreadable"]


def test_an_image_that_no_step_concerns_is_not_decoded() -> None:
    cut = saved(noise(64, 64), "JPEG", quality=95)[:2000]
    table = {"steps": [{"do": "limit"}, {"do": "resize", "to_px": 64}, {"do": "convert", "format": "jpeg"}]}
    assert edit(cut, table) == edit(saved(RGB))
    assert "unreadable" in edit(cut, {"steps": [{"do": "crop-borders"}]}).facts


_SCRIPT = """
import hashlib, sys
sys.path.insert(0, {tests!r})
from edit_runs import edit, noise, saved
table = {table!r}
for extension in ("png", "webp"):
    for mode in ("RGB", "RGBA"):
        product = edit(saved(noise(300, 200, mode)), dict(table, format=extension))
        print(hashlib.sha256(product.image).hexdigest(), product.facts)
"""


def test_two_processes_make_the_same_files() -> None:
    table = {
        "background": "#102030",
        "steps": [
            {"do": "crop-aspect", "ratios": ["1:1"]},
            {"do": "limit", "area_px": 9000, "multiple_px": 8},
            {"do": "upscale", "area_px": 20000},
        ],
    }
    script = _SCRIPT.format(tests=str(Path(__file__).parent), table=table)
    runs = [
        subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    ]
    assert runs[0] == runs[1]
    assert len(set(runs[0].splitlines())) == 4
