"""Captions are drawn as sd-scripts draws them: its own process_caption, over many captions and settings.

PEER_SD_SCRIPTS and PEER_SD_SCRIPTS_PYTHON as in test_sd_scripts_peer. Where chance plays a part, theirs must be among
ours. The differences are those that trainer/data/captions.py names; each has a test below.
"""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from peers.real_export import checkout, read_back

from trainer.data.captions import DrawKey, draw
from trainer.data.subsets import CaptionRule

pytestmark = pytest.mark.peers

TOTAL_STEPS = 40
words = st.text("abcdé;_( ", min_size=1, max_size=6).filter(lambda text: text.strip())
tag_texts = st.one_of(
    words, st.sampled_from(["{red}", "{{x}}", "{a b}", "{{{x}", "{}", "{x", "y}", "x}}y", ":}", "⦅a⦆"])
)
rules = st.builds(
    CaptionRule,
    shuffle_caption=st.booleans(),
    keep_tokens=st.integers(0, 4),
    keep_tokens_separator=st.sampled_from(["", "|||", "$$"]),
    caption_separator=st.sampled_from([",", ",", "."]),
    secondary_separator=st.sampled_from(["", ";", "; "]),
    caption_prefix=st.sampled_from(["", "", "sks,", "masterpiece", "sks |||", "{p}."]),
    caption_suffix=st.sampled_from(["", "", ", end", "end"]),
    caption_dropout_rate=st.sampled_from([0.0, 0.0, 0.0, 1.0]),
    caption_dropout_every_n_epochs=st.sampled_from([0, 0, 2, 3]),
    caption_tag_dropout_rate=st.sampled_from([0.0, 0.0, 0.0, 1.0]),
    enable_wildcard=st.booleans(),
    token_warmup_min=st.integers(0, 5),
    token_warmup_step=st.sampled_from([0, 0, 7, 20, 0.25, 0.5]),
)
Case = dict[str, Any]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    rule = draw(rules)
    if rule.enable_wildcard and rule.keep_tokens_separator:
        rule = replace(rule, keep_tokens_separator="$$")  # The other would make choices of what stands in braces.
    parts = draw(st.lists(st.lists(tag_texts, min_size=1, max_size=8), min_size=1, max_size=3))
    comma, mark = rule.caption_separator, rule.keep_tokens_separator or "$$"
    if rule.caption_prefix.endswith(mark):
        parts = parts[:2]
    text = f" {mark} ".join(f"{comma} ".join(part) for part in parts)
    where = {"epoch": draw(st.integers(0, 6)), "step": draw(st.integers(0, 30)), "total_steps": TOTAL_STEPS}
    return {"caption": text, "rule": rule, "seed": draw(st.integers(0, 999)), **where}


def generated(num: int) -> list[Case]:
    found: list[Case] = []

    @settings(max_examples=num, database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(case=cases())
    def collect(case: Case) -> None:
        found.append(case)

    collect()
    return found


def theirs(folder: Path, asked: list[Case]) -> list[str]:
    questions = [
        {**{key: value for key, value in case.items() if key != "rule"}, "subset": asdict(case["rule"])}
        for case in asked
    ]  # fmt: skip
    (folder / "questions.json").write_text(json.dumps(questions), "utf-8")
    found: Any = read_back(
        "read_sd_scripts_captions.py",
        checkout("PEER_SD_SCRIPTS"),
        str(folder / "questions.json"),
        python="PEER_SD_SCRIPTS_PYTHON",
    )
    assert len(found) == len(asked)
    return list(found)


def ours(case: Case, *, item: str = "x", captions: tuple[str, ...] = ()) -> str:
    key = DrawKey(0, item, case["epoch"], case["step"], case["total_steps"])
    return draw(captions or (case["caption"],), case["rule"], key=key)


def tags_of(text: str, rule: CaptionRule) -> list[str]:
    for mark in filter(None, (rule.keep_tokens_separator, rule.caption_separator)):
        text = text.replace(mark, ",")
    return [tag.strip() for tag in text.split(",") if tag.strip()]


def test_what_chance_does_not_decide_is_equal(tmp_path: Path) -> None:
    asked = generated(1500)
    num_exact = 0
    for case, their in zip(asked, theirs(tmp_path, asked), strict=True):
        rule, our = case["rule"], ours(case)
        if rule.keep_tokens_separator and rule.keep_tokens_separator in their:
            assert tags_of(our, rule) == tags_of(their, rule), case
            assert rule.keep_tokens_separator not in our
        elif rule.shuffle_caption:
            assert sorted(tags_of(our, rule)) == sorted(tags_of(their, rule)), case
        else:
            assert our == their, case
            num_exact += bool(their)
    assert num_exact > 200


def test_shuffled_kept_and_chosen_by_chance_alike(tmp_path: Path) -> None:
    rule = CaptionRule(shuffle_caption=True, keep_tokens_separator="|||", enable_wildcard=True, secondary_separator=";")
    captions = {
        "sks, {a|b} ||| c;d, {e|f, g} ||| {{end}}": rule,
        "1girl, a, b": replace(rule, keep_tokens=1),
        "a, b, c": CaptionRule(caption_tag_dropout_rate=0.5, keep_tokens=1),
        "a, b": CaptionRule(caption_dropout_rate=0.5),
        "{a|b|}{c|d}": CaptionRule(enable_wildcard=True),
    }
    where = {"epoch": 0, "step": 0, "total_steps": TOTAL_STEPS}
    asked = [
        {"caption": caption, "rule": own, "seed": seed, **where}
        for caption, own in captions.items()
        for seed in range(120)
    ]  # fmt: skip
    found: dict[str, set[str]] = {}
    for case, their in zip(asked, theirs(tmp_path, asked), strict=True):
        found.setdefault(case["caption"], set()).add(their)
    for caption, own in captions.items():
        made = {ours({"caption": caption, "rule": own, **where}, item=str(number)) for number in range(300)}
        assert made == found[caption], caption


def test_the_differences_that_are_meant(tmp_path: Path) -> None:
    where = {"epoch": 0, "step": 0, "total_steps": TOTAL_STEPS, "seed": 0}
    framed = CaptionRule(caption_prefix="p,", caption_suffix=", s")
    asked: list[Case] = [
        {"caption": "a ||| b", "rule": CaptionRule(keep_tokens_separator="|||"), **where},
        {"caption": "a,, b,", "rule": CaptionRule(keep_tokens=2, caption_tag_dropout_rate=1.0), **where},
        {"caption": "one\ntwo", "rule": framed, **where},
        {"caption": "one\ntwo", "rule": replace(framed, enable_wildcard=True), **where},
    ]
    separator, empty, first, chosen = theirs(tmp_path, asked)
    assert (separator, ours(asked[0])) == ("a ||| b", "a, b")
    assert (empty, ours(asked[1])) == ("a, ", "a, b")
    lines = ("one", "two")
    assert (first, ours(asked[2], captions=lines)) == ("p, one", "p, one , s")
    assert chosen in {"p, one", "two , s"}
    assert {ours(asked[3], item=str(n), captions=lines) for n in range(30)} == {"p, one , s", "p, two , s"}
