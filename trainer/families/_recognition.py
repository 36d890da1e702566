"""Tells kinds of Stable Diffusion apart by the names and shapes of a base, without reading its weights."""

from __future__ import annotations

from trainer.contracts.model import BaseHeader

_TEXT_PARTS = ("text_encoder", "text_encoder_2", "text_encoder_3")
_UNET = "model.diffusion_model."
_CONTEXT = f"{_UNET}middle_block.1.transformer_blocks.0.attn2.to_k.weight"
_SD2_CONTEXT = 1024


def is_folder_of(header: BaseHeader, text_parts: tuple[str, ...], *, vae_levels: int) -> bool:
    """Whether it is a folder with just these text encoders, and a VAE that halves a picture `vae_levels` - 1 times."""
    configs = header.configs
    unet, vae = configs.get("unet/config.json"), configs.get("vae/config.json")
    if unet is None or vae is None:
        return False
    if tuple(part for part in _TEXT_PARTS if f"{part}/config.json" in configs) != text_parts:
        return False
    levels = vae.get("block_out_channels")
    told_sizes = unet.get("addition_embed_type") == "text_time"
    return (
        isinstance(levels, list | tuple)
        and len(levels) == vae_levels
        and told_sizes == (len(text_parts) == 2)
        and unet.get("cross_attention_dim") != _SD2_CONTEXT
    )


def is_file_of(header: BaseHeader, encoders: tuple[str, ...], *, pooled: bool) -> bool:
    """Whether it is a single file with text encoders of these names; `pooled`: its network is told sizes too."""
    shapes = header.shapes
    if not all(any(name.startswith(encoder) for name in shapes) for encoder in encoders):
        return False
    context = shapes.get(_CONTEXT)
    told = f"{_UNET}label_emb.0.0.weight" in shapes
    return context is not None and context[-1:] != (_SD2_CONTEXT,) and told == pooled
