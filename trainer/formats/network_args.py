"""`ss_network_args`: what a person would have told sd-scripts, or LyCORIS in it, to train the same network.

Values are texts, as the command line has them, but for `dropout` (kohya-ss/sd-scripts:train_network.py, net_kwargs;
networks/lora.py, create_network; KohakuBlueleaf/LyCORIS:lycoris/kohya.py, create_network).
"""

from __future__ import annotations

from trainer.formats.bake import Bake

LYCORIS = "lycoris.kohya"
_PRESETS = {
    "attention": "attn-only",
    "attention+mlp": "attn-mlp",
    "kohya": "attn-mlp",
    "auto": "attn-mlp",
    "full": "full",
}
"""Ours -> the nearest of LyCORIS'."""


def network_module(bake: Bake) -> str:
    """`ss_network_module`: LoRA beyond what sd-scripts' own can do is LyCORIS'."""
    return LYCORIS if bake.settings.tucker or bake.settings.rank_stabilized else bake.adapter.network_module


def network_args(bake: Bake) -> dict[str, str | float | None]:
    """Empty for a plain LoRA, which needs none."""
    own = _lycoris(bake) if network_module(bake) == LYCORIS else {}
    asked, settings = bake.config.adapter, bake.settings
    if asked.conv_rank:
        own["conv_dim"] = str(asked.conv_rank)
        own["conv_alpha"] = str(asked.conv_alpha or float(asked.conv_rank))
    for name, value in (
        ("rank_dropout", settings.rank_dropout),
        ("module_dropout", settings.module_dropout),
        ("loraplus_lr_ratio", bake.config.optimizer.lora_plus),
    ):
        if value:
            own[name] = str(value)
    return {**own, "dropout": asked.dropout or None} if own else {}


def _lycoris(bake: Bake) -> dict[str, str | float | None]:
    settings = bake.settings
    algo = bake.adapter.algo or "lora"
    own: dict[str, str | float | None] = {"algo": algo}
    if preset := _preset(bake):
        own["preset"] = preset
    if bake.adapter.name == "dora":
        own["dora_wd"] = "True"
    if settings.tucker:
        own["use_tucker"] = "True"
    if settings.rank_stabilized:
        own["rs_lora"] = "True"
    if algo == "lokr":
        own |= {"factor": str(settings.factor), "full_matrix": str(settings.full_matrix)}
    if algo == "diag-oft":
        own["constraint"] = str(settings.constraint)
    return own


def _preset(bake: Bake) -> str:
    """Empty where modules were chosen by patterns."""
    asked = bake.config.adapter
    preset = _PRESETS.get(asked.targets, "") if isinstance(asked.targets, str) else ""
    return "full-lin" if preset == "full" and not asked.conv_rank else preset
