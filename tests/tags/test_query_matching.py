from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from queries import CONCEPTS, SITES, TAGS, nodes

from datakit.actions.finding import find_items, open_to_look
from datakit.actions.importing import import_folder
from datakit.actions.project import open_project
from datakit.actions.starting import start_dataset
from datakit.errors import ConfigError
from datakit.model.record import RATINGS, Record, decode_record
from datakit.repo.finding.building import pack
from datakit.repo.finding.facts import Facts, _from_record
from datakit.repo.finding.segment import Head, Segment
from datakit.tags.query.evaluating import evaluate, walk
from datakit.tags.query.matching import NOTHING, OF_PIXELS, ItemFacts, left_of_pixels, matches, parse_where
from datakit.tags.query.parsing import (
    EVERYTHING,
    And,
    Between,
    Compare,
    Near,
    Node,
    Not,
    format_query,
    parse_query,
)


@st.composite
def items(draw: st.DrawFn) -> ItemFacts:
    """An item as a scrape may have left it."""
    names = st.lists(st.sampled_from(TAGS), max_size=3).map(tuple)
    some = st.none() | st.integers(-3, 120)
    record = st.builds(
        Record,
        sha256=st.just("a" * 64),
        size_bytes=st.just(100),
        original=st.just("x.png"),
        imported_at=st.just("2024-01-01T00:00:00Z"),
        site=st.sampled_from(("", *SITES)),
        post_id=st.sampled_from(("", "0", "1")),
        parent_id=st.sampled_from(("", "1")),
        rating=st.sampled_from(("", *RATINGS)),
        score=some,
        favorites=some,
        created_at=st.sampled_from(("", "2023-05-06T10:00:00Z", "2022-12-31T23:59:59Z")),
        has_children=st.none() | st.booleans(),
        tags=st.dictionaries(st.sampled_from(("artist", "general", "meta")), names, max_size=3),
    )
    has_image = draw(st.booleans())
    folder = draw(st.sampled_from(CONCEPTS))
    return ItemFacts(
        key=f"{folder}/x{draw(st.integers(0, 1))}".lstrip("/"),
        caption=draw(st.none() | st.lists(st.sampled_from((*TAGS, "Blue Hat", "|||")), max_size=3).map(", ".join)),
        record=draw(st.none() | record),
        extension=draw(st.sampled_from(("png", "JPG", "jpeg", "tif"))) if has_image else "",
        size_px=draw(st.none() | st.tuples(st.integers(0, 3), st.integers(0, 3))) if has_image else None,
        size_bytes=draw(st.sampled_from((1, 100, 1000))) if has_image else None,
        counts_record=draw(st.booleans()),
    )


def row_of(item: ItemFacts) -> Facts:
    """The same item as the index holds it."""
    row = _from_record(item.key, item.record, is_early=item.counts_record)
    if item.extension:
        name = item.extension.lower()
        row.values["format"] = ({"jpg": "jpeg", "tif": "tiff"}.get(name, name),)
        row.values["has"] = (*row.values.get("has", ()), "image")
    if item.size_px is not None:
        row.numbers |= dict(zip(("width", "height"), map(float, item.size_px), strict=True))
    if item.size_bytes is not None:
        row.numbers["size"] = float(item.size_bytes)
    return row.with_caption(item.caption)


@settings(max_examples=150, deadline=None)
@given(items(), nodes())
def test_one_item_is_found_as_the_index_finds_it(item: ItemFacts, node: Node) -> None:
    segment = Segment(Head(stage="raw", trees=("", ""), num_rows=1), pack([row_of(item)]))
    assert matches(node, item) == (evaluate(node, segment, 1) == 1)


@settings(max_examples=120, deadline=None)
@given(items(), nodes(), st.tuples(st.integers(0, 3), st.integers(0, 3)))
def test_what_is_left_of_a_query_finds_the_same(item: ItemFacts, node: Node, size: tuple[int, int]) -> None:
    (left,) = left_of_pixels([node], item)
    asked = [part for part in walk(left) if isinstance(part, Compare | Between)]
    assert all(part.word in OF_PIXELS for part in asked)
    assert bool(asked) == (left not in (EVERYTHING, NOTHING))
    if asked:
        assert parse_query(format_query(left)) == left
    sized = ItemFacts(**{name: getattr(item, name) for name in item.__struct_fields__} | {"size_px": size})
    assert matches(left, ItemFacts(key="", size_px=size)) == matches(node, sized)


def test_what_is_left() -> None:
    item = ItemFacts(key="aria/x", caption="hat", extension="png")
    rows = {
        "concept:aria": EVERYTHING,
        "concept:beth width>3": NOTHING,
        "concept:aria width>3": parse_query("width>3"),
        "concept:aria or width>3": EVERYTHING,
        "concept:beth or -mp<1": parse_query("-mp<1"),
        "-(tag:hat -ratio>1 -tag:x)": Not(Not(parse_query("ratio>1"))),
    }
    left = left_of_pixels([parse_query(query) for query in rows], item)
    assert dict(zip(rows, left, strict=True)) == rows


@pytest.mark.parametrize(
    "word", ["near-duplicate-of:aria/x", "in:wip", "tokens>75", "has:conflict", "has:image,conflict"]
)
def test_words_that_ask_for_more_than_the_item(word: str) -> None:
    with pytest.raises(ConfigError, match=r"dsk\.toml x: .* asks for more than the item itself") as caught:
        parse_where(f"tag:hat (-solo or -{word})", where="dsk.toml x")
    assert "near-duplicate-of:" in caught.value.hint
    with pytest.raises(ConfigError, match="asks for more than the item itself"):
        matches(And((EVERYTHING, parse_query(word))), ItemFacts(key="aria/x"))


def test_a_query_that_is_none_is_told_with_its_place() -> None:
    with pytest.raises(ConfigError, match=r"dsk\.toml x: query: no word 'concpt'") as caught:
        parse_where("concpt:aria", where="dsk.toml x")
    assert "did you mean 'concept'?" in caught.value.hint
    assert parse_where("", where="x") == EVERYTHING
    assert Near("aria/x") not in walk(parse_where("near", where="x"))


QUERIES = [
    "hat", "-hat", "tag:*_hair", "concept:aria", "name:*1", "width>=20", "ratio>1", "mp<1", "size>100", "format:png",
    "format:jpg", "untagged", "caption:blue", "has:caption", "has:record", "num-tags>1", "rating:g", "imported>2020",
    "hat or width<10", "concept:beth -hat", "height=12", "item:aria/*", 'caption:/^blue/', "has:image",
]  # fmt: skip


def test_a_dataset_answers_alike(tmp_path: Path) -> None:
    scrape = tmp_path / "scrape"
    captions = [("aria", "blue_hair, hat"), ("aria", None), ("beth", "hat"), ("beth", "")]
    for number, (concept, text) in enumerate(captions):
        (scrape / concept).mkdir(parents=True, exist_ok=True)
        extension = "jpg" if number % 2 else "png"
        Image.new("RGB", (8 + 10 * number, 12), (number, 0, 0)).save(scrape / concept / f"x{number}.{extension}")
        if text is not None:
            (scrape / concept / f"x{number}.txt").write_text(text)
    root = start_dataset(tmp_path / "dataset")
    import_folder(open_project(root), scrape)
    found = []
    for path in sorted((root / "raw").rglob("*.json")):
        key = path.relative_to(root / "raw").with_suffix("").as_posix()
        image = next(one for one in path.parent.glob(f"{path.stem}.*") if one.suffix in (".png", ".jpg"))
        caption = path.with_suffix(".txt")
        record = decode_record(path.read_bytes(), path=path.name)
        found.append(
            ItemFacts(
                key=key,
                caption=caption.read_text() if caption.exists() else None,
                record=record,
                extension=image.suffix[1:],
                size_px=record.size_px,
                size_bytes=image.stat().st_size,
                counts_record=True,
            )
        )
    assert len(found) == 4
    told = {query: list(find_items(open_to_look(root), query, stage="raw").items) for query in QUERIES}
    assert {query: [item.key for item in found if matches(parse_query(query), item)] for query in QUERIES} == told
    assert sum(0 < len(some) < 4 for some in told.values()) > 12, "queries that tell items apart"
