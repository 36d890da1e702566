"""hydrus's sidecars: any separator, text and JSON, and captions that are not hydrus's."""

from __future__ import annotations

from pathlib import Path

import pytest
from trees import by_image, listing, tags_of

SHA = "ab" * 32
TAGS = {"artist": ("foo_bar",), "character": ("hatsune_miku",), "copyright": ("vocaloid",), "general": ("long_hair",)}
PIECES = ["creator:foo bar", "character:hatsune miku", "series:vocaloid", "long hair", "title:Hello, World", "page:3"]


@pytest.mark.parametrize("separator", ["\n", "||||", "\r\n"])
@pytest.mark.parametrize("name", ["x.png.txt", "x.txt", "x.png.tags.txt", "x.tags.txt"])
def test_text_sidecars(tmp_path: Path, separator: str, name: str) -> None:
    text = separator.join(PIECES)
    found = listing(tmp_path, {"a/x.png": b"", f"a/{name}": text})
    row = by_image(found)["a/x.png"]
    assert found.recognised == {"hydrus": 1}
    assert tags_of(row) == TAGS
    assert row.scraped is not None
    assert row.scraped.upstream == {"hydrus": {name: text}}
    assert row.caption == ""


@pytest.mark.parametrize("separator", [", ", "; ", "\t"])
def test_other_separators(tmp_path: Path, separator: str) -> None:
    text = separator.join(["creator:foo bar", "series:vocaloid", "long hair", "rating:explicit"])
    row = by_image(listing(tmp_path, {"x.png": b"", "x.png.txt": text}))["x.png"]
    assert tags_of(row) == {"artist": ("foo_bar",), "copyright": ("vocaloid",), "general": ("long_hair",)}
    assert row.scraped is not None
    assert row.scraped.rating == "explicit"


@pytest.mark.parametrize("name", ["x.txt", "x.png.txt", f"{SHA}.txt"])
@pytest.mark.parametrize(
    "text",
    [
        "1girl, long hair", "artist:wlop, 1girl", "rating: safe, solo", "rating: safe\n1girl", "1girl; solo; page: 3",
        "a girl with\na hat", "Hello.\nYou.\nA b.\nC.", "title: my photo, a dog", "style: anime\na girl outdoors",
        "Roses are red\nViolets are blue\nSugar is sweet\nAnd so are you", "1girl, solo |||| long hair, smile",
        "Name: Miku\nHair: teal\nEyes: teal\nOutfit: school", "a shot from the series: breaking bad, two men",
        "a girl in a red dress\na woman wearing red\nred dress girl\na lady outdoors", "at 12:30 in the park",
        "character: miku\nShe is standing in the rain, holding an umbrella.", "medium: oil painting",
    ],
)  # fmt: skip
def test_captions_stay_captions(tmp_path: Path, text: str, name: str) -> None:
    image = f"{name.removesuffix('.txt').removesuffix('.png')}.png"
    found = listing(tmp_path, {image: b"", name: text})
    assert found.recognised == {"folder": 1}
    assert by_image(found)[image].caption == name


@pytest.mark.parametrize("text", ["character:miku, series:vocaloid, rating:safe, 1girl", "1girl\ncharacter:miku\nsolo"])
def test_namespaces_that_people_write_too_count_by_the_names(tmp_path: Path, text: str) -> None:
    """As a caption for training such a list has its order, which a record would lose."""
    found = listing(tmp_path / "a", {"x.png": b"", "x.txt": text})
    assert (found.recognised, by_image(found)["x.png"].caption) == ({"folder": 1}, "x.txt")
    assert listing(tmp_path / "b", {"x.png": b"", "x.png.txt": text}).recognised == {"hydrus": 1}
    assert listing(tmp_path / "c", {f"{SHA}.png": b"", f"{SHA}.txt": text}).recognised == {"hydrus": 1}


@pytest.mark.parametrize("text", ["1girl\nsolo", "1girl\nlong hair\nsolo\nblue eyes\nsmile", "1girl\nlong_hair\nsolo"])
def test_a_tag_a_line_is_a_caption_unless_a_name_is_hydrus_own(tmp_path: Path, text: str) -> None:
    """As long as nothing says that it is hydrus's, the text is kept as it is."""
    found = listing(tmp_path / "a", {"x.png": b"", "x.txt": text})
    assert (found.recognised, by_image(found)["x.png"].caption) == ({"folder": 1}, "x.txt")
    found = listing(tmp_path / "b", {f"{SHA}.png": b"", f"{SHA}.txt": text})
    assert found.recognised == {"hydrus": 1}
    exact = listing(tmp_path / "c", {"x.png": b"", "x.png.txt": text})
    assert ("hydrus" in exact.recognised) == (text.count("\n") > 2)


def test_files_by_hash_with_several_sidecars(tmp_path: Path) -> None:
    files = {
        f"{SHA}.jpg": b"",
        f"{SHA}.jpg.txt": "blue eyes\nsolo",
        f"{SHA}.jpg.urls.txt": "https://danbooru.donmai.us/posts/7\nhttps://a.b/c",
        f"{SHA}.jpg.notes.txt": "artist comment: it is a, b",
        f"{SHA}.txt": "a plain caption",
    }
    row = by_image(listing(tmp_path, files))[f"{SHA}.jpg"]
    assert tags_of(row) == {"general": ("blue_eyes", "solo")}
    assert row.scraped is not None
    assert row.scraped.urls == ("https://danbooru.donmai.us/posts/7", "https://a.b/c")
    assert row.scraped.upstream is not None
    assert set(row.scraped.upstream["hydrus"]) == {name for name in files if name.startswith(f"{SHA}.jpg.")}
    assert row.caption == f"{SHA}.txt"


@pytest.mark.parametrize(
    ("value", "tags"),
    [
        (["creator:a", "long hair"], {"artist": ("a",), "general": ("long_hair",)}),
        (["long hair", "solo"], {"general": ("long_hair", "solo")}),
        ({"my": {"tags": ["series:x", "solo"]}, "notes": ["n: text"], "urls": ["https://a.b"], "timestamps": {"a": 1}},
         {"copyright": ("x",), "general": ("solo",)}),
    ],
)  # fmt: skip
def test_json_sidecars(tmp_path: Path, value: object, tags: dict[str, tuple[str, ...]]) -> None:
    row = by_image(listing(tmp_path, {"x.png": b"", "x.png.json": value}))["x.png"]
    assert tags_of(row) == tags
    assert row.scraped is not None
    assert row.scraped.upstream == {"hydrus": {"x.png.json": value}}


@pytest.mark.parametrize("value", [{"tags": ["a", "b"]}, {"a": 1}, [], [1, 2], ["a", 1], "text", None])
def test_json_of_others_is_left(tmp_path: Path, value: object) -> None:
    assert listing(tmp_path, {"x.png": b"", "x.json": value}).recognised == {"folder": 1}


def test_a_colon_at_the_front_is_doubled(tmp_path: Path) -> None:
    row = by_image(listing(tmp_path, {"x.png": b"", "x.png.txt": "::d\ncreator:a\n:d\n::3"}))["x.png"]
    assert tags_of(row) == {"artist": ("a",), "general": (":d", ":3")}


def test_told_it_is_hydrus(tmp_path: Path) -> None:
    found = listing(
        tmp_path, {"x.png": b"", "x.txt": "blue eyes, solo", "y.png": b"", "y.json": {"tags": ["a b"]}}, "hydrus"
    )
    assert tags_of(by_image(found)["x.png"]) == {"general": ("blue_eyes", "solo")}
    assert tags_of(by_image(found)["y.png"]) == {"general": ("a_b",)}
