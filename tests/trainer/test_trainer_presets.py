"""Presets: each one is a whole run for its family, names its sources, and gives way to what a person says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import tiny_bases
from trainer_sets import write_set

from trainer import plan
from trainer.config import Config, load
from trainer.errors import BaseModelError, ConfigError
from trainer.presets import choosing
from trainer.registry import FAMILIES

STYLES = {"character", "style", "concept", "finetune"}


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """What is read of bases before a run, by `<family>-<prediction>`: folders without weights."""
    folder = tmp_path_factory.mktemp("bases")
    return {
        f"{family}-{says}": write_header(folder / f"{family}-{says}", family, says)
        for family in ("sd15", "sdxl")
        for says in ("epsilon", "v_prediction")
    }


def write_header(folder: Path, family: str, says: str) -> Path:
    is_sdxl = family == "sdxl"
    index = "StableDiffusionXLPipeline" if is_sdxl else "StableDiffusionPipeline"
    files = {
        "model_index": {"_class_name": index},
        "unet/config": {
            "_class_name": "UNet2DConditionModel",
            **(tiny_bases.SDXL_UNET if is_sdxl else tiny_bases.SD15_UNET),
        },
        "scheduler/scheduler_config": {
            **tiny_bases.SCHEDULER,
            "prediction_type": says,
            "rescale_betas_zero_snr": says != "epsilon",
        },
        "vae/config": tiny_bases.VAE,
        **{f"{part}/config": tiny_bases.TEXT for part in ("text_encoder", "text_encoder_2")[: 1 + is_sdxl]},
    }
    for name, content in files.items():
        path = folder / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))
    return folder


def written(tmp_path: Path, base: Path | None, text: str = "") -> Path:
    path = tmp_path / "bake.toml"
    named = f"[model]\nbase = '{base}'\n" if base else ""
    path.write_text(f"{text}\n{named}")
    return path


def resolved(tmp_path: Path, base: Path | None, preset: str) -> Config:
    return load(written(tmp_path, base), preset=preset)


def test_each_family_has_each_style() -> None:
    assert set(choosing.names()) == {f"{family}-{style}" for family in FAMILIES.names() for style in STYLES}


@pytest.mark.parametrize("name", choosing.names())
@pytest.mark.parametrize("says", ["epsilon", "v_prediction"])
def test_each_is_a_run_without_contradictions(name: str, says: str, bases: dict[str, Path], tmp_path: Path) -> None:
    write_set(tmp_path, sizes=[(64, 64), (64, 64)])
    family = name.partition("-")[0]
    base = bases.get(f"{family}-{says}")
    asked = "" if base else f'[objective]\nname = "{says}"\n'
    made = plan.make(written(tmp_path, base, asked), preset=name)
    assert made.family.name == family
    assert made.objective == says
    assert made.config.objective.weighting in ("none", "min_snr")
    assert made.config.noise.offset == 0.0
    if says == "v_prediction":
        assert made.config.objective.weighting == "none"
        assert made.config.sample.guidance_rescale == 0.7
    assert all(item.subset.captions.shuffle_caption for item in made.trained)


def test_a_style_alone_is_that_of_the_base_s_family(bases: dict[str, Path], tmp_path: Path) -> None:
    for family, rank in (("sd15", 16), ("sdxl", 8)):
        made = load(written(tmp_path, bases[f"{family}-epsilon"], 'preset = "concept"'))
        assert made.adapter.rank == rank
    assert load(written(tmp_path, None, 'preset = "concept"')).adapter.rank == 4
    assert load(written(tmp_path, None, 'preset = "concept"'), preset="tiny-finetune").adapter.name == "full"


def test_the_file_wins_over_the_preset(tmp_path: Path) -> None:
    text = 'preset = "style"\n[adapter]\nrank = 2\n[dataset.general]\nkeep_tokens = 3\n[train]\nsteps = 9\n'
    made = load(written(tmp_path, None, text))
    assert (made.adapter.rank, made.adapter.conv_rank) == (2, 4)
    assert made.dataset.general == {"shuffle_caption": True, "keep_tokens": 3}
    assert (made.train.steps, made.train.epochs) == (9, 0)


def test_text_encoders_that_stay_need_no_rate(bases: dict[str, Path], tmp_path: Path) -> None:
    base = bases["sd15-epsilon"]
    assert resolved(tmp_path, base, "character").optimizer.text_encoder_rate == 1e-4
    made = load(written(tmp_path, base, '[adapter]\ntext_targets = "none"'), preset="character")
    assert made.optimizer.text_encoder_rate == 0.0


def test_refused(bases: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no 'charakter'") as caught:
        resolved(tmp_path, None, "charakter")
    assert "'character'" in caught.value.hint
    with pytest.raises(ConfigError, match="is for sdxl, and the base is sd15"):
        resolved(tmp_path, bases["sd15-epsilon"], "sdxl-style")
    with pytest.raises(ConfigError, match="is for sdxl, and no base is named") as caught:
        resolved(tmp_path, None, "sdxl-style")
    assert "model.base" in caught.value.hint
    with pytest.raises(BaseModelError):
        resolved(tmp_path, tmp_path / "gone", "style")
    with pytest.raises(ConfigError, match="preset must be a text"):
        load(written(tmp_path, None, "preset = 3"))


@pytest.mark.parametrize("name", [name for name in choosing.names() if not name.startswith("tiny")])
def test_numbers_have_sources(name: str) -> None:
    text = choosing.read(name).text
    assert "kohya-colab" in text or "OneTrainer" in text
    assert all(len(line) <= 120 for line in text.splitlines())
