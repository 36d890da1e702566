"""Asks ComfyUI's own code what it makes of a LoRA. Runs in an interpreter with ComfyUI's requirements, without a GPU.

Arguments: checkout, a JSON list of [family, file] pairs, answer file. For each file is answered: how many weights it
changes, the lines that ComfyUI writes about keys it did not load, and which changes it could not work out.
torchvision, torchaudio and torchsde, which pictures and sound need, are stood in for.
"""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import Any

from stand_ins import stand_in

SDXL = {
    "num_classes": "sequential",
    "num_res_blocks": [2, 2, 2],
    "channel_mult": [1, 2, 4],
    "transformer_depth_output": [0, 0, 0, 2, 2, 2, 10, 10, 10],
    "transformer_depth_middle": 10,
    "num_head_channels": 64,
}
SD15 = {
    "num_res_blocks": [2, 2, 2, 2],
    "channel_mult": [1, 2, 4, 4],
    "transformer_depth": [1, 1, 1, 1, 1, 1, 0, 0],
    "transformer_depth_output": [1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0],
    "transformer_depth_middle": 1,
    "num_heads": 8,
    "num_head_channels": -1,
}
COMMON = {"image_size": 32, "in_channels": 4, "out_channels": 4, "use_spatial_transformer": True, "legacy": False}


def networks(family: str) -> tuple[Any, Any]:
    """The diffusion model and the text encoders, of full size, without memory."""
    import comfy.model_base
    import comfy.sd1_clip
    import comfy.sdxl_clip
    import comfy.supported_models
    import torch

    is_xl = family == "sdxl"
    kind = comfy.supported_models.SDXL if is_xl else comfy.supported_models.SD15
    config = kind({**COMMON, **(SDXL if is_xl else SD15), **kind.unet_config})
    meta = torch.device("meta")
    make = comfy.model_base.SDXL if is_xl else comfy.model_base.BaseModel
    text = comfy.sdxl_clip.SDXLClipModel if is_xl else comfy.sd1_clip.SD1ClipModel
    return make(config, device=meta), text(device=meta, dtype=torch.float32)


class _Notes(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def loaded(path: str, model: Any, text: Any) -> dict[str, Any]:
    """What loading the file says of keys; a change of each shape is worked out on a flat weight."""
    import comfy.lora
    import comfy.utils
    import torch

    notes = _Notes()
    logging.getLogger().addHandler(notes)
    places = comfy.lora.model_lora_keys_clip(text, comfy.lora.model_lora_keys_unet(model, {}))
    changes = comfy.lora.load_lora(comfy.utils.load_torch_file(path, safe_load=True), places)
    shapes = {key: one.shape for key, one in (model.state_dict() | text.state_dict()).items()}
    failed, tried = [], set()
    for key, change in changes.items():
        if shapes[key] in tried:
            continue
        tried.add(shapes[key])
        weight = torch.full(shapes[key], 0.5)
        done = comfy.lora.calculate_weight([(1.0, change, 1.0, None, None)], weight, key)
        if done.shape != shapes[key] or not bool((done != 0.5).any()):
            failed.append(key)
    logging.getLogger().removeHandler(notes)
    return {"changed": len(changes), "said": notes.lines, "failed": failed}


def main() -> None:
    """Answers in the last argument's file."""
    checkout, asked, answer = sys.argv[1:]
    stand_in(checkout, "torchvision", "torchaudio", "torchsde")
    sys.argv = ["comfyui", "--cpu"]
    import comfy.options

    comfy.options.enable_args_parsing()
    found: dict[str, Any] = {}
    built: dict[str, Any] = {}
    for family, path in json.loads(Path(asked).read_text("utf-8")):
        built.setdefault(family, networks(family))
        found[Path(path).stem] = loaded(path, *built[family])
    Path(answer).write_text(json.dumps(found), "utf-8")


main()
