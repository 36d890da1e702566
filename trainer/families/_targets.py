"""Names of modules: presets of what is trained, and what LoRA files call it.

Modules of SDXL, and of them those of a preset (UNet / text encoders):

    attention       560 / 176   queries, keys, values and outputs of every attention
    attention+mlp   700 / 264   the feed-forward layers too
    kohya           722         proj_in and proj_out too: all that sd-scripts' networks.lora trains
    full            788 / 264   residual blocks and resizing too: what it trains with conv_dim (LoCon's set)

With what trains weights themselves, `full` is every module that has any (see trainer.targeting).
"""

from __future__ import annotations

from trainer.families._ldm_unet import UNetShape, to_ldm

_ATTENTION = r"unet\..*\.attn[12]\.to_(q|k|v|out\.0)"
_MLP = r"unet\..*\.ff\.net\.(0\.proj|2)"
_PROJECTIONS = r"unet\..*\.attentions\.\d+\.proj_(in|out)"
_RESIDUAL = r"unet\..*\.resnets\.\d+\.(conv1|conv2|time_emb_proj|conv_shortcut)"
_RESIZING = r"unet\..*\.(down|up)samplers\.0\.conv"
_TEXT_ATTENTION = r"text_encoder(_2)?\..*\.self_attn\.(q|k|v|out)_proj"
_TEXT_MLP = r"text_encoder(_2)?\..*\.mlp\.fc[12]"

TARGETS = {
    "attention": (_ATTENTION,),
    "attention+mlp": (_ATTENTION, _MLP),
    "kohya": (_ATTENTION, _MLP, _PROJECTIONS),
    "full": (_ATTENTION, _MLP, _PROJECTIONS, _RESIDUAL, _RESIZING),
}
TEXT_TARGETS: dict[str, tuple[str, ...]] = {
    "none": (),
    "attention": (_TEXT_ATTENTION,),
    "attention+mlp": (_TEXT_ATTENTION, _TEXT_MLP),
    "full": (_TEXT_ATTENTION, _TEXT_MLP),
}

_SDXL = UNetShape(layers_per_block=2, attention_up=(True, True, False))


def own_name(part: str, path: str) -> str:
    """What LoRA files of SD 1.5 call a module: diffusers' own names, the text model's below `text_model`."""
    if not part.startswith("text_encoder") or path.startswith(("text_model.", "text_projection")):
        return path
    return f"text_model.{path}"


def sdxl_name(part: str, path: str) -> str:
    """What LoRA files of SDXL call a module: the UNet's go by Stability's names, `input_blocks.4.1.proj_in`."""
    return stability_name(path) if part == "unet" else own_name(part, path)


def stability_name(path: str) -> str:
    """Stability's name of a module of SDXL's UNet; other paths stay as they are."""
    return to_ldm(path, _SDXL)
