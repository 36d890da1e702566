"""The index finds what a look at every item would find; algebra holds; damage is noticed."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from queries import facts, finds, nodes

from datakit.repo.finding.building import pack
from datakit.repo.finding.facts import Facts
from datakit.repo.finding.segment import Damaged, Head, Segment, read_segment, write_segment
from datakit.tags.query.evaluating import bits_at, evaluate, rows_of
from datakit.tags.query.parsing import And, Node, Not, Or

KEYS = ("aria/day/x1", "aria/x0", "aria/x1", "beth/x0", "x0")
HEAD = Head(stage="wip", trees=("", ""), num_rows=0)


def segment_of(rows: list[Facts]) -> Segment:
    return Segment(Head(stage="wip", trees=("", ""), num_rows=len(rows)), pack(rows))


@st.composite
def tables(draw: st.DrawFn) -> list[Facts]:
    keys = draw(st.lists(st.sampled_from(KEYS), unique=True))
    return [draw(facts(key)) for key in sorted(keys)]


@given(tables(), nodes())
def test_the_index_finds_what_a_look_at_every_item_finds(rows: list[Facts], node: Node) -> None:
    segment = segment_of(rows)
    found = evaluate(node, segment, (1 << len(rows)) - 1)
    assert [rows[row].key for row in rows_of(found)] == [row.key for row in rows if finds(node, row)]


@given(tables(), nodes(), nodes(), st.integers(0, 31))
def test_de_morgan_and_a_part_of_the_rows(rows: list[Facts], left: Node, right: Node, mask: int) -> None:
    segment, every = segment_of(rows), (1 << len(rows)) - 1

    def find(node: Node, within: int = every) -> int:
        return evaluate(node, segment, within)

    assert find(Not(And((left, right)))) == find(Or((Not(left), Not(right))))
    assert find(Not(Or((left, right)))) == find(And((Not(left), Not(right))))
    assert find(Not(Not(left))) == find(left)
    assert find(left, mask & every) == find(left) & mask


@given(st.sets(st.integers(0, 300)))
def test_sets_of_rows(rows: set[int]) -> None:
    assert rows_of(bits_at(rows, 301)) == sorted(rows)


def many_rows(number: int) -> list[Facts]:
    rows = []
    for at in range(number):
        tags = ["common", f"tag_{at % 97}", *(["rare"] if at % 5000 == 7 else [])]
        rows.append(Facts(f"c{at % 7}/{at:06d}", columns={"id": str(at)}).with_caption(", ".join(tags)))
    return sorted(rows, key=lambda row: row.key)


def test_rows_of_a_rare_and_of_a_common_tag(tmp_path: Path) -> None:
    rows = many_rows(9_000)
    head = Head(stage="wip", trees=("a", "b"), num_rows=len(rows))
    write_segment(tmp_path / "x", head, pack(rows))
    segment = read_segment(tmp_path / "x")
    assert segment is not None
    assert segment.having("tag", ["common"]).bit_count() == 9_000
    assert {segment.keys[row] for row in rows_of(segment.having("tag", ["rare"]))} == {"c0/000007", "c2/005007"}
    both = segment.having("tag", ["rare", "tag_7", "nothing"])
    assert both.bit_count() == len({at for at in range(9_000) if at % 5000 == 7 or at % 97 == 7})
    within = segment.having("tag", ["rare"])
    assert segment.count_within("tag", within) == {"common": 2, "rare": 2, "tag_7": 1, f"tag_{5007 % 97}": 1}


@given(st.data())
def test_a_damaged_file_is_noticed(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    rows = many_rows(40)
    head = Head(stage="wip", trees=("a", "b"), num_rows=len(rows))
    write_segment(folder / "x", head, pack(rows))
    good = read_segment(folder / "x")
    assert good is not None
    whole = (folder / "x").read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    if data.draw(st.booleans()):
        (folder / "y").write_bytes(whole[:at])
    else:
        (folder / "y").write_bytes(whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :])
    bad = read_segment(folder / "y")
    if bad is None:
        return
    for name in good.head.sections:
        try:
            section = bytes(bad.section(name))
        except Damaged:
            continue
        assert section == bytes(good.section(name)), name


def test_names_that_are_not_utf_8_and_captions_with_nul(tmp_path: Path) -> None:
    rows = [Facts("a\udcff/x").with_caption("one\0, two"), Facts("b/\ud800").with_caption("")]
    write_segment(tmp_path / "x", Head(stage="wip", trees=("", ""), num_rows=2), pack(rows, gone=["c\udcfe"]))
    segment = read_segment(tmp_path / "x")
    assert segment is not None
    assert segment.keys == ["a\udcff/x", "b/\ud800"]
    assert segment.texts("gone") == ["c\udcfe"]
    assert segment.column("caption") == ["one , two", ""]
    assert read_segment(tmp_path / "nothing") is None


def test_a_disk_that_refuses_costs_only_time(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    write_segment(tmp_path / "file/x", HEAD, pack([]))
    assert read_segment(tmp_path / "file/x") is None
