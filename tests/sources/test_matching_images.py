"""Names in metadata mean images of the folder, and never anything else."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trees import fill

from datakit.sources.folders.matching import Images, candidates, leads_out
from datakit.sources.reading.namespaces import sort_tags
from datakit.sources.reading.tagtexts import split_list


@pytest.mark.parametrize(
    ("place", "name", "expected"),
    [
        ("", "a/x.png", ["a/x.png"]), ("a", "x.png", ["a/x.png"]), ("a", "../y.jpg", ["y.jpg"]),
        ("", "a\\x.png", ["a/x.png"]),
        ("", "a/x.webp", ["a/x.png"]), ("", "a/x", ["a/x.png"]), ("a", "/home/u/a/x.png", ["a/x.png"]),
        ("", "C:\\d\\y.jpg", ["y.jpg"]), ("", "../a/x.png", []), ("a", "../../y.jpg", []), ("", "/../a/x.png", []),
        ("", "", []), ("", ".", []), ("", "a", []), ("", "a/x.png\0", []), ("", "file:///a/x.png", []),
    ],
)  # fmt: skip
def test_a_path_that_metadata_names(tmp_path: Path, place: str, name: str, expected: list[str]) -> None:
    assert Images(fill(tmp_path, {"a/x.png": b"", "y.jpg": b""})).at(place, name) == expected


@given(st.text(alphabet="ab./\\:", max_size=12), st.sampled_from(["", "a", "a/b"]))
def test_no_name_leads_out(name: str, place: str) -> None:
    for path in candidates(place, name):
        assert not path.startswith("/")
        assert ".." not in path.split("/")
    assert leads_out(place, "../" * 4 + name.lstrip("/")) or name.strip() in {"", "."} or "/.." not in place + name


@pytest.mark.parametrize(
    ("name", "site", "number", "is_found"),
    [
        ("danbooru_123_x.png", "danbooru", "123", True), ("123.png", "danbooru", "123", True),
        ("000123.png", "e621", "123", True),
        ("yande.re 123 solo.png", "yandere", "123", True), ("e621-123.png", "danbooru", "123", False),
        ("IMG_123.png", "danbooru", "123", False), ("x123.png", "danbooru", "123", False),
    ],
)  # fmt: skip
def test_an_id_in_a_name(tmp_path: Path, name: str, site: str, number: str, is_found: bool) -> None:
    found = Images(fill(tmp_path, {name: b""})).of_post(site, number, place="")
    assert found == ([name] if is_found else [])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a b||||c", ("||||", ["a b", "c"])), ("a, b\na, b", (", ", ["a", "b"])), ("", (" ", [])),
        ("long hair\nsolo", ("\n", ["long hair", "solo"])), ("a_b c\na_b c", (" ", ["a_b", "c"])),
        ("a;b", (";", ["a", "b"])), ("a | b", (" | ", ["a", "b"])),
    ],
)  # fmt: skip
def test_separators(text: str, expected: tuple[str, list[str]]) -> None:
    assert split_list(text) == expected


def test_namespaces() -> None:
    labels = sort_tags(
        ["creator:A B", "clothing:hat", ":d", "re:zero", "rating:s", "rating:Safe", "page:3", "https://x", " "]
    )
    assert labels.tags == {"artist": ("a_b",), "general": ("clothing:hat", ":d", "re:zero")}
    assert (labels.rating, labels.urls) == ("general", ("https://x",))
