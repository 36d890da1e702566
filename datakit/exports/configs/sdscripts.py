"""`config.toml` of sd-scripts, and what its relatives make of the same recipe.

Source: kohya-ss/sd-scripts library/train_util.py (arguments, read_config_from_file, get_optimizer), train_network.py,
sdxl_train.py, train_db.py, library/sdxl_train_util.py, library/custom_train_functions.py (arguments).
"""

from __future__ import annotations

from typing import Any, Final

from datakit.exports.model import Material
from datakit.exports.recipes.model import Recipe

PRECISIONS: Final = {"bf16": "bf16", "fp16": "fp16", "fp32": "no"}
SAVED: Final = {"bf16": "bf16", "fp16": "fp16", "fp32": "float"}
SAMPLER: Final = "euler_a"
PROMPTS: Final = "prompts.txt"
_SCRIPTS: Final = {
    ("sdxl", "lora"): "sdxl_train_network.py",
    ("sdxl", "finetune"): "sdxl_train.py",
    ("sd15", "lora"): "train_network.py",
    ("sd15", "finetune"): "train_db.py",
}
_OPTIMIZERS: Final = {"adamw": "AdamW", "adamw8bit": "AdamW8bit", "adafactor": "Adafactor"}
_ADAFACTOR: Final = {"scale_parameter": "False", "relative_step": "False", "warmup_init": "False"}
"""Without these it chooses a learning rate of its own."""
_TOKENS: Final = (150, 225)
"""What max_token_length may be; 75 is said by saying nothing."""


def prior_loss_weight(material: Material) -> float | None:
    """The loss weight of all regularization images; None where they have several."""
    weights = {subset.loss_weight for subset in material.subsets if subset.is_reg} or {1.0}
    return weights.pop() if len(weights) == 1 else None


def optimizer_type(recipe: Recipe) -> str:
    """As sd-scripts names it."""
    return _OPTIMIZERS.get(recipe.optimizer, recipe.optimizer)


def optimizer_args(recipe: Recipe) -> dict[str, str]:
    """What the optimizer is made with."""
    more = _ADAFACTOR if recipe.optimizer == "adafactor" else {}
    return {"weight_decay": str(recipe.weight_decay), **more}


def scheduler(recipe: Recipe) -> str:
    """As sd-scripts names it: `constant` knows no warmup."""
    is_warmed = recipe.scheduler == "constant" and recipe.warmup_steps > 0
    return "constant_with_warmup" if is_warmed else recipe.scheduler


def max_token_length(recipe: Recipe) -> int:
    """How many tokens of a caption count: 75, 150 or 225."""
    return next((size for size in (75, *_TOKENS) if recipe.max_tokens <= size), _TOKENS[-1])


def output_dir(material: Material, name: str) -> str:
    """Where results go, from the export's folder: not into the dataset's, whose pictures are taken note of."""
    return "../../output" if material.folder.endswith(f"/export/{name}") else "output"


def sample_prompts(recipe: Recipe) -> str:
    """The file of sample prompts, one a line; what begins with `#` would be taken for a comment."""
    width, height = recipe.resolution_px
    negative = f" --n {_one_line(recipe.negative)}" if recipe.negative else ""
    lines = [f"{_one_line(prompt)}{negative} --w {width} --h {height} --d {recipe.seed}" for prompt in recipe.prompts]
    return "".join(f" {line}\n" if line.startswith("#") else f"{line}\n" for line in lines)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def config_files(
    material: Material, recipe: Recipe, *, name: str, has_masks: bool, is_absolute: bool
) -> dict[str, bytes]:
    """`config.toml` beside dataset.toml, and the prompts of samples."""
    import tomlkit

    values = arguments(material, recipe) | ({"masked_loss": True} if has_masks else {})
    where = {
        "dataset_config": material.place("dataset.toml", absolute=is_absolute),
        "output_dir": material.place(output_dir(material, name), absolute=is_absolute),
    }
    if recipe.prompts:
        where["sample_prompts"] = material.place(PROMPTS, absolute=is_absolute)
    script = _SCRIPTS[recipe.architecture, recipe.method]
    command = f"accelerate launch --mixed_precision {PRECISIONS[recipe.precision]} SD_SCRIPTS/{script}"
    head = [
        f"# {recipe.name}, written by dsk export. In this folder, with sd-scripts in SD_SCRIPTS:",
        f"# {command} --config_file config.toml",
        *(f"# {advice}" for advice in recipe.advice),
    ]
    texts = {"config.toml": "\n".join([*head, tomlkit.dumps(where | values)]).encode()}
    return texts | ({PROMPTS: sample_prompts(recipe).encode()} if recipe.prompts else {})


def arguments(material: Material, recipe: Recipe) -> dict[str, Any]:
    """The arguments of the recipe's script, but for paths."""
    weight = prior_loss_weight(material)
    return {
        "pretrained_model_name_or_path": recipe.base,
        "output_name": recipe.output_name,
        "save_model_as": "safetensors",
        "save_precision": SAVED[recipe.precision],
        **({"save_every_n_epochs": recipe.save_every_epochs} if recipe.save_every_epochs else {}),
        **({"max_train_steps": recipe.steps} if recipe.steps else {"max_train_epochs": recipe.epochs}),
        "gradient_accumulation_steps": recipe.gradient_accumulation,
        **_on({"gradient_checkpointing": recipe.gradient_checkpointing, "cache_latents": recipe.cache_latents}),
        "mixed_precision": PRECISIONS[recipe.precision],
        "sdpa": True,
        "seed": recipe.seed,
        **({"max_token_length": max_token_length(recipe)} if max_token_length(recipe) in _TOKENS else {}),
        "optimizer_type": optimizer_type(recipe),
        "optimizer_args": [f"{key}={value}" for key, value in optimizer_args(recipe).items()],
        "learning_rate": recipe.learning_rate,
        "lr_scheduler": scheduler(recipe),
        "lr_warmup_steps": recipe.warmup_steps,
        "max_grad_norm": recipe.max_grad_norm,
        **({"min_snr_gamma": recipe.min_snr_gamma} if recipe.min_snr_gamma else {}),
        **_on({"v_parameterization": recipe.prediction == "v_prediction"}),
        **_on({"zero_terminal_snr": recipe.zero_terminal_snr}),
        **({"prior_loss_weight": weight} if weight not in (None, 1.0) else {}),
        **({"sample_every_n_epochs": 1, "sample_sampler": SAMPLER} if recipe.prompts else {}),
        **(_sdxl(recipe) if recipe.architecture == "sdxl" else {"clip_skip": recipe.clip_skip}),
        **(_network(recipe) if recipe.method == "lora" else _finetune(recipe)),
    }


def _on(switches: dict[str, bool]) -> dict[str, bool]:
    return {name: True for name, is_on in switches.items() if is_on}


def _sdxl(recipe: Recipe) -> dict[str, Any]:
    """Its VAE overflows in half precision; text is cached only where no text encoder is trained."""
    is_cached = recipe.cache_text and not recipe.text_encoder_learning_rate
    return _on({"no_half_vae": True, "cache_text_encoder_outputs": is_cached})


def _network(recipe: Recipe) -> dict[str, Any]:
    rate = recipe.text_encoder_learning_rate
    return {
        "network_module": "networks.lora",
        "network_dim": recipe.rank,
        "network_alpha": recipe.alpha,
        **({"text_encoder_lr": [rate]} if rate else {"network_train_unet_only": True}),
    }


def _finetune(recipe: Recipe) -> dict[str, Any]:
    rate = recipe.text_encoder_learning_rate
    if recipe.architecture == "sdxl":
        return {"train_text_encoder": True, "learning_rate_te1": rate, "learning_rate_te2": rate} if rate else {}
    return {"learning_rate_te": rate} if rate else {"stop_text_encoder_training": -1}
