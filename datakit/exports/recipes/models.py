"""The base models of the field: what a recipe must know of each.

Names are those of the authors' own Hugging Face repositories; where the authors publish a single file elsewhere, the
name is that file's, to be put into the place where the trainer is started. `base` of `[bake.model]` comes before them.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from datakit.exports.recipes.model import Architecture, Prediction


class BaseModel(NamedTuple):
    """One base model."""

    architecture: Architecture
    base: str
    prediction: Prediction = "epsilon"
    zero_terminal_snr: bool = False
    clip_skip: int = 1
    """Layers of the text encoder counted from its end; SDXL's is fixed."""


MODELS: Final[dict[str, BaseModel]] = {
    "sd15": BaseModel("sd15", "stable-diffusion-v1-5/stable-diffusion-v1-5"),
    "sdxl": BaseModel("sdxl", "stabilityai/stable-diffusion-xl-base-1.0"),
    "illustrious": BaseModel("sdxl", "OnomaAIResearch/Illustrious-xl-early-release-v0"),
    "noobai": BaseModel("sdxl", "Laxhar/noobai-XL-1.1"),
    "noobai-vpred": BaseModel("sdxl", "Laxhar/noobai-XL-Vpred-1.0", "v_prediction", zero_terminal_snr=True),
    "pony": BaseModel("sdxl", "ponyDiffusionV6XL.safetensors"),
    "animagine": BaseModel("sdxl", "cagliostrolab/animagine-xl-4.0"),
}
"""Name in `--with-config` → the model."""

SIDE_PX: Final[dict[Architecture, int]] = {"sd15": 512, "sdxl": 1024}
"""Side of the square that a model was trained on."""
