from __future__ import annotations

from typing import Any

import msgspec
import pytest
from filter_runs import found, look_and_run, record, run, saved, subject
from PIL import Image

from datakit.config import decode
from datakit.errors import ConfigError
from datakit.images.looks import FACTS, MEASURED
from datakit.model.stage import Drop, Keep
from stages import filtered

FINE = {"measured": {"oriented_size_px": [1000, 800]}}
SMALL = {"measured": {"oriented_size_px": [1000, 255]}}
BROKEN = {"measured": {"unreadable": "the file is empty"}}
FILTERED = {
    "all fine": ([("a", "1", FINE, {}), ("b", "2", FINE, {})], {}, {}, "2 of 2 kept"),
    "unreadable": ([("a", "1", BROKEN, {})], {}, {"a": "unreadable"}, "0 of 1 kept (1 unreadable)"),
    "small": ([("a", "1", SMALL, {})], {}, {"a": "too-small"}, "0 of 1 kept (1 too small)"),
    "small is allowed": ([("a", "1", SMALL, {})], {"too-small": {"min_side_px": 0}}, {}, "1 of 1 kept"),
    "first by name": (
        [("a", "1", FINE, {}), ("b", "1", FINE, {}), ("c", "1", FINE, {})],
        {},
        {"b": "exact-duplicate", "c": "exact-duplicate"},
        "1 of 3 kept (2 exact duplicates)",
    ),
    "tags before name": (
        [("a", "1", FINE, {"record": record()}), ("b", "1", FINE, {"record": record(tags={"general": ("hat",)})})],
        {},
        {"a": "exact-duplicate"},
        "1 of 2 kept (1 exact duplicate)",
    ),
    "tags before a caption": (
        [("a", "1", FINE, {"scraped_caption": "x"}), ("b", "1", FINE, {"record": record(tags={"general": ("hat",)})})],
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
        [("a", "1", FINE, {}), ("b", "1", FINE, {})], {"exact-duplicate": {"action": "off"}}, {}, "2 of 2 kept",
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
    subjects = [subject(f"c/{stem}", content.encode(), facts=facts, **more) for stem, content, facts, more in rows]
    outcomes = run(subjects, table)
    assert {item.key: item.rule for item in outcomes if isinstance(item, Drop)} == {
        f"c/{stem}": rule for stem, rule in dropped.items()
    }
    assert filtered.summarise(subjects, outcomes) == words


def test_evidence_names_the_keeper() -> None:
    _, drop = run([subject("c/a", b"1", facts=FINE), subject("d/b", b"1", facts=FINE)])
    assert isinstance(drop, Drop)
    assert drop.evidence == {"keeper": "c/a", "sha256": subject("c/a", b"1").image.sha256}
    assert "c/a" in drop.reason
    msgspec.json.encode(drop)


def test_evidence_of_size() -> None:
    (drop,) = run([subject("c/a", facts=SMALL)])
    assert isinstance(drop, Drop)
    assert drop.evidence == {"size_px": [1000, 255], "min_side_px": 256}


def test_inspecting_never_raises_and_gives_json() -> None:
    for data in (b"", b"nonsense", saved(Image.new("RGBA", (300, 400)))):
        (product,) = filtered.inspect(data, [MEASURED])
        assert product.image is None
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(product.facts)) == {
            **product.facts,
            **{k: list(v) for k, v in product.facts.items() if isinstance(v, tuple)},
        }
        (outcome,) = run([subject("c/a", facts={MEASURED.name: product.facts})])
        assert isinstance(outcome, Keep) == (len(data) > 10)


@pytest.mark.parametrize("value", [-1, 1.5, "512"])
def test_a_setting_of_the_wrong_type_is_refused(value: object) -> None:
    with pytest.raises(ConfigError, match="min_side_px"):
        run([], {"too-small": {"min_side_px": value}})


@pytest.mark.parametrize(
    ("table", "message", "hint"),
    [
        ({"min_side_px": 3}, "unknown key 'min_side_px'", "it belongs to [filtered.too-small]"),
        ({"exact_duplicates": False}, "unknown key 'exact_duplicates'", "did you mean [filtered.exact-duplicate]?"),
        ({"to-small": {}}, "unknown key 'to-small'", "did you mean [filtered.too-small]?"),
        ({"too-small": 3}, "'too-small' is a table, not a value", "write [filtered.too-small]"),
        ({"too-small": {"min_sid_px": 3}}, "too-small: unknown key 'min_sid_px'", "did you mean 'min_side_px'?"),
        ({"too-small": {"action": "delete"}}, "'delete'", "there are: off, flag, drop"),
    ],
)
def test_a_mistake_is_named_with_its_place(table: dict[str, Any], message: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        decode(table, filtered.STAGE.settings, where="dsk.toml [filtered]")
    assert message in caught.value.message
    assert caught.value.hint == hint


def settings(table: dict[str, Any]) -> Any:
    return decode(table, filtered.STAGE.settings, where="filtered")


def test_only_three_rules_are_on_unless_somebody_says_so() -> None:
    assert [rule.name for rule in filtered.active(settings({}))] == ["unreadable", "too-small", "exact-duplicate"]


def test_the_stage_reaches_as_far_as_its_rules() -> None:
    off = {"action": "off"}
    assert filtered.scope(settings({})) == "content"
    assert filtered.scope(settings({"exact-duplicate": off})) == "item"
    assert filtered.scope(settings({"exact-duplicate": off, "too-small": off, "unreadable": off})) == "item"
    assert filtered.scope(settings({"pixel-duplicate": {"action": "flag"}})) == "all"


def test_nothing_is_asked_when_no_rule_looks_at_pixels() -> None:
    off = {"action": "off"}
    only_tags = {"too-small": off, "unreadable": off, "forbidden-tags": {"action": "drop", "tags": ["comic"]}}
    assert filtered.looks(subject("c/a"), settings(only_tags)) == []
    assert filtered.looks(subject("c/a"), settings({})) == [FACTS]


def test_flags_are_all_kept_and_the_first_drop_is_told() -> None:
    flag = {"action": "flag"}
    table = {"unreadable": flag, "too-small": flag, "aspect-ratio": flag, "exact-duplicate": flag}
    thin, small = saved(Image.new("RGB", (900, 40))), saved(Image.new("RGB", (90, 90)))
    files = {"c/a": thin, "c/b": thin, "c/c": small, "c/d": b"", "c/e": saved(Image.new("RGB", (300, 300)))}
    outcomes = look_and_run(files, table)
    assert found(outcomes) == {
        "c/a": "flag too-small, aspect-ratio",
        "c/b": "flag too-small, aspect-ratio, exact-duplicate",
        "c/c": "flag too-small",
        "c/d": "flag unreadable",
    }
    assert filtered.summarise([], outcomes) == "5 of 5 kept (4 flagged)"
    outcomes = look_and_run(files, {**table, "aspect-ratio": {"action": "drop"}})
    assert found(outcomes) == {
        "c/a": "drop aspect-ratio",
        "c/b": "drop aspect-ratio",
        "c/c": "flag too-small",
        "c/d": "flag unreadable",
    }
    assert filtered.summarise([], outcomes) == "3 of 5 kept (2 odd shapes; 2 flagged)"


def test_an_unreadable_image_is_kept_where_nobody_asks() -> None:
    table = {name: {"action": "drop"} for name in ("too-small", "aspect-ratio", "pixel-duplicate")}
    outcomes = look_and_run({"c/a": b"", "c/b": b"x"}, {**table, "unreadable": {"action": "off"}})
    assert found(outcomes) == {}


def test_measures_are_asked_only_by_rules_that_measure() -> None:
    """The rules that are on by default cost a decoding, and no more."""
    one = subject("c/a")
    assert filtered.looks(one, settings({})) == [FACTS]
    assert filtered.looks(one, settings({"blurry": {"action": "flag"}})) == [MEASURED]
    (facts,), (measured,) = (
        filtered.inspect(saved(Image.new("RGB", (300, 300), "red")), [look]) for look in (FACTS, MEASURED)
    )
    assert facts.facts.items() <= measured.facts.items()
    assert "sharpness" in measured.facts.keys() - facts.facts.keys()
