"""No sidecar stops an import: whatever is wrong with it, nothing is raised, and file and field are named."""

from __future__ import annotations

import copy
import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trees import fill

from datakit.errors import InputError
from datakit.model.record import CATEGORIES, RATINGS, encode_json
from datakit.sources.folders.documents import stream_lines
from datakit.sources.folders.walk import Folder
from datakit.sources.model import SOURCES
from datakit.sources.reading.sidecars import MAX_DEPTH, decode_text, parse_json
from datakit.sources.reading.site import all_sites, read_facts, shapes_of

TempPaths = pytest.TempPathFactory
CASES = sorted((Path(__file__).parents[1] / "cases" / "sources").glob("*/*.json"))
POSTS: dict[str, dict[str, Any]] = {
    f"{path.parent.name}/{path.stem}": json.loads(path.read_text("utf-8")) for path in CASES
}
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=10**18, max_value=10**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.sampled_from(["", "0", "null", "-1", "1e999", "&#0;", "&#x110000;", "\x00", "a" * 5000, "//[", "http://[::1"])
)
VALUES = st.recursive(
    LEAVES, lambda one: st.lists(one, max_size=3) | st.dictionaries(st.text(max_size=8), one, max_size=3)
)
SETTINGS = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def mutated(post: dict[str, Any], data: st.DataObject) -> dict[str, Any]:
    """The post with some of its fields, also nested ones, exchanged, removed, or swapped with one another."""
    changed: dict[str, Any] = json.loads(json.dumps(post))
    for _ in range(data.draw(st.integers(1, 6))):
        holders = [changed, *(one for one in changed.values() if isinstance(one, dict))]
        holder = data.draw(st.sampled_from(holders))
        field = data.draw(st.sampled_from([*sorted(holder), "category"]))
        action = data.draw(st.sampled_from(["exchange", "exchange", "remove", "swap", "wrap"]))
        if action == "remove":
            holder.pop(field, None)
        elif action == "swap":
            holder[field] = copy.deepcopy(changed.get(data.draw(st.sampled_from([*sorted(changed), "id"]))))
        elif action == "wrap":
            holder[field] = data.draw(st.sampled_from([[holder.get(field)], {"name": holder.get(field)}]))
        else:
            holder[field] = data.draw(VALUES)
    decoded: dict[str, Any] = json.loads(json.dumps(changed))
    return decoded


@SETTINGS
@given(name=st.sampled_from(sorted(POSTS)), data=st.data())
def test_a_mutated_post_reads_with_every_site(name: str, data: st.DataObject) -> None:
    post = mutated(POSTS[name]["post"], data)
    assert len(shapes_of(post)) <= len(all_sites())
    for site in [POSTS[name]["site"], *(one.name for one in all_sites())]:
        facts = read_facts(post, site=site)
        if facts is None:
            continue
        encode_json(facts.scraped)
        assert facts.scraped.rating in {*RATINGS, ""}
        assert set(facts.scraped.tags) <= set(CATEGORIES)
        assert all(problem.startswith("field '") and ", not " in problem for problem in facts.problems)
        top = {problem.split("'")[1].split(".")[0].split("[")[0] for problem in facts.problems}
        assert all(any(field == key.split(".")[0].split("[")[0] for key in post) for field in top)


@SETTINGS
@given(name=st.sampled_from(sorted(POSTS)), cut=st.floats(0, 1), junk=st.binary(max_size=8), data=st.data())
def test_a_damaged_sidecar_is_told_and_the_rest_is_read(
    name: str, cut: float, junk: bytes, data: st.DataObject
) -> None:
    whole = json.dumps(mutated({**POSTS[name]["post"], "category": POSTS[name]["site"]}, data)).encode()
    place = int(len(whole) * cut)
    damaged = whole[:place] + junk + data.draw(st.sampled_from([b"", whole[place:]]))
    good = {"category": "danbooru", "id": 1, "tag_string_general": "1girl", "tag_string": "1girl", "rating": "g"}
    files = {"a.png": b"", "a.png.json": damaged, "b.png": b"", "b.png.json": good, "data.jsonl": damaged}
    with tempfile.TemporaryDirectory() as root:
        folder = fill(Path(root), files)
        claims = SOURCES.load("gallery_dl").claim(folder, True)
    rows = {row.image: row for row in claims.found}
    assert rows["b.png"].scraped is not None
    assert rows["b.png"].scraped.tags == {"general": ("1girl",)}
    for row in claims.found:
        assert all(problem.startswith(("a.png.json: ", "b.png.json: ", "data.jsonl: ")) for problem in row.problems)
    if "a.png" in rows and rows["a.png"].scraped is None:
        assert rows["a.png"].problems


@SETTINGS
@given(st.binary(max_size=200) | st.text(max_size=50).map(lambda text: text.encode("utf-16")))
def test_any_bytes_are_a_text_and_either_json_or_a_reason(tmp_path_factory: TempPaths, data: bytes) -> None:
    text, _ = decode_text(data)
    assert text.encode("utf-8", "replace") is not None
    place = tmp_path_factory.getbasetemp() / "any.jsonl"
    rows: list[tuple[int, Any]] = []
    for content in (data, data.replace(b"\n", b" ")):
        place.write_bytes(content)
        rows += stream_lines(Folder("s", {place.name: place}), place.name)
    for number, value in rows:
        assert number >= 1
        if isinstance(value, InputError):
            assert value.message.startswith("not JSON")
        else:
            encode_json(value)


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
        ('{"a": "\u3042"}'.encode("utf-16"), {"a": "\u3042"}),
        (b'[NaN, Infinity, -Infinity, 1e999, "\\ud800"]', [None, None, None, None, "\ufffd"]),
        (b'"two\nlines"', "two\nlines"),
        (b'{"a": 1, "a": 2}', {"a": 2}),
        (b"[" * MAX_DEPTH + b"]" * MAX_DEPTH, json.loads("[" * MAX_DEPTH + "]" * MAX_DEPTH)),
    ],
)
def test_json_as_programs_write_it(data: bytes, value: object) -> None:
    assert parse_json(data) == value


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "it is empty"),
        (b"\x00" * 9, "it is empty"),
        (b'{"a": 1', "line 1"),
        (b'{"a": "\xe9"}', "not UTF-8"),
        (b"9" * 9000, "too long"),
        (b"[" * (MAX_DEPTH + 2) + b"]" * (MAX_DEPTH + 2), "deep"),
        (b"[" * 500_000, "deep"),
        (b'{"a":' * 500_000, "deep"),
        (b"[NaN," + b"[" * 500_000, "deep"),
    ],
)
def test_what_is_no_json_is_refused_with_its_reason(data: bytes, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        parse_json(data)


@pytest.mark.parametrize(
    ("data", "text", "problem"),
    [
        (b"\xef\xbb\xbfa\r\n", "a\r\n", ""),
        ("\u3042".encode("utf-16"), "\u3042", ""),
        (b"\xfe\xff\x30\x42", "\u3042", ""),
        (b"\xff\xfea", "\ufffd", "broken UTF-16"),
        (b"caf\xe9 \x93x\x94", "caf\u00e9 \u201cx\u201d", "Windows-1252"),
        (b"\x81\xe9", "\x81\u00e9", "Windows-1252"),
    ],
)
def test_a_text_in_any_encoding(data: bytes, text: str, problem: str) -> None:
    found, told = decode_text(data)
    assert found == text
    assert problem in told
    assert bool(problem) == bool(told)
