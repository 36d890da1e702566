from __future__ import annotations

import io
from typing import Any

import msgspec
import pytest
from PIL import Image

from datakit.config import decode, digest
from datakit.errors import ConfigError
from datakit.model.item import ImageRef
from datakit.model.record import Record
from datakit.model.stage import Drop, Keep, Outcome, Stage, Subject
from datakit.registry import Family
from stages.order import ORDER

STAGES: Family[Stage] = Family("stages", Stage, "STAGE", word="stage")


def ref(content: str = "a", extension: str = "png") -> ImageRef:
    return ImageRef(sha256=content * 64, size_bytes=3, extension=extension)


def subject(key: str = "c/a", content: str = "a", **fields: Any) -> Subject:
    return Subject(key=key, image=ref(content), **fields)


def record(**tags: tuple[str, ...]) -> Record:
    return Record(sha256="a" * 64, size_bytes=3, original="a.png", imported_at="2024-01-01T00:00:00Z", tags=tags)


def run(name: str, subjects: list[Subject], table: dict[str, Any] | None = None) -> list[Outcome]:
    stage = STAGES.load(name)
    outcomes = list(stage.decide(subjects, decode(table or {}, stage.settings, where=name)))
    assert [outcome.key for outcome in outcomes] == [item.key for item in subjects]
    return outcomes


def caption(name: str, item: Subject, table: dict[str, Any] | None = None) -> str | None:
    (outcome,) = run(name, [item], table)
    assert isinstance(outcome, Keep)
    assert outcome.image == item.image
    return outcome.caption


def summary(name: str, subjects: list[Subject], table: dict[str, Any] | None = None) -> str:
    summarise = STAGES.load(name).summarise
    assert summarise is not None
    return summarise(subjects, run(name, subjects, table))


def check(name: str, concepts: list[str], table: dict[str, Any]) -> None:
    stage = STAGES.load(name)
    assert stage.check is not None
    stage.check(concepts, decode(table, stage.settings, where=name))


def test_the_stages_are_the_order() -> None:
    assert set(STAGES.names()) == set(ORDER)


@pytest.mark.parametrize("name", ORDER)
def test_contract(name: str) -> None:
    stage = STAGES.load(name)
    assert stage.name == name
    assert len(STAGES.summary(name)) > 20
    settings = stage.settings()
    assert stage.settings.__struct_config__.frozen
    assert decode({}, stage.settings, where=name) == settings
    assert digest(settings) == digest(decode({}, stage.settings, where=name))
    assert list(stage.decide([], settings)) == []
    assert stage.summarise is not None
    assert stage.summarise([], []).startswith("0 ")
    with pytest.raises(ConfigError, match="unknown key"):
        decode({"no_such_key": 1}, stage.settings, where=name)


@pytest.mark.parametrize("name", ["wip", "export"])
def test_stages_that_change_nothing(name: str) -> None:
    assert caption(name, subject(caption="sks, a b")) == "sks, a b"
    assert caption(name, subject()) is None
    assert summary(name, [subject()]) == "1 item"


def test_raw_keeps_the_caption_that_came_along() -> None:
    assert caption("raw", subject(scraped_caption="a b\n")) == "a b\n"
    assert summary("raw", [subject(), subject("c/b")]) == "2 images"


FINE = {"oriented_size_px": [1000, 800]}
SMALL = {"oriented_size_px": [1000, 255]}
BROKEN = {"unreadable": "the file is empty"}
FILTERED = {
    "all fine": ([("a", "1", FINE, {}), ("b", "2", FINE, {})], {}, {}, "2 of 2 kept"),
    "unreadable": ([("a", "1", BROKEN, {})], {}, {"a": "unreadable"}, "0 of 1 kept (1 unreadable)"),
    "small": ([("a", "1", SMALL, {})], {}, {"a": "too-small"}, "0 of 1 kept (1 too small)"),
    "small is allowed": ([("a", "1", SMALL, {})], {"min_side_px": 0}, {}, "1 of 1 kept"),
    "first by name": (
        [("a", "1", FINE, {}), ("b", "1", FINE, {}), ("c", "1", FINE, {})],
        {},
        {"b": "exact-duplicate", "c": "exact-duplicate"},
        "1 of 3 kept (2 exact duplicates)",
    ),
    "tags before name": (
        [("a", "1", FINE, {"record": record()}), ("b", "1", FINE, {"record": record(general=("hat",))})],
        {},
        {"a": "exact-duplicate"},
        "1 of 2 kept (1 exact duplicate)",
    ),
    "tags before a caption": (
        [("a", "1", FINE, {"scraped_caption": "x"}), ("b", "1", FINE, {"record": record(general=("hat",))})],
        {},
        {"a": "exact-duplicate"},
        "1 of 2 kept (1 exact duplicate)",
    ),
    "a caption before name": (
        [("a", "1", FINE, {}), ("b", "1", FINE, {"scraped_caption": "hat"})],
        {},
        {"a": "exact-duplicate"},
        "1 of 2 kept (1 exact duplicate)",
    ),
    "duplicates allowed": (
        [("a", "1", FINE, {}), ("b", "1", FINE, {})], {"exact_duplicates": False}, {}, "2 of 2 kept",
    ),
    "small duplicates are small": (
        [("a", "1", SMALL, {}), ("b", "1", SMALL, {})],
        {},
        {"a": "too-small", "b": "too-small"},
        "0 of 2 kept (2 too small)",
    ),
    "everything": (
        [("a", "1", FINE, {}), ("b", "1", FINE, {}), ("c", "2", BROKEN, {}), ("d", "3", SMALL, {})],
        {},
        {"b": "exact-duplicate", "c": "unreadable", "d": "too-small"},
        "1 of 4 kept (1 exact duplicate, 1 too small, 1 unreadable)",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("rows", "table", "dropped", "words"), FILTERED.values(), ids=FILTERED)
def test_filtered(rows: list[Any], table: dict[str, Any], dropped: dict[str, str], words: str) -> None:
    subjects = [subject(f"c/{stem}", content, facts=facts, **more) for stem, content, facts, more in rows]
    outcomes = run("filtered", subjects, table)
    assert {item.key: item.rule for item in outcomes if isinstance(item, Drop)} == {
        f"c/{stem}": rule for stem, rule in dropped.items()
    }
    assert summary("filtered", subjects, table) == words


def test_evidence_names_the_keeper() -> None:
    _, drop = run("filtered", [subject("c/a", facts=FINE), subject("d/b", facts=FINE)])
    assert isinstance(drop, Drop)
    assert drop.evidence == {"keeper": "c/a", "sha256": "a" * 64}
    assert "c/a" in drop.reason
    msgspec.json.encode(drop)


def test_evidence_of_size() -> None:
    (drop,) = run("filtered", [subject(facts=SMALL)])
    assert isinstance(drop, Drop)
    assert drop.evidence == {"size_px": [1000, 255], "min_side_px": 256}


def test_filtered_inspects_without_raising_and_in_json() -> None:
    inspect = STAGES.load("filtered").inspect
    assert inspect is not None
    for data in (b"", b"nonsense", image_file(Image.new("RGBA", (300, 400)))):
        product = inspect(data, None)
        assert product.image is None
        assert msgspec.json.decode(msgspec.json.encode(product.facts)) == {
            **product.facts,
            **{k: list(v) for k, v in product.facts.items() if isinstance(v, tuple)},
        }
        (outcome,) = run("filtered", [subject(facts=product.facts)])
        assert isinstance(outcome, Keep) == (len(data) > 10)


@pytest.mark.parametrize("value", [-1, 1.5, "512"])
def test_filtered_refuses(value: object) -> None:
    with pytest.raises(ConfigError, match="min_side_px"):
        run("filtered", [], {"min_side_px": value})


def image_file(image: Image.Image, file_format: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, file_format, **options)
    return file.getvalue()


def turned(value: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = value
    return exif


RGB = Image.new("RGB", (32, 16), (10, 20, 30))
CLEAR = Image.new("RGBA", (32, 16), (255, 0, 0, 0))
EDITED = {
    "png": (image_file(RGB), None),
    "jpeg": (image_file(RGB, "JPEG"), None),
    "webp": (image_file(RGB, "WEBP"), None),
    "bmp": (image_file(RGB, "BMP"), None),
    "upright exif": (image_file(RGB, "JPEG", exif=turned(1)), None),
    "broken profile": (image_file(RGB, icc_profile=b"broken"), None),
    "transparent": (image_file(CLEAR), ["flattened"]),
    "opaque alpha": (image_file(RGB.convert("RGBA")), ["converted"]),
    "key colour": (image_file(RGB, transparency=(10, 20, 30)), ["flattened", "converted"]),
    "turned": (image_file(RGB, "JPEG", exif=turned(6)), ["rotated"]),
    "grey": (image_file(RGB.convert("L"), "JPEG"), ["converted"]),
    "palette": (image_file(RGB.convert("P")), ["converted"]),
    "cmyk": (image_file(RGB.convert("CMYK"), "JPEG"), ["converted"]),
    "16 bit": (image_file(Image.new("I;16", (32, 16))), ["converted"]),
    "tiff": (image_file(RGB, "TIFF"), ["re-encoded"]),
    "avif": (image_file(RGB, "AVIF"), ["re-encoded"]),
    "animated": (
        image_file(RGB, save_all=True, append_images=[Image.new("RGB", (32, 16))], duration=9),
        ["first frame"],
    ),
    "turned and transparent": (image_file(CLEAR, exif=turned(8)), ["flattened", "rotated"]),
}  # fmt: skip


@pytest.mark.parametrize(("data", "changes"), EDITED.values(), ids=EDITED)
@pytest.mark.parametrize("extension", ["png", "webp"])
def test_edited_makes_an_image_only_where_something_must_change(
    data: bytes, changes: list[str] | None, extension: str
) -> None:
    stage = STAGES.load("edited")
    assert stage.inspect is not None
    assert stage.inspect_options is not None
    options = stage.inspect_options(decode({"format": extension}, stage.settings, where="edited"))
    product = stage.inspect(data, options)
    if changes is None:
        assert (product.facts, product.image) == ({}, None)
        return
    assert product.facts == {"changes": changes}
    assert product.extension == extension
    assert product.image is not None
    made = Image.open(io.BytesIO(product.image))
    assert (made.format, made.mode) == (extension.upper(), "RGB")
    assert made.size == ((16, 32) if "rotated" in changes else (32, 16))
    assert stage.inspect(product.image, options).image is None
    assert stage.inspect(data, options).image == product.image


@pytest.mark.parametrize(
    ("background", "shown"), [("#ffffff", (255, 255, 255)), ("navy", (0, 0, 128)), ("#abc", (170, 187, 204))]
)
def test_edited_background(background: str, shown: tuple[int, int, int]) -> None:
    stage = STAGES.load("edited")
    assert stage.inspect is not None
    assert stage.inspect_options is not None
    product = stage.inspect(image_file(CLEAR), stage.inspect_options(stage.settings(background=background)))
    assert product.image is not None
    assert Image.open(io.BytesIO(product.image)).getcolors() == [(32 * 16, shown)]


def test_edited_spellings_of_a_colour_share_results() -> None:
    stage = STAGES.load("edited")
    assert stage.inspect_options is not None
    spellings = ("white", "#fff", "#FFFFFF")
    assert len({digest(stage.inspect_options(stage.settings(background=text))) for text in spellings}) == 1


@pytest.mark.parametrize(("key", "value"), [("background", "whit"), ("background", "#ff"), ("format", "jpg")])
def test_edited_refuses(key: str, value: str) -> None:
    with pytest.raises(ConfigError, match=value):
        run("edited", [], {key: value})


def test_edited_takes_the_made_image_and_drops_what_cannot_be_read() -> None:
    made = ref("f")
    subjects = [
        subject("c/a", facts={"changes": ["flattened", "rotated"]}, made=made),
        subject("c/b", facts={"changes": ["flattened"]}, made=made),
        subject("c/c"),
        subject("c/d", facts={"unreadable": "the file is empty"}),
    ]
    first, second, third, fourth = run("edited", subjects)
    assert (first, second) == (Keep(key="c/a", image=made), Keep(key="c/b", image=made))
    assert third == Keep(key="c/c", image=subjects[2].image)
    assert isinstance(fourth, Drop)
    assert summary("edited", subjects) == "3 images (2 flattened, 1 rotated, 1 unreadable)"
    assert summary("edited", subjects[2:3]) == "1 image"


@pytest.mark.parametrize("data", [b"", b"junk", image_file(CLEAR)[:60]])
def test_edited_never_raises(data: bytes) -> None:
    stage = STAGES.load("edited")
    assert stage.inspect is not None
    assert stage.inspect_options is not None
    product = stage.inspect(data, stage.inspect_options(stage.settings()))
    assert product.image is None
    assert product.facts["unreadable"]


SCRAPED = record(general=("hat", "long_hair"), artist=("kaname_(art)",), character=("miku",), meta=("highres",))
CAPTIONED = [
    (SCRAPED, None, {}, "miku, kaname_(art), hat, long_hair"),
    (SCRAPED, "Long Hair, solo", {}, "miku, kaname_(art), hat, long_hair, solo"),
    (SCRAPED, "miku\nhat\n", {}, "miku, kaname_(art), hat, long_hair"),
    (SCRAPED, "long hair, solo", {"policy": "booru"}, "miku, kaname_(art), hat, long_hair"),
    (SCRAPED, "solo, Long Hair", {"policy": "caption"}, "solo, long_hair"),
    (SCRAPED, None, {"policy": "caption"}, None),
    (SCRAPED, None, {"categories": ["general", "meta"]}, "hat, long_hair, highres"),
    (SCRAPED, None, {"categories": []}, None),
    (record(general=("&gt;_&lt;", "A B")), None, {}, ">_<, a_b"),
    (None, "a b,,c", {}, "a_b, c"),
    (None, " \n", {}, None),
    (None, None, {}, None),
]


@pytest.mark.parametrize(("known", "scraped", "table", "expected"), CAPTIONED)
def test_captioned(known: Record | None, scraped: str | None, table: dict[str, Any], expected: str | None) -> None:
    assert caption("captioned", subject(record=known, scraped_caption=scraped), table) == expected


def test_captioned_summary() -> None:
    tagged = subject("c/a", record=SCRAPED)
    assert summary("captioned", [tagged]) == "1 caption"
    assert summary("captioned", [tagged, subject("c/b")]) == "1 caption (1 item without tags)"


@pytest.mark.parametrize("table", [{"policy": "unions"}, {"categories": ["artists"]}])
def test_captioned_refuses(table: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"unions|artists"):
        run("captioned", [], table)


CLEANED = [
    ("long_hair, ^_^, long_hair", {}, "long hair, ^_^"),
    ("long_hair, hat", {"trigger": "SKS"}, "SKS, long hair, hat"),
    ("hat", {"trigger": "sks", "triggers": {"c": "Miku Dress"}}, "Miku Dress, hat"),
    ("hat", {"trigger": "sks", "triggers": {"c": ""}}, "hat"),
    ("long_hair, hat", {"blacklist": ["Long Hair"]}, "hat"),
    ("long_hair", {"keep_underscores": True}, "long_hair"),
    ("kaname_(art)", {}, "kaname (art)"),
    ("hat", {"blacklist": ["hat"]}, None),
    (None, {"trigger": "sks"}, "sks"),
    (None, {}, None),
]


@pytest.mark.parametrize(("text", "table", "expected"), CLEANED)
def test_cleaned(text: str | None, table: dict[str, Any], expected: str | None) -> None:
    assert caption("cleaned", subject(caption=text), table) == expected


def test_cleaned_names_the_concept_that_was_meant() -> None:
    with pytest.raises(ConfigError, match="no concept 'mikku'") as caught:
        check("cleaned", ["miku", "rin"], {"triggers": {"mikku": "x"}})
    assert caught.value.hint == "did you mean 'miku'?"


def test_cleaned_takes_triggers_of_its_concepts_and_of_an_empty_dataset() -> None:
    check("cleaned", ["miku", "rin"], {"triggers": {"miku": "x"}})
    check("cleaned", [], {"triggers": {"miku": "x"}})


def test_cleaned_summary() -> None:
    assert summary("cleaned", [subject("c/a", caption="hat"), subject("c/b", caption="x")]) == "2 prompts"
    words = summary("cleaned", [subject("c/a", caption="hat"), subject("c/b")])
    assert words == "1 prompt (1 item without a caption)"


def test_drops_that_other_rules_made_are_told_too() -> None:
    summarise = STAGES.load("captioned").summarise
    assert summarise is not None
    drop = Drop(key="c/b", rule="shared-caption", reason="two images")
    assert summarise([subject()], [Keep(key="c/a", image=ref(), caption="x"), drop]) == "1 caption (1 shared-caption)"
