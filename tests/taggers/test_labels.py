"""Label files as the taggers ship them, and as strangers may damage them."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from taggers import onnx_graphs as graphs

from datakit.errors import InputError
from datakit.taggers.labels import check_width, parse_labels, read_labels
from datakit.taggers.spec import LabelFile
from datakit.tags.names import to_canonical

WD = LabelFile()
CL = LabelFile(format="cl-json")
CAMIE = LabelFile(format="camie-json")
PIXAI_CSV = """id,tag_id,name,category,count,ips
0,470575,1girl,0,6000000,[]
1,1,Long Hair,0,4500000,[]
2,2,misaka_mikoto,4,20000,"[""toaru_kagaku_no_railgun"", ""toaru majutsu no index""]"
"""
E621 = {"0": "general", "1": "artist", "3": "copyright", "4": "character", "5": "species", "7": "meta", "8": "lore"}


def test_the_real_wd_labels() -> None:
    text = graphs.labels_csv()
    labels = parse_labels(text, WD, where="selected_tags.csv")
    assert len(labels.names) == graphs.NUM_WD_TAGS
    assert labels.names[:4] == ("general", "sensitive", "questionable", "explicit")
    counts = {name: labels.categories.count(name) for name in set(labels.categories)}
    assert counts == {"rating": 4, "general": 8106, "character": 2751}
    assert labels.thresholds is None
    assert labels.names == tuple(to_canonical(row["name"]) for row in graphs.wd_rows())
    assert len(set(labels.names)) > 10_850, "hardly a name twice"


def test_numbers_of_danbooru_and_the_taggers_own() -> None:
    rows = [("a", 0), ("b", 1), ("c", 3), ("d", 4), ("e", 5), ("general", 9), ("2019", 10), ("x", 77)]
    text = "tag_id,name,category,count\n" + "".join(f"1,{name},{code},5\n" for name, code in rows)
    expected = ("general", "artist", "copyright", "character", "meta", "rating", "year", "")
    assert parse_labels(text, WD, where="x").categories == expected


def test_e621_numbers_by_the_spec() -> None:
    written = LabelFile(categories=E621)
    text = "id,name,category,post_count\n1,canine,5,9\n2,anthro,0,9\n3,hi_res,7,9\n4,wrong,6,9\n"
    assert parse_labels(text, written, where="x").categories == ("species", "general", "meta", "")


def test_ratings_are_known_by_name_and_halves_of_characters_are_none() -> None:
    labels = parse_labels("name\nhat\nrating:explicit\n", WD, where="x")
    assert (labels.names, labels.categories) == (("hat", "explicit"), ("general", "rating"))
    odd = parse_labels('{"0": {"tag": "cat \\ud83d", "category": "General"}}', CL, where="x")
    assert odd.names == ("cat_?",)


def test_pixai_knows_the_series_of_characters() -> None:
    labels = parse_labels(PIXAI_CSV, LabelFile(series="ips"), where="x")
    assert labels.names == ("1girl", "long_hair", "misaka_mikoto")
    assert labels.series == {"misaka_mikoto": ("toaru_kagaku_no_railgun", "toaru_majutsu_no_index")}


def test_own_thresholds_where_the_file_has_them() -> None:
    labels = parse_labels("name,category,best_threshold\na,0,0.31\nb,0,\nc,4,0.4\n", WD, where="x")
    assert labels.thresholds is not None
    assert labels.thresholds[0] == 0.31
    assert math.isnan(labels.thresholds[1])
    assert labels.thresholds[2] == 0.4


def test_cl_tagger_in_both_of_its_spellings() -> None:
    one = {"1": {"tag": "masterpiece", "category": "Quality"}, "0": {"tag": "hatsune miku", "category": "Character"}}
    two = {
        "idx_to_tag": {"0": "hatsune miku", "1": "masterpiece"},
        "tag_to_category": {"hatsune miku": "Character", "masterpiece": "Quality"},
    }
    for table in (one, two):
        labels = parse_labels(json.dumps(table), CL, where="x")
        assert labels.names == ("hatsune_miku", "masterpiece")
        assert labels.categories == ("character", "quality")


def test_a_number_that_is_left_out_keeps_its_place() -> None:
    table = {"0": {"tag": "a", "category": "General"}, "2": {"tag": "c", "category": "General"}}
    labels = parse_labels(json.dumps(table), CL, where="x")
    assert (labels.names, labels.categories) == (("a", "", "c"), ("general", "", "general"))


def test_camie_is_nested_and_prefixes_ratings() -> None:
    mapping = {
        "idx_to_tag": {"1": "rating_general", "0": "1girl", "2": "year_2019"},
        "tag_to_category": {"1girl": "general", "rating_general": "rating", "year_2019": "year"},
    }
    labels = parse_labels(json.dumps({"dataset_info": {"tag_mapping": mapping}}), CAMIE, where="x")
    assert labels.names == ("1girl", "general", "year_2019")
    assert labels.categories == ("general", "rating", "year")


def test_lines_know_ratings_by_their_prefix() -> None:
    labels = parse_labels("1girl\n\nlong hair\r\nrating:safe\n", LabelFile(format="lines"), where="x")
    assert labels.names == ("1girl", "long_hair", "safe")
    assert labels.categories == ("general", "general", "rating")


def test_a_width_that_differs_names_both_files_and_numbers() -> None:
    labels = parse_labels("name,category\na,0\nb,0\n", WD, where="x")
    check_width(labels, 2, model=Path("m.onnx"), file=Path("t.csv"))
    with pytest.raises(InputError) as raised:
        check_width(labels, 10861, model=Path("m.onnx"), file=Path("t.csv"))
    assert all(word in raised.value.message for word in ("m.onnx", "t.csv", "10,861", "names 2"))


@pytest.mark.parametrize(
    ("text", "written", "word"),
    [
        ("", WD, "no column 'name'"),
        ("name,category\n", WD, "no labels"),
        ("id,tag\n1,a\n", WD, "no column 'name'"),
        ('name,category\n"a,0\n', WD, "line"),
        ("{", CL, "not valid JSON"),
        ("[" * 100_000, CL, "not valid JSON"),
        ("[1, 2]", CL, "not a JSON object"),
        ('{"x": {"tag": "a"}}', CL, "number"),
        ('{"999999999": {"tag": "a"}}', CL, "out of reach"),
        ('{"-1": {"tag": "a"}}', CL, "out of reach"),
        ('{"0": 5}', CL, "not a JSON object"),
        ('{"dataset_info": 3}', CAMIE, "not a JSON object"),
        ("{}", CAMIE, "not a JSON object"),
        ('name,category,ips\na,4,"{"\n', WD, "row 2"),
        ("name,category,ips\na,4,3\n", WD, "no list"),
        (" \n\n", LabelFile(format="lines"), "no labels"),
    ],
)
def test_mistakes_are_named(text: str, written: LabelFile, word: str) -> None:
    with pytest.raises(InputError, match=r"labels\.txt") as raised:
        parse_labels(text, written, where="labels.txt")
    assert word in raised.value.message


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="missing"):
        read_labels(tmp_path / "missing.csv", WD)
    (tmp_path / "latin.csv").write_bytes(b"name\n\xe9\n")
    with pytest.raises(InputError, match="UTF-8"):
        read_labels(tmp_path / "latin.csv", WD)
    (tmp_path / "bom.csv").write_bytes(b"\xef\xbb\xbfname,category\na,0\n")
    assert read_labels(tmp_path / "bom.csv", WD).names == ("a",)


@settings(max_examples=120, deadline=None)
@given(st.text(max_size=200), st.sampled_from(["csv", "cl-json", "camie-json", "lines"]))
def test_no_text_crashes(text: str, format_name: str) -> None:
    try:
        labels = parse_labels(text, LabelFile(format=format_name), where="x")
    except InputError:
        return
    assert len(labels.names) == len(labels.categories) > 0


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["0", "1", "tag", "idx_to_tag", "tag_to_category", "category"]), inner)
    ),
    max_leaves=20,
)


@settings(max_examples=120, deadline=None)
@given(JSON, st.sampled_from(["cl-json", "camie-json"]))
def test_no_json_crashes(value: object, format_name: str) -> None:
    try:
        labels = parse_labels(json.dumps(value), LabelFile(format=format_name), where="x")
    except InputError:
        return
    assert len(labels.names) == len(labels.categories)
