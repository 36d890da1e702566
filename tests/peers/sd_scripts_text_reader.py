"""What sd-scripts makes of prompts, and what it calls modules: run by its interpreter.

sd_scripts_text_reader.py CHECKOUT REQUEST ANSWER. The request is a JSON file: `what` is `states` (of `prompts`,
with text encoders of the `bases`, for each of `lengths`), written to `states` as safetensors; or `names`.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any


def states(request: dict[str, Any]) -> dict[str, Any]:
    """Text states of SD 1.5 and SDXL by its own strategies."""
    import torch
    from library.strategy_sd import SdTextEncodingStrategy, SdTokenizeStrategy
    from library.strategy_sdxl import SdxlTextEncodingStrategy, SdxlTokenizeStrategy
    from safetensors.torch import save_file
    from transformers import CLIPTextModel, CLIPTextModelWithProjection

    def encoder(kind: Any, base: str, part: str) -> Any:
        return kind.from_pretrained(Path(request["bases"][base]) / part, torch_dtype=torch.float32).eval()

    one = encoder(CLIPTextModel, "sd15", "text_encoder")
    two = [
        encoder(CLIPTextModel, "sdxl", "text_encoder"),
        encoder(CLIPTextModelWithProjection, "sdxl", "text_encoder_2"),
    ]
    found: dict[str, Any] = {}
    with torch.no_grad():
        for length in request["lengths"]:
            sd, sdxl = (kind(length, request["tokenizers"]) for kind in (_v1(SdTokenizeStrategy), SdxlTokenizeStrategy))
            for number, prompt in enumerate(request["prompts"]):
                name = f"{length}.{number}"
                for skip in request["clip_skips"]:
                    (state,) = SdTextEncodingStrategy(skip).encode_tokens(sd, [one], sd.tokenize(prompt))
                    found[f"sd15.{skip}.{name}"] = state[0]
                first, second, pooled = SdxlTextEncodingStrategy().encode_tokens(sdxl, two, sdxl.tokenize(prompt))
                found[f"sdxl.states.{name}"] = torch.cat([first, second], dim=-1)[0]
                found[f"sdxl.pooled.{name}"] = pooled[0]
    save_file({name: tensor.contiguous() for name, tensor in found.items()}, request["states"])
    return {"written": len(found)}


def _v1(kind: Any) -> Any:
    return lambda length, folder: kind(v2=False, max_length=length, tokenizer_cache_dir=folder)


def names() -> dict[str, Any]:
    """What networks.lora calls the modules of SD 1.5 and SDXL, without and with `conv_dim`."""
    import torch
    from library import model_util, original_unet, sdxl_model_util, sdxl_original_unet
    from networks.lora import LoRANetwork
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    assert sdxl_model_util
    with torch.device("meta"):
        small = {"hidden_size": 64, "intermediate_size": 64, "num_attention_heads": 1, "projection_dim": 64}
        first = CLIPTextModel(CLIPTextConfig(**small, num_hidden_layers=12))
        second = CLIPTextModelWithProjection(CLIPTextConfig(**small, num_hidden_layers=32))
        settings = model_util.create_unet_diffusers_config(False)
        kinds = {
            "sd15": (first, original_unet.UNet2DConditionModel(**settings)),
            "sdxl": ([first, second], sdxl_original_unet.SdxlUNet2DConditionModel()),
        }
        found = {}
        # With conv_dim last: it adds to the class's own list of what is replaced.
        for conv in (None, 4):
            for kind, (encoders, unet) in kinds.items():
                network = LoRANetwork(encoders, unet, lora_dim=4, conv_lora_dim=conv)
                modules = [*network.text_encoder_loras, *network.unet_loras]
                found[f"{kind}.{'conv' if conv else 'linear'}"] = [module.lora_name for module in modules]
    return found


def main(checkout: str, request: str, answer: str) -> None:
    """Writes the answer."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    sys.path[:0] = [checkout, str(Path(__file__).parent)]
    from sd_scripts_reader import stand_in

    stand_in()
    import torch

    torch.set_num_threads(1)
    asked = json.loads(Path(request).read_text("utf-8"))
    found = states(asked) if asked["what"] == "states" else names()
    Path(answer).write_text(json.dumps(found), "utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
