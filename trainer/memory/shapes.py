"""Shapes of the networks' weights, told by their settings alone, as diffusers and transformers would build them.

Names are theirs. Linear layers are [out, in], convolutions [out, in, h, w], norms and biases [n].
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Settings = Mapping[str, Any]
Entry = tuple[str, tuple[int, ...]]
Shapes = dict[str, tuple[int, ...]]


def of(part: str, settings: Settings) -> Shapes:
    """Every weight of `unet`, `vae` or a text encoder. Raises KeyError, TypeError or ValueError on strange settings."""
    if part == "unet":
        return dict(_unet(settings))
    if part == "vae":
        return dict(_vae(settings))
    return dict(_text(settings, has_projection=part == "text_encoder_2"))


def _weights(name: str, *shape: int, bias: bool = True) -> Iterator[Entry]:
    yield f"{name}.weight", shape
    if bias:
        yield f"{name}.bias", shape[:1]


def _unet(settings: Settings) -> Iterator[Entry]:
    widths, layers = list(settings["block_out_channels"]), int(settings["layers_per_block"])
    first, time = widths[0], 4 * widths[0]
    depths = _each(settings.get("transformer_layers_per_block") or 1, len(widths))
    is_linear, context = bool(settings.get("use_linear_projection")), int(settings["cross_attention_dim"])
    yield from _weights("conv_in", first, int(settings["in_channels"]), 3, 3)
    yield from _weights("time_embedding.linear_1", time, first)
    yield from _weights("time_embedding.linear_2", time, time)
    if settings.get("addition_embed_type") == "text_time":
        yield from _weights("add_embedding.linear_1", time, int(settings["projection_class_embeddings_input_dim"]))
        yield from _weights("add_embedding.linear_2", time, time)
    before = first
    for block, width in enumerate(widths):
        for layer in range(layers):
            stem = f"down_blocks.{block}"
            yield from _resnet(f"{stem}.resnets.{layer}", before, width, time=time)
            if "CrossAttn" in settings["down_block_types"][block]:
                yield from _transformer(f"{stem}.attentions.{layer}", width, depths[block], context, is_linear)
            before = width
        if block < len(widths) - 1:
            yield from _weights(f"down_blocks.{block}.downsamplers.0.conv", width, width, 3, 3)
    for layer in range(2):
        yield from _resnet(f"mid_block.resnets.{layer}", before, before, time=time)
    yield from _transformer("mid_block.attentions.0", before, depths[-1], context, is_linear)
    yield from _way_up(settings, widths, depths=depths, time=time)
    yield from _weights("conv_norm_out", first)
    yield from _weights("conv_out", int(settings["out_channels"]), first, 3, 3)


def _way_up(settings: Settings, widths: list[int], *, depths: list[int], time: int) -> Iterator[Entry]:
    is_linear, context = bool(settings.get("use_linear_projection")), int(settings["cross_attention_dim"])
    layers = int(settings["layers_per_block"])
    rising, depths = widths[::-1], depths[::-1]
    before = rising[0]
    for block, width in enumerate(rising):
        stem, below = f"up_blocks.{block}", rising[min(block + 1, len(rising) - 1)]
        for layer in range(layers + 1):
            skipped = below if layer == layers else width
            yield from _resnet(f"{stem}.resnets.{layer}", before + skipped, width, time=time)
            if "CrossAttn" in settings["up_block_types"][block]:
                yield from _transformer(f"{stem}.attentions.{layer}", width, depths[block], context, is_linear)
            before = width
        if block < len(rising) - 1:
            yield from _weights(f"{stem}.upsamplers.0.conv", width, width, 3, 3)


def _each(value: Any, count: int) -> list[int]:
    """One number for each block, where there may be one for all."""
    return [int(one) for one in value] if isinstance(value, list | tuple) else [int(value)] * count


def _resnet(stem: str, width_in: int, width: int, *, time: int) -> Iterator[Entry]:
    """`time` 0: it is not told the time."""
    yield from _weights(f"{stem}.norm1", width_in)
    yield from _weights(f"{stem}.conv1", width, width_in, 3, 3)
    if time:
        yield from _weights(f"{stem}.time_emb_proj", width, time)
    yield from _weights(f"{stem}.norm2", width)
    yield from _weights(f"{stem}.conv2", width, width, 3, 3)
    if width_in != width:
        yield from _weights(f"{stem}.conv_shortcut", width, width_in, 1, 1)


def _transformer(stem: str, width: int, depth: int, context: int, is_linear: bool) -> Iterator[Entry]:
    point = () if is_linear else (1, 1)
    yield from _weights(f"{stem}.norm", width)
    yield from _weights(f"{stem}.proj_in", width, width, *point)
    for number in range(depth):
        block = f"{stem}.transformer_blocks.{number}"
        for attention, source in (("attn1", width), ("attn2", context)):
            yield from _weights(f"{block}.{attention}.to_q", width, width, bias=False)
            yield from _weights(f"{block}.{attention}.to_k", width, source, bias=False)
            yield from _weights(f"{block}.{attention}.to_v", width, source, bias=False)
            yield from _weights(f"{block}.{attention}.to_out.0", width, width)
        # GEGLU: half of the first layer's outputs are gates.
        yield from _weights(f"{block}.ff.net.0.proj", 8 * width, width)
        yield from _weights(f"{block}.ff.net.2", width, 4 * width)
        for norm in ("norm1", "norm2", "norm3"):
            yield from _weights(f"{block}.{norm}", width)
    yield from _weights(f"{stem}.proj_out", width, width, *point)


def _vae(settings: Settings) -> Iterator[Entry]:
    widths, layers = list(settings["block_out_channels"]), int(settings["layers_per_block"])
    latent = int(settings["latent_channels"])
    sides = (
        ("encoder", widths, "down", layers, int(settings["in_channels"]), 2 * latent),
        ("decoder", widths[::-1], "up", layers + 1, latent, int(settings["out_channels"])),
    )
    for side, wide, way, count, width_in, width_out in sides:
        before = wide[0]
        yield from _weights(f"{side}.conv_in", before, width_in, 3, 3)
        for block, width in enumerate(wide):
            for layer in range(count):
                yield from _resnet(f"{side}.{way}_blocks.{block}.resnets.{layer}", before, width, time=0)
                before = width
            if block < len(wide) - 1:
                yield from _weights(f"{side}.{way}_blocks.{block}.{way}samplers.0.conv", width, width, 3, 3)
        yield from _middle(f"{side}.mid_block", widths[-1])
        yield from _weights(f"{side}.conv_norm_out", before)
        yield from _weights(f"{side}.conv_out", width_out, before, 3, 3)
    yield from _weights("quant_conv", 2 * latent, 2 * latent, 1, 1)
    yield from _weights("post_quant_conv", latent, latent, 1, 1)


def _middle(stem: str, width: int) -> Iterator[Entry]:
    for layer in range(2):
        yield from _resnet(f"{stem}.resnets.{layer}", width, width, time=0)
    yield from _weights(f"{stem}.attentions.0.group_norm", width)
    for name in ("to_q", "to_k", "to_v", "to_out.0"):
        yield from _weights(f"{stem}.attentions.0.{name}", width, width)


def _text(settings: Settings, *, has_projection: bool) -> Iterator[Entry]:
    width, inner = int(settings["hidden_size"]), int(settings["intermediate_size"])
    yield from _weights("embeddings.token_embedding", int(settings["vocab_size"]), width, bias=False)
    yield from _weights("embeddings.position_embedding", int(settings["max_position_embeddings"]), width, bias=False)
    for number in range(int(settings["num_hidden_layers"])):
        layer = f"encoder.layers.{number}"
        for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
            yield from _weights(f"{layer}.self_attn.{name}", width, width)
        yield from _weights(f"{layer}.layer_norm1", width)
        yield from _weights(f"{layer}.mlp.fc1", inner, width)
        yield from _weights(f"{layer}.mlp.fc2", width, inner)
        yield from _weights(f"{layer}.layer_norm2", width)
    yield from _weights("final_layer_norm", width)
    if has_projection:
        yield from _weights("text_projection", int(settings["projection_dim"]), width, bias=False)
