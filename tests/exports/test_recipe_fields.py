"""Every field of a recipe reaches the config of every trainer, or a warning says that it does not."""

from __future__ import annotations

from typing import Any, Final

import msgspec
import pytest
from export_material import item, material, subset

from datakit.exports.model import EXPORTS, Export, Material
from datakit.exports.recipes.model import Recipe

CHANGES: Final[dict[str, tuple[Any, ...]]] = {
    "prediction": ("v_prediction",),
    "zero_terminal_snr": (True,),
    "base": ("other.safetensors",),
    "output_name": ("other",),
    "rank": (5,),
    "alpha": (3.0,),
    "learning_rate": (3e-3,),
    "text_encoder_learning_rate": (1e-5,),
    "optimizer": ("adamw8bit", "adafactor"),
    "weight_decay": (0.07,),
    "max_grad_norm": (0.5,),
    "scheduler": ("constant", "linear"),
    "warmup_steps": (9,),
    "steps": (77,),
    "epochs": (33,),
    "batch_size": (3,),
    "gradient_accumulation": (2,),
    "gradient_checkpointing": (False,),
    "precision": ("fp16", "fp32"),
    "min_snr_gamma": (5.0,),
    "seed": (7,),
    "save_every_epochs": (3,),
    "prompts": (("p1", "p2"),),
    "resolution_px": ((512, 768),),
}
"""Field → values that differ from the default of a recipe below."""
FREE: Final = {
    "name": "names the recipe",
    "architecture": "chooses the recipe",
    "method": "chooses the recipe",
    "cache_latents": "saves time, and changes nothing that is trained",
    "cache_text": "saves memory, and changes nothing that is trained",
    "max_tokens": "no recipe and no [bake] changes it: what a trainer cannot reach, it tells of",
    "clip_skip": "fixed for SDXL",
    "negative": "told where there are prompts",
    "vram_gb": "has changed other fields already",
    "advice": "is told beside the warnings",
}
KINDS: Final = [(one, how) for one in ("sdxl", "sd15") for how in ("lora", "finetune")]
UNTRAINED: Final = {
    *(("easy-scripts", architecture, "finetune") for architecture in ("sdxl", "sd15")),
    *(("diffusion-pipe", "sd15", method) for method in ("lora", "finetune")),
    ("naifu", "sd15", "lora"),
}
CASES: Final = [
    (export, *kind)
    for export in EXPORTS.all()
    for kind in KINDS
    if export.configure is not None and (export.name, *kind) not in UNTRAINED
]


def made(export: Export, recipe: Recipe) -> tuple[dict[str, bytes], tuple[str, ...]]:
    """(All files that are text, warnings), the dataset's settings being those that the recipe was made from."""
    given: Material = material(
        subset("aria", *(item(f"aria/{number}") for number in range(6))),
        export=export,
        recipe=recipe,
        batch_size=recipe.batch_size,
        resolution=list(recipe.resolution_px),
    )
    assert export.configure is not None
    plan = export.plan(given)
    return plan.texts | export.configure(given, recipe), plan.warnings


def test_no_field_is_forgotten_here() -> None:
    assert {field.name for field in msgspec.structs.fields(Recipe)} == CHANGES.keys() | FREE.keys()


@pytest.mark.parametrize(
    ("export", "architecture", "method"), CASES, ids=[f"{export.name}-{one}-{how}" for export, one, how in CASES]
)
def test_a_field_is_carried_or_told(export: Export, architecture: Any, method: Any) -> None:
    plain = Recipe(name="x-y", architecture=architecture, method=method, base="m.safetensors")
    before = made(export, plain)
    unused = {"rank", "alpha"} if method == "finetune" else set()
    silent = [
        f"{name} = {value}"
        for name, values in CHANGES.items()
        for value in values
        if name not in unused and made(export, msgspec.structs.replace(plain, **{name: value})) == before
    ]
    assert silent == []


@pytest.mark.parametrize("name", ["ai-toolkit", "diffusers"])
def test_zero_terminal_snr_that_a_trainer_lacks_is_told_and_not_only_written_down(name: str) -> None:
    recipe = Recipe(
        name="noobai-vpred-lora", architecture="sdxl", base="m", prediction="v_prediction", zero_terminal_snr=True
    )
    _, warnings = made(EXPORTS.load(name), recipe)
    assert any("zero terminal SNR" in one for one in warnings)
