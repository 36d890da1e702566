"""imgbrd-grabber's texts: what is its own, and what stays a caption."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from trees import by_image, listing, reasons, tags_of

from datakit.sources.grabber import tags_of as tags_in

XMP = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:subject><rdf:Bag><rdf:li>long_hair</rdf:li>'
    "<rdf:li> solo </rdf:li><rdf:li>solo</rdf:li></rdf:Bag></dc:subject><dc:title><rdf:Alt><rdf:li>no</rdf:li>"
    "</rdf:Alt></dc:title></rdf:Description></rdf:RDF></x:xmpmeta>"
)


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("1girl long_hair solo", ["1girl", "long_hair", "solo"]),
        ("long_hair solo\nlong_hair solo", ["long_hair", "solo"]),
        ("artist:foo 1girl character:bar", ["artist:foo", "1girl", "character:bar"]),
        ("artist:foo bar general:long hair general:solo", ["artist:foo bar", "general:long hair", "general:solo"]),
        ("artist:foo, general:long hair", ["artist:foo", "general:long hair"]),
        ("artist:foo\ngeneral:long_hair", ["artist:foo", "general:long_hair"]),
    ],
)
def test_its_layouts(text: str, tags: list[str]) -> None:
    assert tags_in(text, is_named=True) == tags


@pytest.mark.parametrize("name", ["x.txt", "x.png.txt", "y.txt", f"{'c' * 32}.txt"])
@pytest.mark.parametrize(
    "text",
    [
        "", "solo", "ohwx man", "1girl, long hair", "1girl, long_hair, solo", "a photo of my_dog in the park",
        "long hair blue eyes", "A girl.", "wlop, artist:wlop", "long_hair\nsolo", "the clock shows 12:30",
        "painting in the style of artist:wlop", "general: a picture, solo", "in general: she is nice",
        "artist: wlop character: miku", "general:view", "a woman near the_old bridge", "(long_hair:1.2), solo",
        "artist:foo, species:fox, solo",
    ],
)  # fmt: skip
def test_ordinary_captions_are_left(tmp_path: Path, text: str, name: str) -> None:
    image = f"{name.removesuffix('.txt').removesuffix('.png')}.png"
    found = listing(tmp_path, {image: b"", name: text})
    assert "grabber" not in found.recognised
    assert by_image(found)[image].caption == name


@pytest.mark.parametrize(
    "text",
    [
        "1girl long_hair solo", "girl standing near wooden_door smiling softly", "ohwx_man standing",
        "my_style girl standing outside", "sks_dog running\nsks_dog sitting", "score_9 score_8_up 1girl",
        "<lora:miku:0.8> 1girl solo_focus", "artist:wlop 1girl solo", "character:miku standing outside",
        "artist:foo, solo, general:looking_at_viewer",
    ],
)  # fmt: skip
def test_what_people_write_too_is_a_caption_unless_a_name_is_grabbers(tmp_path: Path, text: str) -> None:
    """A trigger word has underscores as well: taken for tags, the caption would lose its words."""
    plain = listing(tmp_path / "a", {"x.png": b"", "x.txt": text})
    assert plain.recognised == {"folder": 1}
    assert by_image(plain)["x.png"].caption == "x.txt"
    md5 = "c" * 32
    for image, name in (("x.jpg", "x.jpg.txt"), ("x.png", "x.jpg.txt"), (f"{md5}.jpg", f"{md5}.txt")):
        found = listing(tmp_path / image / name, {image: b"", name: text})
        assert found.recognised == {"grabber": 1}
        assert by_image(found)[image].caption == ""


def test_tags_by_category_and_the_rating(tmp_path: Path) -> None:
    md5 = "c" * 32
    text = "artist:a_b character:miku copyright:vocaloid 1girl long_hair rating:safe :d\n"
    found = listing(tmp_path, {f"{md5}.jpg": b"", f"{md5}.jpg.txt": text * 2, f"{md5}.txt": "my caption"})
    row = by_image(found)[f"{md5}.jpg"]
    assert tags_of(row) == {
        "artist": ("a_b",), "character": ("miku",), "copyright": ("vocaloid",), "general": ("1girl", "long_hair", ":d"),
    }  # fmt: skip
    assert row.scraped is not None
    assert row.scraped.rating == "general"
    assert row.scraped.upstream == {"grabber": {f"{md5}.jpg.txt": text * 2}}
    assert (row.caption, row.sidecar) == (f"{md5}.txt", f"{md5}.jpg.txt")


def test_the_extension_was_corrected_after_the_text_was_written(tmp_path: Path) -> None:
    files = {"x.png": b"", "x.jpg.txt": "long_hair solo", "y.png": b"", "y.jpg.txt": "1girl, solo"}
    rows = by_image(listing(tmp_path, files))
    assert tags_of(rows["x.png"]) == {"general": ("long_hair", "solo")}
    assert rows["y.png"].caption == "y.jpg.txt"


def test_one_log_for_a_folder(tmp_path: Path) -> None:
    md5 = "d" * 32
    lines = ("a/x.png: long_hair solo", "C:\\down\\y.jpg | 1girl, blue eyes", f"{md5} 1girl solo_focus")
    log = "\n".join((*lines, lines[0]))
    found = listing(
        tmp_path, {"a/x.png": b"", "y.jpg": b"", f"{md5}.webp": b"", "tags.log": log, "n.txt": "a lone word"}
    )
    rows = by_image(found)
    assert tags_of(rows["a/x.png"]) == {"general": ("long_hair", "solo")}
    assert rows["y.jpg"].text == "1girl, blue eyes"
    assert tags_of(rows[f"{md5}.webp"]) == {"general": ("1girl", "solo_focus")}
    assert found.orphans == ["n.txt"]


def test_names_in_a_log_lead_nowhere_else(tmp_path: Path) -> None:
    found = listing(
        tmp_path / "in", {"x.png": b"", "t.log": "../out.png: a_b c\n/etc/passwd.png: a_b c\n../x.png a_b c"}
    )
    assert all(row.image == "x.png" for row in found.found)


def test_a_million_blanks_take_no_time(tmp_path: Path) -> None:
    began = time.process_time()
    found = listing(tmp_path, {"x.jpg": b"", "x.jpg.txt": f"general:a artist:b{' ' * 1_000_000}c"})
    assert found.recognised == {"grabber": 1}
    assert time.process_time() - began < 2


def test_told_all_texts_are_tags(tmp_path: Path) -> None:
    found = listing(tmp_path, {"x.png": b"", "x.txt": "solo; blue eyes; artist:foo"}, "grabber")
    assert tags_of(by_image(found)["x.png"]) == {"general": ("solo", "blue_eyes"), "artist": ("foo",)}


def test_xmp_keywords(tmp_path: Path) -> None:
    files = {"x.jpg": b"", "x.jpg.xmp": XMP, "y.jpg": b"", "y.xmp": XMP.encode("utf-16"), "z.xmp": XMP}
    found = listing(tmp_path, files)
    assert tags_of(by_image(found)["x.jpg"]) == {"general": ("long_hair", "solo")}
    assert tags_of(by_image(found)["y.jpg"]) == {"general": ("long_hair", "solo")}
    assert "not here" in reasons(found)["z.xmp"]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("<!DOCTYPE x [<!ENTITY a 'b'>]>" + XMP, "document type"),
        ("<!DOCTYPE x SYSTEM 'file:///etc/passwd'>" + XMP, "document type"),
        ("<a>" * 50_000, "not XML"),
        ("", "not XML"),
        ("<a/>", "without keywords"),
    ],
)
def test_xmp_that_is_not_read(tmp_path: Path, data: str, reason: str) -> None:
    assert reason in reasons(listing(tmp_path, {"x.jpg": b"", "x.xmp": data}))["x.xmp"]
