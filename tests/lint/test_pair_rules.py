"""The pair rules on any bytes: nothing crashes, fixes come to an end, lose no caption and leave clean ones alone."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lint_cases import Tree, collection_of

from datakit.lint.captions import read_caption
from datakit.lint.engine import CRASH_CODE, RULES, run
from datakit.lint.facts.characters import is_blank
from datakit.lint.facts.ordering import by_order
from datakit.lint.fixes import plan_fixes
from datakit.lint.mending import MOST_ROUNDS, mend
from datakit.lint.model import Rule
from datakit.lint.overlay import overlaid
from datakit.model.item import stem_of

ODD = (
    "\ufeff\u200b\u200d\u200c\u00a0\u00ad\u3000\u2028\u202e\u0430\u0422\uff28"
    "\u05e9\u0915\U0001f468\U000e0061\x00\x85\r\n\t"
)
texts = st.text(st.sampled_from(ODD + "abHo ,|1\u521d\u00e9"), max_size=14)
contents = st.one_of(
    st.binary(max_size=12),
    texts.map(str.encode),
    texts.map(lambda text: text.encode("utf-16")),
    texts.map(lambda text: text.encode("cp1251", "ignore")),
    texts.map(lambda text: text.encode("gb18030")),
)
names = st.builds(
    lambda folder, stem, extension: f"{folder}{stem}.{extension}",
    st.sampled_from(["", "10_a/", "10_a/more/"]),
    st.sampled_from(["k", "K", "k.png", "k_1_2_3_4", "._k", "2", "10", "sea"]),
    st.sampled_from(["png", "jpg", "txt", "txt", "txt", "TXT", "caption", "tags", "json", "mp4", "db"]),
)
trees = st.dictionaries(names, contents, max_size=9)
stages = st.sampled_from(["raw", "captioned", "wip", ""])


def pair_rules(*, fixing: bool = False) -> list[Rule]:
    return [rule for rule in RULES.all() if rule.group == "pairs" and (rule.fix is not None or not fixing)]


@given(trees, stages)
@settings(max_examples=150, deadline=None)
def test_no_bytes_crash_a_rule(tree: Tree, stage: str) -> None:
    report = run(pair_rules(), [collection_of(stage, tree)])
    assert not [finding for finding in report.findings if finding.code == CRASH_CODE]


@given(trees, stages, st.booleans())
@settings(max_examples=150, deadline=None)
def test_fixes_come_to_an_end_within_the_rounds(tree: Tree, stage: str, unsafe: bool) -> None:
    rules, collection = pair_rules(fixing=True), collection_of(stage, tree)
    for _ in range(MOST_ROUNDS):
        plan = plan_fixes(run(rules, [collection]), [collection], unsafe=unsafe)
        if not plan.changes:
            break
        prefix = f"{stage}/" if stage else ""
        collection = overlaid(collection, [_inside(change, prefix) for change in plan.changes])
    assert not plan_fixes(run(rules, [collection]), [collection], unsafe=unsafe).changes
    assert len(mend(rules, [collection], unsafe=unsafe).fixed) == 0


@given(texts, stages)
@settings(max_examples=150, deadline=None)
def test_a_mended_caption_says_something_if_it_did_before(text: str, stage: str) -> None:
    rules = pair_rules(fixing=True)
    mended = mend(rules, [collection_of(stage, {"k.png": b"", "k.txt": text.encode()})], unsafe=True)
    said_something = any(not is_blank(tag) for tag in read_caption("k.txt", text.encode()).tags)
    for data in mended.contents.values() if said_something else ():
        assert not is_blank(data.decode("utf-8"))


@given(st.lists(st.text("aZ_1- ():", min_size=1, max_size=8).filter(str.strip), min_size=1, max_size=6))
def test_plain_captions_are_left_alone(tags: list[str]) -> None:
    report = run(pair_rules(), [collection_of("", {"k.png": b"", "k.txt": ", ".join(tags).encode()})])
    assert not report.findings


def test_one_caption_with_everything_wrong_is_clean_in_the_end() -> None:
    data = "\ufeff1girl,\r\nl\u03bfng\u00a0hair,\r\nsmi\u200b\x08le\r\n".encode("utf-16")
    mended = mend(pair_rules(fixing=True), [collection_of("", {"k.png": b"", "k.png.txt": data})])
    assert mended.contents == {"k.txt": b"1girl, long hair, smile"}
    assert mended.before == {"k.txt": "k.png.txt"}


def test_one_fault_is_told_once() -> None:
    for name in ("k.png.txt", "k.caption", "k.TXT"):
        report = run(pair_rules(), [collection_of("", {"k.png": b"", name: b"1girl"})])
        assert len(report.findings) == 1, name


def test_order_needs_as_many_captions_as_images() -> None:
    images = ["1", "2 b", "3 c", "9"]
    assert by_order(images, {"1", "9"}, orphans=["4", "5"]) == {"4": "2 b", "5": "3 c"}
    assert by_order(images, {"1", "9"}, orphans=["4"]) == {}
    assert by_order(images, set(), orphans=["4", "5", "6", "7"]) == {}


@given(st.sets(st.text("ab12", max_size=3), max_size=8), st.data())
def test_order_gives_each_image_once(stems: set[str], data: st.DataObject) -> None:
    captioned = data.draw(st.sets(st.sampled_from(sorted(stems) or [""]), max_size=4)) & stems
    orphans = data.draw(st.sets(st.text("ab12", max_size=3), max_size=6)) - stems
    found = by_order(stems, captioned, orphans=orphans)
    assert len(set(found.values())) == len(found)
    assert {*found} <= orphans
    assert {*found.values()} <= stems - captioned


@pytest.mark.parametrize("stage", ["wip", ""])
def test_ten_thousand_captions_are_quick(stage: str) -> None:
    tags = ", ".join(f"long hair {number}" for number in range(30)).encode()
    tree = {f"aria/{number}.{end}": tags for number in range(10_000) for end in ("png", "txt")}
    collection = collection_of(stage, tree)
    assert collection.read_captions
    start = time.perf_counter()
    assert not run(pair_rules(), [collection]).findings
    assert time.perf_counter() - start < 2, "a fraction of a second on an idle machine"


def _inside(change: object, prefix: str) -> object:
    """A change from the dataset's root as one of the stage's folder."""
    fields = {name: getattr(change, name) for name in change.__struct_fields__}  # type: ignore[attr-defined]
    paths = {name: value.removeprefix(prefix) for name, value in fields.items() if isinstance(value, str)}
    assert all(stem_of(path) for path in paths.values())
    return type(change)(**{**fields, **paths})
