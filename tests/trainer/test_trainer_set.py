"""`--set key=value`: read as TOML, a bare word as a text, strictly, over the file; and what gives way to it."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer import config
from trainer.errors import ConfigError
from trainer.layers import Layer, merged, of_set, value_at
from trainer.sections import RuleConfig


def loaded(tmp_path: Path, *sets: str, text: str = "", preset: str = "") -> config.Config:
    path = tmp_path / "bake.toml"
    path.write_text(text)
    return config.load(path, sets=sets, preset=preset)


TAKEN: dict[str, tuple[str, str, Any]] = {
    "a number": ("optimizer.learning_rate=1e-5", "optimizer.learning_rate", 1e-5),
    "a bare word": ("objective.weighting=min_snr", "objective.weighting", "min_snr"),
    "a word in quotes": ('objective.weighting="min_snr"', "objective.weighting", "min_snr"),
    "nothing": ("output.name =  sks ", "output.name", "sks"),
    "a number where a name belongs": ("output.name=2026", "output.name", "2026"),
    "a date where a name belongs": ("output.name=2026-01-02", "output.name", "2026-01-02"),
    "a switch": ("loss.masked=false", "loss.masked", False),
    "a list": ('sample.prompts=["a = b","c"]', "sample.prompts", ("a = b", "c")),
    "a pair": ("sample.size=[64, 32]", "sample.size", (64, 32)),
    "a word or a list": ("adapter.targets=attention", "adapter.targets", "attention"),
    "text with a comma": ("sample.negative=bad, worse # ugly", "sample.negative", "bad, worse # ugly"),
    "an equals sign": ("sample.negative=a=b", "sample.negative", "a=b"),
    "a table": ("adapter.rules=[{match='unet.*', rank=2}]", "adapter.rules", (RuleConfig("unet.*", rank=2),)),
    "below a section": ("dataset.general.flip_aug=true", "dataset.general", {"keep_tokens": 1, "flip_aug": True}),
    "a name with a dot": ('captions.tag_dropout."a.b"=0.5', "captions.tag_dropout", {"a.b": 0.5}),
    "an argument": ("optimizer.arguments.betas=[0.9, 0.99]", "optimizer.arguments", {"betas": [0.9, 0.99]}),
}


@pytest.mark.parametrize("name", TAKEN)
def test_taken(name: str, tmp_path: Path) -> None:
    text, key, wanted = TAKEN[name]
    made = loaded(tmp_path, text, text="[dataset.general]\nkeep_tokens = 1\n")
    section, field = key.split(".")
    assert getattr(getattr(made, section), field) == wanted


REFUSED = {
    "no value": ("train.steps", "is not of the form section.key=value", ""),
    "no section": ("steps=3", "is not of the form section.key=value", ""),
    "unknown section": ("trian.steps=3", "unknown section [trian]", "'train'"),
    "unknown key": ("train.stepz=3", "unknown key 'stepz' in [train]", "'steps'"),
    "wrong type": ("train.steps=many", "train.steps: expected int, got str", ""),
    "too small": ("adapter.rank=0", "adapter.rank: expected int >= 1", ""),
    "endless": ("optimizer.learning_rate=inf", "optimizer.learning_rate is inf", ""),
    "no key": ("train.st eps=3", "is not a key", ""),
    "two at once": ("train.steps=3\ntrain.seed=4", "expected int, got str", ""),
    "not a file name": ("output.name=a/b", "is not a file name", ""),
    "half a pair": ("sample.size=[0, 3]", "one side only", ""),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_and_it_says_which_one(name: str, tmp_path: Path) -> None:
    text, message, hint = REFUSED[name]
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, "train.seed=1", text)
    assert message in caught.value.message
    assert caught.value.message.startswith(f"--set {text}: ")
    assert hint in caught.value.hint
    assert caught.value.hint


def test_what_the_file_says_wrongly_is_the_file_s(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, "train.seed=1", text="[train]\nsteps = 'x'\n")
    assert caught.value.message.startswith(f"{tmp_path / 'bake.toml'}: train.steps")


def test_the_last_one_wins_over_the_file(tmp_path: Path) -> None:
    made = loaded(tmp_path, "train.steps=5", "train.steps=6", text="[train]\nsteps = 4\nseed = 3\n")
    assert (made.train.steps, made.train.seed) == (6, 3)


def test_of_two_that_exclude_each_other_the_later_stays(tmp_path: Path) -> None:
    made = loaded(tmp_path, "train.steps=5", text="[train]\nepochs = 4\n[dataset]\nconfig = 'a.toml'\n")
    assert (made.train.steps, made.train.epochs) == (5, 0)
    made = loaded(tmp_path, "dataset.train_dir=b", text="[dataset]\nconfig = 'a.toml'\n")
    assert (made.dataset.config, made.dataset.train_dir) == ("", str(tmp_path / "b"))


def test_paths_count_from_the_file_s_folder(tmp_path: Path) -> None:
    made = loaded(tmp_path, "sample.prompt_file=p.txt", "output.dir=out")
    assert made.sample.prompt_file == str(tmp_path / "p.txt")
    assert made.output.dir == str(tmp_path / "out")


def test_what_a_preset_says_of_another_optimizer_falls_away(tmp_path: Path) -> None:
    mine = loaded(tmp_path, preset="tiny-character")
    assert mine.optimizer.learning_rate == 1e-3
    made = loaded(tmp_path, "optimizer.name=prodigy", preset="tiny-character")
    assert (made.optimizer.name, made.optimizer.learning_rate) == ("prodigy", 0.0)
    assert made.adapter.rank == mine.adapter.rank
    same = loaded(tmp_path, "optimizer.name=adamw", preset="tiny-character")
    assert same.optimizer.learning_rate == 1e-3


def test_what_a_preset_says_of_another_adapter_falls_away(tmp_path: Path) -> None:
    made = loaded(tmp_path, "adapter.word=sks", "adapter.name=textual_inversion", preset="tiny-style")
    assert (made.adapter.conv_rank, made.adapter.rank) == (0, 8)


KEYS = st.sampled_from(["a.x", "a.y", "a.t.x", "a.t.y", "b.x"])


@given(st.lists(st.tuples(KEYS, st.integers(0, 9)), max_size=8))
def test_merging_is_the_last_word_on_each_key(said: list[tuple[str, int]]) -> None:
    made = merged([of_set(f"{key}={value}") for key, value in said])
    for key in {key for key, _ in said}:
        assert value_at(made, key) == [value for other, value in said if other == key][-1]


def test_merging_changes_no_layer() -> None:
    lower, upper = {"a": {"t": {"x": 1}}}, {"a": {"t": {"y": 2}}}
    merged([Layer("one", lower), Layer("two", upper)])
    assert (lower, upper) == ({"a": {"t": {"x": 1}}}, {"a": {"t": {"y": 2}}})


@given(st.text())
def test_any_text_is_a_layer_or_an_error(text: str) -> None:
    with contextlib.suppress(ConfigError):
        assert len(of_set(text).tables) == 1
