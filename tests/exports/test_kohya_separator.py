"""`|||` in captions, as some prompt profiles write it: from cleaned's prompt to what the trainer draws."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from export_material import item, material, subset
from profile_cases import CASES, KEY, prompts, read_case

from datakit.exports.formats.kohya import EXPORT
from datakit.exports.model import Plan
from trainer.data.captions import DrawKey, draw
from trainer.data.dataset_toml import CaptionRule, Fallback, read

FIXED = ["sks", "1girl", "male focus", "souryuu asuka langley", "neon genesis evangelion", "wlop"]


@pytest.fixture(scope="module")
def prompt() -> str:
    subjects, given, _ = read_case(CASES / "kohaku" / "hakubooru.json")
    found = prompts(subjects, given.given)[KEY]
    assert found is not None
    return found


def plan(caption: str, **settings: object) -> Plan:
    return EXPORT.plan(material(subset("a", item("a/x", caption)), export=EXPORT, **settings))


def rule(tmp_path: Path, made: Plan) -> CaptionRule:
    """What the trainer reads of the dataset.toml."""
    (tmp_path / "1_a").mkdir()
    path = tmp_path / "dataset.toml"
    path.write_bytes(made.texts["dataset.toml"])
    (image_set,) = read(path, Fallback(batch_size=1, resolution_px=1024))
    return image_set.subsets[0].captions


def test_what_stands_before_it_never_moves(tmp_path: Path, prompt: str) -> None:
    made = plan(prompt, shuffle_caption=True)
    assert tomllib.loads(made.texts["dataset.toml"].decode())["general"]["keep_tokens_separator"] == "|||"
    assert made.texts["1_a/x.txt"].decode() == prompt
    found = rule(tmp_path, made)
    drawn = [
        draw([made.texts["1_a/x.txt"].decode()], found, key=DrawKey(1, "a/x", epoch)).split(", ") for epoch in range(20)
    ]
    assert all(tags[: len(FIXED)] == FIXED for tags in drawn)
    assert len({tuple(tags) for tags in drawn}) > 10
    assert {frozenset(tags) for tags in drawn} == {frozenset(prompt.split(", ")) - {"|||"}}


def test_it_is_left_out_where_nothing_is_shuffled(tmp_path: Path, prompt: str) -> None:
    made = plan(prompt)
    assert made.texts["1_a/x.txt"].decode() == prompt.replace(", |||", "")
    assert "keep_tokens_separator" not in made.texts["dataset.toml"].decode()
    assert rule(tmp_path, made).keep_tokens_separator == ""


def test_captions_without_it_need_no_setting() -> None:
    made = plan("sks, :|, |_|, \\||/", shuffle_caption=True)
    assert "keep_tokens_separator" not in made.texts["dataset.toml"].decode()
    assert made.texts["1_a/x.txt"] == b"sks, :|, |_|, \\||/"
    assert plan("sks, :|, |_|").texts["1_a/x.txt"] == b"sks, :|, |_|"


def test_another_separator_and_none() -> None:
    made = plan("a, ;;;, b, |||", shuffle_caption=True, keep_tokens_separator=";;;")
    assert 'keep_tokens_separator = ";;;"' in made.texts["dataset.toml"].decode()
    assert plan("a, ;;;, b, |||", keep_tokens_separator=";;;").texts["1_a/x.txt"] == b"a, b, |||"
    bare = plan("a, |||, b", shuffle_caption=True, keep_tokens_separator="")
    assert "separator" not in bare.texts["dataset.toml"].decode()
    assert bare.texts["1_a/x.txt"] == b"a, |||, b"
