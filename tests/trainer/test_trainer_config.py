"""The run's TOML: strict, typed, documented."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainer import config
from trainer.errors import ConfigError

REFUSED = {
    "unknown section": ("[trian]\n", "unknown section [trian]", "'train'"),
    "unknown key": ("[train]\nbatchsize = 2\n", "unknown key 'batchsize' in [train]", "'batch_size'"),
    "wrong type": ('[train]\nsteps = "9"\n', "train.steps: expected int, got str", ""),
    "too small": ("[adapter]\nrank = 0\n", "adapter.rank: expected int >= 1", ""),
    "not a number": ("[optimizer]\nlearning_rate = nan\n", "learning_rate", ""),
    "endless": ("[optimizer]\nlearning_rate = inf\n", "optimizer.learning_rate is inf", "number"),
    "unknown choice": ('[train]\nprecision = "fp8"\n', "train.precision: invalid enum value", "bf16"),
    "a choice or a boolean": (
        '[objective]\nzero_terminal_snr = "no"\n',
        "zero_terminal_snr: invalid",
        "one of auto, true, false",
    ),
    "not a section": ("train = 3\n", "train must be a section", "[train]"),
    "contradiction": ("[train]\nsteps = 1\nepochs = 1\n", "both set", "one of them"),
    "name with a path": ('[output]\nname = "../x"\n', "is not a file name", ""),
    "half a size": ("[sample]\nsize = [64, 0]\n", "one side only", ""),
    "not TOML": ("[train\n", "not valid TOML", ""),
    "a preset that is a number": ("preset = 3\n", "preset must be a text", ""),
    "a preset below a section": ("[train]\npreset = 'style'\n", "unknown key 'preset' in [train]", ""),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str, tmp_path: Path) -> None:
    text, message, hint = REFUSED[name]
    path = tmp_path / "bake.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        config.load(path)
    assert message in caught.value.message
    assert str(path) in caught.value.message
    assert hint in caught.value.hint
    assert caught.value.hint


def test_an_empty_file_is_a_whole_config(tmp_path: Path) -> None:
    path = tmp_path / "bake.toml"
    path.write_text("")
    made = config.load(path)
    assert made.dataset.config == str(tmp_path / "dataset.toml")
    assert made.output.dir == str(tmp_path / "output")
    assert made.model.base == ""


def test_every_field_is_said_in_a_sentence() -> None:
    rows = config.defaults()
    assert len(rows) > 30
    assert all(sentence.endswith(".") for _, _, _, sentence in rows)
